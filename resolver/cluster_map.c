#include "resolver/cluster_map.h"

#include "base/hash.h"

#include <stdlib.h>

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

static struct cluster_prefix *prefix_exact(const struct sharedtab_slots *s,
                                           const struct cidr *c)
{
    struct cluster_prefix *e;
    uint32_t hash = cidr_hash(c);
    for (uint32_t at = hash; (e = sharedtab_probe(s, hash, &at)) != NULL;) {
        if (cidr_equal(cluster_prefix_cidr(e), c))
            return e;
    }
    return NULL;
}

/* The longest entry of at most `bits` bits that contains `c`; NULL when there is none.
 */
static struct cluster_prefix *prefix_above(const struct cluster_map *map, struct cidr c,
                                           unsigned bits)
{
    const _Atomic uint64_t *used = map->lengths[c.family == 6];
    const struct sharedtab_slots *s = sharedtab_slots(&map->prefixes);
    for (unsigned len = bits + 1; len-- > 0;) {
        uint64_t word = atomic_load_explicit(&used[len / 64], memory_order_relaxed);
        if ((word >> (len % 64) & 1) == 0)
            continue;
        mask_ip(c.ip, len);
        c.bits = (uint8_t)len;
        struct cluster_prefix *e = prefix_exact(s, &c);
        if (e != NULL)
            return e;
    }
    return NULL;
}

/* ---- zones ---- */

static struct cluster_zone *zone_exact(const struct sharedtab_slots *s, uint32_t hash,
                                       const uint8_t *wire)
{
    struct cluster_zone *z;
    for (uint32_t at = hash; (z = sharedtab_probe(s, hash, &at)) != NULL;) {
        if (name_equal(cluster_zone_wire(z), wire))
            return z;
    }
    return NULL;
}

/* Whether there may be a zone of so many labels. */
static bool has_labels(const struct cluster_map *map, unsigned n)
{
    return (atomic_load_explicit(&map->labels_used[n / 64], memory_order_relaxed) >>
                (n % 64) &
            1) != 0;
}

/* The longest zone at or above the name. */
static struct cluster_zone *zone_above(const struct cluster_map *map,
                                       const struct name_key *key)
{
    const struct sharedtab_slots *s = sharedtab_slots(&map->zones);
    if (s == NULL)
        return NULL;
    for (unsigned i = 0; i <= key->labels; i++) {
        if (!has_labels(map, key->labels - i))
            continue;
        struct cluster_zone *z =
            zone_exact(s, key->hash[i], key->lower + key->offset[i]);
        if (z != NULL)
            return z;
    }
    return NULL;
}

/* ---- looking ahead ---- */

#define LARGE_SLOTS 1024

bool cluster_map_is_large(const struct cluster_map *map)
{
    const struct sharedtab_slots *s = sharedtab_slots(&map->zones);
    return s != NULL && s->mask >= LARGE_SLOTS - 1;
}

void cluster_map_foresee(const struct cluster_map *map, const struct name_key *key)
{
    const struct sharedtab_slots *s = sharedtab_slots(&map->zones);
    for (unsigned i = 0; s != NULL && i <= key->labels; i++) {
        if (has_labels(map, key->labels - i))
            __builtin_prefetch(&s->list[key->hash[i] & s->mask]);
    }
}

const struct cluster_zone *cluster_map_foreseen(const struct cluster_map *map,
                                                const struct name_key *key)
{
    const struct sharedtab_slots *s = sharedtab_slots(&map->zones);
    for (unsigned i = 0; s != NULL && i <= key->labels; i++) {
        uint32_t hash = key->hash[i], at = hash;
        const struct cluster_zone *z =
            has_labels(map, key->labels - i) ? sharedtab_probe(s, hash, &at) : NULL;
        if (z != NULL)
            return z;
    }
    return NULL;
}

/* ---- what cannot be together ---- */

#define MEND                                                                            \
    "clusters that share routes need subnets of their own (kubeadm --service-cidr and " \
    "--pod-network-cidr; kind: networking.serviceSubnet and podSubnet)"

/* A cluster that is to come, and the one that goes for it. */
struct change {
    struct cluster_map *map;
    struct cluster *c;
    const struct cluster *old; /* NULL: none */
    struct errors *errs;
};

/* Whether it stays besides `c`. */
static bool is_other(const struct change *ch, const struct cluster *c)
{
    return c != ch->c && c != ch->old;
}

static const char *kind_of(const struct cluster_prefix *e)
{
    return e->pods ? "Pod subnet" : "Service subnet";
}

