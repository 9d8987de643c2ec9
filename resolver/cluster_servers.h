/* The DNS servers of a cluster: made when it is asked first, for most never are. On any
 * thread; from then on to find them is one load.
 *
 *     const struct upstream_group *g = cluster_group(c);      // made if need be
 *     const struct upstream_group *g = cluster_group_met(c);  // NULL: nobody asked yet
 *
 * What nobody has asked is shown from its addresses: as up, and not drained. */
#ifndef ISTHMUS_RESOLVER_CLUSTER_SERVERS_H
#define ISTHMUS_RESOLVER_CLUSTER_SERVERS_H

#include "resolver/cluster.h"

/* NULL: no memory. Lives as long as the cluster. */
const struct upstream_group *cluster_group_make(struct cluster *c);

/* NULL: there is none yet. */
static inline const struct upstream_group *cluster_group_now(const struct cluster *c)
{
    return atomic_load_explicit(&c->group, memory_order_acquire);
}

static inline const struct upstream_group *cluster_group(const struct cluster *c)
{
    const struct upstream_group *g = cluster_group_now(c);
    return g != NULL ? g : cluster_group_make((struct cluster *)(uintptr_t)c);
}

/* It is made, too, when one of its addresses is known already: by an earlier plan, or
 * because a cluster of another block has the same. */
const struct upstream_group *cluster_group_met(const struct cluster *c);

/* As health.h has it of a group; whoever was never met is up and not drained. */
const char *cluster_state(const struct cluster *c);
bool cluster_down(const struct cluster *c);
bool cluster_drained(const struct cluster *c);

/* Gives back what its group holds. Nobody looks any more. */
void cluster_group_end(struct cluster *c);

#endif
