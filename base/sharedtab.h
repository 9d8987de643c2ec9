/* A hash table of pointers that one thread changes while any number look things up,
 * without a lock and without waiting.
 *
 *     struct sharedtab t = {.hash = hash_of_entry};
 *     sharedtab_put(&t, hash, entry, &old)       // the writer; *old: see below
 *     sharedtab_swap(&t, hash, entry, newer)     // readers find one of the two
 *     sharedtab_del(&t, hash, entry)
 *
 *     const struct sharedtab_slots *s = sharedtab_slots(&t);
 *     for (uint32_t at = hash; (e = sharedtab_probe(s, hash, &at)) != NULL;)
 *         if (is_it(e)) ...
 *
 * A reader sees an entry that was put before it began, unless it was deleted. What was
 * taken out, be it an entry or the slots that growth replaces, is the caller's to free
 * once nobody can be looking at it.
 *
 * A slot is one word, so that there are eight to a line of the processor's cache: the
 * entry's address and, above its 48 bits, 16 of its hash. */
#ifndef ISTHMUS_BASE_SHAREDTAB_H
#define ISTHMUS_BASE_SHAREDTAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sharedtab_slots {
    uint32_t mask;
    _Atomic uint64_t list[]; /* 0: never used; SHAREDTAB_GONE: was deleted */
};

struct sharedtab {
    _Atomic(struct sharedtab_slots *) slots;
    uint32_t (*hash)(const void *entry); /* for growth */
    uint32_t n;                          /* entries */
    uint32_t used; /* slots that were ever used, since the last growth */
};

#define SHAREDTAB_ADDRESS UINT64_C(0xffffffffffff)
#define SHAREDTAB_GONE    UINT64_C(1)

static inline uint64_t sharedtab_tag(uint32_t hash)
{
    return (uint64_t)(hash >> 16) << 48;
}

/* ---- readers ---- */

/* NULL while the table is empty. Valid as long as the reader may look. */
static inline const struct sharedtab_slots *sharedtab_slots(const struct sharedtab *t)
{
    return atomic_load_explicit(&t->slots, memory_order_acquire);
}

/* What stands in the i-th slot, i <= mask; NULL: nothing. */
static inline void *sharedtab_at(const struct sharedtab_slots *s, uint32_t i)
{
    uint64_t slot = atomic_load_explicit(&s->list[i], memory_order_acquire);
    return slot == SHAREDTAB_GONE ? NULL
                                  : (void *)(uintptr_t)(slot & SHAREDTAB_ADDRESS);
}

/* The next entry that may have this hash, which the caller then compares; NULL: there
 * is none. *at starts as the hash. */
static inline void *sharedtab_probe(const struct sharedtab_slots *s, uint32_t hash,
                                    uint32_t *at)
{
    uint64_t slot, tag = sharedtab_tag(hash);
    if (s == NULL)
        return NULL;
    do {
        slot = atomic_load_explicit(&s->list[*at & s->mask], memory_order_acquire);
        if (slot == 0)
            return NULL;
        ++*at;
    } while ((slot & ~SHAREDTAB_ADDRESS) != tag || slot == SHAREDTAB_GONE);
    return (void *)(uintptr_t)(slot & SHAREDTAB_ADDRESS);
}

/* ---- the writer ---- */

/* Adds an entry that is not there yet. *old gets slots that are not in use any more, or
 * NULL. 0, or -1: no memory (or an address of more than 48 bits, which Linux gives only
 * to who asks for such), and nothing has changed. */
int sharedtab_put(struct sharedtab *t, uint32_t hash, void *entry,
                  struct sharedtab_slots **old) __attribute__((warn_unused_result));

/* Puts `newer`, of the same hash, in the place of `entry`, in one step. */
void sharedtab_swap(struct sharedtab *t, uint32_t hash, const void *entry, void *newer);

/* False when it is not there. */
bool sharedtab_del(struct sharedtab *t, uint32_t hash, const void *entry);

/* The next entry from *at on, advancing *at; NULL at the end. Start with 0. */
void *sharedtab_next(const struct sharedtab *t, uint32_t *at);

/* Frees the slots; nobody looks any more. */
void sharedtab_release(struct sharedtab *t);

#endif
