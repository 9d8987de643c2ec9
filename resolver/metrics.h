/* Counters that the `prometheus` plugin shows, kept per worker and added up by whoever
 * shows them.
 *
 *     m = metrics_claim(plan, METER_CLUSTER, labels, group);     // setup
 *     metrics_add(&r->desk, m, CLUSTER_REQUESTS, 1);             // on a worker
 *     uint64_t n = metrics_sum(m, CLUSTER_REQUESTS);             // the control thread
 *
 * A meter is a set of counters with the same labels. It lives in the registry by its
 * kind and labels, so that its counts go on over a reload, and each worker has cells of
 * its own in it, made when the worker takes over a plan. To count is therefore one load
 * and one store: no lock, no allocation, no locked instruction. Where a block is not
 * measured the meter is NULL, and to count is one comparison. */
#ifndef ISTHMUS_RESOLVER_METRICS_H
#define ISTHMUS_RESOLVER_METRICS_H

#include "base/arena.h"

#include <stdatomic.h>

struct plan;
struct upstream_group;

/* ---- kinds of meters and their cells ---- */

enum meter_kind {
    METER_SERVED,  /* what is asked of one server and zone; context: struct plan_zone */
    METER_CACHE,   /* context: struct cachestore */
    METER_FORWARD, /* of all `forward` together; no context */
    METER_PROXY,   /* one upstream address; no context */
    METER_CLUSTER, /* context: struct upstream_group */
    METER_INVENTORY,   /* context: struct clusters_inventory; its numbers are there */
    METER_SHED,        /* one server; no context */
    METER_ACL_ALLOWED, /* of plugins; no context */
    METER_ACL,
    METER_DNS64,
    METER_LOCAL,
    METER_TEMPLATE,
    METER_HTTPS, /* one server; no context */
    METER_KINDS,
};

#define METRICS_TYPES        20 /* names of metrics_types, the last for all others */
#define METRICS_RCODES       25 /* 0 to 23, the last for all others */
#define METRICS_TIME_CELLS   18 /* 16 buckets, the rest, the sum */
#define METRICS_SIZE_CELLS   16 /* 14 buckets, the rest, the sum */
#define METRICS_PROXY_PROTOS 4  /* as enum transport */

/* proto: 0 udp, 1 tcp. family: 0 IPv4, 1 IPv6. */
enum served_cell {
    SERVED_REQUESTS = 0, /* [proto][family][type] */
    SERVED_DO = SERVED_REQUESTS + 2 * 2 * METRICS_TYPES,
    SERVED_RESPONSES,                                     /* [rcode] */
    SERVED_UNWRITTEN = SERVED_RESPONSES + METRICS_RCODES, /* [rcode]: by no plugin */
    SERVED_DURATION = SERVED_UNWRITTEN + METRICS_RCODES,
    SERVED_REQUEST_SIZE = SERVED_DURATION + METRICS_TIME_CELLS, /* [proto] */
    SERVED_RESPONSE_SIZE = SERVED_REQUEST_SIZE + 2 * METRICS_SIZE_CELLS,
    SERVED_CELLS = SERVED_RESPONSE_SIZE + 2 * METRICS_SIZE_CELLS,
};

enum cache_cell {
    CACHED_HITS = 0, /* [enum cache_kind] */
    CACHED_REQUESTS = 2,
    CACHED_MISSES,
    CACHED_PREFETCH,
    CACHED_DROPS,
    CACHED_STALE,
    CACHED_CELLS,
};

enum forward_cell { FORWARD_BROKEN, FORWARD_REJECTS, FORWARD_CELLS };

enum proxy_cell {
    PROXY_PROBE_FAILURES,
    PROXY_CONN_HITS, /* [proto] */
    PROXY_CONN_MISSES = PROXY_CONN_HITS + METRICS_PROXY_PROTOS,
    PROXY_DURATION = PROXY_CONN_MISSES + METRICS_PROXY_PROTOS, /* [rcode] */
    PROXY_CELLS = PROXY_DURATION + METRICS_RCODES * METRICS_TIME_CELLS,
};

enum cluster_cell { CLUSTER_REQUESTS, CLUSTER_RENAMES, CLUSTER_CELLS };

enum acl_cell { ACL_BLOCKED, ACL_FILTERED, ACL_DROPPED, ACL_CELLS };

enum shed_cell { SHED_QUERIES, SHED_RESPONSES, SHED_CELLS };

/* Statuses of HTTP that we answer with; one cell each. */
#define METRICS_STATUSES 12
extern const uint16_t metrics_statuses[METRICS_STATUSES];

/* The cell of a status; that of 500 for one that is not in the list. */
uint32_t metrics_status_cell(unsigned status);

/* ---- meters ---- */

/* One worker's part of a meter. */
struct meter_cells {
    struct meter_cells *next;
    unsigned worker;
    _Atomic uint64_t at[];
};

struct meter {
    enum meter_kind kind;
    uint32_t id;     /* small and dense, for struct metrics_desk */
    uint64_t serial; /* of all meters ever, from 1; 0: `id` is not set yet */
    char *labels;    /* `server="dns://:53",zone="."`, values escaped; may be empty */
    struct meter_use *uses; /* one of each plan that claims it */
    _Atomic(struct meter_cells *) cells;
};

