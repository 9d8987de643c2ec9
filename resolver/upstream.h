/* Asking upstream servers: which address, when to try the next, what counts as an
 * answer, who is down. Used by `forward` and `cluster`.
 *
 *     return upstream_ask(q, group, &question);       // WAIT, or DONE without memory
 *     ... on_wake: const struct upstream_result *res = upstream_result(q);
 *
 * Life of one question: identical questions in flight (same octets but the ID, same
 * transport, same group) share one inquiry per worker. An inquiry tries addresses by
 * the policy; after max(UPSTREAM_HEDGE_MS, 4 x smoothed RTT) of silence it asks the
 * next one as well, from another port, and takes the first good answer; at most
 * UPSTREAM_TRIES attempts per address (RFC 9520 section 3.1). Datagrams that do not fit
 * the question are counted and ignored (resolver/exchange.h); garbage under the right
 * ID, socket and question ends that attempt only.
 *
 * upstream.c joins questions and wakes who waits; inquiry.c holds the rules of retrying
 * and health.c those of up and down. Health lives in the registry, shared by workers
 * and kept over reloads. */
#ifndef ISTHMUS_RESOLVER_UPSTREAM_H
#define ISTHMUS_RESOLVER_UPSTREAM_H

#include "config/reader.h"
#include "resolver/metrics.h"
#include "resolver/query.h"
#include "resolver/registry.h"

#include <stdatomic.h>

enum upstream_policy { POLICY_RANDOM, POLICY_ROUND_ROBIN, POLICY_SEQUENTIAL };

/* In that order, NULL at the end. */
extern const char *const upstream_policy_words[];

/* One address; shared by all groups that name it with the same key. The fields that are
 * atomic are written by any worker, at any time, relaxed: each stands for itself. */
struct upstream {
    struct endpoint endpoint;
    uint8_t transport;         /* TRANSPORT_UDP: as the client came; _TLS, _HTTPS */
    _Atomic bool probing;      /* some worker watches it: one at most */
    _Atomic bool wrong_domain; /* told once */
    _Atomic bool
        drained; /* by the control thread: asked only when nobody else can be */
    _Atomic uint32_t srtt_us; /* smoothed over eight answers; 0 = not known */
    _Atomic uint32_t fails;   /* in a row: of attempts (cluster), of probes (forward) */
    _Atomic int last_error;   /* errno of the last failure, 0 = silence */
    _Atomic uint64_t failing_since_us; /* when the first of the present row of failures
                                          was sent; 0 = none */
    _Atomic uint64_t used_us; /* when a question was sent last, to about a second */
    _Atomic uint64_t tcp_until_us; /* UDP is silent, TCP answers: no UDP until then */
    char text[ADDR_TEXT_MAX];      /* last: questions do without */
};

struct probe_budget;

/* What all workers count together for one directive. */
struct upstream_shared {
    _Atomic uint32_t in_flight;
    _Atomic uint32_t turn; /* round robin */
    _Atomic uint64_t rejected;
    _Atomic uint64_t trial_due_us; /* no trial before, while all are down */
    struct probe_budget *budget;   /* of the whole process */
};

struct upstream_probe {
    int64_t interval_us;
    const uint8_t *name;
    uint16_t type;
    bool recursion_desired;
};

/* What a directive says of whom it asks; const once set up, and the same for all groups
 * of which it says the same. */
struct upstream_rules {
    unsigned policy; /* enum upstream_policy */
    bool force_tcp, prefer_udp;
    bool failfast; /* forward: with all down nobody is tried */
    bool cluster;  /* TC is retried over TCP, all known dead answers at once, attempts
                      count for health, probes go on while it is in use */
    uint32_t max_fails; /* cluster: as many in a row are down; forward: more than that;
                           0 = never down, no probes */
    uint32_t max_concurrent; /* 0 = no cap */
    uint32_t attempts_max; /* errors that end it, and times attempt_us to be silent; 0 =
                              until the deadline */
    int64_t deadline_us;   /* for the whole question */
    int64_t attempt_us;    /* silence that counts as failure of one attempt */
    int64_t expire_us, max_age_us;
    struct upstream_probe probe;
    uint64_t
        failover; /* bit per rcode: ask the next address instead of passing it on */
};

