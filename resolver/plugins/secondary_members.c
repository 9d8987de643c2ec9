#include "resolver/plugins/secondary_members.h"

#include "base/log.h"

#include <stdlib.h>

/* One time that members are gone through. */
struct census {
    struct secondary *p;
    const struct secondary_zone *news; /* the catalog that has come; NULL: all */
    const struct members *old;         /* NULL: none */
    struct feed_value *value;
    struct members *now;
    bool changed;
    uint32_t refused, outside; /* of the catalog in hand */
};

static struct secondary_zone *member_in(const struct members *m, const uint8_t *zone)
{
    struct name_key key;
    unsigned label = 0;
    if (m == NULL)
        return NULL;
    name_key_init(&key, zone);
    struct secondary_zone *z = zonetab_find(&m->zones, &key, 0, &label);
    return label == 0 ? z : NULL;
}

/* ---- a member's life ---- */

static void drop(struct secondary_zone *m)
{
    if (--m->tables_n > 0)
        return;
    inbound_unuse(&m->use);
    free(m);
}

static void release_members(const void *data)
{
    const struct members *members = data;
    for (uint32_t i = 0; i < members->zones.n; i++)
        drop(members->zones.entries[i].value);
}

/* 0, or -1: no memory. */
static int put(struct census *c, struct secondary_zone *m)
{
    int added = zonetab_add(&c->now->zones, &c->value->arena, m->apex.wire, m, NULL);
    m->tables_n += added == 0;
    return added < 0 ? -1 : 0;
}

/* With the primaries of its catalog. NULL: no memory. */
static struct secondary_zone *make(const struct secondary_zone *catalog,
                                   const struct catalog_member *e)
{
    const struct inbound *from = catalog->use.zone;
    struct secondary_zone *m = calloc(1, sizeof *m);
    struct inbound_key key = {.primaries = from->primaries,
                              .primaries_n = from->primaries_n,
                              .member = e->label};
    if (m == NULL)
        return NULL;
    key.apex.len = (uint8_t)name_len(e->zone);
    memcpy(key.apex.wire, e->zone, key.apex.len);
    m->of = catalog->of;
    m->apex = key.apex;
    m->owner = catalog;
    memcpy(m->label, e->label, 1u + e->label[0]);
    m->use.plan = catalog->use.plan;
    m->use.block = catalog->use.block;
    if (inbound_use(&m->use, &key) == 0)
        return m;
    free(m);
    return NULL;
}

/* ---- whose it is ---- */

static const struct catalog *catalog_of(const struct secondary_zone *z)
{
    const struct zone *zone = z->use.zone->zone;
    return zone == NULL ? NULL : zone->catalog;
}

static bool is_root(const uint8_t *zone)
{
    return zone[0] == 0;
}

/* Its entry for the zone, where it may have it. The root would take every name that no
 * zone here has from the plugins behind: a catalog has it only where it is written. */
static const struct catalog_member *entry_of(const struct secondary_zone *z,
                                             const uint8_t *zone)
{
    const struct catalog *c = z->catalog ? catalog_of(z) : NULL;
    bool all = z->accepts.n == 0 && !is_root(zone);
    if (c == NULL || (!all && zones_match(&z->accepts, zone) == NULL))
        return NULL;
    return catalog_member(c, zone);
}

static const struct secondary_zone *first_with(const struct secondary *p,
                                               const uint8_t *zone)
{
    const struct secondary_zone *z = p->list;
    while (z != NULL && entry_of(z, zone) == NULL)
        z = z->next;
    return z;
}

/* The catalog whose member it is now: that of before, or the one it hands it over to.
 */
static const struct secondary_zone *owner_of(const struct secondary *p,
                                             const struct secondary_zone *was,
                                             const uint8_t *zone)
{
    const struct secondary_zone *owner = was == NULL ? NULL : was->owner;
    if (owner == NULL || entry_of(owner, zone) == NULL)
        owner = first_with(p, zone);
    const struct catalog_member *e = owner == NULL ? NULL : entry_of(owner, zone);
    for (const struct secondary_zone *z = p->list;
         e != NULL && e->coo != NULL && z != NULL; z = z->next) {
        if (name_equal(z->apex.wire, e->coo) && entry_of(z, zone) != NULL)
            return z;
    }
    return owner;
}

/* ---- one entry ---- */

static bool same_label(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, 1u + a[0]) == 0;
}

static void tell(const struct secondary_zone *m, const struct secondary_zone *was)
{
    char zone[NAME_TEXT_MAX], catalog[NAME_TEXT_MAX], before[NAME_TEXT_MAX];
    name_print(m->apex.wire, zone);
    name_print(m->owner->apex.wire, catalog);
    if (was == NULL) {
        log_info("plugin/secondary: Added catalog member zone %s from catalog %s", zone,
                 catalog);
    } else if (was->owner == m->owner) {
        log_info("plugin/secondary: Reset catalog member zone %s from %s after its "
                 "member ID changed",
                 zone, catalog);
    } else {
        name_print(was->owner->apex.wire, before);
        log_info("plugin/secondary: Migrated catalog member zone %s from catalog %s to "
                 "%s%s",
                 zone, before, catalog,
                 m->use.zone->anew ? ", preserving state"
                                   : ", with state reset: its member ID changed");
    }
}

