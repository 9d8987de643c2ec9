/* Memory that is freed all at once.
 *
 *     struct arena a;
 *     arena_init(&a, slot->first, sizeof slot->first);   // first block is the caller's
 *     p = arena_alloc(&a, n);                            // zeroed, aligned, or NULL
 *     arena_reset(&a);                  // everything gone, the first block is kept
 *
 * Invariants: memory handed out never moves; blocks grow from ARENA_BLOCK upwards (a
 * small one goes before where there is a first block); an
 * arena belongs to one thread at a time. Nothing may be taken from an arena after
 * arena_release(). */
#ifndef ISTHMUS_BASE_ARENA_H
#define ISTHMUS_BASE_ARENA_H

#include "base/span.h"

#define ARENA_BLOCK 4096 /* octets of the first block from the heap */
#define ARENA_BLOCK_SMALL                                                              \
    512 /* of that behind a first block of the caller's; then ARENA_BLOCK */
#define ARENA_BLOCK_MAX                                                                \
    (1u << 20) /* where growth stops; larger requests get their own */

struct arena_block;

struct arena {
    struct arena_block *blocks; /* heap blocks, newest first */
    uint8_t *at;                /* next free octet of the current block */
    uint8_t *first;             /* the caller's first block, may be NULL */
    uint32_t first_len;
    uint32_t left; /* octets of the current block, ARENA_BLOCK_MAX at most */
    size_t total;  /* octets taken from the heap, for budgets */
};

/* `first` (may be NULL) stays the caller's and must outlive the arena. */
void arena_init(struct arena *a, void *first, uint32_t first_len);

/* `len` zeroed octets aligned for any type, or NULL when memory is short. No octets are
 * a pointer too. */
void *arena_alloc(struct arena *a, size_t len) __attribute__((warn_unused_result));

/* An array of `n` times `size` octets; NULL also when the product overflows. */
void *arena_array(struct arena *a, size_t n, size_t size)
    __attribute__((warn_unused_result));

/* A copy of `len` octets; unaligned data is fine. NULL when memory is short. */
void *arena_copy(struct arena *a, const void *from, size_t len)
    __attribute__((warn_unused_result));

/* A NUL-terminated copy of `t`. */
char *arena_text(struct arena *a, struct text t) __attribute__((warn_unused_result));

/* printf into the arena. NULL when memory is short. */
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

/* Forgets everything handed out; heap blocks are freed. */
void arena_reset(struct arena *a);

/* As arena_reset; the arena may then be thrown away. */
void arena_release(struct arena *a);

#endif
