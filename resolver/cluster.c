#include "resolver/cluster.h"

#include "base/hash.h"
#include "resolver/cluster_map.h"

#include <stdlib.h>

/* ---- domains ---- */

static bool is_domain(const void *entry, const void *key)
{
    return name_equal(cluster_domain_wire(entry), key);
}

const struct cluster_domain *cluster_domain_find(const struct cluster_commons *commons,
                                                 uint32_t hash, const uint8_t *wire)
{
    return table_get(&commons->domains, hash, is_domain, wire);
}

static struct cluster_domain *domain_use(struct cluster_commons *commons,
                                         const uint8_t *wire)
{
    static const uint8_t label[] = "\13dns-version";
    uint32_t hash = name_hash(wire);
    struct cluster_domain *d = table_get(&commons->domains, hash, is_domain, wire);
    if (d != NULL) {
        d->rules++;
        return d;
    }
    size_t len = name_len(wire);
    d = malloc(sizeof *d + DNS_VERSION_LABEL + len);
    if (d == NULL)
        return NULL;
    *d = (struct cluster_domain){.rules = 1, .hash = hash, .len = (uint8_t)len};
    memcpy(d->dns_version, label, DNS_VERSION_LABEL);
    name_lower(d->dns_version + DNS_VERSION_LABEL, wire, len);
    if (table_put(&commons->domains, hash, d) == 0)
        return d;
    free(d);
    return NULL;
}

static void domain_drop(struct cluster_commons *commons, struct cluster_domain *d)
{
    if (--d->rules > 0)
        return;
    table_del(&commons->domains, d->hash, d);
    free(d);
}

/* ---- rules ---- */

struct wanted {
    const struct cluster_settings *settings;
    const struct cluster_domain *domain;
};

/* Octet by octet: should nothing but padding differ, they are kept twice. */
static bool has_all(const void *entry, const void *key)
{
    const struct cluster_rules *rules = entry;
    const struct wanted *w = key;
    return rules->domain == w->domain &&
           memcmp(&rules->settings, w->settings, sizeof rules->settings) == 0;
}

static struct cluster_rules *rules_add(struct cluster_map *map, const struct wanted *w,
                                       uint32_t hash)
{
    struct cluster_rules *rules = calloc(1, sizeof *rules);
    if (rules == NULL || table_put(&map->commons.rules, hash, rules) < 0) {
        free(rules);
        return NULL;
    }
    rules->clusters = 1;
    rules->hash = hash;
    rules->domain = (struct cluster_domain *)(uintptr_t)w->domain;
    rules->map = map;
    memcpy(&rules->settings, w->settings, sizeof rules->settings);
    rules->servers = w->settings->servers;
    rules->servers.probe.name = w->domain->dns_version;
    return rules;
}

/* By their table. */
static struct cluster_rules *rules_use(struct cluster_map *map,
                                       const struct cluster_settings *settings,
                                       const uint8_t *domain)
{
    struct cluster_domain *d = domain_use(&map->commons, domain);
    struct wanted w = {.settings = settings, .domain = d};
    if (d == NULL)
        return NULL;
    uint32_t hash = (uint32_t)hash_mix(hash_bytes(settings, sizeof *settings), d->hash);
    struct cluster_rules *rules = table_get(&map->commons.rules, hash, has_all, &w);
    if (rules == NULL && (rules = rules_add(map, &w, hash)) != NULL)
        return rules;
    domain_drop(&map->commons, d); /* the rules have it */
    if (rules != NULL)
        rules->clusters++;
    return rules;
}

struct cluster_rules *cluster_rules_use(struct cluster_map *map,
                                        const struct cluster_settings *settings,
                                        const uint8_t *domain)
{
    struct cluster_rules *latest = map->commons.latest;
    if (latest != NULL && is_domain(latest->domain, domain) &&
        memcmp(&latest->settings, settings, sizeof *settings) == 0) {
        latest->clusters++;
        return latest;
    }
    return map->commons.latest = rules_use(map, settings, domain);
}

void cluster_rules_drop(struct cluster_rules *rules)
{
    if (rules == NULL || --rules->clusters > 0)
        return;
    struct cluster_commons *commons = &rules->map->commons;
    if (commons->latest == rules)
        commons->latest = NULL;
    table_del(&commons->rules, rules->hash, rules);
    domain_drop(commons, rules->domain);
    free(rules);
}

void cluster_commons_release(struct cluster_commons *commons)
{
    table_release(&commons->domains);
    table_release(&commons->rules);
}

/* ---- one block of memory ---- */

static size_t octets_of(const struct name *zones, uint32_t n)
{
    size_t len = 0;
    for (uint32_t i = 0; i < n; i++)
        len += zones[i].len;
    return len;
}

