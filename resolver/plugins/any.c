/* any: a question for every type gets one record instead (RFC 8482), so that it cannot
 * be used to make small questions into large answers. */
#include "resolver/plugin.h"

#include "resolver/msg.h"

#define TTL_S 8482

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    return reader_alone(&rd);
}

static enum verdict on_query(struct query *q, const void *state)
{
    static const uint8_t rdata[] = "\15ANY obsoleted\14See RFC 8482";
    if (q->request.type != DNS_ANY)
        return PASS;
    query_respond(q, DNS_NOERROR, false, 1);
    struct rr_new rr = {.section = SECTION_ANSWER,
                        .owner = q->request.name,
                        .type = DNS_HINFO,
                        .class = q->request.class,
                        .ttl = TTL_S,
                        .rdata = {.at = rdata, .len = sizeof rdata - 1}};
    if (q->response->failed || msg_add(&q->response->msg, &q->arena, &rr) < 0)
        return query_fail(q, DNS_SERVFAIL, "plugin/any: out of memory");
    return DONE;
}

const struct plugin plugin_any = {
    .name = "any",
    .help = "answers questions for every type with one record (RFC 8482)",
    .synopsis = "any",
    .setup = setup,
    .on_query = on_query,
};
