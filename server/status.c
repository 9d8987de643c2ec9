#include "server/status.h"

#include "base/log.h"
#include "resolver/cachestore.h"
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
static void put_failure(struct tree *t, cJSON *to, const struct upstream *up,
                        uint64_t now_us)
{
    int error = atomic_load_explicit(&up->last_error, memory_order_relaxed);
    if (load(&up->fails) == 0)
        return;
    tree_number(t, to, "fails", load(&up->fails));
    tree_number(t, to, "failing_s", (double)(health_failing_us(up, now_us) / 1000000));
    tree_text(t, to, "error", "%s", attempt_error(error));
}

static cJSON *address(struct tree *t, const struct upstream_group *g,
                      const struct upstream *up, uint64_t now_us)
{
    cJSON *to = tree_object(t);
    uint64_t tcp = atomic_load_explicit(&up->tcp_until_us, memory_order_relaxed);
    tree_text(t, to, "address", "%s", up->text);
    tree_text(t, to, "state", "%s", state_of(g, up));
    tree_bool(t, to, "drained", is_drained(up));
    if (load(&up->srtt_us) > 0)
        tree_number(t, to, "rtt_us", load(&up->srtt_us));
    put_failure(t, to, up, now_us);
    if (tcp > now_us)
        tree_bool(t, to, "tcp_only", true);
    if (atomic_load_explicit(&up->wrong_domain, memory_order_relaxed))
        tree_bool(t, to, "wrong_domain", true);
    return to;
}

/* ---- clusters ---- */

static void put_name(struct tree *t, cJSON *to, const char *key, const uint8_t *name)
{
    char text[NAME_TEXT_MAX];
    size_t len = name_print(name, text);
    tree_text(t, to, key, "%.*s", (int)(len > 1 ? len - 1 : len), text);
}

static void put_names(struct tree *t, cJSON *to, const char *key, const struct zones *z)
{
    cJSON *list = tree_array(t);
    char text[NAME_TEXT_MAX];
    for (uint32_t i = 0; i < z->n; i++) {
        size_t len = name_print(z->list[i].wire, text);
        if (len > 1)
            text[len - 1] = '\0';
        tree_add_text(t, list, text);
    }
    tree_put(t, to, key, list);
}

static void put_zones(struct tree *t, cJSON *to, const struct cluster_zones *z)
{
    cJSON *list = tree_array(t);
    char text[NAME_TEXT_MAX];
    for (uint32_t i = 0; i < z->n; i++) {
        text[name_print(z->list[i].wire, text) - 1] = '\0';
        tree_add_text(t, list, text);
    }
    tree_put(t, to, "zones", list);
}

static void put_subnets(struct tree *t, cJSON *to, const char *key,
                        const struct subnets *subnets)
{
    cJSON *list = tree_array(t);
    char text[ADDR_TEXT_MAX];
    for (uint32_t i = 0; i < subnets->n; i++)
        tree_add_text(t, list, cidr_print(&subnets->list[i], text));
    tree_put(t, to, key, list);
}

struct listing {
    struct tree *tree;
    cJSON *list;
    const struct plan_block *block;
    const char *only; /* the cluster of this label; NULL: all */
    uint64_t now_us;
};

static void put_addresses(const struct listing *l, cJSON *to,
                          const struct upstream_group *g)
{
    cJSON *dns = tree_array(l->tree), *servers = tree_array(l->tree);
    for (uint32_t i = 0; i < g->n; i++) {
        tree_add_text(l->tree, dns, g->list[i]->text);
        tree_add(l->tree, servers, address(l->tree, g, g->list[i], l->now_us));
    }
    tree_put(l->tree, to, "dns", dns);
    tree_put(l->tree, to, "servers", servers);
}

/* Keys that an inventory has too are called as they are there. */
static void add_cluster(const struct cluster *c, void *context)
{
    const struct listing *l = context;
    struct tree *t = l->tree;
    if (l->only != NULL && strcmp(l->only, c->label) != 0)
        return;
    cJSON *to = tree_object(t);
    tree_text(t, to, "name", "%s", c->label);
    put_zones(t, to, &c->zones);
    put_name(t, to, "domain", c->domain.wire);
    put_subnets(t, to, "services", &c->services);
    put_subnets(t, to, "pods", &c->pods);
    tree_text(t, to, "state", "%s", health_state(&c->group));
    tree_bool(t, to, "drained", health_drained(&c->group));
    put_addresses(l, to, &c->group);
    tree_number(t, to, "in_flight", load(&c->group.shared->in_flight));
    if (c->at.file != NULL)
        tree_text(t, to, "at", "%s:%u", c->at.file, c->at.line);
    put_names(t, to, "block", &l->block->zones);
    tree_add(t, l->list, to);
}

cJSON *status_clusters(struct tree *t, const struct plan *plan, const char *only)
{
    struct listing l = {
        .tree = t, .list = tree_array(t), .only = only, .now_us = turn_clock_us()};
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        l.block = &plan->blocks[i];
        if (l.block->clusters != NULL)
            cluster_map_each(l.block->clusters, add_cluster, &l);
    }
    return l.list;
}

char *status_clusters_page(const struct plan *plan, size_t *len)
{
    struct tree t = {0};
    cJSON *root = tree_object(&t);
    tree_put(&t, root, "clusters", status_clusters(&t, plan, NULL));
    tree_put(&t, root, "inventories", status_inventories(&t, plan));
    char *text = tree_print(&t, root);
    tree_free(root);
    *len = text == NULL ? 0 : strlen(text);
    return text;
}