static int conflict(const struct change *ch, const struct cluster_prefix *mine,
                    const struct cluster_prefix *theirs, const char *how)
{
    char a[ADDR_TEXT_MAX], b[ADDR_TEXT_MAX];
    char mine_is[NAME_TEXT_MAX], other_is[NAME_TEXT_MAX];
    const struct cluster *us = ch->c, *them = cluster_of_prefix(theirs);
    struct where at = cluster_at(them);
    return error_at(ch->errs, cluster_at(us),
                    "plugin/cluster: %s %s of %s %s %s %s of %s (%s:%u): routes cannot "
                    "tell them apart; " MEND,
                    kind_of(mine), cidr_print(cluster_prefix_cidr(mine), a),
                    cluster_label(us, mine_is), how, kind_of(theirs),
                    cidr_print(cluster_prefix_cidr(theirs), b),
                    cluster_label(them, other_is), at.file, at.line);
}

/* The entry for a subnet of the set. */
static const struct cluster_prefix *prefix_of(const struct change *ch,
                                              const struct cidr *c)
{
    return prefix_exact(sharedtab_slots(&ch->map->prefixes), c);
}

static bool is_anothers(const struct cidr *c, const void *context)
{
    const struct change *ch = context;
    return is_other(ch, cluster_of_prefix(prefix_of(ch, c)));
}

/* Service subnets that contain each other. */
static int check_inside(const struct change *ch, const struct cluster_prefix *mine)
{
    const struct cidr *cidr = cluster_prefix_cidr(mine);
    unsigned bits = cidr->bits;
    while (bits > 0) {
        const struct cluster_prefix *e = prefix_above(ch->map, *cidr, bits - 1);
        if (e == NULL)
            break;
        if (!e->pods && is_other(ch, cluster_of_prefix(e)))
            return conflict(ch, mine, e, "lies inside");
        bits = cluster_prefix_cidr(e)->bits;
    }
    const struct cidr *inside =
        cidrset_within(&ch->map->services, cidr, is_anothers, ch);
    if (inside == NULL)
        return 0;
    return conflict(ch, mine, prefix_of(ch, inside), "contains");
}

static int check_prefixes(const struct change *ch)
{
    const struct sharedtab_slots *s = sharedtab_slots(&ch->map->prefixes);
    int rc = 0;
    for (uint32_t i = 0; i < cluster_prefixes_n(ch->c); i++) {
        const struct cluster_prefix *mine = cluster_prefix(ch->c, i);
        const struct cluster_prefix *same = prefix_exact(s, cluster_prefix_cidr(mine));
        if (same != NULL && is_other(ch, cluster_of_prefix(same)))
            rc = conflict(ch, mine, same, "is the same as");
        else if (!mine->pods && check_inside(ch, mine) < 0)
            rc = -1;
    }
    return rc;
}

static int zone_twice(const struct change *ch, const struct cluster_zone *z,
                      const struct cluster *other)
{
    char text[NAME_TEXT_MAX];
    struct where at = cluster_at(other);
    name_print(cluster_zone_wire(z), text);
    return error_at(
        ch->errs, cluster_at(ch->c),
        "plugin/cluster: zone %s is mapped twice in this block (first at %s:%u): give "
        "each cluster a zone of its own",
        text, at.file, at.line);
}

/* Some cluster that stays and has this domain; told in messages only. */
static const struct cluster *who_has(const struct change *ch,
                                     const struct cluster_domain *d)
{
    const struct cluster *c = ch->map->first;
    while (c != NULL && (c->rules->domain != d || !is_other(ch, c)))
        c = c->next;
    return c;
}

static int domain_taken(const struct change *ch, const struct cluster *mapped,
                        const struct cluster *its)
{
    char text[NAME_TEXT_MAX], its_is[NAME_TEXT_MAX], mapped_is[NAME_TEXT_MAX];
    struct where at = cluster_at(mapped);
    name_print(cluster_domain(its).wire, text);
    return error_at(
        ch->errs, cluster_at(ch->c),
        "plugin/cluster: zone %s is the domain of cluster %s, whose names are mapped: "
        "choose another zone for %s (%s:%u), or say `domain %s` if it is to pass "
        "unchanged",
        text, cluster_label(its, its_is), cluster_label(mapped, mapped_is), at.file,
        at.line, text);
}

/* Zones that are there, or that are a domain: an answer that names cluster.local could
 * then mean either cluster. */
