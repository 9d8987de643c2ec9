/* One cluster from what is known of it: its zones, addresses and domain, one block of
 * memory, and what it claims from the registry. For clusters.c. */
#ifndef ISTHMUS_RESOLVER_CLUSTER_MAKE_H
#define ISTHMUS_RESOLVER_CLUSTER_MAKE_H

#include "resolver/clusters.h"

/* A cluster that is in no map yet, with a use of the record; NULL after adding an error
 * (at the record's place). */
struct cluster *cluster_make(struct clusters *all, const struct cluster_spec *spec,
                             struct inventory_record *r, struct errors *errs);

/* Ends one that never came into the map. */
void cluster_unmake(struct clusters *all, struct cluster *c);

/* Ends one that has left it; `context` is the struct clusters. */
void cluster_free(struct cluster *c, void *context);

#endif
