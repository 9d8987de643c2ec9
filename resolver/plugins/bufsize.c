/* bufsize: no larger UDP size than this is believed of a client, or told to an
 * upstream, so that answers need no fragments. A client without EDNS is given none. */
#include "resolver/plugin.h"

struct bufsize {
    uint32_t max;
};

static int setup(struct setup *s, const struct directive *d)
{
    struct bufsize *b = arena_alloc(s->arena, sizeof *b);
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (b == NULL)
        return error_at(s->errs, d->at, "out of memory");
    b->max = 1232;
    s->state = b;
    while (reader_next(&rd)) {
        struct token_list args = reader_args(&rd);
        if (args.n > 1)
            return reader_error_args(&rd);
        if (args.n == 1 && reader_u32(&rd, args.list[0].text, 512, 4096, &b->max) < 0)
            return -1;
    }
    return 0;
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct bufsize *b = state;
    struct opt *opt = &q->request.opt;
    if (opt->present && opt->udp_size > b->max)
        opt->udp_size = (uint16_t)b->max;
    return PASS;
}

const struct plugin plugin_bufsize = {
    .name = "bufsize",
    .help = "limits the UDP size that clients may ask for",
    .synopsis = "bufsize [512..4096]",
    .setup = setup,
    .on_query = on_query,
};
