/* Zones to values: the longest zone at or above a name, in one look-up per label
 * whatever the number of zones. Built once, then immutable. */
#ifndef ISTHMUS_RESOLVER_ZONETAB_H
#define ISTHMUS_RESOLVER_ZONETAB_H

#include "base/arena.h"
#include "base/name.h"

/* A name with the hashes of all its suffixes (name_hashes); made once per query. */
struct name_key {
    const uint8_t *lower; /* lower case */
    unsigned labels;
    uint32_t hash[NAME_LABELS_MAX + 1];
    uint8_t offset[NAME_LABELS_MAX + 1];
};

struct zonetab_entry {
    const uint8_t *zone;
    void *value;
    uint32_t hash;
    uint32_t next; /* index + 1 in the same bucket */
};

struct zonetab {
    struct zonetab_entry *entries;
    uint32_t n, cap;
    uint32_t *buckets;
    uint32_t mask;
    uint64_t
        labels_used[2]; /* bit n: a zone of n labels exists; others are not looked up */
};

/* Adds a zone (borrowed, lower case). 0, 1 when it is there already (*old, may be NULL,
 * gets its value), -1: no memory. Entries live in the arena; growing wastes at most as
 * much again. */
int zonetab_add(struct zonetab *t, struct arena *a, const uint8_t *zone, void *value,
                void **old);

/* The value of the longest zone at or above the name, NULL when there is none. `skip`
 * is the number of suffixes, longest first, not to be considered (0 = all); *label (may
 * be NULL) gets the index of the suffix that matched, so that a search can go on behind
 * it. */
void *zonetab_find(const struct zonetab *t, const struct name_key *key, unsigned skip,
                   unsigned *label);

void name_key_init(struct name_key *key, const uint8_t *lower);

#endif