/* From one place of the block to another; it is shorter than 64 KiB (cluster_new). */
static uint16_t way(const void *from, const void *to)
{
    return (uint16_t)((const char *)to - (const char *)from);
}

static void set_zones(struct cluster *c, const struct name *zones, uint8_t *octets)
{
    struct name_ref domain = cluster_domain(c);
    for (uint32_t i = 0; i < c->zones_n; i++) {
        struct cluster_zone *z = cluster_zone(c, i);
        memcpy(octets, zones[i].wire, zones[i].len);
        *z = (struct cluster_zone){.from_cluster = way(c, z),
                                   .to_wire = way(z, octets),
                                   .len = zones[i].len,
                                   .renamed = !name_equal(octets, domain.wire)};
        octets += zones[i].len;
    }
}

static void set_prefixes(struct cluster *c)
{
    for (uint32_t i = 0; i < cluster_prefixes_n(c); i++) {
        struct cluster_prefix *e = cluster_prefix(c, i);
        *e = (struct cluster_prefix){.from_cluster = way(c, e),
                                     .at = (uint8_t)i,
                                     .pods = i >= c->record->services_n};
    }
}

struct cluster *cluster_new(struct inventory_record *r, struct cluster_rules *rules,
                            const struct name *zones, uint32_t zones_n)
{
    uint32_t prefixes_n = (uint32_t)r->services_n + r->pods_n;
    size_t octets_at = sizeof(struct cluster) + zones_n * sizeof(struct cluster_zone) +
                       prefixes_n * sizeof(struct cluster_prefix);
    _Static_assert(sizeof(struct cluster) +
                           INVENTORY_LIST_MAX *
                               (NAME_WIRE_MAX + sizeof(struct cluster_zone) +
                                2 * sizeof(struct cluster_prefix)) <=
                       UINT16_MAX,
                   "places in the block are told in 16 bits");
    struct cluster *c = calloc(1, octets_at + octets_of(zones, zones_n));
    if (c == NULL)
        return NULL;
    c->rules = rules;
    c->record = inventory_record_use(r);
    c->zones_n = (uint8_t)zones_n;
    set_zones(c, zones, (uint8_t *)c + octets_at);
    set_prefixes(c);
    return c;
}

const char *cluster_label(const struct cluster *c, char text[NAME_TEXT_MAX])
{
    size_t len = name_print(cluster_zone_wire(cluster_zone(c, 0)), text);
    text[len - 1] = '\0';
    return text;
}

void cluster_free(struct cluster *c)
{
    inventory_record_drop(c->record);
    cluster_rules_drop(c->rules);
    free(c);
}

/* ---- its DNS ---- */

static uint32_t port_of(const struct inventory_record *r,
                        const struct cluster_settings *s)
{
    uint32_t port = r->port != 0 ? r->port : s->port;
    return port != 0 ? port : 53;
}

uint32_t cluster_dns_index(const struct inventory_record *r,
                           const struct cluster_settings *s)
{
    uint32_t index = r->index != 0 ? r->index : s->index;
    return index != 0 ? index : 10;
}

static void add(struct addr *list, uint32_t *n, const struct addr *addr)
{
    for (uint32_t i = 0; i < *n; i++) {
        if (addr_equal(&list[i], addr))
            return;
    }
    list[(*n)++] = *addr;
}

static uint32_t by_rule(const struct inventory_record *r,
                        const struct cluster_settings *s, struct addr *list,
                        const struct cidr **outside)
{
    const struct cidr *services = inventory_services(r);
    uint32_t n = 0;
    for (unsigned i = 0; i < 2u * r->services_n; i++) {
        const struct cidr *range = &services[i % r->services_n];
        struct addr addr;
        if ((range->family == services[0].family) != (i < r->services_n))
            continue;
        if (cidr_nth(range, cluster_dns_index(r, s), &addr) < 0) {
            *outside = range;
            return 0;
        }
        addr.port = (uint16_t)port_of(r, s);
        add(list, &n, &addr);
    }
    return n;
}

uint32_t cluster_dns_of(const struct inventory_record *r,
                        const struct cluster_settings *s, struct addr *list,
                        const struct cidr **outside)
{
    uint32_t n = 0;
    if (r->dns_n == 0)
        return by_rule(r, s, list, outside);
    for (unsigned i = 0; i < r->dns_n; i++) {
        struct addr addr = inventory_dns(r)[i];
        addr.port = addr.port != 0 ? addr.port : (uint16_t)port_of(r, s);
        add(list, &n, &addr);
    }
    return n;
}

uint32_t cluster_dns(const struct cluster *c, struct addr *list)
{
    const struct cidr *outside;
    return cluster_dns_of(c->record, &c->rules->settings, list, &outside);
}
