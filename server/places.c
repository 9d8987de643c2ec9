#include "server/places.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_N 16

static int grow(struct places *p, uint32_t id)
{
    size_t n = p->n == 0 ? FIRST_N : (size_t)p->n * 2;
    if (n <= id)
        n = (size_t)id + 1;
    if (n > UINT32_MAX)
        return -1;
    void **list = realloc(p->list, n * sizeof *list);
    if (list == NULL)
        return -1;
    memset(list + p->n, 0, (n - p->n) * sizeof *list);
    p->list = list;
    p->n = (uint32_t)n;
    return 0;
}

void *places_claim(struct places *p, uint32_t id, size_t size)
{
    void *at = places_get(p, id);
    if (at != NULL)
        return at;
    if (id >= p->n && grow(p, id) < 0)
        return NULL;
    p->list[id] = calloc(1, size);
    return p->list[id];
}

void places_release(struct places *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        free(p->list[i]);
    free(p->list);
    *p = (struct places){0};
}
