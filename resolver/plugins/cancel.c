/* cancel: what takes longer than this is given up with SERVFAIL. */
#include "resolver/plugin.h"

struct cancel {
    int64_t timeout_us;
};

static int setup(struct setup *s, const struct directive *d)
{
    struct cancel *c = arena_alloc(s->arena, sizeof *c);
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (c == NULL)
        return error_at(s->errs, d->at, "out of memory");
    c->timeout_us = 5001000;
    s->state = c;
    while (reader_next(&rd)) {
        struct token_list args = reader_args(&rd);
        if (args.n > 1)
            return reader_error_args(&rd);
        if (args.n == 1 && reader_duration(&rd, args.list[0].text, &c->timeout_us) < 0)
            return -1;
        if (c->timeout_us <= 0)
            return reader_error(&rd, "invalid timeout: %s: expected more than 0",
                                args.list[0].text);
    }
    return 0;
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct cancel *c = state;
    uint64_t deadline_us = q->start_us + (uint64_t)c->timeout_us;
    if (deadline_us < q->deadline_us)
        q->deadline_us = deadline_us;
    return PASS;
}

const struct plugin plugin_cancel = {
    .name = "cancel",
    .help = "gives up on what takes longer",
    .synopsis = "cancel [DURATION]",
    .setup = setup,
    .on_query = on_query,
};
