/* minimal: positive answers leave with nothing but their answer section. Negative
 * answers and delegations keep what makes them such. */
#include "resolver/plugin.h"

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    while (reader_next(&rd)) {
        if (reader_no_arg(&rd) < 0)
            return -1;
    }
    return 0;
}

static enum verdict on_response(struct query *q, const void *state)
{
    struct msg *m = &q->response.msg;
    if (q->response.failed || m->rcode != DNS_NOERROR ||
        msg_count(m, SECTION_ANSWER) == 0)
        return PASS;
    msg_each_rr (rr, m) {
        if (rr->section != SECTION_ANSWER)
            msg_drop(m, rr);
    }
    return PASS;
}

const struct plugin plugin_minimal = {
    .name = "minimal",
    .help = "positive answers carry their answer section only",
    .synopsis = "minimal",
    .setup = setup,
    .on_response = on_response,
};
