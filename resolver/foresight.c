#include "resolver/foresight.h"

#include "base/cursor.h"
#include "resolver/cachestore.h"
#include "resolver/cluster_map.h"
#include "resolver/cluster_servers.h"
#include "resolver/plan.h"

#include <stdlib.h>

#define BATCH_LEAST 4 /* of fewer there is little to gain */

struct ahead {
    const uint8_t *wire; /* NULL: not a question that we know how to read */
    struct name_key key;
    uint8_t name_len;
    bool dnssec_ok, checking_disabled;
    uint16_t type;
    const struct cluster_zone *zone; /* its cluster's, likely */
    const struct upstream_group *group;
    uint8_t lower[NAME_WIRE_MAX];
};

struct foresight {
    unsigned n, at; /* at: the one that is asked for next, or has just been */
    struct ahead list[UDP_BATCH];
};

/* ---- reading ---- */

/* The length of the name at the beginning; 0: it is none, or compressed. */
static size_t plain_name_len(const uint8_t *at, size_t len)
{
    size_t end = 0;
    while (end < len && end < NAME_WIRE_MAX) {
        if (at[end] == 0)
            return end + 1;
        if (at[end] > 63)
            return 0;
        end += at[end] + 1u;
    }
    return 0;
}

/* Whether an OPT follows the question, as it nearly always does, and says DO. */
static bool says_do(struct span wire, size_t at)
{
    return load_u16(wire.at + 10) == 1 && wire.len >= at + 11 && wire.at[at] == 0 &&
           load_u16(wire.at + at + 1) == DNS_OPT &&
           (load_u16(wire.at + at + 7) & 0x8000) != 0;
}

/* Much less than wire_walk() asks: who does not come through there is not looked up. */
static void read_question(struct ahead *a, struct span wire)
{
    const uint8_t *name = wire.at + DNS_HEADER_LEN;
    size_t len =
        wire.len < DNS_HEADER_LEN ? 0 : plain_name_len(name, wire.len - DNS_HEADER_LEN);
    size_t end = DNS_HEADER_LEN + len + 4;
    a->wire = NULL;
    if (len == 0 || wire.len < end)
        return;
    name_lower(a->lower, name, len);
    name_key_init(&a->key, a->lower);
    a->wire = wire.at;
    a->name_len = (uint8_t)len;
    a->type = load_u16(name + len);
    a->checking_disabled = (load_u16(wire.at + 2) & DNS_CD) != 0;
    a->dnssec_ok = says_do(wire, end);
    a->zone = NULL;
    a->group = NULL;
}

/* ---- looking ---- */

static void look_into_cache(struct cachestore *c, const struct ahead *a,
                            enum foresight_step step)
{
    struct cache_key key = {.name = a->lower,
                            .name_len = a->name_len,
                            .dnssec_ok = a->dnssec_ok,
                            .checking_disabled = a->checking_disabled,
                            .type = a->type,
                            .class = DNS_IN,
                            .hash = a->key.hash[0]};
    cachestore_foresee(c, &key, step);
}

static void look_for_cluster(const struct cluster_map *map, struct ahead *a,
                             enum foresight_step step)
{
    switch (step) {
    case FORESEE_PLACE:
        cluster_map_foresee(map, &a->key);
        break;
    case FORESEE_ENTRY:
        a->zone = cluster_map_foreseen(map, &a->key);
        if (a->zone != NULL)
            foresee(cluster_read_at(a->zone), CLUSTER_READ);
        break;
    case FORESEE_GROUP:
        if (a->zone != NULL)
            a->group = cluster_group_now(cluster_of_zone(a->zone));
        foresee(a->group, sizeof *a->group + sizeof *a->group->list);
        break;
    case FORESEE_UPSTREAM:
        if (a->group != NULL && a->group->n > 0)
            foresee(a->group->list[0], offsetof(struct upstream, text));
        if (a->group != NULL)
            foresee(a->group->shared, sizeof *a->group->shared);
        break;
    }
}

/* What is worth it. */
struct scope {
    struct cachestore *cache;           /* NULL: it is small */
    const struct cluster_map *clusters; /* likewise */
};

static void take_step(struct foresight *f, const struct scope *s,
                      enum foresight_step step)
{
    for (unsigned i = 0; i < f->n; i++) {
        if (f->list[i].wire == NULL)
            continue;
        if (s->cache != NULL && step <= FORESEE_ENTRY)
            look_into_cache(s->cache, &f->list[i], step);
        if (s->clusters != NULL)
            look_for_cluster(s->clusters, &f->list[i], step);
    }
}

/* The only block of the server; NULL: which it is depends on the question. */
static const struct plan_block *only_block(const struct plan_server *s)
{
    const struct plan_zone *zone = s->zones.n == 1 ? s->zones.entries[0].value : NULL;
    return zone == NULL || zone->next != NULL ? NULL : zone->block;
}

static struct scope scope_of(const struct plan_server *server)
{
    const struct plan_block *b = only_block(server);
    struct scope s = {.cache = NULL};
    if (b != NULL && b->cache != NULL && cachestore_is_large(b->cache))
        s.cache = b->cache;
    if (b != NULL && b->clusters != NULL && cluster_map_is_large(b->clusters))
        s.clusters = b->clusters;
    return s;
}

void foresight_questions(struct foresight **f, const struct plan_server *server,
                         const struct span *wires, unsigned n)
{
    struct scope s = scope_of(server);
    if (*f != NULL)
        (*f)->n = 0;
    if (n < BATCH_LEAST || (s.cache == NULL && s.clusters == NULL) ||
        (*f == NULL && (*f = calloc(1, sizeof **f)) == NULL))
        return;
    (*f)->n = n;
    (*f)->at = 0;
    for (unsigned i = 0; i < n; i++)
        read_question(&(*f)->list[i], wires[i]);
    enum foresight_step last = s.clusters == NULL ? FORESEE_ENTRY : FORESEE_UPSTREAM;
    for (enum foresight_step step = FORESEE_PLACE; step <= last; step++)
        take_step(*f, &s, step);
}

/* They are taken in their order. */
const struct name_key *foresight_key(struct foresight *f, const uint8_t *wire,
                                     size_t name_len)
{
    for (; f != NULL && f->at < f->n; f->at++) {
        const struct ahead *a = &f->list[f->at];
        if (a->wire == wire)
            return a->name_len == name_len ? &a->key : NULL;
    }
    return NULL;
}
