/* Clusters from the members of a serf cluster: each member that carries the tag
 * `cluster` speaks for that cluster, and what its members say is taken together.
 *
 *     serf agent -tag cluster=cluster-b -tag dns=10.97.0.10 -tag services=10.97.0.0/16
 *
 * Tags are `cluster` `dns` `zone` `zones` `domain` `services` `pods` `index` `port`,
 * lists with commas between; others are somebody else's. Addresses of members that have
 * failed come behind those of members alive, and stay. A cluster all of whose members
 * have left is gone. */
#ifndef ISTHMUS_CONFIG_INVENTORY_SERF_H
#define ISTHMUS_CONFIG_INVENTORY_SERF_H

#include "config/inventory_json.h"

struct inventory_members {
    const char *file;
    struct text whole, members; /* the text, and the array in it */
    const struct inventory_sink *sink;
    struct errors *errs;
};

enum inventory_result inventory_read_members(const struct inventory_members *m);

#endif
