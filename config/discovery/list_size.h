/* How much of a list has come: one in pages could go on for ever. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_LIST_SIZE_H
#define ISTHMUS_CONFIG_DISCOVERY_LIST_SIZE_H

#include "base/limits.h"
#include "base/tree.h"

struct list_size {
    uint64_t octets;
    uint64_t objects;
};

/* What to say with the two numbers; see list_size_add(). */
#define LIST_SIZE_WHY                                                                  \
    "a list of more than %d objects or %d MiB is not used", LIST_OBJECTS_MAX,          \
        LIST_MAX_MB

/* One more page, which has so many octets and this array of objects (NULL: none).
 * False: that is too much. */
static inline bool list_size_add(struct list_size *s, size_t octets, const cJSON *array)
{
    s->octets += octets;
    for (const cJSON *v = array == NULL ? NULL : array->child; v != NULL; v = v->next)
        s->objects++;
    return s->objects <= LIST_OBJECTS_MAX && s->octets >> 20 < LIST_MAX_MB;
}

#endif
