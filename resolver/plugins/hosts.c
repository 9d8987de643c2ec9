/* hosts: names and addresses from a file in the form of /etc/hosts, and from the
 * Corefile.
 *
 *     hosts /etc/isthmus.hosts example.org {
 *         192.0.2.10 web.example.org
 *         fallthrough
 *     }
 *
 * Answers A and AAAA, and PTR for the addresses it knows. A name that it knows by
 * another type only has an empty answer; one that it does not know is SERVFAIL, not
 * NXDOMAIN, because a hosts file has no SOA to say it with, unless `fallthrough` sends
 * it on. PTR for an unknown address is always sent on. The file is read again when it
 * has changed; a missing one is awaited. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "config/source.h"
#include "resolver/fall.h"
#include "resolver/plan.h"
#include "resolver/plugins/hosts_data.h"
#include "resolver/wire.h"

#include <errno.h>

#define DEFAULT_PATH      "/etc/hosts"
#define DEFAULT_TTL_S     3600
#define DEFAULT_RELOAD_US INT64_C(5000000)

struct hosts {
    struct zones zones;
    struct fall through;
    bool no_reverse, unsupported_on;
    uint32_t ttl;
    int64_t reload_us;
    struct hosts_builder lines;   /* of the Corefile */
    const struct hosts_data *own; /* the same, made ready */
    struct feed *file;            /* of struct hosts_data */

    /* the control thread's */
    const char *path;
    struct source_stamp seen; /* of what was read last */
    bool told;                /* that it cannot be read */
};

/* ---- options ---- */

static bool may_fall(const struct hosts *h)
{
    return h->through.all || h->through.zones.n > 0;
}

static int parse_fallthrough(struct reader *rd, void *state)
{
    return fall_read(rd, &((struct hosts *)state)->through);
}

/* `ADDRESS NAME...`: what the file holds, in the Corefile. CoreDNS takes such lines
 * only in front of `fallthrough`. */
static int parse_line(struct reader *rd, void *state)
{
    struct hosts *h = state;
    const struct token *first = reader_token(rd);
    const char *line = first->text, *word;
    struct addr addr;
    if (may_fall(h))
        return reader_error(rd,
                            "unknown property '%s': lines with addresses stand before "
                            "`fallthrough`",
                            first->text);
    if (addr_parse_ip(&addr, text_of(first->text)) < 0)
        log_warning("%s:%u: plugin/hosts: '%s' is neither an address nor an option; "
                    "the line is passed over",
                    first->at.file, first->at.line, first->text);
    while (line != NULL && reader_arg(rd, &word) && strcmp(word, "}") != 0)
        line = arena_printf(rd->arena, "%s %s", line, word);
    if (line == NULL || hosts_data_add(&h->lines, text_of(line)) < 0)
        return reader_error(rd, "out of memory");
    return 0;
}

#define FIELD(name) offsetof(struct hosts, name)

