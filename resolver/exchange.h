/* Questions asked and not yet answered, by the conn they left on and their ID. What
 * matches is decided here and nowhere else (RFC 5452 section 9.1): conn (hence address
 * and both ports), ID, QR, opcode and question. Anything else changes a counter. */
#ifndef ISTHMUS_RESOLVER_EXCHANGE_H
#define ISTHMUS_RESOLVER_EXCHANGE_H

#include "base/span.h"
#include "resolver/io.h"

/* Embedded in what waits for the answer. */
struct exchange {
    struct exchange *hash_next;
    struct exchange *conn_next, **conn_prev;
    uint64_t serial; /* in the order of opening */
    uint32_t conn;
    uint16_t id;
    bool open;
    struct span question; /* name, type, class as sent; borrowed */
};

struct exchanges {
    struct exchange **buckets;
    uint32_t mask, n;
    struct exchange **conns; /* the same, by conn alone; newest first */
    uint32_t conns_n;
    uint64_t serial;     /* exchanges opened so far */
    uint64_t mismatched; /* datagrams that fitted nothing */
};

int exchanges_init(struct exchanges *x); /* 0 or -1 */
void exchanges_release(struct exchanges *x);

/* Gives `e`, whose question is set, an unpredictable ID free on the conn and files it.
 * 0, or -1: the conn has hardly an ID left. */
int exchange_open(struct exchanges *x, struct io *io, struct exchange *e, uint32_t conn)
    __attribute__((warn_unused_result));
void exchange_close(struct exchanges *x, struct exchange *e); /* not open: nothing */

/* What `from` waits for, `to` waits for now, whose question is set. */
void exchange_move(struct exchanges *x, struct exchange *from, struct exchange *to);

/* The exchange this packet answers, or NULL. */
struct exchange *exchange_match(struct exchanges *x, uint32_t conn, struct span packet);

/* An open exchange on a conn whose serial is not above `serial`; NULL when there is
 * none. With x->serial noted first, a loop that closes what it gets ends, whatever is
 * opened meanwhile. */
struct exchange *exchange_on(const struct exchanges *x, uint32_t conn, uint64_t serial);

#endif
