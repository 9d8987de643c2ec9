#include "resolver/cluster_servers.h"

#include "resolver/clusters.h"
#include "resolver/health.h"
#include "resolver/plan.h"

#include <stdlib.h>

static struct plan *plan_of(const struct cluster *c)
{
    return c->rules->settings.all->plan;
}

static struct endpoint endpoint_of(const struct cluster *c, const struct addr *addr)
{
    return (struct endpoint){.addr = *addr, .idle_us = c->rules->servers.expire_us};
}

/* Clusters of different domains do not share what is known of an address. */
static struct text key_of(const struct cluster *c)
{
    struct name_ref domain = cluster_domain(c);
    return (struct text){.at = (const char *)domain.wire, .len = domain.len};
}

static int claim_dns(const struct cluster *c, struct upstream_group *g,
                     const struct addr *dns, uint32_t n)
{
    struct text key = key_of(c);
    for (uint32_t i = 0; i < n; i++) {
        struct endpoint e = endpoint_of(c, &dns[i]);
        struct upstream *up =
            upstream_claim(plan_of(c)->registry, &e, TRANSPORT_UDP, key);
        if (up == NULL)
            return -1;
        g->list[g->n++] = up;
    }
    return 0;
}

/* What workers count together is the cluster's: another block may give the same zone to
 * another cluster. An upstream is one object as long as anybody has it claimed. */
static int claim_shared(const struct cluster *c, struct upstream_group *g)
{
    uint8_t key[NAME_WIRE_MAX + INVENTORY_LIST_MAX * sizeof(struct upstream *)];
    const struct cluster_zone *zone = cluster_zone(c, 0);
    size_t list_len = g->n * sizeof(struct upstream *);
    memcpy(key, cluster_zone_wire(zone), zone->len);
    memcpy(key + zone->len, g->list, list_len);
    g->shared = upstream_claim_shared(
        plan_of(c)->registry, (struct span){.at = key, .len = zone->len + list_len});
    return g->shared == NULL ? -1 : 0;
}

static void end(struct plan *p, struct upstream_group *g)
{
    metrics_let_group(p, g);
    upstream_group_release(p->registry, g);
    free(g);
}

/* A group with its list and its label behind it. */
static struct upstream_group *group_new(const struct cluster *c)
{
    struct addr dns[INVENTORY_LIST_MAX];
    char label[NAME_TEXT_MAX];
    uint32_t n = cluster_dns(c, dns);
    size_t label_len = strlen(cluster_label(c, label)) + 1;
    const struct clusters *all = c->rules->settings.all;
    struct upstream_group *g = calloc(1, sizeof *g + n * sizeof *g->list + label_len);
    if (g == NULL)
        return NULL;
    g->rules = &c->rules->servers;
    g->list = (struct upstream **)(void *)(g + 1);
    g->label = memcpy(g->list + n, label, label_len);
    if (claim_dns(c, g, dns, n) == 0 && claim_shared(c, g) == 0 &&
        (!all->block->measured || metrics_measure_group(all->plan, g) == 0))
        return g;
    end(all->plan, g);
    return NULL;
}

const struct upstream_group *cluster_group_make(struct cluster *c)
{
    struct registry *reg = plan_of(c)->registry;
    registry_enter(reg); /* another worker may be at it */
    struct upstream_group *g = atomic_load(&c->group);
    if (g == NULL && (g = group_new(c)) != NULL) {
        atomic_store(&c->group, g);
        /* It may be leaving the map just now: one of us sees what the other did. */
        if (atomic_load(&c->gone))
            atomic_store_explicit(&g->gone, true, memory_order_relaxed);
    }
    registry_leave(reg);
    return g;
}

/* Whether somebody has one of its addresses, or counts for it. */
static bool is_met(const struct cluster *c)
{
    const struct clusters *all = c->rules->settings.all;
    struct addr dns[INVENTORY_LIST_MAX];
    char label[NAME_TEXT_MAX];
    struct text key = key_of(c);
    uint32_t n = cluster_dns(c, dns);
    for (uint32_t i = 0; i < n; i++) {
        struct endpoint e = endpoint_of(c, &dns[i]);
        if (upstream_is_claimed(plan_of(c)->registry, &e, TRANSPORT_UDP, key))
            return true;
    }
    return all->block->measured &&
           metrics_has_cluster(all->plan, cluster_label(c, label));
}

const struct upstream_group *cluster_group_met(const struct cluster *c)
{
    const struct upstream_group *g = cluster_group_now(c);
    return g != NULL || !is_met(c) ? g : cluster_group(c);
}

const char *cluster_state(const struct cluster *c)
{
    return health_state(cluster_group_met(c));
}

bool cluster_down(const struct cluster *c)
{
    const struct upstream_group *g = cluster_group_met(c);
    return g != NULL && health_all_down(g);
}

bool cluster_drained(const struct cluster *c)
{
    const struct upstream_group *g = cluster_group_met(c);
    return g != NULL && health_drained(g);
}

void cluster_group_end(struct cluster *c)
{
    struct upstream_group *g = atomic_load(&c->group);
    if (g != NULL)
        end(plan_of(c), g);
}
