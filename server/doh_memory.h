/* Memory of one HTTP connection, counted: what a client makes us keep is limited like
 * all buffers of connections. */
#ifndef ISTHMUS_SERVER_DOH_MEMORY_H
#define ISTHMUS_SERVER_DOH_MEMORY_H

#include "base/span.h"

struct doh_memory {
    size_t held;
};

/* As malloc() and its kin. */
void *doh_malloc(struct doh_memory *m, size_t len);
void *doh_calloc(struct doh_memory *m, size_t n, size_t len);
void *doh_realloc(struct doh_memory *m, void *p, size_t len);
void doh_release(struct doh_memory *m, void *p);

/* Octets that grow at their end and go at their front. All zero: empty. */
struct doh_buffer {
    uint8_t *octets;
    size_t at, len, cap; /* octets[at] to octets[at + len] */
};

/* What is in it. */
static inline struct span doh_buffer_span(const struct doh_buffer *b)
{
    return b->len == 0 ? (struct span){0}
                       : (struct span){.at = b->octets + b->at, .len = b->len};
}

/* Returns 0, or -1: no memory. */
int doh_buffer_put(struct doh_memory *m, struct doh_buffer *b, const void *from,
                   size_t len) __attribute__((warn_unused_result));

/* Forgets the first `n`; when nothing is left, the memory too. */
void doh_buffer_drop(struct doh_memory *m, struct doh_buffer *b, size_t n);
/* Moves up to `cap` of the first to `to`. Returns how many. */
size_t doh_buffer_take(struct doh_memory *m, struct doh_buffer *b, void *to,
                       size_t cap);
void doh_buffer_release(struct doh_memory *m, struct doh_buffer *b);

#endif
