#include "resolver/cluster_make.h"

#include "base/hash.h"
#include "base/limits.h"
#include "resolver/plan.h"

#include <stdlib.h>

/* What a cluster is made from, while it is made. */
struct making {
    struct clusters *all;
    const struct cluster_spec *spec;
    struct inventory_record *record;
    struct where at;
    struct errors *errs;
    struct name zones[INVENTORY_LIST_MAX];
    uint32_t zones_n;
    struct addr dns[INVENTORY_LIST_MAX];
    uint32_t dns_n;
    char label[NAME_TEXT_MAX];
    struct cluster_domain *domain;
};

static int no_memory(const struct making *m)
{
    return error_at(m->errs, m->at, "plugin/cluster: out of memory");
}

/* `{name}.k8s.lan` for this cluster. */
static int expand(struct making *m, const char *template)
{
    char text[NAME_TEXT_MAX];
    const char *name = inventory_name(m->record), *hole;
    size_t len = 0;
    while ((hole = strstr(template, "{name}")) != NULL && len < sizeof text) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s%s",
                                (int)(hole - template), template, name);
        template = hole + sizeof "{name}" - 1;
    }
    if (len < sizeof text)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", template);
    struct name *zone = &m->zones[m->zones_n];
    if (len >= sizeof text || name_parse(zone, text_of(text)) < 0 || zone->len < 2)
        return error_at(
            m->errs, m->at,
            "plugin/inventory: '%.200s' is no zone for cluster %s: expected "
            "a domain name; its name goes where the option `zone` has "
            "{name}",
            text, name);
    name_lower(zone->wire, zone->wire, zone->len);
    m->zones_n++;
    return 0;
}

static int choose_zones(struct making *m)
{
    for (unsigned i = 0; i < m->record->zones_n; i++) {
        const uint8_t *wire = inventory_zone(m->record, i);
        struct name *zone = &m->zones[m->zones_n++];
        zone->len = (uint8_t)name_len(wire);
        memcpy(zone->wire, wire, zone->len);
    }
    for (uint32_t i = 0; m->record->zones_n == 0 && i < m->spec->zones_n; i++) {
        if (expand(m, m->spec->zones[i]) < 0)
            return -1;
    }
    if (m->zones_n == 0)
        return error_at(m->errs, m->at,
                        "plugin/inventory: cluster %s has no zone: give it one, or all "
                        "of the inventory by the option `zone {name}.k8s.lan`",
                        inventory_name(m->record));
    size_t len = name_print(m->zones[0].wire, m->label);
    m->label[len - 1] = '\0'; /* the final dot */
    return 0;
}

static void add_dns(struct making *m, const struct addr *addr)
{
    for (uint32_t i = 0; i < m->dns_n; i++) {
        if (addr_equal(&m->dns[i], addr))
            return;
    }
    m->dns[m->dns_n++] = *addr;
}

static uint32_t port_of(const struct making *m)
{
    uint32_t port = m->record->port != 0 ? m->record->port : m->spec->draft.port;
    return port != 0 ? port : 53;
}

static uint32_t index_of(const struct making *m)
{
    uint32_t index = m->record->index != 0 ? m->record->index : m->spec->draft.index;
    return index != 0 ? index : 10;
}

/* The n-th address of each Service subnet; those of the first one's family come first.
 */
static int choose_ruled(struct making *m)
{
    const struct cidr *services = inventory_services(m->record);
    uint32_t index = index_of(m);
    for (unsigned i = 0; i < 2u * m->record->services_n; i++) {
        const struct cidr *range = &services[i % m->record->services_n];
        struct addr addr;
        char text[ADDR_TEXT_MAX];
        if ((range->family == services[0].family) != (i < m->record->services_n))
            continue;
        if (cidr_nth(range, index, &addr) < 0)
            return error_at(m->errs, m->at,
                            "plugin/cluster: address %u of %s, the DNS of %s by rule, "
                            "lies outside the subnet: give `dns ADDRESS`, or another "
                            "`index`",
                            index, cidr_print(range, text), m->label);
        addr.port = (uint16_t)port_of(m);
        add_dns(m, &addr);
    }
    return 0;
}

