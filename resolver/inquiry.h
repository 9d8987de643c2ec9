/* One question to upstream servers and all that is done to have it answered: which
 * address next, over what, when. For upstream.c and health.c only; the way in is
 * upstream.h.
 *
 * Rules (time 0 is the first attempt):
 *
 * - Silence for max(UPSTREAM_HEDGE_MS, 4 x smoothed RTT), or half of attempt_us when
 *   that is less, but not less than 1.5 x smoothed RTT: the next address is asked as
 *   well, or the same one from another port. A cluster's waits double from then on, and
 *   are so short that every address, or a lone one twice, is asked before the deadline;
 *   forward keeps at most two questions out.
 * - Silence for attempt_us: the attempt has failed for health, and the next goes out.
 * An answer is taken all the same, should it come.
 * - Network error or garbage: the next at once; so after rcodes of `failover`.
 * - TC: over TCP to the same address, where the group wants that.
 * - Third round (cluster): over TCP, since a path may lose UDP and nothing else.
 * - Deadline, or nothing left: the best of the bad answers, or failure.
 *
 * The order: those that are up, by the policy; then those that are down, since nobody
 * else has answered and what we know of them may be out of date; then those that are up
 * again. No address is asked more than UPSTREAM_TRIES times, those for TC not counted.
 */
#ifndef ISTHMUS_RESOLVER_INQUIRY_H
#define ISTHMUS_RESOLVER_INQUIRY_H

#include "base/log.h"
#include "base/table.h"
#include "resolver/exchange.h"
#include "resolver/upstream.h"

struct inquiry;
struct plan_hold;

/* One message sent: of an inquiry, or of a probe. */
struct attempt {
    struct exchange exchange; /* first: what a match gives back */
    struct inquiry *inquiry;  /* NULL: of a probe (health.c) */
    struct upstream *up;      /* NULL: never used */
    uint64_t sent_us;
    uint8_t transport;
    bool late;            /* silent for attempt_us; still listened to */
    bool blamed;          /* has counted for health */
    bool after_tc;        /* repeats over TCP what came cut */
    uint8_t renewed;      /* times sent once more because the connection was closed */
    uint16_t patience_ms; /* silence while another answered that counts as failure */
};

/* An answer that is not good, to be given out when there is no better one. */
enum spare_rank { SPARE_NONE, SPARE_FAILURE, SPARE_CUT };

struct spare {
    enum spare_rank rank;
    const struct upstream *from;
    size_t len;
    uint8_t wire[];
};

/* Who waits besides the first. */
struct inquiry_waiters {
    uint32_t cap;
    struct ticket list[];
};

#define INQUIRY_ATTEMPTS 4  /* listened to at a time */
#define INQUIRY_WIRE     80 /* octets of a question kept in place; longer: on the heap */

struct inquiry {
    struct timer timer;
    struct upstreams *owner;
    union {
        const struct upstream_group *group;
        struct inquiry *free_next;
    };
    struct plan_hold *hold; /* the plan that `group` belongs to cannot go before us */
    uint64_t give_up_us;    /* the end, whatever happens */
    uint64_t hedge_us;      /* when the next is asked although nothing failed */
    struct attempt attempt; /* the first; mostly there is no other */
    struct attempt *more_attempts; /* INQUIRY_ATTEMPTS - 1; NULL: not needed yet */

    /* who waits; the first needs no memory */
    struct ticket first_waiter;
    struct inquiry_waiters *more_waiters;
    uint32_t waiters_n;
    uint32_t serial; /* of all inquiries of the worker; wraps; 0: not in use */

