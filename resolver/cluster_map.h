/* The map of one block: which cluster a name belongs to, forwards (by zone) and
 * backwards (by Service and Pod subnet). Immutable once built.
 *
 * Reverse names are found by the longest prefix over all clusters without expanding
 * subnets into zones, so that a /13 costs what a /16 costs. */
#ifndef ISTHMUS_RESOLVER_CLUSTER_MAP_H
#define ISTHMUS_RESOLVER_CLUSTER_MAP_H

#include "base/addr.h"
#include "base/table.h"
#include "config/key.h"
#include "resolver/rename.h"
#include "resolver/upstream.h"
#include "resolver/zonetab.h"

struct subnets {
    struct cidr *list;
    uint32_t n, cap;
};

struct cluster {
    const char
        *label; /* its first zone without the final dot: for logs and EDE texts */
    struct where at;
    struct zones zones;
    struct name domain;
    struct subnets services, pods;
    struct addr *dns; /* explicit addresses */
    uint32_t dns_n, dns_cap;
    uint32_t index, port;
    unsigned pod_names; /* which names of Pods exist: enum cluster_pod_names */
    struct upstream_group group;
};

/* One zone of a cluster, ready for its queries. */
struct cluster_zone {
    const struct cluster *cluster;
    const struct name *zone;
    bool renamed;     /* zone and domain differ */
    uint32_t mapping; /* changes when domain or DNS addresses do: cached answers end */
    struct name_map inward;  /* zone -> domain, for questions */
    struct name_map outward; /* domain -> zone, for answers */
};

struct prefix_entry {
    struct cidr cidr;
    const struct cluster_zone *owner; /* the cluster's first zone */
    bool pods;
};

struct prefix_map {
    struct table table;     /* of struct prefix_entry */
    uint64_t lengths[2][3]; /* per family: bit per prefix length in use */
};

struct cluster_map {
    struct zonetab zones; /* -> struct cluster_zone */
    struct prefix_map prefixes;
};

/* Files one cluster. Adds errors (zone twice, subnets equal or overlapping, a zone that
 * is another renamed cluster's domain) that name both clusters and the mend. 0 or -1.
 */
int cluster_map_add(struct cluster_map *map, struct arena *a, const struct cluster *c,
                    struct errors *errs);

/* After the last: what can only be seen over all clusters. 0 or -1. */
int cluster_map_check(struct cluster_map *map, const struct cluster *const *list,
                      uint32_t n, struct errors *errs);

void cluster_map_release(struct cluster_map *map);

/* Calls `fn` once for each cluster, in the order they were added; the only way to go
 * over them all. On the control thread, where no map in use can go meanwhile. */
void cluster_map_each(const struct cluster_map *map,
                      void (*fn)(const struct cluster *c, void *context),
                      void *context);

/* The zone a question belongs to, by name or by reverse name; NULL for others. *reverse
 * tells which. */
const struct cluster_zone *cluster_map_find(const struct cluster_map *map,
                                            const struct name_key *key, bool *reverse);

#endif
