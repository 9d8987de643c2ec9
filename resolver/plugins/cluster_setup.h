/* The configuration side of `cluster` and `inventory`: from their directives to the
 * block's clusters. Both are asked through the same hooks. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_CLUSTER_SETUP_H
#define ISTHMUS_RESOLVER_PLUGINS_CLUSTER_SETUP_H

#include "resolver/clusters.h"
#include "resolver/plugin.h"
#include "resolver/plugins/cluster_access.h"

#define CLUSTER_OPTIONS_N   15
#define INVENTORY_OPTIONS_N (16 + ACCESS_OPTIONS_N)
extern const struct option cluster_options[CLUSTER_OPTIONS_N];
extern const struct option inventory_options[INVENTORY_OPTIONS_N];

int cluster_setup(struct setup *s, const struct directive *d);
int inventory_setup(struct setup *s, const struct directive *d);

/* Their state is the block's struct clusters. */
enum verdict cluster_on_query(struct query *q, const void *state);
enum verdict cluster_on_wake(struct query *q, const void *state);
const char *cluster_label_of(struct query *q, const void *state);

#endif
