/* Subnets in the order of their addresses, to find those that lie inside another. Each
 * is the caller's and known by its address; equal ones may be there more than once.
 *
 * Kept in chunks, so that to put one costs a search and the move of a few, however many
 * there are. */
#ifndef ISTHMUS_BASE_CIDRSET_H
#define ISTHMUS_BASE_CIDRSET_H

#include "base/addr.h"

struct cidrset_chunk;

struct cidrset {
    struct cidrset_chunk **list; /* none is empty */
    uint32_t n, cap;
};

/* 0, or -1: no memory. */
int cidrset_put(struct cidrset *s, const struct cidr *c)
    __attribute__((warn_unused_result));
void cidrset_del(struct cidrset *s, const struct cidr *c);

/* Calls `each` for those that are equal to `c` or lie inside it, until it returns true.
 * Returns the one for which it did, or NULL. */
const struct cidr *cidrset_within(const struct cidrset *s, const struct cidr *c,
                                  bool (*each)(const struct cidr *,
                                               const void *context),
                                  const void *context);

void cidrset_release(struct cidrset *s);

#endif