static int choose_dns(struct making *m)
{
    if (m->record->dns_n == 0)
        return choose_ruled(m);
    for (unsigned i = 0; i < m->record->dns_n; i++) {
        struct addr addr = inventory_dns(m->record)[i];
        addr.port = addr.port != 0 ? addr.port : (uint16_t)port_of(m);
        add_dns(m, &addr);
    }
    return 0;
}

static int choose_domain(struct making *m)
{
    static const uint8_t usual[] = "\7cluster\5local";
    const uint8_t *wire = inventory_domain(m->record);
    struct name probe;
    if (wire == NULL)
        wire = m->spec->draft.domain.len > 0 ? m->spec->draft.domain.wire : usual;
    if (name_join(&probe, (const uint8_t *)"\13dns-version", DNS_VERSION_LABEL, wire) <
        0)
        return error_at(m->errs, m->at, "plugin/cluster: domain of %s is too long",
                        m->label);
    m->domain = cluster_domain_use(&m->all->map, wire);
    return m->domain == NULL ? no_memory(m) : 0;
}

static int check_keys(const struct making *m)
{
    for (uint32_t i = 0; i < m->zones_n; i++) {
        char text[NAME_TEXT_MAX];
        if (plan_serves(m->all->block, m->zones[i].wire))
            continue;
        name_print(m->zones[i].wire, text);
        return error_at(
            m->errs, m->at,
            "plugin/cluster: zone %s lies outside this server block, which "
            "would never be asked for it: add %s to the block's keys, or use "
            "a block `.`",
            text, text);
    }
    return 0;
}

/* ---- its one block of memory ---- */

static size_t zones_len(const struct making *m)
{
    size_t len = 0;
    for (uint32_t i = 0; i < m->zones_n; i++)
        len += m->zones[i].len;
    return len;
}

static void set_zones(const struct making *m, struct cluster *c, uint8_t *octets)
{
    const uint8_t *domain = c->domain.wire;
    for (uint32_t i = 0; i < m->zones_n; i++) {
        const struct name *zone = &m->zones[i];
        memcpy(octets, zone->wire, zone->len);
        c->zones.list[i] =
            (struct cluster_zone){.cluster = c,
                                  .wire = octets,
                                  .len = zone->len,
                                  .renamed = !name_equal(octets, domain)};
        octets += zone->len;
    }
    c->zones.n = m->zones_n;
    memcpy(octets, m->label, strlen(m->label) + 1);
    c->label = (const char *)octets;
}

static void set_prefixes(struct cluster *c)
{
    const struct inventory_record *r = c->record;
    c->services = (struct subnets){
        .list = (struct cidr *)(uintptr_t)inventory_services(r), .n = r->services_n};
    c->pods = (struct subnets){.list = (struct cidr *)(uintptr_t)inventory_pods(r),
                               .n = r->pods_n};
    for (uint32_t i = 0; i < c->services.n + c->pods.n; i++)
        c->prefixes[i] = (struct cluster_prefix){
            .cidr = c->services.list[i], .pods = i >= c->services.n, .cluster = c};
}

/* What the zone's names mean: whoever answers for it, under which domain. */
static uint32_t mapping_of(const struct making *m)
{
    uint64_t hash =
        hash_bytes(m->domain->dns_version, DNS_VERSION_LABEL + m->domain->len);
    for (uint32_t i = 0; i < m->dns_n; i++) {
        hash = hash_mix(hash, hash_bytes(m->dns[i].ip, sizeof m->dns[i].ip));
        hash = hash_mix(hash, m->dns[i].port);
    }
    return (uint32_t)hash;
}