/* A plan's claim on a meter, however often it claims it. */
struct meter_use {
    struct meter *meter;
    /* of who claimed it first; of a cluster the last, with the older behind it; NULL:
       he has left */
    _Atomic(const void *) context;
    const struct plan *plan;
    uint32_t claims;
    struct meter_use *same;                  /* of another plan */
    _Atomic(struct meter_use *) next, *prev; /* of the same plan and kind */
};

/* Those of a plan, by kind: a page shows one kind after the other. Workers add those of
 * a cluster that is asked first, under the registry's lock, while the control thread
 * reads: `next` of the last is written when all else is. What goes is taken out by the
 * control thread alone. */
struct meters {
    _Atomic(struct meter_use *) first[METER_KINDS], *last[METER_KINDS];
    uint32_t n;
};

/* A worker's way from a meter to its cells. */
struct metrics_seat {
    struct meter_cells *cells;
    uint64_t serial; /* of the meter they are of */
};

struct metrics_desk {
    struct metrics_seat *list; /* by meter->id */
    uint32_t n;
};

/* The meter of this kind and these labels, made when it is new, as one of the plan's.
 * NULL: no memory, also when `labels` is NULL. */
const struct meter *metrics_claim(struct plan *p, enum meter_kind kind,
                                  const char *labels, const void *context);

/* The last of the plan's uses of a kind now; NULL: none. Between registry_enter and
 * _leave. */
const struct meter_use *metrics_last(const struct plan *p, enum meter_kind kind);

/* Gives back all that the plan claimed. */
void metrics_release(struct plan *p);

/* Claims the meters of all servers, zones and caches of blocks with `prometheus`, once
 * the plan is built otherwise. 0, or -1: no memory. */
int metrics_measure(struct plan *p);

/* What a plugin's `measure` gets. */
struct measure {
    struct plan *plan;
    const struct plan_zone *zone;
    const char *server, *view; /* labels */
    const struct meter **list; /* claimed so far */
    uint32_t n, cap;
    bool failed; /* no memory */
};

/* Claims a meter of this kind whose labels are those given, joined; each may be "". The
 * first is number 0 of the plugin. */
void measure_claim(struct measure *m, enum meter_kind kind, const char *labels);

/* `a,b`; NULL: no memory, also when one is NULL. */
const char *measure_join(struct measure *m, const char *a, const char *b);

/* Claims those of a group and its addresses, for blocks with `prometheus`. 0, or -1: no
 * memory. Any thread. */
int metrics_measure_group(struct plan *p, struct upstream_group *g);

/* Whether some plan counts for a cluster of this label. */
bool metrics_has_cluster(const struct plan *p, const char *label);

/* Gives them back before the plan ends. */
void metrics_let_group(struct plan *p, struct upstream_group *g);

/* `name="value"` with the value escaped; NULL: no memory, also when
 * `value` is NULL. */
const char *metrics_label(struct arena *a, const char *name, const char *value);

/* Gives worker `worker` cells in every meter of the plan. 0, or -1: no memory, and the
 * plan must not be used. On the worker's thread. */
int metrics_attach(struct metrics_desk *desk, const struct plan *p, unsigned worker)
    __attribute__((warn_unused_result));
void metrics_desk_release(struct metrics_desk *desk);

/* Whether worker has cells in `m`: a cluster that came after the plan brings meters of
 * its own, in which a worker that is asked for it takes its seat. */
static inline bool metrics_seated(const struct metrics_desk *desk,
                                  const struct meter *m)
{
    return m->id < desk->n && desk->list[m->id].serial == m->serial;
}
int metrics_seat_group(struct metrics_desk *desk, const struct upstream_group *g,
                       unsigned worker) __attribute__((warn_unused_result));

/* ---- counting, on a worker ---- */

/* `m` may be NULL. */
static inline void metrics_add(const struct metrics_desk *desk, const struct meter *m,
                               uint32_t cell, uint64_t n)
{
    if (m == NULL)
        return;
    _Atomic uint64_t *at = &desk->list[m->id].cells->at[cell];
    uint64_t before = atomic_load_explicit(at, memory_order_relaxed);
    atomic_store_explicit(at, before + n, memory_order_relaxed);
}

/* Into the histogram that begins at `cell`. `m` may be NULL. */
void metrics_add_time(const struct metrics_desk *desk, const struct meter *m,
                      uint32_t cell, uint64_t us);
void metrics_add_size(const struct metrics_desk *desk, const struct meter *m,
                      uint32_t cell, uint64_t octets);

/* Index of a type or response code among those that are told apart. */
uint32_t metrics_type(uint16_t type);
uint32_t metrics_rcode(uint16_t rcode);

/* ---- reading ---- */

extern const uint64_t metrics_times_us[METRICS_TIME_CELLS - 2];
extern const uint64_t metrics_sizes[METRICS_SIZE_CELLS - 2];

/* Names by metrics_type(). */
extern const char *const metrics_types[METRICS_TYPES];

/* Over all workers, past ones included. Any thread. */
uint64_t metrics_sum(const struct meter *m, uint32_t cell);

#endif
