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
#include "base/table.h"
#include "config/inventory.h"
#include "resolver/rename.h"
#include "resolver/retire.h"
#include "resolver/upstream.h"
#include "resolver/zonetab.h"

/* One zone of a cluster. */
struct cluster_zone {
    struct cluster *cluster;
    const uint8_t *wire; /* the zone's name, lower case */
    uint8_t len;
    bool renamed; /* zone and domain differ */
};

struct cluster_zones {
    struct cluster_zone *list;
    uint32_t n;
};

/* One of its subnets. */
struct cluster_prefix {
    struct cidr cidr; /* first: an entry of struct cidrset */
    bool pods;
    struct cluster *cluster;
};

/* The domain of some clusters, kept once for all of them. */
struct cluster_domain {
    uint32_t clusters, hash;
    uint8_t len;           /* of the domain */
    uint8_t dns_version[]; /* dns-version.DOMAIN: the name that probes ask for */
};
#define DNS_VERSION_LABEL 12 /* octets in front of the domain */

/* A domain name somewhere in memory. */
struct name_ref {
    const uint8_t *wire;
    uint8_t len;
};

/* One cluster, in one block of memory (clusters.h makes it). */
struct cluster {
    const char *label; /* its first zone without the final dot: logs, EDE texts */
    struct where at;
    struct inventory_record *record; /* whose subnets these are */
    struct cluster_zones zones;
    struct name_ref domain;
    struct subnets services, pods;
    struct cluster_prefix *prefixes; /* services.n, then pods.n */
    unsigned pod_names; /* which names of Pods exist: enum cluster_pod_names */
    struct subnets search_misses; /* clients; the plan's arena has the list */
    uint32_t mapping; /* changes when domain or DNS addresses do: cached answers end */
    struct upstream_group group;

    /* the map's own */
    struct cluster_domain *kept_domain;
    struct cluster *next, **prev; /* in the order they came */
    struct retired retired;
};

struct cluster_map {
    struct sharedtab zones;          /* of struct cluster_zone */
    struct sharedtab prefixes;       /* of struct cluster_prefix */
    _Atomic uint64_t labels_used[2]; /* bit n: a zone of n labels is or was there */
    _Atomic uint64_t lengths[2][3];  /* per family: bit per prefix length, likewise */

    /* the control thread's own */
    struct cidrset services;
    struct table domains;
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

/* The domain kept for clusters of this map, with one use more; NULL: no memory. Given
 * back by the map when its cluster ends, or by cluster_domain_drop(). */
struct cluster_domain *cluster_domain_use(struct cluster_map *map, const uint8_t *wire);
void cluster_domain_drop(struct cluster_map *map, struct cluster_domain *d);

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

/* zone -> domain, for questions; and back, for answers. */
static inline struct name_map cluster_inward(const struct cluster_zone *z)
{
    const struct name_ref *domain = &z->cluster->domain;
    return (struct name_map){
        .from = z->wire, .to = domain->wire, .from_len = z->len, .to_len = domain->len};
}

static inline struct name_map cluster_outward(const struct cluster_zone *z)
{
    const struct name_ref *domain = &z->cluster->domain;
    return (struct name_map){
        .from = domain->wire, .to = z->wire, .from_len = domain->len, .to_len = z->len};
}

#endif
