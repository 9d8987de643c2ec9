#include "resolver/unasked.h"

#include "resolver/cluster_servers.h"
#include "resolver/clusters.h"
#include "resolver/plan.h"
#include "resolver/registry.h"

#include <stdlib.h>

static bool has_zone(const void *entry, const void *key)
{
    return name_equal(cluster_zone_wire(cluster_zone(entry, 0)), key);
}

static void add_unasked(const struct cluster *c, void *context)
{
    struct unasked *u = context;
    const uint8_t *zone = cluster_zone_wire(cluster_zone(c, 0));
    uint32_t hash = name_hash(zone);
    if (cluster_group_met(c) != NULL || u->n == u->cap ||
        table_get(&u->zones, hash, has_zone, zone) != NULL)
        return;
    if (table_put(&u->zones, hash, (void *)(uintptr_t)c) < 0)
        u->failed = true;
    u->list[u->n++] = c;
}

static void gather(struct unasked *u, const struct plan *p)
{
    for (const struct clusters *all = p->clusters; all != NULL; all = all->next)
        u->cap += all->block->measured ? all->map.n : 0;
    u->list = calloc(u->cap + 1, sizeof *u->list);
    u->failed = u->list == NULL;
    for (const struct clusters *all = p->clusters; all != NULL; all = all->next) {
        if (all->block->measured && !u->failed)
            cluster_map_each(&all->map, add_unasked, u);
    }
}

/* Workers may have asked some by now. From here on each cluster is either in the list
 * or among the meters up to `last`. */
static void settle(struct unasked *u)
{
    uint32_t n = 0;
    registry_enter(u->plan->registry);
    for (uint32_t i = 0; i < u->n && !u->failed; i++) {
        if (cluster_group_now(u->list[i]) == NULL)
            u->list[n++] = u->list[i];
    }
    u->n = n;
    u->last = metrics_last(u->plan, METER_CLUSTER);
    registry_leave(u->plan->registry);
}

void unasked_find(struct unasked *u, const struct plan *p)
{
    *u = (struct unasked){.plan = p};
    gather(u, p);
    settle(u);
}

void unasked_release(struct unasked *u)
{
    table_release(&u->zones);
    free(u->list);
}
