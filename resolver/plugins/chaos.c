/* chaos: who and what is this server, in class CH, type TXT. */
#include "resolver/plugin.h"

#include "resolver/plan.h"

#include <unistd.h>

#define TEXT_MAX 255 /* of one character-string; longer ones are cut, as in CoreDNS */

struct chaos {
    const char *version, *host;
    const char *const *authors;
    uint32_t authors_n;
};

static const char *const unnamed[] = {"the isthmus authors"};

static int take_authors(struct reader *rd, struct chaos *c, struct token_list names)
{
    const char **texts = arena_array(rd->arena, names.n, sizeof *texts);
    if (texts == NULL)
        return reader_error(rd, "out of memory");
    for (uint32_t i = 0; i < names.n; i++)
        texts[i] = names.list[i].text;
    c->authors = texts;
    c->authors_n = names.n;
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct chaos *c = arena_alloc(s->arena, sizeof *c);
    struct reader rd = reader_init(d, s->arena, s->errs);
    char host[256] = "localhost";
    if (c == NULL)
        return error_at(s->errs, d->at, "out of memory");
    gethostname(host, sizeof host - 1);
    s->state = c;
    s->block->any_class = true;
    *c = (struct chaos){.version = "isthmus",
                        .host = arena_text(s->arena, text_of(host)),
                        .authors = unnamed,
                        .authors_n = 1};
    while (reader_next(&rd)) {
        struct token_list args = reader_args(&rd);
        if (args.n > 0)
            c->version = args.list[0].text;
        struct token_list names = {.list = args.list + 1, .n = args.n - 1};
        if (args.n > 1 && take_authors(&rd, c, names) < 0)
            return -1;
        if (reader_block(&rd))
            return reader_error(&rd, "unknown property '%s': chaos has no options",
                                reader_token(&rd)->text);
    }
    return c->host == NULL ? error_at(s->errs, d->at, "out of memory") : 0;
}

static int add_text(struct query *q, const char *text)
{
    uint8_t rdata[1 + TEXT_MAX];
    size_t len = strlen(text);
    if (len > TEXT_MAX)
        len = TEXT_MAX;
    rdata[0] = (uint8_t)len;
    memcpy(rdata + 1, text, len);
    struct rr_new rr = {.section = SECTION_ANSWER,
                        .owner = q->request.name,
                        .type = DNS_TXT,
                        .class = DNS_CH,
                        .rdata = {.at = rdata, .len = len + 1}};
    return msg_add(&q->response->msg, &q->arena, &rr);
}

static int answer(struct query *q, const struct chaos *c, const uint8_t *name)
{
    static const uint8_t version1[] = "\7version\4bind",
                         version2[] = "\7version\6server";
    static const uint8_t host1[] = "\10hostname\4bind", host2[] = "\2id\6server";
    if (name_equal(name, version1) || name_equal(name, version2))
        return add_text(q, c->version);
    if (name_equal(name, host1) || name_equal(name, host2))
        return add_text(q, c->host);
    for (uint32_t i = 0; i < c->authors_n; i++) {
        if (add_text(q, c->authors[i]) < 0)
            return -1;
    }
    return 0;
}

static bool is_ours(const uint8_t *name)
{
    static const uint8_t *const names[] = {
        (const uint8_t *)"\7version\4bind", (const uint8_t *)"\7version\6server",
        (const uint8_t *)"\10hostname\4bind", (const uint8_t *)"\2id\6server",
        (const uint8_t *)"\7authors\4bind"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (name_equal(name, names[i]))
            return true;
    }
    return false;
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct request *req = &q->request;
    if (req->class != DNS_CH || req->type != DNS_TXT || !is_ours(req->lower))
        return PASS;
    query_respond(q, DNS_NOERROR, false, 2);
    if (q->response->failed || answer(q, state, req->lower) < 0)
        return query_fail(q, DNS_SERVFAIL, "plugin/chaos: out of memory");
    return DONE;
}

const struct plugin plugin_chaos = {
    .name = "chaos",
    .help =
        "answers version.bind, hostname.bind, authors.bind and the like in class CH",
    .synopsis = "chaos [VERSION [AUTHOR...]]",
    .setup = setup,
    .on_query = on_query,
};
