/* What is known of one cluster, whatever told it: a `cluster` line of a Corefile, a
 * file of JSON, a list of serf's members, an API. Every source makes the same record.
 *
 *     struct inventory_draft d = {0};                       // what a reader fills
 *     ... inventory_add_cidr(&arena, &d.services, &cidr);
 *     struct inventory_record *r = inventory_record_new(&d);
 *     ... inventory_record_drop(r);
 *
 * A record is one block of memory, const once made but for `seen` and what follows it,
 * which belong to whoever keeps it, and lives as long as somebody has a use of it: the
 * source that brought it, and each plan that serves it. */
#ifndef ISTHMUS_CONFIG_INVENTORY_H
#define ISTHMUS_CONFIG_INVENTORY_H

#include "base/addr.h"
#include "base/error.h"
#include "config/key.h"

#include <stdatomic.h>

struct subnets {
    struct cidr *list;
    uint32_t n, cap;
};

static inline bool subnets_contain(const struct subnets *s, const struct addr *a)
{
    for (uint32_t i = 0; i < s->n; i++) {
        if (cidr_contains(&s->list[i], a))
            return true;
    }
    return false;
}

struct addrs {
    struct addr *list; /* port 0: the default */
    uint32_t n, cap;
};

/* A cluster while it is read. Lists live in the reader's arena. */
struct inventory_draft {
    struct text name; /* of letters, digits, `-`, `_` and `.`; empty: none */
    struct zones zones;
    struct name domain; /* len 0: not said */
    struct subnets services, pods;
    struct addrs dns;
    uint32_t index, port; /* 0: not said */
    struct where at;      /* `file` outlives the record */
    uint64_t digest;      /* of the text it was read from; 0: none */
    uint32_t since_s;     /* when it was first seen, UTC; 0: now */
};

/* Where records come from: a name that lives as long as any of them. */
struct inventory_place {
    _Atomic uint32_t uses;
    char name[];
};

/* With one use. NULL: no memory. */
struct inventory_place *inventory_place_new(const char *name);
void inventory_place_drop(struct inventory_place *p);

struct inventory_record {
    _Atomic uint32_t uses;
    uint32_t index;
    uint16_t port;
    uint8_t zones_n, services_n, pods_n, dns_n;
    uint8_t name_len;
    bool has_domain;
    _Atomic uint32_t line; /* of its text as it is now */
    uint32_t since_s;
    const char *file;
    uint64_t digest;

    uint32_t seen; /* the look that found it last */
    bool placed;   /* uses the place whose name is `file` */
    uint64_t seq;  /* the order in which records came, over all sources: the smaller is
                      the older */
    struct inventory_record
        *before; /* what it is to replace, while that is not settled */

    _Alignas(struct addr) uint8_t octets[];
};

/* Each appends to a list in the arena. 0, or -1: no memory, or INVENTORY_LIST_MAX. */
int inventory_add_cidr(struct arena *a, struct subnets *to, const struct cidr *c);
int inventory_add_zone(struct arena *a, struct zones *to, const struct name *zone);
int inventory_add_addr(struct arena *a, struct addrs *to, const struct addr *addr);

/* A record with one use. NULL: no memory. */
struct inventory_record *inventory_record_new(const struct inventory_draft *d);
struct inventory_record *inventory_record_use(struct inventory_record *r);
/* Uses that place from now on, if its `file` is the name of it. */
void inventory_record_place(struct inventory_record *r, struct inventory_place *p);
void inventory_record_drop(struct inventory_record *r); /* NULL is fine */

/* Its parts, which live as long as it does. */
const char *inventory_name(const struct inventory_record *r); /* "": none */
const struct addr *inventory_dns(const struct inventory_record *r);
const struct cidr *inventory_services(const struct inventory_record *r);
const struct cidr *inventory_pods(const struct inventory_record *r);
const uint8_t *inventory_domain(const struct inventory_record *r); /* NULL: not said */
const uint8_t *inventory_zone(const struct inventory_record *r, unsigned i); /* i < n */

/* Whether both say the same of a cluster, wherever they stand. */
bool inventory_same(const struct inventory_record *a, const struct inventory_record *b);

#endif
