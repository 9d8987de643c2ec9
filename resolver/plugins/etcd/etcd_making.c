#include "resolver/plugins/etcd/etcd_making.h"

#include "base/hash.h"
#include "base/limits.h"
#include "resolver/wire.h"

#define CHAIN_MAX 11 /* CNAMEs in a row, as in CoreDNS */

enum etcd_found etcd_fail(struct etcd_making *a, const char *why)
{
    a->why = why;
    return ETCD_TOO_MUCH;
}

static int no_memory(struct etcd_making *a)
{
    etcd_fail(a, "plugin/etcd: out of memory");
    return -1;
}

enum etcd_found etcd_take(struct etcd_making *a, const uint8_t *name, bool exact,
                          struct etcd_records *out)
{
    enum etcd_found found = etcd_find(&a->search, name, a->q->request.type, exact, out);
    if (found == ETCD_TOO_MUCH)
        etcd_fail(a, a->search.keys_left == 0
                         ? "plugin/etcd: too many keys for one question"
                         : "plugin/etcd: out of memory");
    return found;
}

uint32_t etcd_ttl(const struct etcd_making *a, const struct skydns *s)
{
    return skydns_ttl(s, query_now_us(a->q), a->min_ttl, a->max_ttl);
}

int etcd_own_name(const struct etcd_making *a, const char *front, struct name *out)
{
    struct name n;
    if (name_parse(&n, text_of(front)) < 0)
        return -1;
    return name_join(out, n.wire, n.len - 1u, a->zone->apex.wire);
}

/* ---- none twice ---- */

static uint64_t hash_of_name(const uint8_t *name)
{
    uint8_t lower[NAME_WIRE_MAX];
    size_t len = name == NULL ? 0 : name_len(name);
    if (len > 0)
        name_lower(lower, name, len);
    return hash_bytes(lower, len);
}

static uint64_t hash_of(const struct etcd_item *item)
{
    uint64_t h = hash_mix((uint64_t)item->type << 16 | (uint64_t)item->kind,
                          hash_of_name(item->owner));
    h = hash_mix(h, hash_of_name(item->target));
    return hash_mix(h, hash_bytes(item->rest.at, item->rest.len));
}

static struct etcd_seen *place_of(struct etcd_seen *list, uint32_t cap, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (cap - 1);
    while (list[at].used && list[at].hash != hash)
        at = (at + 1) & (cap - 1);
    return &list[at];
}

static int grow_seen(struct etcd_making *a)
{
    uint32_t cap = a->seen_cap == 0 ? 16 : a->seen_cap * 2;
    struct etcd_seen *list = arena_array(&a->q->arena, cap, sizeof *list);
    if (list == NULL)
        return no_memory(a);
    for (uint32_t i = 0; i < a->seen_cap; i++) {
        if (a->seen[i].used)
            *place_of(list, cap, a->seen[i].hash) = a->seen[i];
    }
    a->seen = list;
    a->seen_cap = cap;
    return 0;
}

/* The hash stands for the item: of 64 bits, with a secret. */
bool *etcd_seen(struct etcd_making *a, const struct etcd_item *item)
{
    if (2 * (a->seen_n + 1) > a->seen_cap && grow_seen(a) < 0)
        return NULL;
    uint64_t hash = hash_of(item);
    struct etcd_seen *s = place_of(a->seen, a->seen_cap, hash);
    a->seen_n += !s->used;
    s->used = true;
    s->hash = hash;
    return &s->is;
}

int etcd_once(struct etcd_making *a, const struct etcd_item *item, bool *fresh)
{
    bool *is = etcd_seen(a, item);
    if (is == NULL)
        return -1;
    *fresh = *fresh && !*is;
    *is = true;
    return 0;
}

/* ---- records ---- */

int etcd_add(struct etcd_making *a, const struct rr_new *rr)
{
    struct rr_new whole = *rr;
    whole.class = DNS_IN;
    if (a->q->response->msg.rr_n >= WIRE_RR_MAX)
        return 0;
    return msg_add(&a->q->response->msg, &a->q->arena, &whole) < 0 ? no_memory(a) : 0;
}

/* One whose data is compared as octets. */
static int add_once(struct etcd_making *a, const struct rr_new *rr)
{
    struct etcd_item item = {
        .kind = ETCD_RECORD, .owner = rr->owner, .rest = rr->rdata};
    bool fresh = true;
    if (etcd_once(a, &item, &fresh) < 0)
        return -1;
    a->hits++;
    return fresh ? etcd_add(a, rr) : 0;
}

int etcd_add_address(struct etcd_making *a, const struct skydns *s,
                     enum section section, const uint8_t *owner)
{
    bool v4 = s->kind == SKYDNS_V4;
    struct rr_new rr = {.section = section,
                        .owner = owner,
                        .type = v4 ? DNS_A : DNS_AAAA,
                        .ttl = etcd_ttl(a, s),
                        .rdata = {s->ip, v4 ? 4 : 16}};
    return add_once(a, &rr);
}

int etcd_look_up(struct etcd_making *a, const struct etcd_lookup *l)
{
    if (a->lookups_n == ETCD_LOOKUPS_MAX) {
        if (l->section == SECTION_ADDITIONAL)
            return 0;
        etcd_fail(a, "plugin/etcd: too many names of others for one question");
        return -1;
    }
    struct etcd_lookup *new = arena_copy(&a->q->arena, l, sizeof *l);
    if (new != NULL)
        new->name = arena_copy(&a->q->arena, l->name, name_len(l->name));
    if (new == NULL || new->name == NULL)
        return no_memory(a);
    new->before = a->q->response->msg.rr_n;
    *a->lookups_end = new;
    a->lookups_end = &new->next;
    a->lookups_n++;
    return 0;
}

