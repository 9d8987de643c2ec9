/* Clusters, and addresses of clusters, that `isthmus drain` has taken out of use.
 *
 * What is drained is asked only when nobody else can be (resolver/health.h): an address
 * when the cluster's others are down or fail, a whole cluster when the cache has no
 * answer, not even one that has expired. So a drain never makes a name fail. It holds
 * over reloads, for addresses that a reload brings too, and over restarts where there
 * is a file to keep it in.
 *
 *     drains_init(&d, path);
 *     drains_apply(&d, plan);          // before workers use the plan
 *     drains_set(&d, &zone, NULL, true); drains_apply(&d, plan); drains_save(&d);
 *
 * All on the control thread. */
#ifndef ISTHMUS_SERVER_DRAINS_H
#define ISTHMUS_SERVER_DRAINS_H

#include "base/error.h"
#include "resolver/cluster_map.h"

struct plan;

struct drain {
    struct drain *next;
    struct name zone; /* the cluster's first, lower case */
    struct addr addr; /* family 0: all of its addresses */
};

struct drains {
    struct drain *first;
    char *path; /* of the file; NULL: there is none */
};

/* Reads the file, if there is one. `path` may be NULL; what cannot be read is logged,
 * and nothing is drained. */
void drains_init(struct drains *d, const char *path);
void drains_release(struct drains *d);

/* Drains, or takes back; `addr` NULL: the cluster, and with `on` false each of its
 * addresses. 0, or -1: no memory. */
int drains_set(struct drains *d, const struct cluster *c, const struct addr *addr,
               bool on);

/* Makes it hold for every cluster of the plan. */
void drains_apply(const struct drains *d, const struct plan *plan);

/* Writes the file. 0, or -1 after adding an error. Without a file nothing is done. */
int drains_save(const struct drains *d, struct errors *errs);

#endif
