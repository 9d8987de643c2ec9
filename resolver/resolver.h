/* One resolver per worker: the seam, inward. It does no I/O of its own (io.h) and knows
 * the time only from resolver_tick().
 *
 *     resolver_tick(r, now_us);                     // once per turn, before anything
 * else resolver_query(r, &client, wire, len);        // a client's message, any
 * transport resolver_datagram(r, conn, wire, len);        // an upstream's message, any
 * transport resolver_lost(r, conn, errno);                // a conn is gone
 *     ... then the worker flushes what io collected and sleeps until
 * resolver_next_us(r).
 *
 * Every resolver_query() ends in exactly one io->reply(), at once or later. */
#ifndef ISTHMUS_RESOLVER_RESOLVER_H
#define ISTHMUS_RESOLVER_RESOLVER_H

#include "resolver/io.h"

struct resolver;
struct plan;

/* `worker` counts from 0. `io` stays the caller's. NULL: no memory. */
struct resolver *resolver_new(struct io *io, unsigned worker);

/* Ends everything in flight without replies, lets go of the plan. */
void resolver_free(struct resolver *r);

/* Uses `plan` for queries from now on; those in flight keep theirs. The resolver holds
 * one use of each plan it needs (plan_use/plan_done). 0, or -1: no memory, the old plan
 * stays. A resolver without a plan must not be given queries. Given the same plan with
 * a later epoch, queries from now on belong to that (retire.h). */
int resolver_adopt(struct resolver *r, struct plan *plan, uint64_t epoch)
    __attribute__((warn_unused_result));

/* The epoch of the oldest query that is in flight, or could be. Any thread. */
uint64_t resolver_oldest_epoch(const struct resolver *r);

/* Sets the time (monotonic microseconds) and runs what is due. */
void resolver_tick(struct resolver *r, uint64_t now_us);

void resolver_query(struct resolver *r, const struct client *c, const uint8_t *wire,
                    size_t len);

/* Questions to one of the plan's servers, at most UDP_BATCH, are about to be given to
 * resolver_query() one by one: it has the processor fetch what it will look at
 * (foresight.h). They stay where they are until they have been. */
void resolver_foresee_questions(struct resolver *r, uint16_t server,
                                const struct span *wires, unsigned n);

void resolver_datagram(struct resolver *r, uint32_t conn, const uint8_t *wire,
                       size_t len);

/* The same for a conn that several upstreams share, with the address it came from.
 * False: it answers nothing that is waited for. */
bool resolver_datagram_from(struct resolver *r, uint32_t conn, const struct addr *from,
                            struct span wire);

/* Messages that came in from upstreams, at most UDP_BATCH, and are about to be given to
 * the resolver one by one: it has the processor fetch what it will look at. */
void resolver_foresee(struct resolver *r, const struct span *wires, unsigned n);

/* The conn broke with this errno (ECONNREFUSED, EHOSTUNREACH, ETIMEDOUT...; 0: closed
 * by the peer). For UDP (an ICMP error) the socket lives on: questions pending on it
 * are told. */
void resolver_lost(struct resolver *r, uint32_t conn, int error);

/* One message, of which `sent` is the beginning, did not reach `peer` by a conn that
 * several upstreams share, or that has others on their way. ECANCELED: the peer has
 * certainly not looked at it. */
void resolver_lost_one(struct resolver *r, uint32_t conn, const struct addr *peer,
                       struct span sent, int error);

/* Whether the answer to a message is waited for, as far as the conn, the peer and the
 * ID that `sent` begins with tell. */
bool resolver_awaits(const struct resolver *r, uint32_t conn, const struct addr *peer,
                     struct span sent);

/* Adds to one of the plan's meters (resolver/metrics.h), which may be NULL. */
struct meter;
void resolver_count(struct resolver *r, const struct meter *m, uint32_t cell,
                    uint64_t n);

/* The client of a stream, to whom io->reply_part() was called, has taken what waited
 * for it, or has gone. Of several replies to it only one goes on, that which has waited
 * longest, so that what waits for a client never grows with what it asks for. True:
 * others wait, and are to be told in turn. */
bool resolver_writable(struct resolver *r, uint64_t handle);

/* When resolver_tick() is needed next; UINT64_MAX: not at all. */
uint64_t resolver_next_us(const struct resolver *r);

/* Queries in flight, for lame duck and tests. */
uint32_t resolver_in_flight(const struct resolver *r);

#endif