    /* where we are in the order of addresses */
    uint32_t first, stride; /* the i-th is list[(first + i * stride) % n] */
    uint32_t position;      /* attempts given out, those passed over too */
    uint32_t position_max;
    uint32_t sent_n;      /* attempts sent */
    uint32_t errors_n;    /* network errors and garbage */
    int error;            /* of the last that failed */
    bool joinable : 1;    /* in the table of its worker */
    bool spares : 1;      /* drained addresses: another is up */
    bool last_resort : 1; /* all were down: one is tried, and its error is the end */
    bool traced : 1;      /* somebody who waits wants to know the way */
    bool silent : 1;      /* some attempt met with silence */
    bool reached : 1;     /* some error was not our own lack of sockets */
    bool crowded : 1;     /* over TCP, because too many ask alike by UDP */
    bool oversize : 1;    /* the answer in hand is longer than the question allowed */
    uint8_t transport;    /* TRANSPORT_UDP or TRANSPORT_TCP */

    uint16_t wire_len;
    uint32_t hash; /* of the question and whom it is for */
    const struct upstream *failed;
    struct spare *spare; /* heap; NULL: none */
    uint8_t *wire;       /* `room`, or heap; the ID is written over for each attempt */
    uint8_t room[INQUIRY_WIRE];
};

static inline unsigned inquiry_attempts(const struct inquiry *in)
{
    return in->more_attempts == NULL ? 1 : INQUIRY_ATTEMPTS;
}

/* The i-th, in no order; one whose `up` is NULL has not been used. */
static inline const struct attempt *inquiry_attempt(const struct inquiry *in,
                                                    unsigned i)
{
    return i == 0 ? &in->attempt : &in->more_attempts[i - 1];
}

static inline struct ticket inquiry_waiter(const struct inquiry *in, uint32_t i)
{
    return i == 0 ? in->first_waiter : in->more_waiters->list[i - 1];
}

struct inquiry_slab;
struct probe;

/* All of one worker. */
struct upstreams {
    struct resolver *r;
    struct exchanges exchanges;
    struct table joinable;
    struct inquiry *free_list;
    struct inquiry_slab *slabs;
    uint32_t inquiries_n; /* in use */
    uint32_t serial;
    struct probe *probes;
    uint32_t probes_n;
    uint32_t listeners_n;          /* of them, those that only wait for a late answer */
    struct msg msg;                /* the answer in hand, indexed in r->answer_rr */
    struct upstream_result result; /* with it, of the query that is told now */
    struct ticket result_of;
    uint8_t cut[DNS_HEADER_LEN + NAME_WIRE_MAX + 4]; /* head of one that came cut */
    struct log_limit log_down, log_domain;
};

/* Starts asking: `in` is filled but for its attempts. It may have ended on return. */
void inquiry_start(struct inquiry *in);

/* A message that matched one of its attempts. */
void inquiry_answered(struct attempt *a, struct span wire);

/* The conn of an attempt broke; `blame` is false when the event has been counted. */
void inquiry_lost(struct attempt *a, int error, bool blame);

/* Closes its attempts and frees what it holds. Wakes nobody. */
void inquiry_discard(struct inquiry *in);

/* The network side of one attempt, for probes as well: takes a conn other than `avoid`,
 * an ID (written to `wire`, whose question begins at DNS_HEADER_LEN), and sends. 0, or
 * an errno: `a` is closed. */
struct shot {
    struct upstream *up;
    enum transport transport;
    uint32_t avoid;
    uint8_t *wire;
    size_t wire_len;
};
int attempt_send(struct upstreams *u, struct attempt *a, const struct shot *shot);
void attempt_close(struct upstreams *u, struct attempt *a); /* not open: nothing */

/* Words for an errno of a conn, static; 0 is silence. */
const char *attempt_error(int error);

/* Whether an errno speaks of our own lack (sockets, memory) and not of the server. */
bool attempt_error_is_ours(int error);

/* ---- upstream.c, for inquiry.c ---- */

/* Indexes a message in u->msg. False when it is garbage. */
bool upstreams_walk(struct upstreams *u, struct span wire);

/* Empties the message in u->msg and marks it as cut. */
void upstreams_cut(struct upstreams *u);

/* Ends the inquiry: wakes its waiters with `res` and frees it. `answer` is the message
 * of UPSTREAM_ANSWER, already walked. */
void upstreams_settle(struct inquiry *in, const struct upstream_result *res,
                      struct span answer);

#endif