static int check_zones(const struct change *ch)
{
    const struct sharedtab_slots *s = sharedtab_slots(&ch->map->zones);
    const struct cluster *c = ch->c;
    int rc = 0;
    for (uint32_t i = 0; i < c->zones_n; i++) {
        const struct cluster_zone *mine = cluster_zone(c, i);
        const uint8_t *wire = cluster_zone_wire(mine);
        uint32_t hash = name_hash(wire);
        const struct cluster_zone *same = zone_exact(s, hash, wire);
        if (same != NULL && is_other(ch, cluster_of_zone(same)))
            rc = zone_twice(ch, mine, cluster_of_zone(same));
        const struct cluster_domain *d =
            cluster_domain_find(&ch->map->commons, hash, wire);
        const struct cluster *its = d == NULL || !mine->renamed ? NULL : who_has(ch, d);
        if (its != NULL)
            rc = domain_taken(ch, c, its);
    }
    const struct cluster_domain *d = c->rules->domain;
    const struct cluster_zone *z = zone_exact(s, d->hash, cluster_domain_wire(d));
    if (z != NULL && z->renamed && is_other(ch, cluster_of_zone(z)))
        rc = domain_taken(ch, cluster_of_zone(z), c);
    return rc;
}

static int check_itself(const struct change *ch)
{
    const struct cluster *c = ch->c;
    for (uint32_t i = 0; i < c->zones_n; i++) {
        const uint8_t *wire = cluster_zone_wire(cluster_zone(c, i));
        for (uint32_t k = i + 1; k < c->zones_n; k++) {
            if (name_equal(wire, cluster_zone_wire(cluster_zone(c, k))))
                return zone_twice(ch, cluster_zone(c, i), c);
        }
    }
    return 0;
}

/* ---- changing ---- */

static uint32_t hash_of_zone(const void *entry)
{
    return name_hash(cluster_zone_wire(entry));
}

static uint32_t hash_of_prefix(const void *entry)
{
    return cidr_hash(cluster_prefix_cidr(entry));
}

void cluster_map_init(struct cluster_map *map,
                      void (*free_one)(struct cluster *c, void *context), void *context)
{
    map->zones.hash = hash_of_zone;
    map->prefixes.hash = hash_of_prefix;
    map->last = &map->first;
    map->free = free_one;
    map->context = context;
}

/* Slots that growth has replaced: readers may be in them until their turn is over. */
struct old_slots {
    struct retired retired;
    struct sharedtab_slots *slots;
};

static void end_slots(struct retired *r)
{
    struct old_slots *o = (struct old_slots *)(void *)r;
    free(o->slots);
    free(o);
}

static int put(struct cluster_map *map, struct sharedtab *t, uint32_t hash, void *entry)
{
    struct sharedtab_slots *old;
    struct old_slots *o = NULL;
    if (map->retirement != NULL && (o = malloc(sizeof *o)) == NULL)
        return -1;
    int rc = sharedtab_put(t, hash, entry, &old);
    if (o == NULL || old == NULL) {
        free(o);
        free(o == NULL ? old : NULL);
        return rc;
    }
    o->slots = old;
    retire(map->retirement, &o->retired, end_slots);
    return rc;
}

static void note_labels(struct cluster_map *map, const uint8_t *zone)
{
    unsigned labels = name_labels(zone);
    atomic_fetch_or_explicit(&map->labels_used[labels / 64],
                             UINT64_C(1) << (labels % 64), memory_order_relaxed);
}

static void note_length(struct cluster_map *map, const struct cidr *c)
{
    atomic_fetch_or_explicit(&map->lengths[c->family == 6][c->bits / 64],
                             UINT64_C(1) << (c->bits % 64), memory_order_relaxed);
}

/* The entry of another cluster that is there for the same zone, or NULL. */
static struct cluster_zone *zone_of(const struct cluster_map *map,
                                    const struct cluster *c, const uint8_t *wire,
                                    uint32_t hash)
{
    struct cluster_zone *z = zone_exact(sharedtab_slots(&map->zones), hash, wire);
    return z != NULL && cluster_of_zone(z) == c ? z : NULL;
}

static int put_zone(const struct change *ch, struct cluster_zone *z)
{
    const uint8_t *wire = cluster_zone_wire(z);
    uint32_t hash = name_hash(wire);
    const struct cluster_zone *before = zone_of(ch->map, ch->old, wire, hash);
    note_labels(ch->map, wire);
    if (before == NULL)
        return put(ch->map, &ch->map->zones, hash, z);
    sharedtab_swap(&ch->map->zones, hash, before, z);
    return 0;
}

