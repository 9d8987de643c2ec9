/* One worker's own state, for the modules of resolver/ only: plugins and server/ see
 * query.h and resolver.h. */
#ifndef ISTHMUS_RESOLVER_CORE_H
#define ISTHMUS_RESOLVER_CORE_H

#include "resolver/encode.h"
#include "resolver/metrics.h"
#include "resolver/query.h"
#include "resolver/resolver.h"
#include "resolver/wire.h"

struct pattern_scratch;
struct plan_hold;
struct upstreams;

/* Query slots come in slabs, taken from the heap when first needed and kept. The free
 * list is last-in-first-out, so that the slot in use stays in the processor's cache. */
#define QUERY_SLAB 256

/* A query and the first block of its arena, which is enough for `cache` and `cluster`
 * and names of usual length. */
#define QUERY_SLOT_LEN 600

struct query_pool {
    uint8_t **slabs;
    uint32_t slabs_n;
    uint32_t *free_list; /* slots */
    uint32_t free_n;
    uint32_t in_flight;
};

struct resolver_counters {
    uint64_t queries, refused, formerr, dropped, busy;
    uint64_t mismatched; /* upstream datagrams that answered no question */
};

struct resolver {
    struct io *io;
    unsigned worker;
    uint64_t now_us;
    struct metrics_desk desk;
    struct plan_hold
        *hold;       /* the newest; older ones behind it have queries in flight */
    bool holds_idle; /* some older hold has no query any more */
    _Atomic uint64_t oldest_epoch; /* of its holds; read by the control thread */
    struct timers timers;
    struct timer starter; /* runs on_start of the newest plan */
    struct query_pool pool;
    struct response
        response; /* of the query that runs: who waits has none, or a copy */
    struct query *ready, **ready_tail; /* woken, to be run */
    struct query *writers; /* wait for their clients to take what was sent */
    uint32_t detached_n;   /* refreshing children that nobody waits for */
    struct upstreams *upstreams;
    struct encoder *encoder;
    struct rr *answer_rr; /* WIRE_RR_MAX: index of the upstream's message in hand */
    struct rr *edit_rr;   /* WIRE_RR_MAX: index of a message rewritten into `buffer` */
    uint8_t *buffer;      /* 65535 octets: a message rewritten on its way up */
    struct rr
        *spare_rr; /* WIRE_RR_MAX and 65535 octets: a message written to be kept */
    uint8_t *spare;
    struct pattern_scratch *patterns; /* made at the first regular expression */
    struct name_key key;              /* made here */
    uint8_t key_name[NAME_WIRE_MAX];
    const struct query *key_of;
    const struct name_key *key_now; /* of the query `key_of`: `key`, or foreseen */
    struct foresight *foresight;    /* NULL: never worth it so far */
    struct resolver_counters counters;
};

/* Runs every query in line. */
void query_run_ready(struct resolver *r);

/* Takes a slot; NULL when QUERIES_IN_FLIGHT_MAX are in use or memory is short. */
struct query *query_begin(struct resolver *r, const struct client *c);
void query_end(struct query *q);
int query_pool_init(struct query_pool *p);
void query_pool_release(struct query_pool *p);
struct query *query_slot(const struct query_pool *p, uint32_t slot);

/* Where the query of a ticket is, if it is still there; reads nothing of it. */
const struct query *query_place(const struct query_pool *p, struct ticket t);

void query_leave_writers(struct query *q);

/* Ends the wait of a query: fired by its timer. */
void query_deadline_passed(struct timer *t, void *context);

/* Puts a query in line to be run. */
void query_enqueue(struct query *q);

/* Gives a query that is going to run an empty response, in the worker's room. */
static inline void query_take_room(struct query *q)
{
    q->r->response = (struct response){0};
    q->response = &q->r->response;
}

/* Drives a query with a block as far as it goes. */
void query_run(struct query *q);

/* Sends what is in q->response and ends the query. */
void query_finish(struct query *q);

/* Chooses the block of a query with a question and drives it; REFUSED when there is
 * none. */
void resolver_start(struct query *q);

#endif
