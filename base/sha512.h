/* SHA-512 (FIPS 180-4), for digests that people compare: of a configuration, between
 * one run or machine and another. Tables use the keyed hash.h.
 *
 *     sha512_init(&s);
 *     sha512_add(&s, text, len);          // as often as there is something
 *     sha512_end(&s, digest); */
#ifndef ISTHMUS_BASE_SHA512_H
#define ISTHMUS_BASE_SHA512_H

#include <stddef.h>
#include <stdint.h>

#define SHA512_LEN   64
#define SHA512_BLOCK 128

struct sha512 {
    uint64_t state[8];
    uint64_t len; /* octets so far */
    uint8_t block[SHA512_BLOCK];
};

void sha512_init(struct sha512 *s);
void sha512_add(struct sha512 *s, const void *from, size_t len);
void sha512_end(struct sha512 *s, uint8_t digest[SHA512_LEN]);

#endif
