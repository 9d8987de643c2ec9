/* From what is known of a cluster (config/inventory.h) and what its directive says to a
 * cluster that is served; and the inventories of a block, whose clusters come and go.
 *
 * A block has one map, whoever fills it: `cluster` lines when the plan is built, each
 * `inventory` then too, and whenever its source has something new. */
#ifndef ISTHMUS_RESOLVER_CLUSTERS_H
#define ISTHMUS_RESOLVER_CLUSTERS_H

#include "base/log.h"
#include "config/discovery/discovery.h"
#include "resolver/cluster_map.h"
#include "resolver/cluster_refusals.h"

struct plan;
struct plan_block;
struct clusters;
struct making;

#define CLUSTER_TEMPLATES_MAX 8

/* What a directive says of its clusters: of one, or of all that an inventory brings,
 * where these do not say otherwise themselves. */
struct cluster_spec {
    struct inventory_draft draft;
    struct upstream_rules servers;
    unsigned pod_names;
    struct subnets search_misses; /* as long as the plan when it is given over */

    /* of an inventory */
    const char *zones[CLUSTER_TEMPLATES_MAX]; /* `{name}.k8s.lan` */
    uint32_t zones_n;
    int64_t interval_us;
    uint32_t shrink;
    const char *state;
    struct discovery_access access;
};

struct clusters_inventory {
    struct clusters *all;
    struct cluster_spec spec;
    struct discovery **source; /* claimed from the registry; NULL: not yet */
    uint64_t number;           /* of the last change that is in the map */
    bool settled;              /* what it was loaded with has let go of the older */
    const char *source_text;
    struct table names; /* of struct cluster, by the record's name */
    struct cluster_refusals refused;
    struct log_limit log;
    bool quiet; /* it is shown otherwise what cannot be served */
    struct where at;
    struct clusters_inventory *next;
};

/* All clusters of a block. */
struct clusters {
    struct cluster_map map;
    struct plan *plan;
    const struct plan_block *block;
    struct clusters_inventory *inventories, **inventories_last;
    struct making *making; /* cluster_make.c\'s own, used again and again */
    struct table dns;      /* of struct cluster, by its first DNS, if that is written */
    uint32_t doubles;      /* clusters whose DNS and domain are another's too */
    bool search_misses;    /* some directive has the option */
    uint32_t unreversed;   /* whose reverse names the block is never asked for */
    struct clusters *next; /* of the plan */
};

/* The block's, made when there are none yet; NULL: no memory. */
struct clusters *clusters_of(struct plan *p, struct plan_block *b);

/* Serves one cluster; what its directive says goes with it. 0, or -1 after adding an
 * error. */
int clusters_add_line(struct clusters *all, const struct cluster_spec *spec,
                      struct errors *errs);

/* Starts a source, or joins it where it is at work already; `source` is its text. 0, or
 * -1 after adding an error. */
int clusters_add_inventory(struct clusters *all, const struct cluster_spec *spec,
                           const char *source, struct errors *errs);

/* After the last: waits until all have looked once, for two seconds at most, and serves
 * what they hold, the oldest first. What cannot be served is noted. 0, or -1 after
 * adding an error. */
int clusters_load(struct clusters *all, struct errors *errs);

/* From now on workers may look: what is removed stays for a while. */
void clusters_publish(struct plan *p);

struct clusters_news {
    bool changed;
    bool retired; /* something was replaced or removed: see retire.h */
};

/* Takes over what sources have brought since, for the plan in use and the one that is
 * about to be, which may be NULL; the news are those of the first. Control thread. */
struct clusters_news clusters_refresh(struct plan *p, struct plan *next);

/* How an inventory is, for whoever shows it: its source, and what of it this block
 * serves. */
struct clusters_report {
    struct discovery_status source;
    const struct plan_block *block;
    struct where at;
    uint32_t served, refused_n;
    const struct cluster_refusal *refused; /* in the order in which they came */
};
void clusters_report(const struct clusters_inventory *inv, struct clusters_report *out);

/* Calls `fn` for each inventory of the plan. Control thread. */
void clusters_each_report(const struct plan *p,
                          void (*fn)(const struct clusters_report *r, void *context),
                          void *context);

/* Believes the inventory `word`, as the Corefile or `status` says it, wherever it
 * stands (discovery_accept()). *held: how many clusters go for it. Returns its source;
 * NULL: there is no such inventory. */
const char *clusters_accept(const struct plan *p, const char *word, uint32_t *held);

/* Ends those of all blocks. */
void clusters_release(struct plan *p);

#endif
