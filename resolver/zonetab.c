#include "resolver/zonetab.h"

static int grow_entries(struct zonetab *t, struct arena *a)
{
    if (t->n < t->cap)
        return 0;
    uint32_t cap = t->cap == 0 ? 4 : t->cap * 2;
    struct zonetab_entry *entries = arena_array(a, cap, sizeof *entries);
    if (entries == NULL)
        return -1;
    if (t->n > 0)
        memcpy(entries, t->entries, t->n * sizeof *entries);
    t->entries = entries;
    t->cap = cap;
    return 0;
}

static void link_entry(struct zonetab *t, uint32_t i)
{
    uint32_t *bucket = &t->buckets[t->entries[i].hash & t->mask];
    t->entries[i].next = *bucket;
    *bucket = i + 1;
}

/* Twice as many buckets as entries at most, so that a miss costs one load. */
static int grow_buckets(struct zonetab *t, struct arena *a)
{
    if (t->buckets != NULL && t->n < t->mask)
        return 0;
    uint32_t n = t->buckets == NULL ? 8 : (t->mask + 1) * 2;
    uint32_t *buckets = arena_array(a, n, sizeof *buckets);
    if (buckets == NULL)
        return -1;
    t->buckets = buckets;
    t->mask = n - 1;
    for (uint32_t i = 0; i < t->n; i++)
        link_entry(t, i);
    return 0;
}

static struct zonetab_entry *lookup(const struct zonetab *t, uint32_t hash,
                                    const uint8_t *zone)
{
    if (t->buckets == NULL)
        return NULL;
    for (uint32_t i = t->buckets[hash & t->mask]; i != 0; i = t->entries[i - 1].next) {
        struct zonetab_entry *e = &t->entries[i - 1];
        if (e->hash == hash && name_equal(e->zone, zone))
            return e;
    }
    return NULL;
}

int zonetab_add(struct zonetab *t, struct arena *a, const uint8_t *zone, void *value,
                void **old)
{
    uint32_t hash = name_hash(zone);
    const struct zonetab_entry *found = lookup(t, hash, zone);
    if (found != NULL) {
        if (old != NULL)
            *old = found->value;
        return 1;
    }
    if (grow_entries(t, a) < 0 || grow_buckets(t, a) < 0)
        return -1;
    t->entries[t->n] =
        (struct zonetab_entry){.zone = zone, .value = value, .hash = hash};
    link_entry(t, t->n++);
    unsigned labels = name_labels(zone);
    t->labels_used[labels / 64] |= UINT64_C(1) << (labels % 64);
    return 0;
}

void *zonetab_find(const struct zonetab *t, const struct name_key *key, unsigned skip,
                   unsigned *label)
{
    for (unsigned i = skip; i <= key->labels; i++) {
        unsigned left = key->labels - i;
        if ((t->labels_used[left / 64] >> (left % 64) & 1) == 0)
            continue;
        const struct zonetab_entry *e =
            lookup(t, key->hash[i], key->lower + key->offset[i]);
        if (e == NULL)
            continue;
        if (label != NULL)
            *label = i;
        return e->value;
    }
    return NULL;
}

void name_key_init(struct name_key *key, const uint8_t *lower)
{
    key->lower = lower;
    key->labels = name_hashes(lower, key->hash, key->offset);
}
