/* erratic: a server that drops, delays or truncates every n-th answer, for trying
 * clients. */
#include "resolver/plugin.h"

#include "base/log.h"

#include <stdatomic.h>

struct erratic {
    _Atomic uint64_t *count;        /* queries so far, of all workers */
    uint32_t drop, truncate, delay; /* every n-th; 0 = never */
    int64_t delay_us;
    bool large, drop_written;
};

static int read_nth(struct reader *rd, uint32_t *out, int64_t *us)
{
    struct token_list args = reader_args(rd);
    if (args.n > (us == NULL ? 1u : 2u))
        return reader_error_args(rd);
    *out = 2;
    if (args.n > 0 && reader_u32(rd, args.list[0].text, 0, INT32_MAX, out) < 0)
        return -1;
    return args.n > 1 ? reader_duration(rd, args.list[1].text, us) : 0;
}

static int parse_drop(struct reader *rd, void *state)
{
    struct erratic *e = state;
    e->drop_written = true;
    return read_nth(rd, &e->drop, NULL);
}

static int parse_truncate(struct reader *rd, void *state)
{
    return read_nth(rd, &((struct erratic *)state)->truncate, NULL);
}

static int parse_delay(struct reader *rd, void *state)
{
    struct erratic *e = state;
    return read_nth(rd, &e->delay, &e->delay_us);
}

static const struct option options[] = {
    {.name = "drop",
     .kind = OPTION_CUSTOM,
     .parse = parse_drop,
     .args = "[N]",
     .fallback = "2",
     .help = "does not answer every N-th query"},
    {.name = "truncate",
     .kind = OPTION_CUSTOM,
     .parse = parse_truncate,
     .args = "[N]",
     .fallback = "2",
     .help = "sets TC on every N-th answer"},
    {.name = "delay",
     .kind = OPTION_CUSTOM,
     .parse = parse_delay,
     .args = "[N [DURATION]]",
     .fallback = "2 100ms",
     .help = "delays every N-th answer"},
    {.name = "large",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct erratic, large),
     .help = "answers with 30 records"},
};

#define OPTIONS_N (sizeof options / sizeof *options)

static int setup(struct setup *s, const struct directive *d)
{
    struct erratic *e = arena_alloc(s->arena, sizeof *e);
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (e == NULL || (e->count = arena_alloc(s->arena, sizeof *e->count)) == NULL)
        return error_at(s->errs, d->at, "out of memory");
    s->state = e;
    e->drop = 2;
    e->delay_us = 100000;
    while (reader_next(&rd)) {
        struct where at = reader_token(&rd)->at;
        if (reader_args(&rd).n > 0)
            log_warning("%s:%u: plugin/erratic: it takes no zones, and answers for all "
                        "that the block serves",
                        at.file, at.line);
        if (reader_options(&rd, options, OPTIONS_N, e) < 0)
            return -1;
    }
    if ((e->delay > 0 || e->truncate > 0) && !e->drop_written)
        e->drop = 0;
    return 0;
}

static bool is_nth(uint64_t number, uint32_t n)
{
    return n > 0 && number % n == 0;
}

/* Fails the query where there is no answer. */
static void answer(struct query *q, const struct erratic *e)
{
    static const uint8_t v4[] = {192, 0, 2, 53};
    static const uint8_t v6[] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0,
                                 0,    0, 0,   0,    0, 0, 0, 0x53};
    bool a = q->request.type == DNS_A, aaaa = q->request.type == DNS_AAAA;
    struct rr_new rr = {.section = SECTION_ANSWER,
                        .owner = q->request.name,
                        .type = q->request.type,
                        .class = DNS_IN,
                        .rdata = {.at = a ? v4 : v6, .len = a ? 4 : 16}};
    bool added = a || aaaa;
    for (unsigned n = e->large ? 30 : 1; added && n > 0; n--)
        added = msg_add(&q->response->msg, &q->arena, &rr) == 0;
    if (!added)
        query_fail(q, DNS_SERVFAIL, NULL);
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct erratic *e = state;
    uint64_t number = atomic_fetch_add_explicit(e->count, 1, memory_order_relaxed);
    if (is_nth(number, e->drop))
        return DROP;
    query_respond(q, DNS_NOERROR, true, 1);
    if (!q->response->failed)
        answer(q, e);
    if (q->response->failed)
        return DONE;
    if (is_nth(number, e->truncate))
        q->response->msg.flags |= DNS_TC;
    if (!is_nth(number, e->delay))
        return DONE;
    query_alarm(q, query_now_us(q) + (uint64_t)e->delay_us);
    return WAIT;
}

static enum verdict on_wake(struct query *q, const void *state)
{
    return DONE;
}

const struct plugin plugin_erratic = {
    .name = "erratic",
    .help = "drops, delays or truncates every n-th answer, for tests",
    .synopsis = "erratic",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .on_query = on_query,
    .on_wake = on_wake,
};
