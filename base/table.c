#include "base/table.h"

#include <stdlib.h>

#define SLOTS_FIRST 8u
#define SLOTS_MAX   (1u << 30)

/* What stands in a slot: 0 is no hash. */
static uint32_t mark(uint32_t hash)
{
    return hash == 0 ? 1 : hash;
}

void *table_get(const struct table *t, uint32_t hash, table_match *match,
                const void *key)
{
    uint32_t wanted = mark(hash);
    if (t->entries == NULL)
        return NULL;
    for (uint32_t i = wanted & t->mask; t->hashes[i] != 0; i = (i + 1) & t->mask) {
        if (t->hashes[i] == wanted && match(t->entries[i], key))
            return t->entries[i];
    }
    return NULL;
}

/* There is always a free slot: seven in eight are used at most. */
static void insert(struct table *t, uint32_t marked, void *entry)
{
    uint32_t i = marked & t->mask;
    while (t->hashes[i] != 0)
        i = (i + 1) & t->mask;
    t->hashes[i] = marked;
    t->entries[i] = entry;
    t->n++;
}

static int grow(struct table *t)
{
    uint32_t slots_n = t->entries == NULL ? SLOTS_FIRST : (t->mask + 1) * 2;
    struct table larger = {.mask = slots_n - 1};
    if (slots_n > SLOTS_MAX)
        return -1;
    larger.entries = calloc(slots_n, sizeof(void *) + sizeof(uint32_t));
    if (larger.entries == NULL)
        return -1;
    larger.hashes = (uint32_t *)(void *)(larger.entries + slots_n);
    for (uint32_t i = 0; t->entries != NULL && i <= t->mask; i++) {
        if (t->hashes[i] != 0)
            insert(&larger, t->hashes[i], t->entries[i]);
    }
    free(t->entries);
    *t = larger;
    return 0;
}

int table_put(struct table *t, uint32_t hash, void *entry)
{
    uint32_t slots_n = t->entries == NULL ? 0 : t->mask + 1;
    if (t->n + 1 > slots_n / 8 * 7 && grow(t) < 0)
        return -1;
    insert(t, mark(hash), entry);
    return 0;
}

/* Moves up what stands behind a freed slot and could not be found across the gap. No
 * tombstones: look-ups stay short however often entries come and go. */
static void close_gap(struct table *t, uint32_t gap)
{
    for (uint32_t i = (gap + 1) & t->mask; t->hashes[i] != 0; i = (i + 1) & t->mask) {
        uint32_t from_home = (i - t->hashes[i]) & t->mask;
        uint32_t from_gap = (i - gap) & t->mask;
        if (from_home < from_gap)
            continue; /* its home lies behind the gap */
        t->hashes[gap] = t->hashes[i];
        t->entries[gap] = t->entries[i];
        gap = i;
    }
    t->hashes[gap] = 0;
}

bool table_del(struct table *t, uint32_t hash, const void *entry)
{
    uint32_t wanted = mark(hash);
    if (t->entries == NULL)
        return false;
    for (uint32_t i = wanted & t->mask; t->hashes[i] != 0; i = (i + 1) & t->mask) {
        if (t->hashes[i] != wanted || t->entries[i] != entry)
            continue;
        close_gap(t, i);
        t->n--;
        return true;
    }
    return false;
}

void *table_next(const struct table *t, uint32_t *at)
{
    while (t->entries != NULL && *at <= t->mask) {
        uint32_t i = (*at)++;
        if (t->hashes[i] != 0)
            return t->entries[i];
    }
    return NULL;
}

void table_release(struct table *t)
{
    free(t->entries);
    *t = (struct table){0};
}
