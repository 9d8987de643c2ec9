/* One cluster from what is known of it: its zones, addresses and domain. For
 * clusters.c.
 */
#ifndef ISTHMUS_RESOLVER_CLUSTER_MAKE_H
#define ISTHMUS_RESOLVER_CLUSTER_MAKE_H

#include "resolver/clusters.h"

/* A cluster that is in no map yet, with a use of the record; NULL after adding an error
 * (at the record's place). */
struct cluster *cluster_make(struct clusters *all, const struct cluster_spec *spec,
                             struct inventory_record *r, struct errors *errs);

#endif
