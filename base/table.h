/* Open-addressing hash table of pointers, for anything found by a hash and a
 * comparison. Growth doubles and never fails silently. Entries are the caller's. 14 to
 * 27 octets an entry: the hashes stand by themselves, and a search is in these alone
 * until one is equal.
 *
 *     struct table t = {0};
 *     if (table_put(&t, hash, entry) < 0) ...
 *     e = table_get(&t, hash, same_zone, zone);
 *     for (uint32_t at = 0; (e = table_next(&t, &at)) != NULL;) ... */
#ifndef ISTHMUS_BASE_TABLE_H
#define ISTHMUS_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table {
    void **entries;   /* a slot each, and behind them their hashes; NULL = empty */
    uint32_t *hashes; /* 0 = the slot is free */
    uint32_t mask;    /* slots - 1 */
    uint32_t n;
};

typedef bool table_match(const void *entry, const void *key);

/* The entry with this hash for which match(entry, key) holds, or NULL. */
void *table_get(const struct table *t, uint32_t hash, table_match *match,
                const void *key);

/* Adds an entry; the caller has looked that it is not there yet. 0, or -1: no memory.
 */
int table_put(struct table *t, uint32_t hash, void *entry)
    __attribute__((warn_unused_result));

/* Removes exactly this entry (by address); false when it is not there. Not while
 * walking with table_next(): others may move. */
bool table_del(struct table *t, uint32_t hash, const void *entry);

/* The i-th used slot's entry from *at on, advancing *at; NULL at the end. Start with 0.
 */
void *table_next(const struct table *t, uint32_t *at);

/* Has the processor fetch what the next look-up with this hash will read first. */
static inline void table_foresee(const struct table *t, uint32_t hash)
{
    if (t->entries == NULL)
        return;
    __builtin_prefetch(&t->hashes[hash & t->mask]);
    __builtin_prefetch(&t->entries[hash & t->mask]);
}

/* Frees the slots, not the entries. */
void table_release(struct table *t);

#endif
