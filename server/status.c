#include "server/status.h"

#include "base/log.h"
#include "resolver/cachestore.h"
#include "resolver/cluster_servers.h"
#include "resolver/health.h"
#include "server/status_inventory.h"
#include "server/turn.h"
#include "server/version.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- addresses of clusters ---- */

static uint32_t load(const _Atomic uint32_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static bool is_drained(const struct upstream *up)
{
    return atomic_load_explicit(&up->drained, memory_order_relaxed);
}

static const char *state_of(const struct upstream_group *g, const struct upstream *up)
{
    if (health_down(g, up))
        return "down";
    if (load(&up->fails) > 0)
        return "failing";
    return health_known(up) ? "up" : "not asked yet";
}

/* Of one that fails: for how long, and why. */
static void put_failure(struct json_out *j, const struct upstream *up, uint64_t now_us)
{
    int error = atomic_load_explicit(&up->last_error, memory_order_relaxed);
    if (load(&up->fails) == 0)
        return;
    json_number(j, "fails", load(&up->fails));
    json_number(j, "failing_s", (int64_t)(health_failing_us(up, now_us) / 1000000));
    json_text(j, "error", attempt_error(error));
}

static void address(struct json_out *j, const struct upstream_group *g,
                    const struct upstream *up, uint64_t now_us)
{
    json_open(j, NULL, '{');
    uint64_t tcp = atomic_load_explicit(&up->tcp_until_us, memory_order_relaxed);
    json_text(j, "address", up->text);
    json_text(j, "state", state_of(g, up));
    json_bool(j, "drained", is_drained(up));
    if (load(&up->srtt_us) > 0)
        json_number(j, "rtt_us", load(&up->srtt_us));
    put_failure(j, up, now_us);
    if (tcp > now_us)
        json_bool(j, "tcp_only", true);
    if (atomic_load_explicit(&up->wrong_domain, memory_order_relaxed))
        json_bool(j, "wrong_domain", true);
    json_close(j, '}');
}

/* ---- clusters ---- */

/* Without the final dot, but for the root. */
static void put_name(struct json_out *j, const char *key, const uint8_t *name)
{
    char text[NAME_TEXT_MAX];
    size_t len = name_print(name, text);
    if (len > 1)
        text[len - 1] = '\0';
    json_text(j, key, text);
}

static void put_names(struct json_out *j, const char *key, const struct zones *z)
{
    json_open(j, key, '[');
    for (uint32_t i = 0; i < z->n; i++)
        put_name(j, NULL, z->list[i].wire);
    json_close(j, ']');
}

static void put_zones(struct json_out *j, const struct cluster *c)
{
    json_open(j, "zones", '[');
    for (uint32_t i = 0; i < c->zones_n; i++)
        put_name(j, NULL, cluster_zone_wire(cluster_zone(c, i)));
    json_close(j, ']');
}

static void put_subnets(struct json_out *j, const char *key, struct subnets subnets)
{
    char text[ADDR_TEXT_MAX];
    json_open(j, key, '[');
    for (uint32_t i = 0; i < subnets.n; i++)
        json_text(j, NULL, cidr_print(&subnets.list[i], text));
    json_close(j, ']');
}

struct listing {
    struct json_out *out;
    const struct plan_block *block;
    const char *only; /* the cluster of this label; NULL: all */
    uint64_t now_us;
};

static void put_addresses(const struct listing *l, const struct upstream_group *g)
{
    json_open(l->out, "dns", '[');
    for (uint32_t i = 0; i < g->n; i++)
        json_text(l->out, NULL, g->list[i]->text);
    json_close(l->out, ']');
    json_open(l->out, "servers", '[');
    for (uint32_t i = 0; i < g->n; i++)
        address(l->out, g, g->list[i], l->now_us);
    json_close(l->out, ']');
}

/* Of a cluster that nobody has asked yet. */
static void put_unasked(const struct listing *l, const struct cluster *c)
{
    struct addr list[INVENTORY_LIST_MAX];
    char text[ADDR_TEXT_MAX];
    uint32_t n = cluster_dns(c, list);
    json_open(l->out, "dns", '[');
    for (uint32_t i = 0; i < n; i++)
        json_text(l->out, NULL, addr_print(&list[i], text));
    json_close(l->out, ']');
    json_open(l->out, "servers", '[');
    for (uint32_t i = 0; i < n; i++) {
        json_open(l->out, NULL, '{');
        json_text(l->out, "address", addr_print(&list[i], text));
        json_text(l->out, "state", health_state(NULL));
        json_bool(l->out, "drained", false);
        json_close(l->out, '}');
    }
    json_close(l->out, ']');
}

static void put_servers(const struct listing *l, const struct cluster *c)
{
    const struct upstream_group *g = cluster_group_met(c);
    json_text(l->out, "state", health_state(g));
    json_bool(l->out, "drained", g != NULL && health_drained(g));
    if (g == NULL)
        put_unasked(l, c);
    else
        put_addresses(l, g);
    json_number(l->out, "in_flight", g == NULL ? 0 : load(&g->shared->in_flight));
}

/* Keys that an inventory has too are called as they are there. */
static void add_cluster(const struct cluster *c, void *context)
{
    const struct listing *l = context;
    struct json_out *j = l->out;
    struct where at = cluster_at(c);
    char label[NAME_TEXT_MAX];
    cluster_label(c, label);
    if (l->only != NULL && strcmp(l->only, label) != 0)
        return;
    json_open(j, NULL, '{');
    json_text(j, "name", label);
    put_zones(j, c);
    put_name(j, "domain", cluster_domain(c).wire);
    put_subnets(j, "services", cluster_services(c));
    put_subnets(j, "pods", cluster_pods(c));
    put_servers(l, c);
    if (at.file != NULL)
        json_print(j, "at", "%s:%u", at.file, at.line);
    put_names(j, "block", &l->block->zones);
    json_close(j, '}');
}

void status_clusters(struct json_out *j, const struct plan *plan, const char *only)
{
    struct listing l = {.out = j, .only = only, .now_us = turn_clock_us()};
    json_open(j, "clusters", '[');
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        l.block = &plan->blocks[i];
        if (l.block->clusters != NULL)
            cluster_map_each(l.block->clusters, add_cluster, &l);
    }
    json_close(j, ']');
}

