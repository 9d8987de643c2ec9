#include "server/conns.h"

#include <stdlib.h>

static int grow(struct conns *c)
{
    uint32_t cap = c->cap == 0 ? 16 : c->cap * 2;
    void **list = realloc(c->list, cap * sizeof *list);
    if (list != NULL)
        c->list = list;
    uint32_t *free_list = realloc(c->free_list, cap * sizeof *free_list);
    if (free_list != NULL)
        c->free_list = free_list;
    if (list == NULL || free_list == NULL)
        return -1;
    c->cap = cap;
    return 0;
}

uint32_t conns_add(struct conns *c, void *entry)
{
    uint32_t at;
    if (c->free_n > 0) {
        at = c->free_list[--c->free_n];
    } else {
        if (c->n == c->cap && grow(c) < 0)
            return CONN_NONE;
        at = c->n++;
    }
    c->list[at] = entry;
    return at * 2 + (uint32_t)c->kind;
}

void conns_del(struct conns *c, uint32_t conn)
{
    uint32_t at = conn / 2;
    c->list[at] = NULL;
    c->free_list[c->free_n++] = at;
}

void conns_release(struct conns *c)
{
    free(c->list);
    free(c->free_list);
    *c = (struct conns){.kind = c->kind};
}
