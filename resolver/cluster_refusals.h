/* What an inventory brought and that cannot be served: in the order in which it came,
 * for whoever shows it and for who tries again, and by its name. A mistake such as one
 * Service subnet for all may refuse a whole fleet. */
#ifndef ISTHMUS_RESOLVER_CLUSTER_REFUSALS_H
#define ISTHMUS_RESOLVER_CLUSTER_REFUSALS_H

#include "base/table.h"
#include "config/inventory.h"

struct cluster_refusal {
    struct inventory_record *record; /* a use of it */
    char *why;
    struct cluster_refusal *next, **at;
};

/* All zero: none. */
struct cluster_refusals {
    struct cluster_refusal *first, **end; /* `end` NULL: not used yet */
    struct table names;
};

/* Notes why; copies the text. There is none of this name. Without memory nothing is
 * noted. */
void cluster_refusals_add(struct cluster_refusals *all, struct inventory_record *r,
                          const char *why);

/* Forgets the one of this name, if it is there. */
void cluster_refusals_forget(struct cluster_refusals *all, const char *name);

void cluster_refusals_drop(struct cluster_refusals *all, struct cluster_refusal *one);

void cluster_refusals_release(struct cluster_refusals *all);

#endif
