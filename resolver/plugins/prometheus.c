/* prometheus: what the block's queries come to, as counters at http://ADDR/metrics.
 *
 *     prometheus :9153
 *
 * Every listed address shows the counters of all blocks that have this directive. What
 * a block counts without it is nothing. */
#include "resolver/core.h"
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

static size_t request_size(const struct request *req)
{
    size_t opt = req->opt.present ? 11 + req->opt.options.len : 0;
    return DNS_HEADER_LEN + (size_t)req->name_len + 4 + opt;
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct metrics_desk *desk = &q->r->desk;
    const struct meter *m = q->zone->meter;
    uint32_t proto = q->client.transport != TRANSPORT_UDP;
    uint32_t family = q->client.peer.family == 6;
    uint32_t kind =
        (2 * proto + family) * METRICS_TYPES + metrics_type(q->request.type);
    metrics_add(desk, m, SERVED_REQUESTS + kind, 1);
    metrics_add_size(desk, m, SERVED_REQUEST_SIZE + proto * METRICS_SIZE_CELLS,
                     request_size(&q->request));
    if (q->request.opt.present && q->request.opt.dnssec_ok)
        metrics_add(desk, m, SERVED_DO, 1);
    return PASS;
}

static enum verdict on_response(struct query *q, const void *state)
{
    const struct metrics_desk *desk = &q->r->desk;
    const struct meter *m = q->zone->meter;
    const struct msg *response = &q->response.msg;
    uint32_t proto = q->client.transport != TRANSPORT_UDP;
    metrics_add(desk, m, SERVED_RESPONSES + metrics_rcode(response->rcode), 1);
    metrics_add_time(desk, m, SERVED_DURATION, query_now_us(q) - q->start_us);
    metrics_add_size(desk, m, SERVED_RESPONSE_SIZE + proto * METRICS_SIZE_CELLS,
                     msg_len_plain(response, q->request.name_len) +
                         q->response.opt_len);
    return PASS;
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
    .on_query = on_query,
    .on_response = on_response,
};
