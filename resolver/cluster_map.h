/* The map of one block: which cluster a name belongs to, forwards (by zone) and
 * backwards (by Service and Pod subnet).
 *
 * The control thread puts, replaces and removes clusters while workers look names up,
 * without a lock: each change is seen whole or not at all for any one name. What is
 * removed stays in memory until no query can point to it (retire.h).
 *
 * Reverse names are found by the longest prefix over all clusters without expanding
 * subnets into zones, so that a /13 costs what a /16 costs. */
#ifndef ISTHMUS_RESOLVER_CLUSTER_MAP_H
#define ISTHMUS_RESOLVER_CLUSTER_MAP_H

#include "base/cidrset.h"
#include "base/sharedtab.h"
#include "resolver/cluster.h"
#include "resolver/zonetab.h"

struct cluster_map {
    struct sharedtab zones;          /* of struct cluster_zone */
    struct sharedtab prefixes;       /* of struct cluster_prefix */
    _Atomic uint64_t labels_used[2]; /* bit n: a zone of n labels is or was there */
    _Atomic uint64_t lengths[2][3];  /* per family: bit per prefix length, likewise */

    /* the control thread's own */
    struct cidrset services;
    struct cluster_commons commons;
    struct cluster *first, **last;
    uint32_t n;
    struct retirement *retirement; /* where what is removed goes; NULL: nobody looks */
    void (*free)(struct cluster *c, void *context); /* ends a cluster */
    void *context;
};

/* Fills `map`, which is to be all zero. */
void cluster_map_init(struct cluster_map *map,
                      void (*free)(struct cluster *c, void *context), void *context);

/* Puts a cluster, in the place of `old` where that is not NULL. 0; or -1 after adding
 * an error, and the map is as it was: a zone that is there already, subnets equal or
 * inside each other, a zone that is another renamed cluster's domain; the error names
 * both clusters and the mend. On success the map has `c`, and `old` is on its way out.
 */
int cluster_map_put(struct cluster_map *map, struct cluster *c, struct cluster *old,
                    struct errors *errs) __attribute__((warn_unused_result));

void cluster_map_remove(struct cluster_map *map, struct cluster *c);

/* Whose subnet an address is in, the longest; NULL: nobody's. */
const struct cluster *cluster_map_owner(const struct cluster_map *map,
                                        const struct addr *addr);

/* Ends all clusters. Nobody looks any more. */
void cluster_map_release(struct cluster_map *map);

/* Calls `fn` once for each cluster, in the order they were added; the only way to go
 * over them all. On the control thread, where no map in use can go meanwhile. */
void cluster_map_each(const struct cluster_map *map,
                      void (*fn)(const struct cluster *c, void *context),
                      void *context);

/* ---- workers ---- */

/* The zone a question belongs to, by name or by reverse name; NULL for others. *reverse
 * tells which. Valid as long as the query. */
const struct cluster_zone *cluster_map_find(const struct cluster_map *map,
                                            const struct name_key *key, bool *reverse);

/* For foresight.h: whether there are so many that it is worth it; has the places of the
 * zones that the name may be under fetched; and then, the zone that it most likely is
 * under, of which nothing has been read, or NULL. */
bool cluster_map_is_large(const struct cluster_map *map);
void cluster_map_foresee(const struct cluster_map *map, const struct name_key *key);
const struct cluster_zone *cluster_map_foreseen(const struct cluster_map *map,
                                                const struct name_key *key);

/* Calls `fn` for each cluster, in no order, until it returns false. */
void cluster_map_look(const struct cluster_map *map,
                      bool (*fn)(const struct cluster *c, void *context),
                      void *context);

/* The zone in the middle of a name that a search list has made longer, as
 * `app.web.svc.cluster-b.local` by `default.svc.cluster.local`; NULL: it is no such
 * name. Behind the zone stands D, svc.D or NAMESPACE.svc.D, D being the domain of the
 * zone's cluster or another zone of the map, the longest that `own` (the zone that the
 * name lies in, or NULL) leaves; *domain is its first label's index. No Service or Pod
 * of D has such a name. */
const struct cluster_zone *cluster_map_find_searched(const struct cluster_map *map,
                                                     const struct name_key *key,
                                                     const struct cluster_zone *own,
                                                     unsigned *domain);

#endif
