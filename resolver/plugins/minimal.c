/* minimal: positive answers leave with nothing but their answer section, and so do
 * those without any record that says what they are (whoami's). Negative answers and
 * delegations keep what makes them such. */
#include "resolver/plugin.h"

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    return reader_alone(&rd);
}

/* Without an answer: a negative one by its SOA, a delegation by its NS. */
static bool is_negative(const struct msg *m)
{
    if (msg_count(m, SECTION_ANSWER) > 0)
        return false;
    msg_each_rr (rr, m) {
        if (rr->section == SECTION_AUTHORITY &&
            (rr->type == DNS_SOA || rr->type == DNS_NS))
            return true;
    }
    return false;
}

static enum verdict on_response(struct query *q, const void *state)
{
    struct msg *m = &q->response->msg;
    if (q->response->failed || m->rcode != DNS_NOERROR || is_negative(m))
        return PASS;
    q->response->options = (struct span){0};
    q->response->opt_len = 0;
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
