#include "base/table.h"

#include <stdlib.h>

#define SLOTS_FIRST 8u
#define SLOTS_MAX   (1u << 30)

void *table_get(const struct table *t, uint32_t hash, table_match *match,
                const void *key)
{
    if (t->slots == NULL)
        return NULL;
    for (uint32_t i = hash & t->mask; t->slots[i].entry != NULL; i = (i + 1) & t->mask)
        if (t->slots[i].hash == hash && match(t->slots[i].entry, key))
            return t->slots[i].entry;
    return NULL;
}

/* There is always a free slot: three in four are used at most. */
static void insert(struct table *t, uint32_t hash, void *entry)
{
    uint32_t i = hash & t->mask;

    while (t->slots[i].entry != NULL)
        i = (i + 1) & t->mask;
    t->slots[i] = (struct table_slot){.hash = hash, .entry = entry};
    t->n++;
}

static int grow(struct table *t)
{
    uint32_t slots_n = t->slots == NULL ? SLOTS_FIRST : (t->mask + 1) * 2;
    struct table larger = {.mask = slots_n - 1};

    if (slots_n > SLOTS_MAX)
        return -1;
    larger.slots = calloc(slots_n, sizeof *larger.slots);
    if (larger.slots == NULL)
        return -1;
    for (uint32_t i = 0; t->slots != NULL && i <= t->mask; i++)
        if (t->slots[i].entry != NULL)
            insert(&larger, t->slots[i].hash, t->slots[i].entry);
    free(t->slots);
    *t = larger;
    return 0;
}

int table_put(struct table *t, uint32_t hash, void *entry)
{
    uint32_t slots_n = t->slots == NULL ? 0 : t->mask + 1;

    if (t->n + 1 > slots_n / 4 * 3 && grow(t) < 0)
        return -1;
    insert(t, hash, entry);
    return 0;
}

/* Moves up what stands behind a freed slot and could not be found across the gap. No
 * tombstones: look-ups stay short however often entries come and go. */
static void close_gap(struct table *t, uint32_t gap)
{
    for (uint32_t i = (gap + 1) & t->mask; t->slots[i].entry != NULL;
         i = (i + 1) & t->mask) {
        uint32_t from_home = (i - t->slots[i].hash) & t->mask;
        uint32_t from_gap = (i - gap) & t->mask;
        if (from_home < from_gap)
            continue; /* its home lies behind the gap */
        t->slots[gap] = t->slots[i];
        gap = i;
    }
    t->slots[gap] = (struct table_slot){0};
}

bool table_del(struct table *t, uint32_t hash, const void *entry)
{
    if (t->slots == NULL)
        return false;
    for (uint32_t i = hash & t->mask; t->slots[i].entry != NULL;
         i = (i + 1) & t->mask) {
        if (t->slots[i].entry != entry)
            continue;
        close_gap(t, i);
        t->n--;
        return true;
    }
    return false;
}

void *table_next(const struct table *t, uint32_t *at)
{
    if (t->slots == NULL)
        return NULL;
    while (*at <= t->mask) {
        void *entry = t->slots[(*at)++].entry;
        if (entry != NULL)
            return entry;
    }
    return NULL;
}

void table_release(struct table *t)
{
    free(t->slots);
    *t = (struct table){0};
}
