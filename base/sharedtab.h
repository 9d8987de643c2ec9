/* A hash table of pointers that one thread changes while any number look things up,
 * without a lock and without waiting.
 *
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
 * once nobody can be looking at it. */
#ifndef ISTHMUS_BASE_SHAREDTAB_H
#define ISTHMUS_BASE_SHAREDTAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sharedtab_slot {
    _Atomic(void *) entry; /* NULL: never used; sharedtab_gone: was deleted */
    _Atomic uint32_t hash; /* of the entry that was there last */
};

struct sharedtab_slots {
    uint32_t mask;
    struct sharedtab_slot list[];
};

struct sharedtab {
    _Atomic(struct sharedtab_slots *) slots;
    uint32_t n;    /* entries */
    uint32_t used; /* slots that were ever used, since the last growth */
};

extern char sharedtab_gone[];

/* ---- readers ---- */

/* NULL while the table is empty. Valid as long as the reader may look. */
static inline const struct sharedtab_slots *sharedtab_slots(const struct sharedtab *t)
{
    return atomic_load_explicit(&t->slots, memory_order_acquire);
}

/* The next entry with this hash; NULL: there is none. *at starts as the hash. */
static inline void *sharedtab_probe(const struct sharedtab_slots *s, uint32_t hash,
                                    uint32_t *at)
{
    if (s == NULL)
        return NULL;
    for (;;) {
        const struct sharedtab_slot *slot = &s->list[*at & s->mask];
        void *e = atomic_load_explicit(&slot->entry, memory_order_acquire);
        if (e == NULL)
            return NULL;
        ++*at;
        if (e != sharedtab_gone &&
            atomic_load_explicit(&slot->hash, memory_order_relaxed) == hash)
            return e;
    }
}

/* ---- the writer ---- */

/* Adds an entry that is not there yet. *old gets slots that are not in use any more, or
 * NULL. 0, or -1: no memory, and nothing has changed. */
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
