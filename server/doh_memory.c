#include "server/doh_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MIN 512

static void *counted(struct doh_memory *m, void *p)
{
    m->held += malloc_usable_size(p);
    return p;
}

void *doh_malloc(struct doh_memory *m, size_t len)
{
    return counted(m, malloc(len));
}

void *doh_calloc(struct doh_memory *m, size_t n, size_t len)
{
    return counted(m, calloc(n, len));
}

void *doh_realloc(struct doh_memory *m, void *p, size_t len)
{
    size_t before = malloc_usable_size(p);
    void *moved = realloc(p, len);
    if (moved == NULL)
        return NULL;
    m->held -= before;
    return counted(m, moved);
}

void doh_release(struct doh_memory *m, void *p)
{
    m->held -= malloc_usable_size(p);
    free(p);
}

static int reserve(struct doh_memory *m, struct doh_buffer *b, size_t len)
{
    size_t cap = b->cap < CAP_MIN ? CAP_MIN : b->cap;
    if (b->at > 0 && b->len > 0)
        memmove(b->octets, b->octets + b->at, b->len);
    b->at = 0;
    while (cap < b->len + len)
        cap *= 2;
    if (cap == b->cap)
        return 0;
    uint8_t *octets = doh_realloc(m, b->octets, cap);
    if (octets == NULL)
        return -1;
    b->octets = octets;
    b->cap = cap;
    return 0;
}

int doh_buffer_put(struct doh_memory *m, struct doh_buffer *b, const void *from,
                   size_t len)
{
    if (len == 0)
        return 0;
    if (b->cap - b->at - b->len < len && reserve(m, b, len) < 0)
        return -1;
    memcpy(b->octets + b->at + b->len, from, len);
    b->len += len;
    return 0;
}

void doh_buffer_drop(struct doh_memory *m, struct doh_buffer *b, size_t n)
{
    b->at += n;
    b->len -= n;
    if (b->len == 0)
        doh_buffer_release(m, b);
}

size_t doh_buffer_take(struct doh_memory *m, struct doh_buffer *b, void *to, size_t cap)
{
    size_t n = b->len < cap ? b->len : cap;
    if (n == 0)
        return 0;
    memcpy(to, b->octets + b->at, n);
    doh_buffer_drop(m, b, n);
    return n;
}

void doh_buffer_release(struct doh_memory *m, struct doh_buffer *b)
{
    doh_release(m, b->octets);
    *b = (struct doh_buffer){0};
}