static struct cluster *allocate(const struct making *m)
{
    uint32_t prefixes = (uint32_t)m->record->services_n + m->record->pods_n;
    size_t zones_at = sizeof(struct cluster);
    size_t prefixes_at = zones_at + m->zones_n * sizeof(struct cluster_zone);
    size_t dns_at = prefixes_at + prefixes * sizeof(struct cluster_prefix);
    size_t octets_at = dns_at + m->dns_n * sizeof(struct upstream *);
    char *block = calloc(1, octets_at + zones_len(m) + strlen(m->label) + 1);
    struct cluster *c = (struct cluster *)(void *)block;
    if (c == NULL)
        return NULL;
    c->at = m->at;
    c->record = inventory_record_use(m->record);
    c->kept_domain = m->domain;
    c->domain.wire = m->domain->dns_version + DNS_VERSION_LABEL;
    c->domain.len = m->domain->len;
    c->pod_names = m->spec->pod_names;
    c->search_misses = m->spec->search_misses;
    c->mapping = mapping_of(m);
    c->zones.list = (struct cluster_zone *)(void *)(block + zones_at);
    c->prefixes = (struct cluster_prefix *)(void *)(block + prefixes_at);
    c->group = m->spec->group;
    c->group.list = (struct upstream **)(void *)(block + dns_at);
    c->group.probe.name = m->domain->dns_version;
    set_zones(m, c, (uint8_t *)block + octets_at);
    set_prefixes(c);
    c->group.label = c->label;
    return c;
}

/* ---- what it shares ---- */

static int claim_dns(const struct making *m, struct cluster *c)
{
    char domain[NAME_TEXT_MAX];
    name_print(c->domain.wire, domain);
    for (uint32_t i = 0; i < m->dns_n; i++) {
        struct endpoint e = {.addr = m->dns[i], .idle_us = c->group.expire_us};
        struct upstream *up =
            upstream_claim(m->all->plan->registry, &e, TRANSPORT_UDP, text_of(domain));
        if (up == NULL)
            return no_memory(m);
        c->group.list[c->group.n++] = up;
    }
    return 0;
}

/* What workers count together is the cluster's: another block may give the same zone to
 * another cluster. An upstream is one object as long as anybody has it claimed. */
static int claim_shared(const struct making *m, struct cluster *c)
{
    uint8_t key[NAME_WIRE_MAX + INVENTORY_LIST_MAX * sizeof(struct upstream *)];
    size_t list_len = c->group.n * sizeof(struct upstream *),
           zone = c->zones.list[0].len;
    memcpy(key, c->zones.list[0].wire, zone);
    memcpy(key + zone, c->group.list, list_len);
    c->group.shared = upstream_claim_shared(
        m->all->plan->registry, (struct span){.at = key, .len = zone + list_len});
    return c->group.shared == NULL ? no_memory(m) : 0;
}

void cluster_free(struct cluster *c, void *context)
{
    struct clusters *all = context;
    metrics_let_group(all->plan, &c->group);
    upstream_group_release(all->plan->registry, &c->group);
    inventory_record_drop(c->record);
    free(c);
}

static int claim_all(const struct making *m, struct cluster *c)
{
    if (claim_dns(m, c) < 0 || claim_shared(m, c) < 0)
        return -1;
    if (m->all->block->measured && metrics_measure_group(m->all->plan, &c->group) < 0)
        return no_memory(m);
    return 0;
}

void cluster_unmake(struct clusters *all, struct cluster *c)
{
    cluster_domain_drop(&all->map, c->kept_domain);
    cluster_free(c, all);
}

static struct cluster *make(struct making *m)
{
    if (choose_zones(m) < 0 || check_keys(m) < 0 || choose_dns(m) < 0 ||
        choose_domain(m) < 0)
        return NULL;
    struct cluster *c = allocate(m);
    if (c == NULL) {
        cluster_domain_drop(&m->all->map, m->domain);
        no_memory(m);
        return NULL;
    }
    if (claim_all(m, c) == 0)
        return c;
    cluster_unmake(m->all, c);
    return NULL;
}

struct cluster *cluster_make(struct clusters *all, const struct cluster_spec *spec,
                             struct inventory_record *r, struct errors *errs)
{
    struct where at = {.file = r->file, .line = r->line};
    if (all->making == NULL)
        all->making = malloc(sizeof *all->making); /* 20 KiB */
    if (all->making == NULL) {
        error_at(errs, at, "plugin/cluster: out of memory");
        return NULL;
    }
    struct making *m = all->making;
    m->all = all;
    m->spec = spec;
    m->record = r;
    m->at = at;
    m->errs = errs;
    m->zones_n = m->dns_n = 0;
    m->domain = NULL;
    return make(m);
}
