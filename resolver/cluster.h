/* One cluster as it is kept: small, since there may be 100,000 of which most are never
 * asked.
 *
 *     struct cluster *c = cluster_new(record, rules, zones, zones_n);
 *     ... cluster_map_put(map, c, NULL, errs) ...        // cluster_map.h
 *     const struct upstream_group *g = cluster_group(c);  // cluster_servers.h
 *
 * It is one block of memory: the cluster, its zones and subnets, and the octets of
 * names. What its record says (config/inventory.h) is read there; what many have in
 * common is kept once, in their rules; and what it takes to ask its DNS is made when
 * the first question comes. */
#ifndef ISTHMUS_RESOLVER_CLUSTER_H
#define ISTHMUS_RESOLVER_CLUSTER_H

#include "base/limits.h"
#include "base/table.h"
#include "config/inventory.h"
#include "resolver/rename.h"
#include "resolver/retire.h"
#include "resolver/upstream.h"

struct clusters;
struct cluster_map;

/* ---- what clusters have in common ---- */

/* A domain of clusters. */
struct cluster_domain {
    uint32_t rules, hash;
    uint8_t len;           /* of the domain */
    uint8_t dns_version[]; /* dns-version.DOMAIN: the name that probes ask for */
};
#define DNS_VERSION_LABEL 12 /* octets in front of the domain */

static inline const uint8_t *cluster_domain_wire(const struct cluster_domain *d)
{
    return d->dns_version + DNS_VERSION_LABEL;
}

/* What a directive says of its clusters. */
struct cluster_settings {
    struct clusters *all;          /* of their block */
    struct upstream_rules servers; /* without the name that probes ask for */
    uint32_t index, port;          /* of DNS addresses made by rule */
    unsigned pod_names;            /* which exist: enum cluster_pod_names */
    struct subnets search_misses;  /* clients; the plan's arena has the list */
};

/* Settings and a domain: of all clusters that agree in both. */
struct cluster_rules {
    uint32_t clusters, hash;
    struct cluster_domain *domain;
    struct cluster_map *map;
    struct cluster_settings settings;
    struct upstream_rules servers; /* with it */
};

/* Both tables of a map. */
struct cluster_commons {
    struct table domains, rules;
    struct cluster_rules *latest; /* most clusters are like the one before; or NULL */
};

/* The rules of a map with one use more, made when they are new; NULL: no memory. */
struct cluster_rules *cluster_rules_use(struct cluster_map *map,
                                        const struct cluster_settings *settings,
                                        const uint8_t *domain);
void cluster_rules_drop(struct cluster_rules *rules);

/* The domain, if some cluster has it; the hash is the name's. */
const struct cluster_domain *cluster_domain_find(const struct cluster_commons *commons,
                                                 uint32_t hash, const uint8_t *wire);

void cluster_commons_release(struct cluster_commons *commons);

/* ---- one ---- */

/* Last is what a question reads, beside the zone that it has come by. */
struct cluster {
    union {
        struct {
            struct cluster *next, **prev; /* of the map, in the order they came */
        };
        struct retired retired;
    };
    struct inventory_record *record;
    struct cluster_rules *rules;
    _Atomic(struct upstream_group *) group; /* NULL: it was never asked */
    uint32_t mapping; /* changes when domain or DNS addresses do: cached answers end */
    uint8_t zones_n;
    _Atomic bool gone; /* has left the map */
};

/* One of its zones. */
struct cluster_zone {
    uint16_t from_cluster, to_wire; /* octets: from the one, and to the other */
    uint8_t len;
    bool renamed; /* zone and domain differ */
};

/* One of its subnets, which the record has. */
struct cluster_prefix {
    uint16_t from_cluster;
    uint8_t at; /* Service subnets, then those of Pods */
    bool pods;
};

/* A cluster with these zones and the record's subnets; takes over the use of `rules`
 * and adds one of the record. NULL: no memory, and nothing is taken. */
struct cluster *cluster_new(struct inventory_record *r, struct cluster_rules *rules,
                            const struct name *zones, uint32_t zones_n);

/* Ends it; its group has gone. */
void cluster_free(struct cluster *c);

