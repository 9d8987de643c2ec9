/* A zone that comes from primaries (RFC 1034 section 4.3.5): what is known of it, and
 * when to ask for more. It outlives the plan: a reload that keeps the zone and its
 * primaries keeps what was transferred.
 *
 *     inbound_use(&use, &wish);                        // claims it, with a feed
 *     if (inbound_tick(z, now_us)) ...                 // server/receiver.c: ask now
 *         inbound_begin(z);
 *         ... inbound_loaded(z, zone, now_us, random) or inbound_current() or
 *             inbound_failed() ...
 *
 * Without a zone it is asked for again after 250 ms, then twice as late each time, up
 * to 10 s, a member of a catalog up to an hour: nobody here chose it. With one the
 * SOA's times count: refresh, after a failure retry, and when expire has passed since
 * the primaries last answered the zone is no longer served. A NOTIFY brings the next
 * question forward. The checks are spread: up to a quarter of their time, and 5 s,
 * later.
 *
 * Everything is the control thread's, but for `told` and `expired`. */
#ifndef ISTHMUS_RESOLVER_INBOUND_H
#define ISTHMUS_RESOLVER_INBOUND_H

#include "resolver/transfer.h"

struct registry;

/* What a zone is known by: one of the same is the same, and keeps what it has. */
struct inbound_key {
    struct name apex; /* lower case */
    struct addr *primaries;
    uint32_t primaries_n;
    bool catalog;          /* its records are members (catalog.h) */
    const uint8_t *member; /* of a catalog: its label there; NULL: of none */
};

struct inbound {
    struct name apex; /* lower case */
    struct addr *primaries;
    uint32_t primaries_n;
    _Atomic bool told;    /* a primary said that there is another zone */
    _Atomic bool expired; /* not to be served */
    bool catalog, member; /* is one; is of one */
    uint64_t *flaws;      /* of each primary: what was told of it, as a hash; 0: well */
    bool anew;            /* to be transferred, whatever its serial */
    struct zone *zone;    /* NULL: none yet */
    uint64_t due_us;      /* of the next question */
    uint64_t earliest_us; /* it is not asked before, whoever wants it */
    uint64_t expire_us;
    uint32_t failures; /* in a row */
    bool busy;         /* someone asks */
    struct inbound_use *uses;
    struct span key; /* in the registry */
};

/* A plan's use of it. */
struct inbound_use {
    struct inbound *zone;
    struct feed feed; /* of struct zone */
    struct plan *plan;
    const struct plan_block *block;
    /* Another zone was published; may be NULL. */
    void (*changed)(struct inbound_use *use);
    struct inbound_use *next;                       /* of the same zone */
    struct inbound_use *next_of_plan, **at_in_plan; /* in plan->inbound */
};

/* `use` has plan and block, and `changed`, which is not called for what is there
 * already. 0, or -1: no memory. Control thread, also while the plan is in use. */
int inbound_use(struct inbound_use *use, const struct inbound_key *key);
/* Gives it back, with its feed: no worker may hold what it gave. */
void inbound_unuse(struct inbound_use *use);

/* The zone of another, until its own primaries have sent theirs. Nothing where it has
 * one. */
void inbound_adopt(struct inbound_use *use, const struct inbound_use *from);

/* A claim of one's own, so that it stays while a transfer goes on; registry_drop(). */
struct inbound *inbound_claim(struct registry *reg, const struct inbound *z);

/* From a worker: a NOTIFY has come. */
void inbound_tell(const struct inbound_use *use);

/* Lets the zone expire when it is time. Whether it is to be asked for now. */
bool inbound_tick(struct inbound *z, uint64_t now_us);

/* When inbound_tick() is needed next; UINT64_MAX: not before a transfer has ended. */
uint64_t inbound_due_us(const struct inbound *z);

void inbound_begin(struct inbound *z);

/* How it ended; `random` spreads the next. A new zone, whose use is taken, is published
 * in all plans and told to secondaries. */
void inbound_loaded(struct inbound *z, struct zone *zone, uint64_t now_us,
                    uint32_t random);
void inbound_current(struct inbound *z, uint64_t now_us, uint32_t random);
void inbound_failed(struct inbound *z, uint64_t now_us, uint32_t random);

/* After a failure: not before its turn, of which there are INBOUND_RETRIES_PER_S. A
 * catalog may name a hundred thousand that its primary refuses. `turn_us` is the last
 * one's, of all that share them. */
void inbound_queue(struct inbound *z, uint64_t now_us, uint64_t *turn_us);

#endif