static int put_prefix(const struct change *ch, struct cluster_prefix *e)
{
    uint32_t hash = cidr_hash(cluster_prefix_cidr(e));
    const struct cluster_prefix *before =
        prefix_exact(sharedtab_slots(&ch->map->prefixes), cluster_prefix_cidr(e));
    note_length(ch->map, cluster_prefix_cidr(e));
    if (!e->pods && cidrset_put(&ch->map->services, cluster_prefix_cidr(e)) < 0)
        return -1;
    if (before == NULL)
        return put(ch->map, &ch->map->prefixes, hash, e);
    if (cluster_of_prefix(before) != ch->c) /* twice in one cluster: the first */
        sharedtab_swap(&ch->map->prefixes, hash, before, e);
    return 0;
}

/* Takes out what is still there of a cluster. */
static void take_out(struct cluster_map *map, const struct cluster *c)
{
    for (uint32_t i = 0; i < c->zones_n; i++) {
        const struct cluster_zone *z = cluster_zone(c, i);
        sharedtab_del(&map->zones, name_hash(cluster_zone_wire(z)), z);
    }
    for (uint32_t i = 0; i < cluster_prefixes_n(c); i++) {
        const struct cluster_prefix *e = cluster_prefix(c, i);
        if (!e->pods)
            cidrset_del(&map->services, cluster_prefix_cidr(e));
        sharedtab_del(&map->prefixes, cidr_hash(cluster_prefix_cidr(e)), e);
    }
}

static int put_all(const struct change *ch)
{
    const struct cluster *c = ch->c;
    for (uint32_t i = 0; i < c->zones_n; i++) {
        if (put_zone(ch, cluster_zone(c, i)) < 0)
            return -1;
    }
    for (uint32_t i = 0; i < cluster_prefixes_n(c); i++) {
        if (put_prefix(ch, cluster_prefix(c, i)) < 0)
            return -1;
    }
    return 0;
}

static void end_cluster(struct retired *r)
{
    struct cluster *c =
        (struct cluster *)(void *)((char *)r - offsetof(struct cluster, retired));
    const struct cluster_map *map = c->rules->map;
    map->free(c, map->context);
}

/* It is not in the tables any more. */
static void let_go(struct cluster_map *map, struct cluster *c)
{
    /* Whoever makes its group at this moment looks after that (cluster_servers.c). */
    atomic_store(&c->gone, true);
    struct upstream_group *g = atomic_load(&c->group);
    if (g != NULL)
        atomic_store_explicit(&g->gone, true, memory_order_relaxed);
    *c->prev = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        map->last = c->prev;
    map->n--;
    if (map->retirement != NULL)
        retire(map->retirement, &c->retired, end_cluster);
    else
        end_cluster(&c->retired);
}

static void link_last(struct cluster_map *map, struct cluster *c)
{
    c->next = NULL;
    c->prev = map->last;
    *map->last = c;
    map->last = &c->next;
    map->n++;
}

int cluster_map_put(struct cluster_map *map, struct cluster *c, struct cluster *old,
                    struct errors *errs)
{
    struct change ch = {.map = map, .c = c, .old = old, .errs = errs};
    int zones = check_zones(&ch), prefixes = check_prefixes(&ch);
    if (check_itself(&ch) < 0 || zones < 0 || prefixes < 0)
        return -1;
    if (put_all(&ch) < 0) {
        struct change back = {.map = map, .c = old, .old = c, .errs = errs};
        for (uint32_t i = 0; old != NULL && i < old->record->services_n; i++)
            cidrset_del(&map->services, cluster_prefix_cidr(cluster_prefix(old, i)));
        if (old != NULL)
            (void)put_all(&back); /* into the places it had */
        take_out(map, c);
        return error_at(errs, cluster_at(c), "out of memory");
    }
    link_last(map, c);
    if (old != NULL)
        cluster_map_remove(map, old);
    return 0;
}

void cluster_map_remove(struct cluster_map *map, struct cluster *c)
{
    take_out(map, c);
    let_go(map, c);
}

void cluster_map_release(struct cluster_map *map)
{
    map->retirement = NULL;
    while (map->first != NULL)
        let_go(map, map->first);
    sharedtab_release(&map->zones);
    sharedtab_release(&map->prefixes);
    cidrset_release(&map->services);
    cluster_commons_release(&map->commons);
}

