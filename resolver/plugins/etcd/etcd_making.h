/* An answer of the plugin `etcd` in the making: records, none of them twice, and what
 * is still to be looked up elsewhere. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_ETCD_ETCD_MAKING_H
#define ISTHMUS_RESOLVER_PLUGINS_ETCD_ETCD_MAKING_H

#include "resolver/plugins/etcd/etcd_own.h"

/* A name of others, whose records go in front of record number `before`. */
struct etcd_lookup {
    const uint8_t *name; /* in the query's arena */
    uint16_t type;
    enum section section;
    bool no_cnames; /* they are there already */
    bool failed;
    uint32_t before;
    struct msg msg; /* what came of it */
    struct etcd_lookup *next;
};

struct etcd_seen {
    uint64_t hash;
    bool used, is;
};

struct etcd_making {
    struct query *q;
    struct etcd_search search;
    const struct etcd_zone *zone;
    uint32_t min_ttl, max_ttl;
    struct etcd_seen *seen;
    uint32_t seen_n, seen_cap;
    uint32_t hits; /* records added, and those that were there already */
    struct etcd_lookup *lookups, **lookups_end;
    uint32_t lookups_n;
    const char *why; /* it has failed */
};

/* What of a record must not be there twice. */
enum etcd_kind {
    ETCD_RECORD = 1, /* owner, and data */
    ETCD_ALIAS,      /* owner and target */
    ETCD_TARGET,     /* target and number */
    ETCD_ASKED,      /* target */
};
struct etcd_item {
    enum etcd_kind kind;
    const uint8_t *owner;  /* may be NULL */
    const uint8_t *target; /* likewise */
    uint16_t type;         /* 0: its kind or data say it */
    struct span rest;      /* of the data; compared as octets */
};

/* The mark of an item: whether it is there; good until the next call. NULL: no memory.
 */
bool *etcd_seen(struct etcd_making *a, const struct etcd_item *item);

/* Marks it; *fresh becomes false when it was there before. 0 or -1. */
int etcd_once(struct etcd_making *a, const struct etcd_item *item, bool *fresh);

/* More records than a message can hold are not gathered: it is truncated either way. 0,
 * or -1 with `why`. */
int etcd_add(struct etcd_making *a, const struct rr_new *rr);

/* An address, once for each owner. 0 or -1. */
int etcd_add_address(struct etcd_making *a, const struct skydns *s,
                     enum section section, const uint8_t *owner);

uint32_t etcd_ttl(const struct etcd_making *a, const struct skydns *s);

/* Has the name looked up. Where there are too many already it fails for answers, and
 * does nothing for what only comes along. 0 or -1. */
int etcd_look_up(struct etcd_making *a, const struct etcd_lookup *l);

/* Adds addresses or texts of a name of the zone (lower case) under `owner`, its CNAMEs
 * followed. ETCD_TOO_MUCH goes with `why`. */
enum etcd_found etcd_walk(struct etcd_making *a, const uint8_t *name,
                          const uint8_t *owner, uint16_t type, enum section section);

/* Records that name a target, with its addresses: SRV and MX of a name, NS of the zone.
 */
enum etcd_found etcd_add_srv(struct etcd_making *a);
enum etcd_found etcd_add_mx(struct etcd_making *a);
enum etcd_found etcd_add_ns(struct etcd_making *a);

/* The zone's own names: `ns.dns` and the like in front of it. 0, or -1: too long. */
int etcd_own_name(const struct etcd_making *a, const char *front, struct name *out);

/* `etcd_find` with `why`. */
enum etcd_found etcd_take(struct etcd_making *a, const uint8_t *name, bool exact,
                          struct etcd_records *out);
enum etcd_found etcd_fail(struct etcd_making *a, const char *why);

#endif
