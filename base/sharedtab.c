#include "base/sharedtab.h"

#include <stdlib.h>

#define SLOTS_FIRST 8u
#define SLOTS_MAX   (1u << 30)

static struct sharedtab_slots *own_slots(const struct sharedtab *t)
{
    return atomic_load_explicit(&t->slots, memory_order_relaxed);
}

static uint64_t slot_at(const struct sharedtab_slots *s, uint32_t i)
{
    return atomic_load_explicit(&s->list[i & s->mask], memory_order_relaxed);
}

static void set(_Atomic uint64_t *slot, uint32_t hash, const void *entry)
{
    atomic_store_explicit(slot, sharedtab_tag(hash) | (uint64_t)(uintptr_t)entry,
                          memory_order_release);
}

static _Atomic uint64_t *free_slot(struct sharedtab_slots *s, uint32_t hash)
{
    uint32_t i = hash;
    while (slot_at(s, i) > SHAREDTAB_GONE)
        i++;
    return &s->list[i & s->mask];
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
        const void *e = sharedtab_at(before, i);
        if (e != NULL)
            set(free_slot(s, t->hash(e)), t->hash(e), e);
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
    if (((uint64_t)(uintptr_t)entry & ~SHAREDTAB_ADDRESS) != 0)
        return -1;
    if ((s == NULL || t->used + 1 > (s->mask + 1) / 8 * 7) && rebuild(t, old) < 0)
        return -1;
    _Atomic uint64_t *slot = free_slot(own_slots(t), hash);
    t->used += atomic_load_explicit(slot, memory_order_relaxed) == 0;
    set(slot, hash, entry);
    t->n++;
    return 0;
}

static _Atomic uint64_t *slot_of(const struct sharedtab *t, uint32_t hash,
                                 const void *entry)
{
    struct sharedtab_slots *s = own_slots(t);
    uint64_t slot, wanted = sharedtab_tag(hash) | (uint64_t)(uintptr_t)entry;
    if (s == NULL)
        return NULL;
    for (uint32_t i = hash; (slot = slot_at(s, i)) != 0; i++) {
        if (slot == wanted)
            return &s->list[i & s->mask];
    }
    return NULL;
}

void sharedtab_swap(struct sharedtab *t, uint32_t hash, const void *entry, void *newer)
{
    _Atomic uint64_t *slot = slot_of(t, hash, entry);
    if (slot != NULL)
        set(slot, hash, newer);
}

bool sharedtab_del(struct sharedtab *t, uint32_t hash, const void *entry)
{
    _Atomic uint64_t *slot = slot_of(t, hash, entry);
    if (slot == NULL)
        return false;
    atomic_store_explicit(slot, SHAREDTAB_GONE, memory_order_release);
    t->n--;
    return true;
}

void *sharedtab_next(const struct sharedtab *t, uint32_t *at)
{
    struct sharedtab_slots *s = own_slots(t);
    while (s != NULL && *at <= s->mask) {
        void *e = sharedtab_at(s, (*at)++);
        if (e != NULL)
            return e;
    }
    return NULL;
}

void sharedtab_release(struct sharedtab *t)
{
    free(own_slots(t));
    *t = (struct sharedtab){.slots = NULL, .hash = t->hash};
}
