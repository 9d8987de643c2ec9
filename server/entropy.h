/* Octets nobody can guess, for one thread, without a system call for each question:
 * they are fetched from the kernel a pool at a time. No generator of our own stands in
 * between, so what was handed out says nothing about what comes next. */
#ifndef ISTHMUS_SERVER_ENTROPY_H
#define ISTHMUS_SERVER_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

#define ENTROPY_POOL 4096

struct entropy {
    size_t used;
    uint8_t pool[ENTROPY_POOL];
};

/* Fills the pool. Returns 0, or an errno: the worker must then not start. */
int entropy_init(struct entropy *e);

/* Writes `len` octets. Once entropy_init() has succeeded getrandom() cannot fail;
 * should it do so all the same, the program aborts: no answer is better than an ID that
 * can be guessed. */
void entropy_take(struct entropy *e, void *out, size_t len);

/* A number below `n` (1 to 2^16): bias below n / 2^32. */
uint32_t entropy_below(struct entropy *e, uint32_t n);

#endif