char *status_clusters_page(const struct plan *plan, size_t *len)
{
    struct json_out j = {0};
    json_open(&j, NULL, '{');
    status_clusters(&j, plan, NULL);
    status_inventories(&j, plan);
    json_close(&j, '}');
    return sheet_take(&j.sheet, len);
}

static void count_cluster(const struct cluster *c, void *context)
{
    struct status_count *count = context;
    bool down = cluster_down(c);
    count->clusters++;
    count->down += down;
    count->drained += cluster_drained(c);
    if (down && count->first_down == NULL)
        count->first_down = cluster_group_now(c)->label;
}

struct status_count status_count(const struct plan *plan)
{
    struct status_count count = {0};
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        if (plan->blocks[i].clusters != NULL)
            cluster_map_each(plan->blocks[i].clusters, count_cluster, &count);
    }
    return count;
}

/* ---- other servers ---- */

static void add_forward(const struct plugin_group *g, void *context)
{
    const struct listing *l = context;
    struct json_out *j = l->out;
    json_open(j, NULL, '{');
    put_name(j, "zone", g->zone->wire);
    if (g->at.file != NULL)
        json_print(j, "at", "%s:%u", g->at.file, g->at.line);
    put_names(j, "block", &l->block->zones);
    put_addresses(l, g->group);
    json_number(j, "in_flight", load(&g->group->shared->in_flight));
    json_close(j, '}');
}