/* Addresses that are asked for the same; const once set up. With its list behind it, it
 * is 64 octets for who has one address: there may be 100,000. */
struct upstream_group {
    const struct upstream_rules *rules;
    struct upstream_shared *shared;
    const char *label; /* for EDE texts and logs: the cluster's name, or "forward" */
    const struct meter *meter; /* METER_FORWARD or METER_CLUSTER; NULL: not measured */
    const struct meter **meters;  /* METER_PROXY of each address; NULL likewise */
    struct upstream_group *older; /* with the same METER_CLUSTER, in the plan */
    _Atomic bool gone;            /* its cluster has left: no new probes */
    uint32_t n;
    struct upstream **list;
};

/* Claims an upstream. `group_key` distinguishes settings that must not share health (a
 * cluster's domain, say). NULL: no memory. Any thread. */
struct upstream *upstream_claim(struct registry *reg, const struct endpoint *e,
                                uint8_t transport, struct text group_key);

/* Whether somebody has claimed it. */
bool upstream_is_claimed(struct registry *reg, const struct endpoint *e,
                         uint8_t transport, struct text group_key);
struct upstream_shared *upstream_claim_shared(struct registry *reg, struct span key);

/* The meter of one of its addresses; NULL: not measured. */
const struct meter *upstream_meter(const struct upstream_group *g,
                                   const struct upstream *up);

/* Gives back what the group holds, also when it was built in part. */
void upstream_group_release(struct registry *reg, struct upstream_group *g);

enum upstream_outcome {
    UPSTREAM_ANSWER,    /* res->msg is the upstream's message, walked and matched */
    UPSTREAM_SILENT,    /* nobody answered in time */
    UPSTREAM_UNREACHED, /* errors of route, ICMP or connection, or garbage, only */
    UPSTREAM_DOWN,      /* all known dead: nothing was sent */
    UPSTREAM_BUSY,      /* max_concurrent (error_code 0), or no socket to be had */
};

struct upstream_result {
    enum upstream_outcome outcome;
    struct msg *msg; /* the waiter's own to edit until on_wake returns */
    const struct upstream *upstream; /* who answered, or failed last; may be NULL */
    const char *error;               /* static text for `errors`: "i/o timeout" */
    uint64_t silent_us; /* how long the one that failed last has been failing */
    int error_code;     /* errno, 0 = silence */
};

/* `wire` is the whole message to send, ID ignored; copied. */
struct upstream_question {
    struct span wire;
    enum transport transport; /* the client's */
};

/* Returns WAIT: failures, too, come with the wake. Without memory even for that the
 * query has failed, and the verdict is DONE. */
enum verdict upstream_ask(struct query *q, const struct upstream_group *g,
                          const struct upstream_question *question);

/* In on_wake: what came of it. */
const struct upstream_result *upstream_result(struct query *q);

/* Who answered the question, or failed it last; NULL: nobody did. */
const struct upstream *upstream_asked(struct query *q);

/* ---- per worker, called by resolver.c ---- */
struct upstreams;
struct upstreams *upstreams_new(struct resolver *r); /* NULL: no memory */
void upstreams_free(struct upstreams *u);            /* nobody is woken */
/* As resolver_datagram_from() (`from` is NULL for a conn of one peer), resolver_lost(),
 * resolver_lost_one(), resolver_awaits() and resolver_foresee(). */
bool upstreams_datagram(struct upstreams *u, uint32_t conn, const struct addr *from,
                        struct span wire);
void upstreams_lost(struct upstreams *u, uint32_t conn, int error);
void upstreams_lost_one(struct upstreams *u, uint32_t conn, const struct addr *peer,
                        struct span sent, int error);
bool upstreams_await(const struct upstreams *u, uint32_t conn, const struct addr *peer,
                     struct span sent);
void upstreams_foresee(struct upstreams *u, const struct span *wires, unsigned n);

#endif
