/* prometheus: what the block's queries come to, as counters at http://ADDR/metrics.
 *
 *     prometheus :9153
 *
 * Every listed address shows the counters of all blocks that have this directive. What
 * a block counts without it is nothing. */
#include "resolver/core.h"
#include "resolver/edns.h"
#include "resolver/pages.h"
#include "resolver/plan.h"

static const struct option options[] = {
    {.name = "runtime_metrics",
     .kind = OPTION_REFUSED,
     .help = "it shows the inside of Go's runtime, which is not here: leave it out"},
    {.name = "tls",
     .kind = OPTION_REFUSED,
     .args = "FILE",
     .help = "pages are served without TLS in this version of isthmus: use an address "
             "that only the scraper reaches"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    char unused;
    reader_next(&rd);
    if (pages_read(s, &rd, PAGE_METRICS, "localhost:9153") < 0 ||
        reader_options(&rd, options, OPTIONS_N, &unused) < 0)
        return -1;
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    s->block->measured = true;
    return 0;
}

/* ---- queries ---- */

static void count_request(struct query *q, const struct meter *m)
{
    const struct metrics_desk *desk = &q->r->desk;
    struct request_below req = query_asked_below(q);
    uint32_t proto = q->client.transport != TRANSPORT_UDP;
    uint32_t family = q->client.peer.family == 6;
    uint32_t kind = (2 * proto + family) * METRICS_TYPES + metrics_type(req.type);
    size_t opt = req.opt.present ? EDNS_OPT_LEN + req.opt.options.len : 0;
    metrics_add(desk, m, SERVED_REQUESTS + kind, 1);
    metrics_add_size(desk, m, SERVED_REQUEST_SIZE + proto * METRICS_SIZE_CELLS,
                     DNS_HEADER_LEN + (size_t)req.name_len + 4 + opt);
    if (req.opt.present && req.opt.dnssec_ok)
        metrics_add(desk, m, SERVED_DO, 1);
}

/* Like CoreDNS, which counts when all is over: the type as `rewrite` left it, and the
 * plugin only where one wrote the answer itself. */
static void count(struct query *q, uint32_t cell, size_t size)
{
    const struct metrics_desk *desk = &q->r->desk;
    const struct meter *m = q->zone->meter;
    uint32_t proto = q->client.transport != TRANSPORT_UDP;
    count_request(q, m);
    metrics_add(desk, m, cell + metrics_rcode(q->response->msg.rcode), 1);
    metrics_add_time(desk, m, SERVED_DURATION, query_now_us(q) - q->start_us);
    metrics_add_size(desk, m, SERVED_RESPONSE_SIZE + proto * METRICS_SIZE_CELLS, size);
}

static enum verdict on_response(struct query *q, const void *state)
{
    const struct response *res = q->response;
    /* `acl` writes its refusals there, and `rewrite` what it changes. */
    bool written =
        !res->failed || res->opt_len > 0 || (q->below != NULL && q->below->reverted);
    count(q, written ? SERVED_RESPONSES : SERVED_UNWRITTEN,
          msg_len_plain(&res->msg, q->request.name_len) + res->opt_len);
    return PASS;
}

/* It counts as NOERROR there. */
static void on_drop(struct query *q, const void *state)
{
    count(q, SERVED_UNWRITTEN, 0);
}

const struct plugin plugin_prometheus = {
    .name = "prometheus",
    .help = "shows counters of the block's queries at http://ADDR/metrics; default "
            "localhost:9153",
    .synopsis = "prometheus [ADDR]",
    .options = options,
    .options_n = OPTIONS_N,
    .hears_notify = true,
    .setup = setup,
    .on_response = on_response,
    .on_drop = on_drop,
};
