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
    struct cluster_settings settings;
    struct cluster_rules *rules;
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

/* What its directive says, where it says nothing itself. */
static void choose_settings(struct making *m)
{
    const struct cluster_spec *spec = m->spec;
    memset(&m->settings, 0, sizeof m->settings);
    m->settings.all = m->all;
    m->settings.servers = spec->servers;
    m->settings.index = spec->draft.index;
    m->settings.port = spec->draft.port;
    m->settings.pod_names = spec->pod_names;
    m->settings.search_misses = spec->search_misses;
}

static int choose_dns(struct making *m)
{
    const struct cidr *outside = NULL;
    char text[ADDR_TEXT_MAX];
    choose_settings(m);
    m->dns_n = cluster_dns_of(m->record, &m->settings, m->dns, &outside);
    if (outside == NULL)
        return 0;
    return error_at(m->errs, m->at,
                    "plugin/cluster: address %u of %s, the DNS of %s by rule, "
                    "lies outside the subnet: give `dns ADDRESS`, or another "
                    "`index`",
                    cluster_dns_index(m->record, &m->settings),
                    cidr_print(outside, text), m->label);
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
    m->rules = cluster_rules_use(&m->all->map, &m->settings, wire);
    return m->rules == NULL ? no_memory(m) : 0;
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

/* What the zone's names mean: whoever answers for it, under which domain. */
static uint32_t mapping_of(const struct making *m)
{
    const struct cluster_domain *d = m->rules->domain;
    uint64_t hash = hash_bytes(d->dns_version, DNS_VERSION_LABEL + d->len);
    for (uint32_t i = 0; i < m->dns_n; i++) {
        hash = hash_mix(hash, hash_bytes(m->dns[i].ip, sizeof m->dns[i].ip));
        hash = hash_mix(hash, m->dns[i].port);
    }
    return (uint32_t)hash;
}

static struct cluster *make(struct making *m)
{
    if (choose_zones(m) < 0 || check_keys(m) < 0 || choose_dns(m) < 0 ||
        choose_domain(m) < 0)
        return NULL;
    struct cluster *c = cluster_new(m->record, m->rules, m->zones, m->zones_n);
    if (c != NULL) {
        c->mapping = mapping_of(m);
        return c;
    }
    cluster_rules_drop(m->rules);
    no_memory(m);
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
    return make(m);
}
