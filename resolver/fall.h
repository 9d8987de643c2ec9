/* `fallthrough [ZONES...]`: names that a plugin is responsible for but does not have,
 * and that go on to the next plugin all the same (coredns-reference 1.13). */
#ifndef ISTHMUS_RESOLVER_FALL_H
#define ISTHMUS_RESOLVER_FALL_H

#include "config/reader.h"

/* All zero: nothing falls through. */
struct fall {
    bool all;
    struct zones zones; /* when not all */
};

/* Reads the arguments of a `fallthrough` line; several add up. 0 or -1. */
int fall_read(struct reader *rd, struct fall *f);

bool fall_through(const struct fall *f, const uint8_t *name);

#endif
