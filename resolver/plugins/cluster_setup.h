/* The configuration side of `cluster`: from its directive to the map and the groups of
 * DNS addresses. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_CLUSTER_SETUP_H
#define ISTHMUS_RESOLVER_PLUGINS_CLUSTER_SETUP_H

#include "resolver/cluster_map.h"
#include "resolver/plugin.h"

struct cluster_plugin {
    struct cluster **list;
    uint32_t n, cap;
    struct cluster_map map;
    uint32_t unreversed; /* clusters whose reverse names the block is never asked */
};

#define CLUSTER_OPTIONS_N 14
extern const struct option cluster_options[CLUSTER_OPTIONS_N];

int cluster_setup(struct setup *s, const struct directive *d);
void cluster_release(struct registry *reg, void *state);

#endif
