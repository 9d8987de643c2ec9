#include "config/inventory.h"

#include "base/limits.h"

#include <stdlib.h>

/* ---- drafts ---- */

static int grow(struct arena *a, void **list, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return 0;
    if (n >= INVENTORY_LIST_MAX)
        return -1;
    uint32_t wanted = *cap == 0 ? 2 : *cap * 2;
    void *bigger = arena_array(a, wanted, size);
    if (bigger == NULL)
        return -1;
    if (n > 0)
        memcpy(bigger, *list, n * size);
    *list = bigger;
    *cap = wanted;
    return 0;
}

int inventory_add_cidr(struct arena *a, struct subnets *to, const struct cidr *c)
{
    void *list = to->list;
    if (grow(a, &list, to->n, &to->cap, sizeof *c) < 0)
        return -1;
    to->list = list;
    to->list[to->n++] = *c;
    return 0;
}

int inventory_add_zone(struct arena *a, struct zones *to, const struct name *zone)
{
    void *list = to->list;
    if (grow(a, &list, to->n, &to->cap, sizeof *zone) < 0)
        return -1;
    to->list = list;
    to->list[to->n++] = *zone;
    return 0;
}

int inventory_add_addr(struct arena *a, struct addrs *to, const struct addr *addr)
{
    void *list = to->list;
    if (grow(a, &list, to->n, &to->cap, sizeof *addr) < 0)
        return -1;
    to->list = list;
    to->list[to->n++] = *addr;
    return 0;
}

/* ---- records: addresses, subnets, then names, each behind the other ---- */

static size_t names_len(const struct inventory_draft *d)
{
    size_t len = d->name.len + 1 + d->domain.len;
    for (uint32_t i = 0; i < d->zones.n; i++)
        len += d->zones.list[i].len;
    return len;
}

static uint8_t *put(uint8_t *to, const void *from, size_t len)
{
    if (len > 0)
        memcpy(to, from, len);
    return to + len;
}

static void put_parts(struct inventory_record *r, const struct inventory_draft *d)
{
    uint8_t *to = r->octets;
    to = put(to, d->dns.list, d->dns.n * sizeof(struct addr));
    to = put(to, d->services.list, d->services.n * sizeof(struct cidr));
    to = put(to, d->pods.list, d->pods.n * sizeof(struct cidr));
    to = put(to, d->name.at, d->name.len);
    *to++ = '\0';
    to = put(to, d->domain.wire, d->domain.len);
    for (uint32_t i = 0; i < d->zones.n; i++)
        to = put(to, d->zones.list[i].wire, d->zones.list[i].len);
}

struct inventory_record *inventory_record_new(const struct inventory_draft *d)
{
    size_t len = d->dns.n * sizeof(struct addr) +
                 (d->services.n + d->pods.n) * sizeof(struct cidr) + names_len(d);
    struct inventory_record *r = malloc(sizeof *r + len);
    if (r == NULL)
        return NULL;
    *r = (struct inventory_record){
        .uses = 1,
        .index = d->index,
        .port = (uint16_t)d->port,
        .zones_n = (uint8_t)d->zones.n,
        .services_n = (uint8_t)d->services.n,
        .pods_n = (uint8_t)d->pods.n,
        .dns_n = (uint8_t)d->dns.n,
        .name_len = (uint8_t)d->name.len,
        .has_domain = d->domain.len > 0,
        .line = d->at.line,
        .file = d->at.file,
        .digest = d->digest,
        .since_s = d->since_s,
    };
    put_parts(r, d);
    return r;
}

struct inventory_record *inventory_record_use(struct inventory_record *r)
{
    atomic_fetch_add_explicit(&r->uses, 1, memory_order_relaxed);
    return r;
}

struct inventory_place *inventory_place_new(const char *name)
{
    size_t len = strlen(name) + 1;
    struct inventory_place *p = malloc(sizeof *p + len);
    if (p == NULL)
        return NULL;
    p->uses = 1;
    memcpy(p->name, name, len);
    return p;
}

void inventory_place_drop(struct inventory_place *p)
{
    if (atomic_fetch_sub_explicit(&p->uses, 1, memory_order_acq_rel) == 1)
        free(p);
}

void inventory_record_place(struct inventory_record *r, struct inventory_place *p)
{
    if (r->placed || r->file != p->name)
        return;
    atomic_fetch_add_explicit(&p->uses, 1, memory_order_relaxed);
    r->placed = true;
}

static struct inventory_place *place_of(const struct inventory_record *r)
{
    uintptr_t name = (uintptr_t)r->file;
    return (struct inventory_place *)(name - offsetof(struct inventory_place, name));
}

void inventory_record_drop(struct inventory_record *r)
{
    while (r != NULL &&
           atomic_fetch_sub_explicit(&r->uses, 1, memory_order_acq_rel) == 1) {
        struct inventory_record *before = r->before;
        if (r->placed)
            inventory_place_drop(place_of(r));
        free(r);
        r = before;
    }
}

const struct addr *inventory_dns(const struct inventory_record *r)
{
    return (const struct addr *)(const void *)r->octets;
}

const struct cidr *inventory_services(const struct inventory_record *r)
{
    return (const struct cidr *)(const void *)(inventory_dns(r) + r->dns_n);
}

const struct cidr *inventory_pods(const struct inventory_record *r)
{
    return inventory_services(r) + r->services_n;
}

const char *inventory_name(const struct inventory_record *r)
{
    return (const char *)(inventory_pods(r) + r->pods_n);
}

static const uint8_t *names_of(const struct inventory_record *r)
{
    return (const uint8_t *)inventory_name(r) + r->name_len + 1;
}

const uint8_t *inventory_domain(const struct inventory_record *r)
{
    return r->has_domain ? names_of(r) : NULL;
}

const uint8_t *inventory_zone(const struct inventory_record *r, unsigned i)
{
    const uint8_t *at = names_of(r);
    for (unsigned skip = i + r->has_domain; skip > 0; skip--)
        at += name_len(at);
    return at;
}

/* Octets from the first address to the end of the last name. */
static size_t parts_len(const struct inventory_record *r)
{
    const uint8_t *end = inventory_zone(r, r->zones_n);
    return (size_t)(end - r->octets);
}

bool inventory_same(const struct inventory_record *a, const struct inventory_record *b)
{
    return a->index == b->index && a->port == b->port && a->zones_n == b->zones_n &&
           a->services_n == b->services_n && a->pods_n == b->pods_n &&
           a->dns_n == b->dns_n && a->has_domain == b->has_domain &&
           parts_len(a) == parts_len(b) &&
           memcmp(a->octets, b->octets, parts_len(a)) == 0;
}
