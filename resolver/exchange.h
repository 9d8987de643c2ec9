/* Questions asked and not yet answered, by the conn they left on and their ID. What
 * matches is decided here and nowhere else (RFC 5452 section 9.1): conn (hence both
 * ports, and for a conn of one peer its address), address where the conn is shared, ID,
 * QR, opcode and question. Anything else changes a counter. */
#ifndef ISTHMUS_RESOLVER_EXCHANGE_H
#define ISTHMUS_RESOLVER_EXCHANGE_H

#include "base/span.h"
#include "resolver/io.h"

/* Embedded in what waits for the answer. */
struct exchange {
    struct exchange *hash_next;
    struct exchange *conn_next, **conn_prev;
    const uint8_t *question; /* name, type, class as sent; borrowed */
    const struct addr *peer; /* who was asked; borrowed */
    uint32_t conn;
    uint32_t serial; /* in the order of opening; wraps */
    uint16_t id;
    uint16_t question_len;
    bool open;
};

#define EXCHANGE_IDS 16 /* drawn ahead, so that their buckets are at hand in time */

struct exchanges {
    struct exchange **buckets; /* by ID */
    uint32_t mask, n;
    uint32_t drawn_n; /* IDs drawn so far */
    uint16_t ids[EXCHANGE_IDS];
    struct exchange **conns; /* the same, by conn alone; newest first */
    uint32_t conns_n;
    uint32_t serial;     /* of the newest */
    uint64_t mismatched; /* datagrams that fitted nothing */
};

int exchanges_init(struct exchanges *x); /* 0 or -1 */
void exchanges_release(struct exchanges *x);

/* Gives `e`, whose question and peer are set, an unpredictable ID free on the conn and
 * files it. 0, or -1: the conn has hardly an ID left, or no memory. */
int exchange_open(struct exchanges *x, struct io *io, struct exchange *e, uint32_t conn)
    __attribute__((warn_unused_result));
void exchange_close(struct exchanges *x, struct exchange *e); /* not open: nothing */

/* What `from` waits for, `to` waits for now, whose question is set. */
void exchange_move(struct exchanges *x, struct exchange *from, struct exchange *to);

/* The exchange this packet answers, or NULL. `from`: where it came from, for a conn
 * that several peers share; else NULL. */
struct exchange *exchange_match(struct exchanges *x, uint32_t conn,
                                const struct addr *from, struct span packet);

/* The exchange whose message, or the beginning of it, is `sent`; NULL: none that was
 * sent to `peer`. */
struct exchange *exchange_sent(const struct exchanges *x, uint32_t conn,
                               const struct addr *peer, struct span sent);

/* Has the processor fetch what a match begins with; and when that is there, gives the
 * exchange that it will most likely find, or NULL, without having looked at it. */
void exchange_foresee(const struct exchanges *x, struct span packet);
const struct exchange *exchange_foreseen(const struct exchanges *x, struct span packet);

/* An open exchange on a conn that was opened no later than the one with `serial`; NULL
 * when there is none. With x->serial noted first, a loop that closes what it gets ends,
 * whatever is opened meanwhile. */
struct exchange *exchange_on(const struct exchanges *x, uint32_t conn, uint32_t serial);

#endif
