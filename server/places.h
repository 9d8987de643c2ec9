/* A pointer for each endpoint, by its id: ids are small and dense. */
#ifndef ISTHMUS_SERVER_PLACES_H
#define ISTHMUS_SERVER_PLACES_H

#include <stddef.h>
#include <stdint.h>

struct places {
    void **list;
    uint32_t n;
};

/* What is at the place, NULL when nothing is. */
static inline void *places_get(const struct places *p, uint32_t id)
{
    return id < p->n ? p->list[id] : NULL;
}

/* What is at the place; when nothing is, `size` zeroed octets are put there. NULL: no
 * memory. */
void *places_claim(struct places *p, uint32_t id, size_t size);

/* Frees what is there and the list. */
void places_release(struct places *p);

#endif