static void forwards(struct json_out *j, const struct plan *plan, uint64_t now_us)
{
    struct listing l = {.out = j, .now_us = now_us};
    json_open(j, "forwards", '[');
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        const struct plan_block *b = l.block = &plan->blocks[i];
        for (uint16_t n = 0; n < b->chain_n; n++) {
            if (b->chain[n].plugin->each_group != NULL)
                b->chain[n].plugin->each_group(b->chain[n].state, add_forward, &l);
        }
    }
    json_close(j, ']');
}

/* ---- the rest ---- */

static void listeners(struct json_out *j, const struct plan *plan)
{
    json_open(j, "listeners", '[');
    for (uint32_t i = 0; i < plan->servers_n; i++) {
        const struct plan_server *s = &plan->servers[i];
        json_open(j, NULL, '{');
        char text[ADDR_TEXT_MAX];
        if (s->addr.family == 0)
            snprintf(text, sizeof text, ":%u", s->addr.port);
        else
            addr_print(&s->addr, text);
        json_text(j, "address", text);
        json_text(j, "scheme", scheme_name(s->scheme));
        json_number(j, "zones", s->zones.n);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void caches(struct json_out *j, const struct plan *plan)
{
    json_open(j, "caches", '[');
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        const struct plan_block *b = &plan->blocks[i];
        struct cache_counts counts;
        if (b->cache == NULL)
            continue;
        cachestore_counts(b->cache, &counts);
        json_open(j, NULL, '{');
        put_names(j, "block", &b->zones);
        json_number(j, "success", (int64_t)counts.entries[CACHE_SUCCESS]);
        json_number(j, "denial", (int64_t)counts.entries[CACHE_DENIAL]);
        json_number(j, "bytes", (int64_t)counts.bytes);
        json_close(j, '}');
    }
    json_close(j, ']');
}

void status_errors(struct json_out *j, const char *key, const struct errors *errs)
{
    json_open(j, key, '[');
    for (uint32_t i = 0; i < errs->n && i < ERRORS_MAX && errs->list != NULL; i++) {
        const struct error *e = &errs->list[i];
        char text[ERROR_TEXT_MAX + 300];
        if (e->at.file != NULL && e->at.line > 0)
            snprintf(text, sizeof text, "%.255s:%u - %s", e->at.file, e->at.line,
                     e->text);
        else
            snprintf(text, sizeof text, "%s", e->text);
        json_text(j, NULL, text);
    }
    json_close(j, ']');
}

static void config(struct json_out *j, const struct reload *r, uint64_t now_us)
{
    json_open(j, "config", '{');
    char *path = realpath(r->plan->config->file, NULL); /* for who is elsewhere */
    json_text(j, "file", r->plan->config->file);
    if (path != NULL)
        json_text(j, "path", path);
    free(path);
    json_text(j, "sha512", r->digest);
    json_number(j, "age_s", (int64_t)((now_us - r->loaded_us) / 1000000));
    json_bool(j, "reloading", r->busy || r->next != NULL);
    json_number(j, "reload_failures", (int64_t)r->facts.reload_failures);
    if (r->failure.n > 0)
        status_errors(j, "refused", &r->failure);
    json_close(j, '}');
}

static const char *const levels[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info",   [LOG_WARNING] = "warning",
    [LOG_ERROR] = "error", [LOG_FATAL] = "fatal",
};

void status_all(struct json_out *j, const struct reload *r, uint64_t now_us)
{
    json_open(j, NULL, '{');
    json_text(j, "version", VERSION_NUMBER);
    json_number(j, "pid", getpid());
    json_number(j, "uptime_s", (int64_t)((now_us - r->started_us) / 1000000));
    json_number(j, "workers", r->workers_n);
    json_text(j, "state", r->admin.leaving ? "leaving" : "serving");
    config(j, r, now_us);
    json_open(j, "log", '{');
    json_text(j, "level", levels[log_least()]);
    json_number(j, "lost", (int64_t)log_lost());
    json_close(j, '}');
    listeners(j, r->plan);
    caches(j, r->plan);
    forwards(j, r->plan, now_us);
    status_clusters(j, r->plan, NULL);
    status_inventories(j, r->plan);
    json_close(j, '}');
}
