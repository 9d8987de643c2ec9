#include "resolver/metrics_page.h"

#include "base/sheet.h"
#include "resolver/cachestore.h"
#include "resolver/clusters.h"
#include "resolver/health.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"
#include "resolver/unasked.h"

#include <inttypes.h>
#include <stdio.h>

static void put_head(struct sheet *s, const char *name, const char *type,
                     const char *help)
{
    sheet_print(s, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- labels: in alphabetical order and `le` last, as Go's client library has them
 * ----
 */

#define LABELS_EACH 16 /* of one series; the longest have nine */

struct label_list {
    struct text list[LABELS_EACH];
    size_t n;
};

static bool comes_before(struct text a, struct text b)
{
    bool a_bound = strncmp(a.at, "le=", 3) == 0, b_bound = strncmp(b.at, "le=", 3) == 0;
    if (a_bound || b_bound)
        return b_bound && !a_bound;
    return strncmp(a.at, b.at, a.len < b.len ? a.len : b.len) < 0;
}

static void insert_label(struct label_list *l, struct text label)
{
    size_t at = l->n < LABELS_EACH ? l->n++ : LABELS_EACH - 1;
    for (; at > 0 && comes_before(label, l->list[at - 1]); at--)
        l->list[at] = l->list[at - 1];
    l->list[at] = label;
}

/* Behind the value of `name="value"`, in which a quote has a backslash before it. */
static const char *label_end(const char *label)
{
    const char *at = strchr(label, '"') + 1;
    while (*at != '"')
        at += *at == '\\' ? 2 : 1;
    return at + 1;
}

static void add_labels(struct label_list *l, const char *from)
{
    while (*from != '\0') {
        const char *end = label_end(from);
        insert_label(l, (struct text){.at = from, .len = (size_t)(end - from)});
        from = *end == ',' ? end + 1 : end;
    }
}

/* `name{labels,more} `, without braces where there are no labels. */
static void put_name(struct sheet *s, const char *name, const char *labels,
                     const char *more)
{
    struct label_list l = {.n = 0};
    add_labels(&l, labels);
    add_labels(&l, more);
    sheet_text(s, name);
    for (size_t i = 0; i < l.n; i++) {
        sheet_put(s, i == 0 ? "{" : ",", 1);
        sheet_put(s, l.list[i].at, l.list[i].len);
    }
    sheet_text(s, l.n > 0 ? "} " : " ");
}

static void put_count(struct sheet *s, const char *name, const char *labels,
                      const char *more, uint64_t n)
{
    put_name(s, name, labels, more);
    sheet_print(s, "%" PRIu64 "\n", n);
}

/* ---- histograms ---- */

#define LABELS_MAX 128 /* of what varies within a meter: protocols, codes, bounds */

static uint64_t bucket_sum(const struct meter *m, uint32_t cell, uint32_t n)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += metrics_sum(m, cell + i);
    return sum;
}

struct histogram {
    const uint64_t *bounds;
    uint32_t cells; /* buckets, the rest, the sum */
    double unit;    /* that the bounds and the sum are shown in */
};

static const struct histogram times = {metrics_times_us, METRICS_TIME_CELLS, 1e6};
static const struct histogram sizes = {metrics_sizes, METRICS_SIZE_CELLS, 1};

/* Where a series of buckets is, and what it is called. */
struct series {
    const char *name;
    const struct meter *meter;
    uint32_t cell;
    const char *more; /* labels besides those of the meter */
};

static void put_part(struct sheet *s, const struct series *of, const char *part,
                     const char *bound, uint64_t count)
{
    char name[LABELS_MAX], more[LABELS_MAX];
    snprintf(name, sizeof name, "%s_%s", of->name, part);
    snprintf(more, sizeof more, "%s%s%s", of->more,
             of->more[0] != '\0' && bound[0] != '\0' ? "," : "", bound);
    put_count(s, name, of->meter->labels, more, count);
}

/* Nothing where nothing was counted. */
static void put_histogram(struct sheet *s, const struct histogram *h,
                          const struct series *of)
{
    char bound[40], sum[LABELS_MAX];
    uint64_t count = 0, all = bucket_sum(of->meter, of->cell, h->cells - 1);
    if (all == 0)
        return;
    for (uint32_t i = 0; i + 2 < h->cells; i++) {
        count += metrics_sum(of->meter, of->cell + i);
        snprintf(bound, sizeof bound, "le=\"%.9g\"", (double)h->bounds[i] / h->unit);
        put_part(s, of, "bucket", bound, count);
    }
    count += metrics_sum(of->meter, of->cell + h->cells - 2);
    put_part(s, of, "bucket", "le=\"+Inf\"", count);
    snprintf(sum, sizeof sum, "%s_sum", of->name);
    put_name(s, sum, of->meter->labels, of->more);
    sheet_print(s, "%.9g\n",
                (double)metrics_sum(of->meter, of->cell + h->cells - 1) / h->unit);
    put_part(s, of, "count", "", count);
}

/* ---- families ---- */

static const char *const protos[] = {"udp", "tcp", "tcp-tls", "https"};
static const char *const kinds[CACHE_KINDS] = {"success", "denial"};

struct family {
    const char *name, *type, *help;
    enum meter_kind kind;
    void (*show)(struct sheet *s, const struct family *f, const struct meter_use *use);
    uint32_t cell;
};

static void show_always(struct sheet *s, const struct family *f,
                        const struct meter_use *use)
{
    put_count(s, f->name, use->meter->labels, "", metrics_sum(use->meter, f->cell));
}

/* In CoreDNS a series with labels is there from its first event on. */
static void show_count(struct sheet *s, const struct family *f,
                       const struct meter_use *use)
{
    if (use->meter->labels[0] == '\0' || metrics_sum(use->meter, f->cell) > 0)
        show_always(s, f, use);
}

static void show_requests(struct sheet *s, const struct family *f,
                          const struct meter_use *use)
{
    char more[LABELS_MAX];
    for (uint32_t i = 0; i < 2 * 2 * METRICS_TYPES; i++) {
        uint64_t n = metrics_sum(use->meter, f->cell + i);
        if (n == 0)
            continue;
        snprintf(more, sizeof more, "proto=\"%s\",family=\"%u\",type=\"%s\"",
                 protos[i / METRICS_TYPES / 2], 1 + i / METRICS_TYPES % 2,
                 metrics_types[i % METRICS_TYPES]);
        put_count(s, f->name, use->meter->labels, more, n);
    }
}

static const char *rcode_text(uint32_t rcode, char out[LABELS_MAX])
{
    return rcode == METRICS_RCODES - 1 ? "other" : rcode_print((uint16_t)rcode, out);
}

/* CoreDNS's label `plugin` names the plugin right behind prometheus in the chain. */
static const char *plugin_behind(const struct plan_zone *z)
{
    const struct plan_block *b = z == NULL ? NULL : z->block;
    for (uint16_t i = 0; b != NULL && i + 1 < b->chain_n; i++) {
        if (b->chain[i].plugin == &plugin_prometheus)
            return b->chain[i + 1].plugin->name;
    }
    return "";
}

static void show_rcodes(struct sheet *s, const struct family *f,
                        const struct meter_use *use, uint32_t cell, const char *plugin)
{
    char more[LABELS_MAX], rcode[LABELS_MAX];
    for (uint32_t i = 0; i < METRICS_RCODES; i++) {
        uint64_t n = metrics_sum(use->meter, cell + i);
        if (n == 0)
            continue;
        snprintf(more, sizeof more, "rcode=\"%.40s\",plugin=\"%.40s\"",
                 rcode_text(i, rcode), plugin);
        put_count(s, f->name, use->meter->labels, more, n);
    }
}

static void show_responses(struct sheet *s, const struct family *f,
                           const struct meter_use *use)
{
    show_rcodes(s, f, use, SERVED_RESPONSES, plugin_behind(use->context));
    show_rcodes(s, f, use, SERVED_UNWRITTEN, "");
}

static void show_times(struct sheet *s, const struct family *f,
                       const struct meter_use *use)
{
    struct series of = {
        .name = f->name, .meter = use->meter, .cell = f->cell, .more = ""};
    put_histogram(s, &times, &of);
}

static void show_sizes(struct sheet *s, const struct family *f,
                       const struct meter_use *use)
{
    char more[LABELS_MAX];
    for (uint32_t proto = 0; proto < 2; proto++) {
        snprintf(more, sizeof more, "proto=\"%s\"", protos[proto]);
        struct series of = {.name = f->name,
                            .meter = use->meter,
                            .cell = f->cell + proto * METRICS_SIZE_CELLS,
                            .more = more};
        put_histogram(s, &sizes, &of);
    }
}

/* CoreDNS shows those that questions pass. */
static bool is_handler(const struct plugin *p)
{
    return p->on_query != NULL || p->on_response != NULL || p->admits != NULL ||
           p == &plugin_metadata;
}

static void show_enabled(struct sheet *s, const struct family *f,
                         const struct meter_use *use)
{
    char more[LABELS_MAX];
    const struct plan_zone *z = use->context;
    for (uint32_t i = 0; z != NULL && i < z->block->setup_n; i++) {
        const struct plugin *plugin = z->block->setup_done[i].plugin;
        snprintf(more, sizeof more, "name=\"%s\"", plugin->name);
        if (is_handler(plugin))
            put_count(s, f->name, use->meter->labels, more, 1);
    }
}

/* ---- of caches ---- */

static void show_kind_counts(struct sheet *s, const struct family *f,
                             const struct meter_use *use, const uint64_t *counts)
{
    char more[LABELS_MAX];
    for (unsigned kind = 0; kind < CACHE_KINDS; kind++) {
        snprintf(more, sizeof more, "type=\"%s\"", kinds[kind]);
        if (counts[kind] > 0)
            put_count(s, f->name, use->meter->labels, more, counts[kind]);
    }
}

static void show_hits(struct sheet *s, const struct family *f,
                      const struct meter_use *use)
{
    uint64_t counts[CACHE_KINDS];
    for (uint32_t kind = 0; kind < CACHE_KINDS; kind++)
        counts[kind] = metrics_sum(use->meter, f->cell + kind);
    show_kind_counts(s, f, use, counts);
}

static struct cache_counts counts_of(const struct meter_use *use)
{
    struct cache_counts counts;
    cachestore_counts((struct cachestore *)(uintptr_t)use->context, &counts);
    return counts;
}

static void show_entries(struct sheet *s, const struct family *f,
                         const struct meter_use *use)
{
    show_kind_counts(s, f, use, counts_of(use).entries);
}

static void show_evictions(struct sheet *s, const struct family *f,
                           const struct meter_use *use)
{
    show_kind_counts(s, f, use, counts_of(use).evictions);
}

/* ---- of upstream servers ---- */

static void show_conns(struct sheet *s, const struct family *f,
                       const struct meter_use *use)
{
    char more[LABELS_MAX];
    for (uint32_t proto = 0; proto < METRICS_PROXY_PROTOS; proto++) {
        uint64_t n = metrics_sum(use->meter, f->cell + proto);
        if (n == 0)
            continue;
        snprintf(more, sizeof more, "proto=\"%s\"", protos[proto]);
        put_count(s, f->name, use->meter->labels, more, n);
    }
}

static void show_exchanges(struct sheet *s, const struct family *f,
                           const struct meter_use *use)
{
    char more[LABELS_MAX], rcode[LABELS_MAX];
    for (uint32_t i = 0; i < METRICS_RCODES; i++) {
        snprintf(more, sizeof more, "rcode=\"%.40s\"", rcode_text(i, rcode));
        struct series of = {.name = f->name,
                            .meter = use->meter,
                            .cell = f->cell + i * METRICS_TIME_CELLS,
                            .more = more};
        put_histogram(s, &times, &of);
    }
}

static void show_up(struct sheet *s, const struct family *f,
                    const struct meter_use *use)
{
    if (use->context != NULL)
        put_count(s, f->name, use->meter->labels, "", !health_all_down(use->context));
}

static void show_drained(struct sheet *s, const struct family *f,
                         const struct meter_use *use)
{
    if (use->context != NULL)
        put_count(s, f->name, use->meter->labels, "", health_drained(use->context));
}

/* The shortest of its addresses that are not down; none while nothing is known. */
static void show_rtt(struct sheet *s, const struct family *f,
                     const struct meter_use *use)
{
    const struct upstream_group *g = use->context;
    uint32_t least = UINT32_MAX;
    for (uint32_t i = 0; g != NULL && i < g->n; i++) {
        uint32_t us = atomic_load_explicit(&g->list[i]->srtt_us, memory_order_relaxed);
        if (us > 0 && us < least && !health_down(g, g->list[i]))
            least = us;
    }
    if (least == UINT32_MAX)
        return;
    put_name(s, f->name, use->meter->labels, "");
    sheet_print(s, "%.9g\n", least / 1e6);
}

/* ---- of inventories ---- */

enum inventory_number {
    INVENTORY_SERVED,
    INVENTORY_HELD,
    INVENTORY_KEPT,
    INVENTORY_REFUSED,
    INVENTORY_WRONG,
    INVENTORY_STALE,
    INVENTORY_FAILING,
    INVENTORY_LOOKED,
    INVENTORY_CHANGED,
};

static uint64_t inventory_number(const struct clusters_report *r, uint32_t which)
{
    switch ((enum inventory_number)which) {
    case INVENTORY_SERVED:
        return r->served;
    case INVENTORY_HELD:
        return r->source.clusters;
    case INVENTORY_KEPT:
        return r->source.kept;
    case INVENTORY_REFUSED:
        return r->refused_n;
    case INVENTORY_WRONG:
        return r->source.wrong;
    case INVENTORY_STALE:
        return r->source.stale;
    case INVENTORY_FAILING:
        return r->source.failed_s != 0;
    case INVENTORY_LOOKED:
        return r->source.looked_s;
    case INVENTORY_CHANGED:
        return r->source.changed_s;
    }
    return 0;
}

static void show_inventory(struct sheet *s, const struct family *f,
                           const struct meter_use *use)
{
    struct clusters_report report;
    if (use->context == NULL)
        return;
    clusters_report(use->context, &report);
    put_count(s, f->name, use->meter->labels, "", inventory_number(&report, f->cell));
}

/* ---- of listeners ---- */

static void show_shed(struct sheet *s, const struct family *f,
                      const struct meter_use *use)
{
    static const char *const reasons[SHED_CELLS] = {
        [SHED_QUERIES] = "query", [SHED_RESPONSES] = "response"};
    char more[LABELS_MAX];
    for (uint32_t i = 0; i < SHED_CELLS; i++) {
        snprintf(more, sizeof more, "reason=\"%s\"", reasons[i]);
        if (metrics_sum(use->meter, i) > 0)
            put_count(s, f->name, use->meter->labels, more, metrics_sum(use->meter, i));
    }
}

static void show_https(struct sheet *s, const struct family *f,
                       const struct meter_use *use)
{
    char more[LABELS_MAX];
    for (uint32_t i = 0; i < METRICS_STATUSES; i++) {
        uint64_t n = metrics_sum(use->meter, i);
        snprintf(more, sizeof more, "status=\"%u\"", metrics_statuses[i]);
        if (n > 0)
            put_count(s, f->name, use->meter->labels, more, n);
    }
}

/* ---- the page ---- */

static const struct family families[] = {
    {"coredns_plugin_enabled", "gauge", "Whether a plugin stands in a server block.",
     METER_SERVED, show_enabled, 0},
    {"coredns_dns_requests_total", "counter",
     "DNS requests per zone, protocol, family "
     "and type.",
     METER_SERVED, show_requests, SERVED_REQUESTS},
    {"coredns_dns_do_requests_total", "counter", "DNS requests with the DO bit.",
     METER_SERVED, show_count, SERVED_DO},
    {"coredns_dns_request_duration_seconds", "histogram",
     "Time from request to response.", METER_SERVED, show_times, SERVED_DURATION},
    {"coredns_dns_request_size_bytes", "histogram", "Size of requests.", METER_SERVED,
     show_sizes, SERVED_REQUEST_SIZE},
    {"coredns_dns_response_size_bytes", "histogram",
     "Size of responses before compression.", METER_SERVED, show_sizes,
     SERVED_RESPONSE_SIZE},
    {"coredns_dns_responses_total", "counter", "DNS responses per zone and code.",
     METER_SERVED, show_responses, SERVED_RESPONSES},
    {"coredns_cache_entries", "gauge", "Answers in the cache.", METER_CACHE,
     show_entries, 0},
    {"coredns_cache_evictions_total", "counter",
     "Answers that went out of the cache for others.", METER_CACHE, show_evictions, 0},
    {"coredns_cache_hits_total", "counter", "Questions answered from the cache.",
     METER_CACHE, show_hits, CACHED_HITS},
    {"coredns_cache_requests_total", "counter", "Questions that came to the cache.",
     METER_CACHE, show_count, CACHED_REQUESTS},
    {"coredns_cache_misses_total", "counter", "Questions that went on from the cache.",
     METER_CACHE, show_count, CACHED_MISSES},
    {"coredns_cache_prefetch_total", "counter", "Answers asked for before their end.",
     METER_CACHE, show_count, CACHED_PREFETCH},
    {"coredns_cache_drops_total", "counter",
     "Answers not kept because they answer another question.", METER_CACHE, show_count,
     CACHED_DROPS},
    {"coredns_cache_served_stale_total", "counter", "Answers given after their end.",
     METER_CACHE, show_count, CACHED_STALE},
    {"coredns_forward_healthcheck_broken_total", "counter",
     "Questions that found every upstream down.", METER_FORWARD, show_count,
     FORWARD_BROKEN},
    {"coredns_forward_max_concurrent_rejects_total", "counter",
     "Questions refused because of max_concurrent.", METER_FORWARD, show_count,
     FORWARD_REJECTS},
    {"coredns_proxy_request_duration_seconds", "histogram",
     "Time until an upstream answered.", METER_PROXY, show_exchanges, PROXY_DURATION},
    {"coredns_proxy_healthcheck_failures_total", "counter", "Probes that failed.",
     METER_PROXY, show_count, PROXY_PROBE_FAILURES},
    {"coredns_proxy_conn_cache_hits_total", "counter",
     "Questions sent on a socket that was open.", METER_PROXY, show_conns,
     PROXY_CONN_HITS},
    {"coredns_proxy_conn_cache_misses_total", "counter",
     "Questions for which a socket was opened.", METER_PROXY, show_conns,
     PROXY_CONN_MISSES},
    {"coredns_dns_https_responses_total", "counter",
     "Answers by HTTPS, by their HTTP status.", METER_HTTPS, show_https, 0},
    {"coredns_acl_allowed_requests_total", "counter", "Questions that acl let pass.",
     METER_ACL_ALLOWED, show_count, 0},
    {"coredns_acl_blocked_requests_total", "counter", "Questions that acl refused.",
     METER_ACL, show_count, ACL_BLOCKED},
    {"coredns_acl_filtered_requests_total", "counter",
     "Questions that acl answered without data.", METER_ACL, show_count, ACL_FILTERED},
    {"coredns_acl_dropped_requests_total", "counter",
     "Questions that acl did not answer.", METER_ACL, show_count, ACL_DROPPED},
    {"coredns_dns64_requests_translated_total", "counter",
     "Answers that dns64 made of A records.", METER_DNS64, show_count, 0},
    {"coredns_local_localhost_requests_total", "counter",
     "Questions for names below localhost, or beginning with it.", METER_LOCAL,
     show_count, 0},
    {"coredns_template_matches_total", "counter", "Questions that a template took.",
     METER_TEMPLATE, show_count, 0},
    {"coredns_shed_dropped_total", "counter",
     "UDP questions and answers dropped under overload.", METER_SHED, show_shed, 0},
    {"isthmus_cluster_up", "gauge",
     "Whether some DNS address of the cluster answers; 1 also until one is asked.",
     METER_CLUSTER, show_up, 0},
    {"isthmus_cluster_drained", "gauge", "Whether the cluster is drained.",
     METER_CLUSTER, show_drained, 0},
    {"isthmus_cluster_rtt_seconds", "gauge",
     "Smoothed round trip to the nearest DNS address of the cluster.", METER_CLUSTER,
     show_rtt, 0},
    {"isthmus_cluster_requests_total", "counter",
     "Questions for names or addresses of the cluster.", METER_CLUSTER, show_always,
     CLUSTER_REQUESTS},
    {"isthmus_cluster_renames_total", "counter",
     "Answers of the cluster whose names were mapped.", METER_CLUSTER, show_always,
     CLUSTER_RENAMES},
    {"isthmus_inventory_clusters", "gauge", "Clusters of the source that are served.",
     METER_INVENTORY, show_inventory, INVENTORY_SERVED},
    {"isthmus_inventory_clusters_held", "gauge", "Clusters known from the source.",
     METER_INVENTORY, show_inventory, INVENTORY_HELD},
    {"isthmus_inventory_clusters_kept", "gauge",
     "Of these not listed any more, yet kept on doubt.", METER_INVENTORY,
     show_inventory, INVENTORY_KEPT},
    {"isthmus_inventory_clusters_rejected", "gauge",
     "Of these not served because of another cluster or their block.", METER_INVENTORY,
     show_inventory, INVENTORY_REFUSED},
    {"isthmus_inventory_errors", "gauge", "What is wrong in the source as it is now.",
     METER_INVENTORY, show_inventory, INVENTORY_WRONG},
    {"isthmus_inventory_stale", "gauge",
     "Whether only the last known map is there: the source was not seen yet.",
     METER_INVENTORY, show_inventory, INVENTORY_STALE},
    {"isthmus_inventory_failing", "gauge",
     "Whether the last look found something wrong.", METER_INVENTORY, show_inventory,
     INVENTORY_FAILING},
    {"isthmus_inventory_last_look_timestamp_seconds", "gauge",
     "When the source could be read last.", METER_INVENTORY, show_inventory,
     INVENTORY_LOOKED},
    {"isthmus_inventory_last_change_timestamp_seconds", "gauge",
     "When a cluster came, changed or went last.", METER_INVENTORY, show_inventory,
     INVENTORY_CHANGED},
};

/* Up, not drained, and never asked. */
static void show_unasked(struct sheet *s, const struct family *f,
                         const struct unasked *u)
{
    struct arena a;
    char text[NAME_TEXT_MAX];
    arena_init(&a, NULL, 0);
    for (uint32_t i = 0; i < u->n; i++) {
        const char *label =
            metrics_label(&a, "cluster", cluster_label(u->list[i], text));
        if (label == NULL)
            s->failed = true;
        else if (f->show != show_rtt)
            put_count(s, f->name, label, "", f->show == show_up);
        arena_reset(&a);
    }
    arena_release(&a);
}

static void show_family(struct sheet *s, const struct family *f,
                        const struct unasked *u)
{
    const struct meter_use *use = u->plan->meters.first[f->kind];
    bool clusters = f->kind == METER_CLUSTER;
    if (clusters && u->last == NULL)
        use = NULL;
    if (use != NULL || (clusters && u->n > 0))
        put_head(s, f->name, f->type, f->help);
    for (; use != NULL; use = use == u->last ? NULL : use->next)
        f->show(s, f, use);
    if (clusters)
        show_unasked(s, f, u);
}

static void show_facts(struct sheet *s, const struct plan *p,
                       const struct metrics_facts *facts)
{
    put_head(s, "coredns_build_info", "gauge", "The program's version.");
    sheet_print(s,
                "coredns_build_info{goversion=\"%s\",revision=\"\",version=\"%s\"} 1\n",
                facts->build, facts->version);
    put_head(s, "coredns_panics_total", "counter", "Always 0: a panic is Go's.");
    sheet_print(s, "coredns_panics_total 0\n");
    put_head(s, "coredns_reload_failed_total", "counter",
             "Configurations that were not taken over.");
    sheet_print(s, "coredns_reload_failed_total %" PRIu64 "\n", facts->reload_failures);
    if (p->reload.interval_us == 0)
        return;
    put_head(s, "coredns_reload_version_info", "gauge",
             "Digest of the configuration in use.");
    sheet_print(s, "coredns_reload_version_info{hash=\"sha512\",value=\"%s\"} 1\n",
                facts->digest);
}

char *metrics_page(const struct plan *p, const struct metrics_facts *facts, size_t *len)
{
    struct sheet s = {0};
    struct unasked u;
    unasked_find(&u, p);
    show_facts(&s, p, facts);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        show_family(&s, &families[i], &u);
    s.failed = s.failed || u.failed;
    unasked_release(&u);
    return sheet_take(&s, len);
}