static inline struct cluster *cluster_of_zone(const struct cluster_zone *z)
{
    return (struct cluster *)((uintptr_t)z - z->from_cluster);
}

static inline struct cluster *cluster_of_prefix(const struct cluster_prefix *e)
{
    return (struct cluster *)((uintptr_t)e - e->from_cluster);
}

/* Where stands what a question reads, if the zone is the first, which is not looked at;
 * with the zone and its name it takes CLUSTER_READ octets, mostly. */
static inline const void *cluster_read_at(const struct cluster_zone *first)
{
    size_t before = sizeof(struct cluster) - offsetof(struct cluster, rules);
    return (const void *)((uintptr_t)first - before);
}
#define CLUSTER_READ 72

/* Lower case. */
static inline const uint8_t *cluster_zone_wire(const struct cluster_zone *z)
{
    return (const uint8_t *)z + z->to_wire;
}

/* The i-th of zones_n. */
static inline struct cluster_zone *cluster_zone(const struct cluster *c, uint32_t i)
{
    return (struct cluster_zone *)(uintptr_t)(c + 1) + i;
}

static inline const struct cidr *cluster_prefix_cidr(const struct cluster_prefix *e)
{
    return inventory_services(cluster_of_prefix(e)->record) + e->at;
}

static inline uint32_t cluster_prefixes_n(const struct cluster *c)
{
    return (uint32_t)c->record->services_n + c->record->pods_n;
}

/* Service subnets, then those of Pods. */
static inline struct cluster_prefix *cluster_prefix(const struct cluster *c, uint32_t i)
{
    return (struct cluster_prefix *)(void *)cluster_zone(c, c->zones_n) + i;
}

/* Its first zone without the final dot, for logs and pages. Returns `text`. */
const char *cluster_label(const struct cluster *c, char text[NAME_TEXT_MAX]);

static inline struct where cluster_at(const struct cluster *c)
{
    return (struct where){.file = c->record->file, .line = c->record->line};
}

/* A domain name somewhere in memory. */
struct name_ref {
    const uint8_t *wire;
    uint8_t len;
};

static inline struct name_ref cluster_domain(const struct cluster *c)
{
    const struct cluster_domain *d = c->rules->domain;
    return (struct name_ref){.wire = cluster_domain_wire(d), .len = d->len};
}

static inline struct subnets cluster_services(const struct cluster *c)
{
    return (struct subnets){.list =
                                (struct cidr *)(uintptr_t)inventory_services(c->record),
                            .n = c->record->services_n};
}

static inline struct subnets cluster_pods(const struct cluster *c)
{
    return (struct subnets){.list = (struct cidr *)(uintptr_t)inventory_pods(c->record),
                            .n = c->record->pods_n};
}

/* zone -> domain, for questions; and back, for answers. */
static inline struct name_map cluster_inward(const struct cluster_zone *z)
{
    struct name_ref domain = cluster_domain(cluster_of_zone(z));
    return (struct name_map){.from = cluster_zone_wire(z),
                             .to = domain.wire,
                             .from_len = z->len,
                             .to_len = domain.len};
}

static inline struct name_map cluster_outward(const struct cluster_zone *z)
{
    struct name_ref domain = cluster_domain(cluster_of_zone(z));
    return (struct name_map){.from = domain.wire,
                             .to = cluster_zone_wire(z),
                             .from_len = domain.len,
                             .to_len = z->len};
}

/* ---- the addresses of its DNS ---- */

/* What the record says; else the n-th address of each Service subnet, those of the
 * first one's family before the others. Fills `list`, which holds INVENTORY_LIST_MAX,
 * and returns how many there are; 0: *outside has no such address. */
uint32_t cluster_dns_of(const struct inventory_record *r,
                        const struct cluster_settings *settings, struct addr *list,
                        const struct cidr **outside);

/* Of one that is served: there is one at least. */
uint32_t cluster_dns(const struct cluster *c, struct addr *list);

/* Which of them it is by rule, from 1. */
uint32_t cluster_dns_index(const struct inventory_record *r,
                           const struct cluster_settings *settings);

#endif
