#include "resolver/cluster_map.h"

#include "base/hash.h"

/* ---- prefixes ---- */

static void mask_ip(uint8_t ip[16], unsigned bits)
{
    unsigned at = bits / 8;
    if (at < 16 && bits % 8 != 0) {
        ip[at] = (uint8_t)(ip[at] & (0xff00u >> (bits % 8)));
        at++;
    }
    if (at < 16)
        memset(ip + at, 0, 16 - at);
}

static uint32_t cidr_hash(const struct cidr *c)
{
    return (uint32_t)hash_bytes(c, sizeof *c);
}

static bool same_cidr(const void *entry, const void *key)
{
    return cidr_equal(&((const struct prefix_entry *)entry)->cidr, key);
}

static struct prefix_entry *prefix_exact(const struct prefix_map *m,
                                         const struct cidr *c)
{
    return table_get(&m->table, cidr_hash(c), same_cidr, c);
}

/* The longest entry of at most `bits` bits that contains `c`; NULL when there is none.
 */
static struct prefix_entry *prefix_above(const struct prefix_map *m, struct cidr c,
                                         unsigned bits)
{
    const uint64_t *used = m->lengths[c.family == 6];
    for (unsigned len = bits + 1; len-- > 0;) {
        if ((used[len / 64] >> (len % 64) & 1) == 0)
            continue;
        mask_ip(c.ip, len);
        c.bits = (uint8_t)len;
        struct prefix_entry *e = prefix_exact(m, &c);
        if (e != NULL)
            return e;
    }
    return NULL;
}

static int prefix_put(struct prefix_map *m, struct prefix_entry *e)
{
    if (table_put(&m->table, cidr_hash(&e->cidr), e) < 0)
        return -1;
    unsigned len = e->cidr.bits;
    m->lengths[e->cidr.family == 6][len / 64] |= UINT64_C(1) << (len % 64);
    return 0;
}

/* ---- adding ---- */

#define MEND                                                                            \
    "clusters that share routes need subnets of their own (kubeadm --service-cidr and " \
    "--pod-network-cidr; kind: networking.serviceSubnet and podSubnet)"

static const char *kind_of(const struct prefix_entry *e)
{
    return e->pods ? "Pod subnet" : "Service subnet";
}

static int conflict(const struct prefix_entry *mine, const struct prefix_entry *theirs,
                    const char *how, struct errors *errs)
{
    char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX];
    const struct cluster *us = mine->owner->cluster, *them = theirs->owner->cluster;
    return error_at(errs, us->at,
                    "plugin/cluster: %s %s of %s %s %s %s of %s (%s:%u): routes cannot "
                    "tell them apart; " MEND,
                    kind_of(mine), cidr_print(&mine->cidr, a), us->label, how,
                    kind_of(theirs), cidr_print(&theirs->cidr, b), them->label,
                    them->at.file, them->at.line);
}

static int add_prefix(struct cluster_map *map, struct arena *a,
                      const struct prefix_entry *add, struct errors *errs)
{
    const struct cluster *c = add->owner->cluster;
    const struct prefix_entry *old = prefix_exact(&map->prefixes, &add->cidr);
    if (old != NULL && old->owner->cluster == c)
        return 0;
    if (old != NULL)
        return conflict(add, old, "is the same as", errs);
    struct prefix_entry *e = arena_copy(a, add, sizeof *add);
    if (e == NULL || prefix_put(&map->prefixes, e) < 0)
        return error_at(errs, c->at, "out of memory");
    return 0;
}

static void add_subnets(struct cluster_map *map, struct arena *a,
                        const struct cluster_zone *owner, bool pods,
                        struct errors *errs)
{
    const struct cluster *c = owner->cluster;
    const struct subnets *subnets = pods ? &c->pods : &c->services;
    for (uint32_t i = 0; i < subnets->n; i++) {
        struct prefix_entry e = {
            .cidr = subnets->list[i], .owner = owner, .pods = pods};
        add_prefix(map, a, &e, errs);
    }
}

static struct name_map map_names(const struct name *from, const struct name *to)
{
    return (struct name_map){
        .from = from->wire, .to = to->wire, .from_len = from->len, .to_len = to->len};
}

/* What the zone's names mean: whoever answers for it, under which domain. */
static uint32_t mapping_of(const struct cluster *c)
{
    uint64_t hash = hash_bytes(c->domain.wire, c->domain.len);
    for (uint32_t i = 0; i < c->group.n; i++) {
        const struct addr *a = &c->group.list[i]->endpoint.addr;
        hash = hash_mix(hash, hash_bytes(a->ip, sizeof a->ip));
        hash = hash_mix(hash, a->port);
    }
    return (uint32_t)hash;
}

