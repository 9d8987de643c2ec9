/* Clusters of measured blocks that nobody has asked yet: they have no meters, and are
 * shown from what is known of them.
 *
 *     struct unasked u;
 *     unasked_find(&u, plan);
 *     ... the plan's METER_CLUSTER as far as u.last, then u.list: each cluster is in
 * one of them unasked_release(&u);
 */
#ifndef ISTHMUS_RESOLVER_UNASKED_H
#define ISTHMUS_RESOLVER_UNASKED_H

#include "resolver/cluster.h"

struct unasked {
    const struct plan *plan;
    const struct cluster **list; /* each first zone once */
    uint32_t n, cap;
    struct table zones; /* of struct cluster, by its first zone */
    const struct meter_use
        *last;   /* of METER_CLUSTER, when the list was made; may be NULL */
    bool failed; /* no memory */
};

/* Control thread. */
void unasked_find(struct unasked *u, const struct plan *p);
void unasked_release(struct unasked *u);

#endif