static void count_cluster(const struct cluster *c, void *context)
{
    struct status_count *count = context;
    bool down = health_all_down(&c->group);
    count->clusters++;
    count->down += down;
    count->drained += health_drained(&c->group);
    if (down && count->first_down == NULL)
        count->first_down = c->label;
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
    cJSON *to = tree_object(l->tree);
    put_name(l->tree, to, "zone", g->zone->wire);
    if (g->at.file != NULL)
        tree_text(l->tree, to, "at", "%s:%u", g->at.file, g->at.line);
    put_names(l->tree, to, "block", &l->block->zones);
    put_addresses(l, to, g->group);
    tree_number(l->tree, to, "in_flight", load(&g->group->shared->in_flight));
    tree_add(l->tree, l->list, to);
}

static cJSON *forwards(struct tree *t, const struct plan *plan, uint64_t now_us)
{
    struct listing l = {.tree = t, .list = tree_array(t), .now_us = now_us};
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        const struct plan_block *b = l.block = &plan->blocks[i];
        for (uint16_t n = 0; n < b->chain_n; n++) {
            if (b->chain[n].plugin->each_group != NULL)
                b->chain[n].plugin->each_group(b->chain[n].state, add_forward, &l);
        }
    }
    return l.list;
}

/* ---- the rest ---- */

static cJSON *listeners(struct tree *t, const struct plan *plan)
{
    cJSON *list = tree_array(t);
    for (uint32_t i = 0; i < plan->servers_n; i++) {
        const struct plan_server *s = &plan->servers[i];
        cJSON *to = tree_object(t);
        char text[ADDR_TEXT_MAX];
        if (s->addr.family == 0)
            snprintf(text, sizeof text, ":%u", s->addr.port);
        else
            addr_print(&s->addr, text);
        tree_text(t, to, "address", "%s", text);
        tree_text(t, to, "scheme", "%s", scheme_name(s->scheme));
        tree_number(t, to, "zones", s->zones.n);
        tree_add(t, list, to);
    }
    return list;
}

static cJSON *caches(struct tree *t, const struct plan *plan)
{
    cJSON *list = tree_array(t);
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        const struct plan_block *b = &plan->blocks[i];
        struct cache_counts counts;
        if (b->cache == NULL)
            continue;
        cachestore_counts(b->cache, &counts);
        cJSON *to = tree_object(t);
        put_names(t, to, "block", &b->zones);
        tree_number(t, to, "success", (double)counts.entries[CACHE_SUCCESS]);
        tree_number(t, to, "denial", (double)counts.entries[CACHE_DENIAL]);
        tree_number(t, to, "bytes", (double)counts.bytes);
        tree_add(t, list, to);
    }
    return list;
}

cJSON *status_errors(struct tree *t, const struct errors *errs)
{
    cJSON *list = tree_array(t);
    for (uint32_t i = 0; i < errs->n && i < ERRORS_MAX && errs->list != NULL; i++) {
        const struct error *e = &errs->list[i];
        char text[ERROR_TEXT_MAX + 300];
        if (e->at.file != NULL && e->at.line > 0)
            snprintf(text, sizeof text, "%.255s:%u - %s", e->at.file, e->at.line,
                     e->text);
        else
            snprintf(text, sizeof text, "%s", e->text);
        tree_add_text(t, list, text);
    }
    return list;
}

static cJSON *config(struct tree *t, const struct reload *r, uint64_t now_us)
{
    cJSON *to = tree_object(t);
    char *path = realpath(r->plan->config->file, NULL); /* for who is elsewhere */
    tree_text(t, to, "file", "%s", r->plan->config->file);
    if (path != NULL)
        tree_text(t, to, "path", "%s", path);
    free(path);
    tree_text(t, to, "sha512", "%s", r->digest);
    tree_number(t, to, "age_s", (double)((now_us - r->loaded_us) / 1000000));
    tree_bool(t, to, "reloading", r->busy);
    tree_number(t, to, "reload_failures", (double)r->facts.reload_failures);
    if (r->failure.n > 0)
        tree_put(t, to, "refused", status_errors(t, &r->failure));
    return to;
}

static const char *const levels[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info",   [LOG_WARNING] = "warning",
    [LOG_ERROR] = "error", [LOG_FATAL] = "fatal",
};

cJSON *status_all(struct tree *t, const struct reload *r, uint64_t now_us)
{
    cJSON *root = tree_object(t), *log = tree_object(t);
    tree_text(t, root, "version", "%s", VERSION_NUMBER);
    tree_number(t, root, "pid", getpid());
    tree_number(t, root, "uptime_s", (double)((now_us - r->started_us) / 1000000));
    tree_number(t, root, "workers", r->workers_n);
    tree_text(t, root, "state", "%s", r->admin.leaving ? "leaving" : "serving");
    tree_put(t, root, "config", config(t, r, now_us));
    tree_text(t, log, "level", "%s", levels[log_least()]);
    tree_number(t, log, "lost", (double)log_lost());
    tree_put(t, root, "log", log);
    tree_put(t, root, "listeners", listeners(t, r->plan));
    tree_put(t, root, "caches", caches(t, r->plan));
    tree_put(t, root, "forwards", forwards(t, r->plan, now_us));
    tree_put(t, root, "clusters", status_clusters(t, r->plan, NULL));
    tree_put(t, root, "inventories", status_inventories(t, r->plan));
    return root;
}