/* ---- addresses and texts ---- */

/* The records of one name, and the CNAME that has led there. */
struct level {
    struct etcd_records records;
    uint32_t at;
    const uint8_t *name;  /* lower case */
    const uint8_t *owner; /* as written */
    uint32_t hits;        /* before the CNAME's records */
};

struct walk {
    struct etcd_making *a;
    uint16_t type;
    enum section section;
    unsigned depth;
    struct level levels[CHAIN_MAX + 1];
};

/* The apex has addresses of its own at `apex.dns`, if there are any; else it has those
 * of all names. */
static enum etcd_found find(struct walk *w, const uint8_t *name,
                            struct etcd_records *out)
{
    struct etcd_making *a = w->a;
    struct name apex;
    if (w->type != DNS_TXT && name_equal(name, a->zone->apex.wire) &&
        etcd_own_name(a, "apex.dns", &apex) == 0) {
        enum etcd_found found = etcd_take(a, apex.wire, false, out);
        if (found != ETCD_NONE)
            return found;
    }
    return etcd_take(a, name, false, out);
}

static bool *alias_mark(struct walk *w, const uint8_t *owner, const uint8_t *target)
{
    struct etcd_item item = {.kind = ETCD_ALIAS, .owner = owner, .target = target};
    return etcd_seen(w->a, &item);
}

/* Whether a CNAME to the host goes round in a circle: to a name below the present one,
 * whose records it would find again, or to one that has been. */
static bool is_circle(const struct walk *w, const uint8_t *host)
{
    if (name_under(host, w->levels[w->depth - 1].name, NULL))
        return true;
    for (unsigned i = 1; i < w->depth; i++) {
        if (name_equal(w->levels[i].owner, host))
            return true;
    }
    return false;
}

/* Goes down into the records of a CNAME's target in the zone, if it has any. */
static int go_down(struct walk *w, const struct skydns *s)
{
    struct level *l = &w->levels[w->depth];
    uint8_t *lower = arena_copy(&w->a->q->arena, s->host, name_len(s->host));
    *l = (struct level){.name = lower, .owner = s->host, .hits = w->a->hits};
    w->depth++;
    if (lower == NULL)
        return no_memory(w->a);
    name_lower(lower, lower, name_len(lower));
    return find(w, lower, &l->records) == ETCD_TOO_MUCH ? -1 : 0;
}

/* A CNAME that has led to nothing is none. */
static int go_up(struct walk *w)
{
    const struct level *l = &w->levels[--w->depth];
    if (w->depth == 0 || w->a->hits > l->hits)
        return 0;
    bool *is = alias_mark(w, w->levels[w->depth - 1].owner, l->owner);
    if (is == NULL)
        return -1;
    *is = false;
    w->a->q->response->msg.rr_n--; /* nothing has come behind it */
    return 0;
}

static int add_alias(struct walk *w, const struct skydns *s)
{
    struct etcd_making *a = w->a;
    const uint8_t *owner = w->levels[w->depth - 1].owner;
    struct rr_new rr = {.section = w->section,
                        .owner = owner,
                        .type = DNS_CNAME,
                        .ttl = etcd_ttl(a, s),
                        .rdata = {s->host, name_len(s->host)}};
    struct etcd_lookup l = {.name = s->host, .type = w->type, .section = w->section};
    if (w->depth > CHAIN_MAX || is_circle(w, s->host))
        return 0;
    bool *is = alias_mark(w, owner, s->host);
    if (is == NULL)
        return -1;
    if (*is) {
        a->hits++;
        return 0;
    }
    *is = true;
    if (etcd_add(a, &rr) < 0)
        return -1;
    if (name_under(s->host, a->zone->apex.wire, NULL))
        return go_down(w, s);
    a->hits++;
    return etcd_look_up(a, &l);
}

static int add_text(struct walk *w, const struct skydns *s)
{
    struct rr_new rr = {.section = w->section,
                        .owner = w->levels[w->depth - 1].owner,
                        .type = DNS_TXT,
                        .ttl = etcd_ttl(w->a, s),
                        .rdata = {s->text, s->text_len}};
    return add_once(w->a, &rr);
}

static int add_any(struct walk *w, const struct skydns *s)
{
    const uint8_t *owner = w->levels[w->depth - 1].owner;
    bool address = s->kind == SKYDNS_V4 || s->kind == SKYDNS_V6;
    if (s->kind == SKYDNS_NAME && s->text == NULL)
        return add_alias(w, s);
    if (w->type == DNS_TXT)
        return address || s->text == NULL ? 0 : add_text(w, s);
    if (s->kind == (w->type == DNS_A ? SKYDNS_V4 : SKYDNS_V6))
        return etcd_add_address(w->a, s, w->section, owner);
    return 0;
}

enum etcd_found etcd_walk(struct etcd_making *a, const uint8_t *name,
                          const uint8_t *owner, uint16_t type, enum section section)
{
    struct walk w UNSET;
    w.a = a;
    w.type = type;
    w.section = section;
    w.depth = 1;
    w.levels[0] = (struct level){.name = name, .owner = owner};
    enum etcd_found found = find(&w, name, &w.levels[0].records);
    if (found != ETCD_FOUND)
        return found;
    while (w.depth > 0 && a->q->response->msg.rr_n < WIRE_RR_MAX) {
        struct level *l = &w.levels[w.depth - 1];
        int rc =
            l->at == l->records.n ? go_up(&w) : add_any(&w, l->records.list[l->at++]);
        if (rc < 0)
            return ETCD_TOO_MUCH;
    }
    return ETCD_FOUND;
}