static const struct cluster_zone *add_zone(struct cluster_map *map, struct arena *a,
                                           const struct cluster *c,
                                           const struct name *zone, struct errors *errs)
{
    struct cluster_zone *z = arena_alloc(a, sizeof *z);
    void *old = NULL;
    int added = -1;
    if (z != NULL) {
        z->cluster = c;
        z->zone = zone;
        z->renamed = !name_equal(zone->wire, c->domain.wire);
        z->mapping = mapping_of(c);
        z->inward = map_names(zone, &c->domain);
        z->outward = map_names(&c->domain, zone);
        added = zonetab_add(&map->zones, a, zone->wire, z, &old);
    }
    if (added == 0)
        return z;
    if (added < 0) {
        error_at(errs, c->at, "out of memory");
        return NULL;
    }
    char text[NAME_TEXT_MAX];
    name_print(zone->wire, text);
    const struct cluster *other = ((const struct cluster_zone *)old)->cluster;
    error_at(
        errs, c->at,
        "plugin/cluster: zone %s is mapped twice in this block (first at %s:%u): give "
        "each cluster a zone of its own",
        text, other->at.file, other->at.line);
    return NULL;
}

int cluster_map_add(struct cluster_map *map, struct arena *a, const struct cluster *c,
                    struct errors *errs)
{
    uint32_t before = errs->n;
    const struct cluster_zone *first = NULL;
    for (uint32_t i = 0; i < c->zones.n; i++) {
        const struct cluster_zone *z = add_zone(map, a, c, &c->zones.list[i], errs);
        if (i == 0)
            first = z;
    }
    if (first == NULL)
        return -1;
    add_subnets(map, a, first, false, errs);
    add_subnets(map, a, first, true, errs);
    return errs->n == before ? 0 : -1;
}

/* ---- checks over all ---- */

/* Service subnets that contain each other: one of the two is found above the other. */
static void check_services(const struct cluster_map *map, const struct cluster *c,
                           struct errors *errs)
{
    for (uint32_t i = 0; i < c->services.n; i++) {
        const struct cidr *range = &c->services.list[i];
        const struct prefix_entry *mine = prefix_exact(&map->prefixes, range);
        if (mine == NULL || mine->owner->cluster != c)
            continue; /* the same subnet twice has been told */
        unsigned bits = range->bits;
        while (bits > 0) {
            const struct prefix_entry *e =
                prefix_above(&map->prefixes, *range, bits - 1);
            if (e == NULL)
                break;
            if (!e->pods && e->owner->cluster != c)
                conflict(mine, e, "lies inside", errs);
            bits = e->cidr.bits;
        }
    }
}

/* An answer that names cluster.local could then mean either cluster. */
static void check_domain(const struct cluster_map *map, const struct cluster *c,
                         struct errors *errs)
{
    struct name_key key;
    unsigned label = 0;
    name_key_init(&key, c->domain.wire);
    const struct cluster_zone *z = zonetab_find(&map->zones, &key, 0, &label);
    if (z == NULL || label != 0 || !z->renamed || z->cluster == c)
        return;
    char text[NAME_TEXT_MAX];
    name_print(c->domain.wire, text);
    error_at(
        errs, z->cluster->at,
        "plugin/cluster: zone %s is the domain of cluster %s (%s:%u), whose names are "
        "mapped: choose another zone, or say `domain %s` if it is to pass unchanged",
        text, c->label, c->at.file, c->at.line, text);
}

int cluster_map_check(struct cluster_map *map, const struct cluster *const *list,
                      uint32_t n, struct errors *errs)
{
    uint32_t before = errs->n;
    for (uint32_t i = 0; i < n; i++) {
        check_services(map, list[i], errs);
        check_domain(map, list[i], errs);
    }
    return errs->n == before ? 0 : -1;
}

void cluster_map_release(struct cluster_map *map)
{
    table_release(&map->prefixes.table);
}

void cluster_map_each(const struct cluster_map *map,
                      void (*fn)(const struct cluster *c, void *context), void *context)
{
    for (uint32_t i = 0; i < map->zones.n; i++) {
        const struct cluster_zone *z = map->zones.entries[i].value;
        if (z->zone == &z->cluster->zones.list[0])
            fn(z->cluster, context);
    }
}

/* ---- finding ---- */

/* A reverse name has at most 32 labels of its own, above ip6.arpa. */
#define REVERSE_LABELS_MAX 34

static bool ends_in_arpa(const struct name_key *key)
{
    static const uint8_t arpa[] = "\4arpa";
    return key->labels >= 2 &&
           memcmp(key->lower + key->offset[key->labels - 1], arpa, sizeof arpa) == 0;
}

/* The address, or part of one, that a reverse name stands for. Labels in front of it do
 * not take the name out of the subnet: whatever lies below an address is its cluster's.
 */
static bool read_reverse(const struct name_key *key, struct cidr *out)
{
    if (!ends_in_arpa(key))
        return false;
    unsigned first = 0;
    if (key->labels > REVERSE_LABELS_MAX)
        first = key->labels - REVERSE_LABELS_MAX;
    for (unsigned i = first; i < key->labels; i++) {
        if (cidr_from_reverse(out, key->lower + key->offset[i]) == 0)
            return true;
    }
    return false;
}

const struct cluster_zone *cluster_map_find(const struct cluster_map *map,
                                            const struct name_key *key, bool *reverse)
{
    struct cidr asked;
    *reverse = false;
    const struct cluster_zone *z = zonetab_find(&map->zones, key, 0, NULL);
    if (z != NULL)
        return z;
    if (!read_reverse(key, &asked))
        return NULL;
    const struct prefix_entry *e = prefix_above(&map->prefixes, asked, asked.bits);
    *reverse = e != NULL;
    return e == NULL ? NULL : e->owner;
}
