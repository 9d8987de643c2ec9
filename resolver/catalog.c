#include "resolver/catalog.h"

#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>

#define VERSION       "2"
#define LABEL_ZONES   "\5zones"
#define LABEL_VERSION "\7version"
#define LABEL_COO     "\3coo"

struct draft {
    const struct zonedata *zone;
    struct arena *arena;
    struct catalog *catalog;
    struct zonetab labels; /* by owner: -> struct catalog_member */
    uint32_t versions;
    bool ns, version_right;
    char *why;
};

static int wrong(struct draft *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int wrong(struct draft *d, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(d->why, CATALOG_WHY_MAX, fmt, args);
    va_end(args);
    return -1;
}

static int no_memory(struct draft *d)
{
    return wrong(d, "out of memory");
}

/* Whether the name's first label is this one, a length with its octets. */
static bool begins(const uint8_t *name, const char *label)
{
    return memcmp(name, label, 1u + (uint8_t)label[0]) == 0;
}

static const uint8_t *parent(const uint8_t *name)
{
    return name + 1 + name[0];
}

/* Labels in front of the catalog's own name. */
static unsigned depth(const struct draft *d, const uint8_t *owner)
{
    return name_labels(owner) - name_labels(zonedata_apex(d->zone));
}

static const uint8_t *lower_copy(struct draft *d, const struct rr *rr)
{
    const uint8_t *name = rr->base + rr->rdata;
    size_t len = name_len(name);
    uint8_t *copy = arena_alloc(d->arena, len);
    if (copy != NULL)
        name_lower(copy, name, len);
    return copy;
}

static struct catalog_member *find(const struct zonetab *t, const uint8_t *name)
{
    struct name_key key;
    unsigned label = 0;
    name_key_init(&key, name);
    struct catalog_member *m = zonetab_find(t, &key, 0, &label);
    return label == 0 ? m : NULL;
}

/* ---- records ---- */

/* Its strings count as one text. */
static void take_version(struct draft *d, const struct rr *rr)
{
    const uint8_t *at = rr->base + rr->rdata, *end = at + rr->rdlen;
    char text[sizeof VERSION] = "";
    size_t len = 0;
    while (at < end) {
        const uint8_t *next = at + 1 + at[0];
        for (at++; at < next && at < end; at++, len++) {
            if (len < sizeof text - 1)
                text[len] = (char)*at;
        }
    }
    d->versions++;
    d->version_right = len == sizeof VERSION - 1 && memcmp(text, VERSION, len) == 0;
}

static int take_member(struct draft *d, const struct rr *rr)
{
    const uint8_t *owner = rr->base + rr->owner;
    char text[NAME_TEXT_MAX];
    void *old = NULL;
    struct catalog_member *m = arena_alloc(d->arena, sizeof *m);
    const uint8_t *zone = lower_copy(d, rr);
    if (m == NULL || zone == NULL)
        return no_memory(d);
    *m = (struct catalog_member){.label = owner, .zone = zone};
    int added = zonetab_add(&d->labels, d->arena, owner, m, &old);
    if (added > 0) {
        name_print(owner, text);
        return wrong(d, "catalog member %s must have exactly one PTR record", text);
    }
    if (added == 0)
        added = zonetab_add(&d->catalog->members, d->arena, zone, m, &old);
    if (added > 0) {
        name_print(zone, text);
        return wrong(d, "catalog member zone %s is listed twice", text);
    }
    if (d->labels.n > CATALOG_MEMBERS_MAX)
        return wrong(d, "a catalog of more than %d members", CATALOG_MEMBERS_MAX);
    return added < 0 ? no_memory(d) : 0;
}

static int take(struct draft *d, const struct rr *rr)
{
    const uint8_t *owner = rr->base + rr->owner;
    switch (depth(d, owner)) {
    case 0:
        d->ns = d->ns || rr->type == DNS_NS;
        return 0;
    case 1:
        if (rr->type == DNS_TXT && begins(owner, LABEL_VERSION))
            take_version(d, rr);
        return 0;
    case 2:
        return rr->type == DNS_PTR && begins(parent(owner), LABEL_ZONES)
                   ? take_member(d, rr)
                   : 0;
    default:
        return 0;
    }
}

/* After all members. */
static int take_coo(struct draft *d, const struct rr *rr)
{
    const uint8_t *owner = rr->base + rr->owner;
    char text[NAME_TEXT_MAX];
    if (rr->type != DNS_PTR || depth(d, owner) != 3 || !begins(owner, LABEL_COO))
        return 0;
    struct catalog_member *m = find(&d->labels, parent(owner));
    if (m == NULL)
        return 0;
    name_print(parent(owner), text);
    if (m->coo != NULL)
        return wrong(d, "catalog member %s has more than one coo PTR record", text);
    m->coo = lower_copy(d, rr);
    return m->coo == NULL ? no_memory(d) : 0;
}

static int each(struct draft *d, int (*fn)(struct draft *d, const struct rr *rr))
{
    struct zonedata_place place = {0};
    const struct rr *rr;
    while ((rr = zonedata_next(d->zone, &place)) != NULL) {
        if (fn(d, rr) < 0)
            return -1;
    }
    return 0;
}

static int check(struct draft *d)
{
    if (!d->ns)
        return wrong(d, "the catalog zone has no NS record");
    if (d->versions != 1)
        return wrong(d, "the catalog zone must have exactly one version TXT record");
    if (!d->version_right)
        return wrong(d, "the catalog zone has a version that is not \"" VERSION "\"");
    return 0;
}

const struct catalog *catalog_read(const struct zonedata *z, struct arena *a,
                                   char why[CATALOG_WHY_MAX])
{
    struct draft d = {.zone = z, .arena = a, .why = why};
    d.catalog = arena_alloc(a, sizeof *d.catalog);
    if (d.catalog == NULL) {
        no_memory(&d);
        return NULL;
    }
    *d.catalog = (struct catalog){0};
    bool right = each(&d, take) == 0 && check(&d) == 0 && each(&d, take_coo) == 0;
    return right ? d.catalog : NULL;
}

const struct catalog_member *catalog_member(const struct catalog *c,
                                            const uint8_t *zone)
{
    return find(&c->members, zone);
}
