/* Numbers for upstream sockets and connections, as the resolver knows them: small and
 * dense, even for UDP and odd for streams, so that the number alone says who is meant.
 *
 *     number = conns_add(&c, socket);
 *     s = conns_get(&c, number);
 *     conns_del(&c, number);
 *
 * A number is used again only after conns_del(). */
#ifndef ISTHMUS_SERVER_CONNS_H
#define ISTHMUS_SERVER_CONNS_H

#include "resolver/io.h"

enum conns_kind { CONNS_UDP, CONNS_STREAM };

struct conns {
    enum conns_kind kind;
    void **list;         /* by number / 2; NULL = free */
    uint32_t *free_list; /* those below n that are free */
    uint32_t n, cap, free_n;
};

static inline bool conns_is_stream(uint32_t conn)
{
    return conn % 2 == CONNS_STREAM;
}

/* NULL when the number is not in use. */
static inline void *conns_get(const struct conns *c, uint32_t conn)
{
    return conn / 2 < c->n ? c->list[conn / 2] : NULL;
}

/* The same for a number that is known to be in use. */
static inline void *conns_at(const struct conns *c, uint32_t conn)
{
    return c->list[conn / 2];
}

/* CONN_NONE: no memory. */
uint32_t conns_add(struct conns *c, void *entry);
void conns_del(struct conns *c, uint32_t conn);
void conns_release(struct conns *c);

#endif
