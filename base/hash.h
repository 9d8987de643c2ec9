/* Keyed hashing for tables whose keys come from the network. The key is drawn once from
 * the kernel at start (hash_seed); without it nothing may be hashed.
 *
 *     if (hash_seed() < 0) ...                       // no start without a secret
 *     table_put(&t, (uint32_t)hash_bytes(id, sizeof id), entry);
 *
 * Not a cryptographic hash: it keeps those who cannot see its results from finding keys
 * that collide. Values differ from run to run and between byte orders; they are never
 * stored. */
#ifndef ISTHMUS_BASE_HASH_H
#define ISTHMUS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hash_key {
    uint64_t word[3]; /* the start value, and one for either factor */
};

/* Draws the key with getrandom(). Returns 0, or -1: the program must then not start.
 * Calling it again changes nothing, so that tests and threads may all call it. */
int hash_seed(void);

/* The key, for code that hashes in its own way with hash_fold(). */
const struct hash_key *hash_key(void);

/* Keyed 64-bit hash of `len` octets (multiply-fold over 8-octet words, secret key). */
uint64_t hash_bytes(const void *from, size_t len);

/* That of a C string, for tables. */
static inline uint32_t hash_text(const char *text)
{
    return (uint32_t)hash_bytes(text, strlen(text));
}

/* Mixes two hashes into one; order matters. */
uint64_t hash_mix(uint64_t a, uint64_t b);

/* One step: takes `word` into `h`. Both halves of the product of two secret-keyed
 * factors are kept, so that every bit of the word reaches every bit of the result. */
static inline uint64_t hash_fold(const struct hash_key *k, uint64_t h, uint64_t word)
{
    __extension__ typedef unsigned __int128 product;
    product p = (product)(h ^ k->word[1]) * (word ^ k->word[2]);
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

#endif
