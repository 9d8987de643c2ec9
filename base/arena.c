#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ALIGN _Alignof(max_align_t)

struct arena_block {
    struct arena_block *next;
    _Alignas(max_align_t) uint8_t octets[];
};

/* Starts handing out from `at`, from its first aligned octet on. */
static void use(struct arena *a, void *at, uint32_t len)
{
    size_t skip = at == NULL ? 0 : (ALIGN - (uintptr_t)at % ALIGN) % ALIGN;

    a->at = skip < len ? (uint8_t *)at + skip : NULL;
    a->left = skip < len ? (uint32_t)((len - skip) / ALIGN * ALIGN) : 0;
}

void arena_init(struct arena *a, void *first, uint32_t first_len)
{
    *a = (struct arena){.first = first, .first_len = first == NULL ? 0 : first_len};
    use(a, a->first, a->first_len);
}

static uint8_t *add_block(struct arena *a, size_t len)
{
    struct arena_block *b = malloc(sizeof *b + len);

    if (b == NULL)
        return NULL;
    b->next = a->blocks;
    a->blocks = b;
    a->total += sizeof *b + len;
    return b->octets;
}

/* Each block is as large as all before it together, within bounds: few blocks for a
 * large arena, little waste in a small one. Behind the caller's, what is needed is
 * mostly little. */
static uint32_t next_block_len(const struct arena *a)
{
    size_t least = a->first_len > 0 && a->total == 0 ? ARENA_BLOCK_SMALL : ARENA_BLOCK;
    size_t len = a->total < least ? least : a->total;

    if (len > ARENA_BLOCK_MAX)
        len = ARENA_BLOCK_MAX;
    return (uint32_t)((len - sizeof(struct arena_block)) / ALIGN * ALIGN);
}

void *arena_alloc(struct arena *a, size_t len)
{
    if (len > SIZE_MAX / 2)
        return NULL;
    len = len == 0 ? ALIGN : (len + ALIGN - 1) / ALIGN * ALIGN;
    if (len > a->left) {
        uint32_t block_len = next_block_len(a);
        if (len > block_len) { /* one of its own; the current block goes on */
            void *own = add_block(a, len);
            return own == NULL ? NULL : memset(own, 0, len);
        }
        uint8_t *block = add_block(a, block_len);
        if (block == NULL)
            return NULL;
        use(a, block, block_len);
    }
    void *p = memset(a->at, 0, len);
    a->at += len;
    a->left -= (uint32_t)len;
    return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    if (size != 0 && n > SIZE_MAX / size)
        return NULL;
    return arena_alloc(a, n * size);
}

void *arena_copy(struct arena *a, const void *from, size_t len)
{
    void *p = arena_alloc(a, len);

    if (p != NULL && len > 0)
        memcpy(p, from, len);
    return p;
}

char *arena_text(struct arena *a, struct text t)
{
    char *p = t.len == SIZE_MAX ? NULL : arena_alloc(a, t.len + 1);

    if (p != NULL && t.len > 0)
        memcpy(p, t.at, t.len);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *p = len < 0 ? NULL : arena_alloc(a, (size_t)len + 1);
    if (p == NULL)
        return NULL;
    va_start(args, fmt);
    vsnprintf(p, (size_t)len + 1, fmt, args);
    va_end(args);
    return p;
}

static void free_blocks(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
}

void arena_reset(struct arena *a)
{
    free_blocks(a);
    arena_init(a, a->first, a->first_len);
}

void arena_release(struct arena *a)
{
    free_blocks(a);
    *a = (struct arena){0};
}
