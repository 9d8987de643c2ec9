#include "base/sharedtab.h"

#include <stdlib.h>

#define SLOTS_FIRST 8u
#define SLOTS_MAX   (1u << 30)

char sharedtab_gone[1];

static struct sharedtab_slots *own_slots(const struct sharedtab *t)
{
    return atomic_load_explicit(&t->slots, memory_order_relaxed);
}

static void *entry_at(const struct sharedtab_slots *s, uint32_t i)
{
    return atomic_load_explicit(&s->list[i].entry, memory_order_relaxed);
}

/* The hash first: who sees the entry sees it too. */
static void set(struct sharedtab_slot *slot, uint32_t hash, void *entry)
{
    atomic_store_explicit(&slot->hash, hash, memory_order_relaxed);
    atomic_store_explicit(&slot->entry, entry, memory_order_release);
}

static struct sharedtab_slot *free_slot(struct sharedtab_slots *s, uint32_t hash)
{
    uint32_t i = hash & s->mask;
    void *e;
    while ((e = entry_at(s, i)) != NULL && e != sharedtab_gone)
        i = (i + 1) & s->mask;
    return &s->list[i];
}

/* Slots for `n` entries, an eighth of them free. */
static uint32_t slots_for(uint32_t n)
{
    uint32_t slots = SLOTS_FIRST;
    while (slots / 8 * 7 < n && slots < SLOTS_MAX)
        slots *= 2;
    return slots;
}

/* Other slots with the same entries, without those that were deleted. */
static int rebuild(struct sharedtab *t, struct sharedtab_slots **old)
{
    struct sharedtab_slots *before = own_slots(t);
    /* Many were deleted: as large as before is enough, with room for a while. */
    uint32_t slots = slots_for(t->n + t->n / 8 + 1);
    struct sharedtab_slots *s = calloc(1, sizeof *s + slots * sizeof *s->list);
    if (s == NULL || t->n >= slots / 8 * 7) {
        free(s);
        return -1;
    }
    s->mask = slots - 1;
    for (uint32_t i = 0; before != NULL && i <= before->mask; i++) {
        void *e = entry_at(before, i);
        uint32_t hash =
            atomic_load_explicit(&before->list[i].hash, memory_order_relaxed);
        if (e != NULL && e != sharedtab_gone)
            set(free_slot(s, hash), hash, e);
    }
    t->used = t->n;
    atomic_store_explicit(&t->slots, s, memory_order_release);
    *old = before;
    return 0;
}

int sharedtab_put(struct sharedtab *t, uint32_t hash, void *entry,
                  struct sharedtab_slots **old)
{
    struct sharedtab_slots *s = own_slots(t);
    *old = NULL;
    if ((s == NULL || t->used + 1 > (s->mask + 1) / 8 * 7) && rebuild(t, old) < 0)
        return -1;
    struct sharedtab_slot *slot = free_slot(own_slots(t), hash);
    t->used += atomic_load_explicit(&slot->entry, memory_order_relaxed) == NULL;
    set(slot, hash, entry);
    t->n++;
    return 0;
}

static struct sharedtab_slot *slot_of(const struct sharedtab *t, uint32_t hash,
                                      const void *entry)
{
    struct sharedtab_slots *s = own_slots(t);
    const void *e;
    if (s == NULL)
        return NULL;
    for (uint32_t i = hash & s->mask; (e = entry_at(s, i)) != NULL;
         i = (i + 1) & s->mask) {
        if (e == entry)
            return &s->list[i];
    }
    return NULL;
}

void sharedtab_swap(struct sharedtab *t, uint32_t hash, const void *entry, void *newer)
{
    struct sharedtab_slot *slot = slot_of(t, hash, entry);
    if (slot != NULL)
        atomic_store_explicit(&slot->entry, newer, memory_order_release);
}

bool sharedtab_del(struct sharedtab *t, uint32_t hash, const void *entry)
{
    struct sharedtab_slot *slot = slot_of(t, hash, entry);
    if (slot == NULL)
        return false;
    atomic_store_explicit(&slot->entry, sharedtab_gone, memory_order_release);
    t->n--;
    return true;
}

void *sharedtab_next(const struct sharedtab *t, uint32_t *at)
{
    struct sharedtab_slots *s = own_slots(t);
    while (s != NULL && *at <= s->mask) {
        void *e = entry_at(s, (*at)++);
        if (e != NULL && e != sharedtab_gone)
            return e;
    }
    return NULL;
}

void sharedtab_release(struct sharedtab *t)
{
    free(own_slots(t));
    *t = (struct sharedtab){.slots = NULL};
}
