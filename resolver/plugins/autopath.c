/* autopath: goes through a client's search list for it, so that it need not ask for one
 * suffix after the other (coredns-reference 2.13).
 *
 *     autopath corp.test /etc/resolv.conf       # search a.corp.test corp.test
 *
 * A question below the first suffix that has NXDOMAIN for an answer is asked again with
 * each of the others, and at last without any. The first answer that is not NXDOMAIN
 * goes out behind a CNAME from the name that was asked. The questions pass all plugins
 * below, `acl` among them. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "config/source.h"
#include "resolver/plan.h"

struct autopath {
    struct zones zones;
    struct zones search; /* the last is the root */
};

struct frame {
    uint32_t next; /* suffix to be tried */
    const uint8_t *name;
    uint8_t name_len;
};

/* ---- the directive ---- */

static int add_suffixes(struct reader *rd, struct zones *to, struct text line)
{
    struct text word;
    to->n = 0; /* the last line counts */
    while ((word = text_word(&line)).len > 0) {
        struct name name;
        if (name_parse(&name, word) < 0) {
            log_warning("plugin/autopath: '%.*s' is no suffix and is passed over",
                        (int)word.len, word.at);
            continue;
        }
        char text[NAME_TEXT_MAX];
        name_print(name.wire, text);
        if (zones_add(rd->arena, to, text) < 0)
            return reader_error(rd, "out of memory");
    }
    return 0;
}

/* `search` and `domain` lines of a file in the manner of resolv.conf. */
static int read_file(struct reader *rd, struct zones *to, const char *path)
{
    struct text rest;
    struct where at = reader_token(rd)->at;
    struct errors errs;
    errors_init(&errs);
    if (source_read(rd->arena, path, at, &rest, &errs) < 0) {
        reader_error(rd, "failed to parse \"%s\": %s", path,
                     errs.n > 0 ? errs.list[0].text : "out of memory");
        errors_release(&errs);
        return -1;
    }
    errors_release(&errs);
    while (rest.len > 0) {
        struct text line = text_line(&rest);
        struct text word = text_word(&line);
        bool list = text_is(word, "search") || text_is(word, "domain");
        if (list && add_suffixes(rd, to, line) < 0)
            return -1;
    }
    return 0;
}

static int read_zones(struct setup *s, struct reader *rd, struct zones *to,
                      struct token_list args)
{
    if (args.n == 0)
        *to = s->block->zones;
    for (uint32_t i = 0; i < args.n; i++) {
        int added = zones_add(rd->arena, to, args.list[i].text);
        if (added < 0)
            return reader_error(rd, "out of memory");
        if (added > 0)
            log_warning("plugin/autopath: '%s' is no zone and is passed over",
                        args.list[i].text);
    }
    return 0;
}

static int read_one(struct setup *s, struct reader *rd, struct autopath *a)
{
    struct token_list args = reader_args(rd);
    if (args.n == 0)
        return reader_error(rd, "no resolv-conf specified: expected its path");
    const char *file = args.list[--args.n].text;
    if (file[0] == '@')
        return reader_error(rd,
                            "search lists of %s are not known here: name a file in "
                            "the manner of resolv.conf",
                            file);
    *a = (struct autopath){0};
    if (read_file(rd, &a->search, file) < 0 || read_zones(s, rd, &a->zones, args) < 0)
        return -1;
    if (a->search.n == 0)
        log_warning("plugin/autopath: %s has no search line: there is nothing to do",
                    file);
    if (zones_add(rd->arena, &a->search, ".") < 0)
        return reader_error(rd, "out of memory");
    return reader_options(rd, NULL, 0, NULL);
}

static int setup(struct setup *s, const struct directive *d)
{
    struct autopath *a = arena_alloc(s->arena, sizeof *a);
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (a == NULL)
        return error_at(s->errs, d->at, "out of memory");
    s->state = a;
    while (reader_next(&rd)) {
        if (read_one(s, &rd, a) < 0)
            return -1;
    }
    return 0;
}

/* ---- the search ---- */

static bool found_nothing(const struct query *q)
{
    const struct response *res = q->response;
    if (res->failed)
        return res->error == NULL && res->msg.rcode == DNS_SERVFAIL;
    return res->msg.rcode == DNS_NXDOMAIN;
}

/* Asks with the next suffix. PASS: there is none left. */
static enum verdict ask_next(struct query *q, const struct autopath *a, struct frame *f)
{
    size_t own;
    if (!name_under(q->request.lower, a->search.list[0].wire, &own))
        return PASS;
    while (f->next < a->search.n) {
        struct name name;
        const struct name *suffix = &a->search.list[f->next++];
        if (name_join(&name, q->request.name, own, suffix->wire) < 0)
            continue; /* too long to exist */
        f->name_len = name.len;
        f->name = arena_copy(&q->arena, name.wire, name.len);
        if (f->name == NULL || query_ask_below(q, f->name) < 0)
            return PASS;
        return WAIT;
    }
    return PASS;
}

static enum verdict on_response(struct query *q, const void *state)
{
    const struct autopath *a = state;
    const uint8_t *first = a->search.list[0].wire;
    const uint8_t *name = q->request.lower;
    if (query_is_below(q) || !found_nothing(q) || a->search.n < 2 ||
        zones_match(&a->zones, name) == NULL || !name_under(name, first, NULL) ||
        name_equal(name, first))
        return PASS;
    struct frame *f = query_frame(q, state, sizeof *f);
    if (f == NULL)
        return PASS;
    f->next = 1;
    return ask_next(q, a, f);
}

/* The client sees why the answer has another name than it asked for. */
static int add_cname(struct query *q, const struct frame *f, const struct msg *from)
{
    msg_each_rr (rr, from) {
        if (rr->section != SECTION_ANSWER)
            continue;
        struct rr_new cname = {.section = SECTION_ANSWER,
                               .owner = q->request.name,
                               .type = DNS_CNAME,
                               .class = q->request.class,
                               .ttl = rr->ttl,
                               .rdata = {.at = f->name, .len = f->name_len}};
        return msg_add(&q->response->msg, &q->arena, &cname);
    }
    return 0;
}

static enum verdict give(struct query *q, const struct frame *f, const struct msg *from)
{
    query_respond(q, from->rcode, false, from->rr_n + 1);
    if (q->response->failed)
        return DONE;
    q->response->msg.flags = from->flags;
    if (add_cname(q, f, from) < 0)
        return query_fail(q, DNS_SERVFAIL, "plugin/autopath: out of memory");
    msg_each_rr (rr, from) {
        if (msg_add_rr(&q->response->msg, &q->arena, rr) < 0)
            return query_fail(q, DNS_SERVFAIL, "plugin/autopath: out of memory");
    }
    return DONE;
}

/* A suffix whose server cannot be reached ends the search: the client, who is told
 * NXDOMAIN for the name it asked, goes on by itself. */
static enum verdict on_wake(struct query *q, const void *state)
{
    struct frame *f = query_frame(q, state, sizeof *f);
    const struct child_result *child = q->child;
    if (!child->done || (child->failed && !child->plain))
        return DONE;
    if (child->failed || child->msg.rcode == DNS_NXDOMAIN)
        return ask_next(q, state, f);
    return give(q, f, &child->msg);
}

const struct plugin plugin_autopath = {
    .name = "autopath",
    .help = "goes through a search list for clients",
    .synopsis = "autopath [ZONES...] RESOLV-CONF",
    .setup = setup,
    .on_response = on_response,
    .on_wake = on_wake,
};