/* 0, or -1: no memory. */
static int begin(struct census *c, const struct secondary_zone *catalog,
                 const struct catalog_member *e, const struct secondary_zone *was)
{
    struct secondary_zone *m = make(catalog, e);
    if (m == NULL)
        return -1;
    if (was != NULL && was->owner != catalog && same_label(was->label, m->label))
        inbound_adopt(&m->use, &was->use);
    if (put(c, m) < 0) {
        inbound_unuse(&m->use);
        free(m);
        return -1;
    }
    tell(m, was);
    c->changed = true;
    return 0;
}

static void tell_skipped(const struct census *c, const struct secondary_zone *catalog,
                         const uint8_t *zone, const char *why)
{
    char text[NAME_TEXT_MAX], from[NAME_TEXT_MAX];
    if (c->news != NULL && c->news != catalog)
        return;
    name_print(zone, text);
    name_print(catalog->apex.wire, from);
    log_warning("plugin/secondary: Skipping catalog member zone %s from %s: %s", text,
                from, why);
}

static bool is_of_corefile(const struct secondary *p, const uint8_t *zone)
{
    struct name_key key;
    unsigned label = 0;
    name_key_init(&key, zone);
    return zonetab_find(&p->zones, &key, 0, &label) != NULL && label == 0;
}

static int take_entry(struct census *c, const struct secondary_zone *catalog,
                      const struct catalog_member *e)
{
    struct secondary_zone *was = member_in(c->old, e->zone);
    if (entry_of(catalog, e->zone) == NULL) {
        if (is_root(e->zone))
            tell_skipped(c, catalog, e->zone,
                         "it would take every name; write `catalog .` to have it");
        else
            c->refused++;
        return 0;
    }
    if (!plan_serves(catalog->use.block, e->zone)) {
        c->outside++;
        return 0;
    }
    if (is_of_corefile(c->p, e->zone) || owner_of(c->p, was, e->zone) != catalog) {
        tell_skipped(c, catalog, e->zone, "zone already exists");
        return 0;
    }
    if (was != NULL && was->owner == catalog && same_label(was->label, e->label))
        return put(c, was);
    return begin(c, catalog, e, was);
}

/* ---- all ---- */

static int take_catalog(struct census *c, const struct secondary_zone *z)
{
    const struct catalog *catalog = z->catalog ? catalog_of(z) : NULL;
    char text[NAME_TEXT_MAX];
    int rc = 0;
    c->refused = c->outside = 0;
    for (uint32_t i = 0; catalog != NULL && rc == 0 && i < catalog->members.n; i++)
        rc = take_entry(c, z, catalog->members.entries[i].value);
    if (catalog == NULL || (c->news != NULL && c->news != z))
        return rc;
    name_print(z->apex.wire, text);
    if (c->refused > 0)
        log_warning(
            "plugin/secondary: Skipped %u member zones from catalog %s: outside "
            "configured member zones",
            c->refused, text);
    if (c->outside > 0)
        log_warning(
            "plugin/secondary: Skipped %u member zones from catalog %s: outside "
            "of the server block's zones",
            c->outside, text);
    log_info("plugin/secondary: Parsed catalog zone %s with %u member zones", text,
             catalog->members.n);
    return rc;
}

static void tell_ended(struct census *c)
{
    char zone[NAME_TEXT_MAX], catalog[NAME_TEXT_MAX];
    for (uint32_t i = 0; c->old != NULL && i < c->old->zones.n; i++) {
        const struct secondary_zone *m = c->old->zones.entries[i].value;
        if (member_in(c->now, m->apex.wire) != NULL)
            continue;
        name_print(m->apex.wire, zone);
        name_print(m->owner->apex.wire, catalog);
        log_info("plugin/secondary: Removed catalog member zone %s from catalog %s",
                 zone, catalog);
        c->changed = true;
    }
}

static int count(struct census *c)
{
    c->value = feed_value_new();
    if (c->value != NULL)
        c->now = arena_alloc(&c->value->arena, sizeof *c->now);
    if (c->now == NULL)
        return -1;
    *c->now = (struct members){0};
    c->value->data = c->now;
    c->value->release = release_members;
    for (const struct secondary_zone *z = c->p->list; z != NULL; z = z->next) {
        if (take_catalog(c, z) < 0)
            return -1;
    }
    tell_ended(c);
    return 0;
}

/* 0, or -1: no memory, and the members stay as they are. */
static int renew(struct secondary *p, const struct secondary_zone *news)
{
    struct census c = {.p = p, .news = news, .old = feed_get(p->members)};
    int rc = count(&c);
    if (rc == 0 && c.changed)
        feed_publish(p->members, c.value);
    else
        feed_value_free(c.value);
    return rc;
}

int members_begin(struct setup *s, struct secondary *p)
{
    static const struct feed_source by_itself = {0};
    const struct secondary_zone *z = p->list;
    while (z != NULL && !z->catalog)
        z = z->next;
    if (z == NULL)
        return 0;
    p->members = feed_new(&s->plan->feeds, s->arena, &by_itself);
    return p->members == NULL ? -1 : renew(p, NULL);
}

void members_follow(struct inbound_use *use)
{
    const struct secondary_zone *z =
        (const struct secondary_zone *)(const void *)((uint8_t *)use -
                                                      offsetof(struct secondary_zone,
                                                               use));
    if (z->of->members != NULL && renew(z->of, z) < 0)
        log_error("plugin/secondary: members of a catalog stay as they are: out of "
                  "memory");
}