void cluster_map_each(const struct cluster_map *map,
                      void (*fn)(const struct cluster *c, void *context), void *context)
{
    for (const struct cluster *c = map->first; c != NULL; c = c->next)
        fn(c, context);
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
    const struct cluster_zone *z = zone_above(map, key);
    if (z != NULL)
        return z;
    if (!read_reverse(key, &asked))
        return NULL;
    const struct cluster_prefix *e = prefix_above(map, asked, asked.bits);
    *reverse = e != NULL;
    return e == NULL ? NULL : cluster_zone(cluster_of_prefix(e), 0);
}

const struct cluster *cluster_map_owner(const struct cluster_map *map,
                                        const struct addr *addr)
{
    struct cidr c = {.family = addr->family, .bits = addr->family == 6 ? 128 : 32};
    memcpy(c.ip, addr->ip, sizeof c.ip);
    const struct cluster_prefix *e = prefix_above(map, c, c.bits);
    return e == NULL ? NULL : cluster_of_prefix(e);
}

void cluster_map_look(const struct cluster_map *map,
                      bool (*fn)(const struct cluster *c, void *context), void *context)
{
    const struct sharedtab_slots *s = sharedtab_slots(&map->zones);
    for (uint32_t i = 0; s != NULL && i <= s->mask; i++) {
        const struct cluster_zone *z = sharedtab_at(s, i);
        if (z != NULL && z == cluster_zone(cluster_of_zone(z), 0) &&
            !fn(cluster_of_zone(z), context))
            return;
    }
}

/* ---- names that a search list has made longer ---- */

/* A name with what may be a cluster's domain at its end. */
struct searched {
    const struct cluster_map *map;
    const struct name_key *key;
    unsigned domain; /* index of its first label */
};

static bool is_label(const struct name_key *key, unsigned at, const char *word)
{
    const uint8_t *label = key->lower + key->offset[at];
    return label[0] == strlen(word) && memcmp(label + 1, word, label[0]) == 0;
}

/* The longest names that the DNS specification of Kubernetes has under D are
 * _port._protocol.service.namespace.svc.D; beside svc and pod there are dns-version.D
 * and ns.dns.D. */
static bool may_exist(const struct name_key *key, unsigned domain)
{
    bool section = is_label(key, domain - 1, "svc") || is_label(key, domain - 1, "pod");
    return domain <= (section ? 5 : 2);
}

static bool is_domain_of(const struct searched *s, const struct cluster *c)
{
    const uint8_t *wire = s->key->lower + s->key->offset[s->domain];
    return name_equal(wire, cluster_domain(c).wire) ||
           zone_exact(sharedtab_slots(&s->map->zones), s->key->hash[s->domain], wire) !=
               NULL;
}

/* The labels from `first` to before `end`, as a zone. */
static const struct cluster_zone *zone_between(const struct searched *s, unsigned first,
                                               unsigned end)
{
    struct name middle;
    const uint8_t *offset = s->key->offset;
    static const uint8_t root[1];
    if (name_join(&middle, s->key->lower + offset[first],
                  (size_t)(offset[end] - offset[first]), root) < 0)
        return NULL;
    return zone_exact(sharedtab_slots(&s->map->zones), name_hash(middle.wire),
                      middle.wire);
}

static const struct cluster_zone *zone_ending(const struct searched *s, unsigned end)
{
    for (unsigned first = 0; first < end; first++) {
        const struct cluster_zone *z =
            has_labels(s->map, end - first) ? zone_between(s, first, end) : NULL;
        if (z != NULL && is_domain_of(s, cluster_of_zone(z)))
            return z;
    }
    return NULL;
}

/* In front of D, of svc.D or of NAMESPACE.svc.D. */
static const struct cluster_zone *zone_before_suffix(const struct searched *s)
{
    unsigned end = s->domain;
    const struct cluster_zone *z = zone_ending(s, end);
    if (z != NULL || end < 3 || !is_label(s->key, end - 1, "svc"))
        return z;
    z = zone_ending(s, end - 1);
    return z != NULL ? z : zone_ending(s, end - 2);
}

const struct cluster_zone *cluster_map_find_searched(const struct cluster_map *map,
                                                     const struct name_key *key,
                                                     const struct cluster_zone *own,
                                                     unsigned *domain)
{
    unsigned end = key->labels;
    if (own != NULL)
        end = end + 1 - name_labels(cluster_zone_wire(own));
    for (unsigned at = 1; at < end; at++) {
        struct searched s = {.map = map, .key = key, .domain = at};
        const struct cluster_zone *z =
            may_exist(key, at) ? NULL : zone_before_suffix(&s);
        if (z == NULL)
            continue;
        *domain = at;
        return z;
    }
    return NULL;
}