static const struct option options[] = {
    {.name = "ttl",
     .kind = OPTION_U32,
     .offset = FIELD(ttl),
     .min = 1,
     .max = 65535,
     .args = "SECONDS",
     .fallback = "3600",
     .help = "TTL of the answers"},
    {.name = "reload",
     .kind = OPTION_DURATION,
     .offset = FIELD(reload_us),
     .args = "DURATION",
     .fallback = "5s",
     .help = "how often to look whether the file has changed; 0 = never"},
    {.name = "no_reverse",
     .kind = OPTION_FLAG,
     .offset = FIELD(no_reverse),
     .help = "addresses do not lead to names"},
    {.name = "fallthrough",
     .kind = OPTION_CUSTOM,
     .parse = parse_fallthrough,
     .args = "[ZONE...]",
     .help = "send names that are not known here on; with zones only those below them"},
    {.name = "fallthrough_unsupported",
     .kind = OPTION_FLAG,
     .offset = FIELD(unsupported_on),
     .help = "send every type but A, AAAA and PTR on; needs fallthrough"},
    {.name = "ADDRESS",
     .kind = OPTION_OTHER,
     .parse = parse_line,
     .args = "NAME...",
     .help = "an entry as in the file; `*.zone` stands for one label below it"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

/* ---- the file ---- */

static struct feed_value *read_file(struct hosts *h, struct errors *errs)
{
    struct feed_value *v = feed_value_new();
    struct arena passing;
    struct text text;
    arena_init(&passing, NULL, 0);
    if (v != NULL &&
        source_read(&passing, h->path, (struct where){0}, &text, errs) == 0) {
        struct hosts_builder b = {.arena = &v->arena, .zones = &h->zones};
        if (hosts_data_add(&b, text) == 0)
            v->data = hosts_data_finish(&b, !h->no_reverse);
    }
    arena_release(&passing);
    if (v != NULL && v->data != NULL)
        return v;
    feed_value_free(v);
    if (errs->n == 0)
        error_at(errs, (struct where){0}, "could not read %s: out of memory", h->path);
    return NULL;
}

static void tell_once(struct hosts *h, const struct errors *errs)
{
    if (!h->told && errs->list != NULL)
        log_warning("plugin/hosts: %s", errs->list[0].text);
    h->told = true;
}

static void look(struct feed *f, void *context)
{
    struct hosts *h = context;
    struct source_stamp stamp;
    if (source_stamp(h->path, &stamp) != 0 || stamp.directory ||
        source_stamp_equal(&stamp, &h->seen))
        return;
    struct errors errs;
    errors_init(&errs);
    struct feed_value *v = read_file(h, &errs);
    if (v == NULL) {
        tell_once(h, &errs);
    } else {
        const struct hosts_data *data = v->data;
        log_debug("plugin/hosts: Parsed hosts file into %u entries", data->n);
        feed_publish(f, v);
        h->seen = stamp;
        h->told = false;
    }
    errors_release(&errs);
}

/* ---- setup ---- */

static int read_path(struct setup *s, struct reader *rd, struct hosts *h)
{
    const char *word = DEFAULT_PATH;
    bool written = reader_arg(rd, &word);
    struct source_stamp stamp;
    h->path = plan_path(s->block, s->arena, word);
    if (h->path == NULL)
        return reader_error(rd, "out of memory");
    int error = source_stamp(h->path, &stamp);
    if (!written)
        return 0;
    if (error == ENOENT)
        log_warning("plugin/hosts: File does not exist: %s", h->path);
    else if (error != 0)
        return reader_error(rd, "unable to access hosts file '%s': %s", h->path,
                            strerror(error));
    else if (stamp.directory)
        log_warning("plugin/hosts: Hosts file \"%s\" is a directory", h->path);
    return 0;
}

static int read_directive(struct setup *s, struct reader *rd, struct hosts *h)
{
    reader_next(rd);
    if (read_path(s, rd, h) < 0 || plan_zones(s, rd, &h->zones) < 0 ||
        reader_options(rd, options, OPTIONS_N, h) < 0)
        return -1;
    if (reader_next(rd))
        return reader_error(rd, "this plugin can only be used once per Server Block");
    if (h->unsupported_on && !may_fall(h))
        return reader_error(rd, "fallthrough_unsupported requires fallthrough");
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct hosts *h = arena_alloc(s->arena, sizeof *h);
    if (h == NULL)
        return error_at(s->errs, d->at, "out of memory");
    *h = (struct hosts){.ttl = DEFAULT_TTL_S, .reload_us = DEFAULT_RELOAD_US};
    h->lines = (struct hosts_builder){.arena = s->arena, .zones = &h->zones};
    if (read_directive(s, &rd, h) < 0)
        return -1;
    struct feed_source source = {
        .interval_us = h->reload_us, .look = look, .context = h};
    h->own = hosts_data_finish(&h->lines, !h->no_reverse);
    h->file = feed_new(&s->plan->feeds, s->arena, &source);
    if (h->own == NULL || h->file == NULL)
        return error_at(s->errs, d->at, "out of memory");
    feed_refresh(h->file);
    s->state = h;
    return 0;
}

/* ---- queries ---- */

/* The two places entries come from, the file first. */
#define PLACES 2

struct found {
    const struct hosts_entry *first[PLACES];
};

static bool is_found(const struct found *f)
{
    return f->first[0] != NULL || f->first[1] != NULL;
}

static struct found find_name(const struct hosts *h, struct query *q, uint8_t family)
{
    const struct hosts_data *file = feed_get(h->file);
    const struct name_key *key = query_key(q);
    return (struct found){{file == NULL ? NULL : hosts_data_name(file, key, family),
                           hosts_data_name(h->own, key, family)}};
}

static struct found find_addr(const struct hosts *h, const struct query *q)
{
    const struct hosts_data *file = feed_get(h->file);
    struct cidr c;
    struct addr addr = {0};
    if (cidr_from_reverse(&c, q->request.lower) < 0 ||
        c.bits != (c.family == 4 ? 32 : 128))
        return (struct found){0};
    addr.family = c.family;
    memcpy(addr.ip, c.ip, sizeof addr.ip);
    return (struct found){{file == NULL ? NULL : hosts_data_addr(file, &addr),
                           hosts_data_addr(h->own, &addr)}};
}

static int add_record(struct query *q, const struct hosts *h,
                      const struct hosts_entry *e)
{
    bool reverse = q->request.type == DNS_PTR;
    struct rr_new rr = {.section = SECTION_ANSWER,
                        .owner = q->request.lower,
                        .type = q->request.type,
                        .class = DNS_IN,
                        .ttl = h->ttl,
                        .rdata = {e->ip, e->family == 4 ? 4 : 16}};
    if (reverse)
        rr.rdata = (struct span){e->name, name_len(e->name)};
    return msg_add(&q->response->msg, &q->arena, &rr);
}

/* More records than a message can hold are not gathered: a list of blocked names has
 * hundreds of thousands at one address. Such an answer is truncated either way. */
static enum verdict answer(struct query *q, const struct hosts *h,
                           const struct found *found)
{
    const struct msg *m = &q->response->msg;
    bool reverse = q->request.type == DNS_PTR;
    query_respond(q, DNS_NOERROR, true, 4);
    for (unsigned i = 0; i < PLACES && !q->response->failed; i++) {
        const struct hosts_entry *e = found->first[i];
        while (e != NULL && m->rr_n < WIRE_RR_MAX) {
            if (add_record(q, h, e) < 0)
                return query_fail(q, DNS_SERVFAIL, "plugin/hosts: out of memory");
            e = reverse ? e->same_addr : e->same;
        }
    }
    return DONE;
}

/* Nothing of the type that was asked. */
static enum verdict without(struct query *q, const struct hosts *h)
{
    struct found v4 = find_name(h, q, 4), v6 = find_name(h, q, 6);
    if (is_found(&v4) || is_found(&v6))
        return query_respond(q, DNS_NOERROR, true, 0);
    if (fall_through(&h->through, q->request.lower))
        return PASS;
    return query_fail_ede(q, DNS_SERVFAIL, NULL, EDE_OTHER, "name not in hosts file");
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct hosts *h = state;
    uint16_t type = q->request.type;
    struct found found = {0};
    if (q->request.class != DNS_IN && q->request.class != DNS_CLASS_ANY)
        return PASS;
    if (type == DNS_PTR) {
        found = find_addr(h, q);
        return is_found(&found) ? answer(q, h, &found) : PASS;
    }
    if (zones_match(&h->zones, q->request.lower) == NULL)
        return PASS;
    if (type == DNS_A || type == DNS_AAAA)
        found = find_name(h, q, type == DNS_A ? 4 : 6);
    else if (h->unsupported_on && fall_through(&h->through, q->request.lower))
        return PASS;
    return is_found(&found) ? answer(q, h, &found) : without(q, h);
}

const struct plugin plugin_hosts = {
    .name = "hosts",
    .help = "answers from a file in the form of /etc/hosts",
    .synopsis = "hosts [FILE [ZONE...]]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .on_query = on_query,
};
