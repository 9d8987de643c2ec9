/* Asking upstream servers: which address, when to try the next, what counts as an answer, who
 * is down. Used by `forward` and `cluster`.
 *
 *     return upstream_ask(q, group, &ask);                // WAIT, or DONE after a failure
 *     ... on_wake: const struct upstream_result *res = upstream_result(q);
 *
 * Life of one question: identical questions in flight (same octets but the ID, same transport,
 * same group) share one inquiry per worker. An inquiry tries addresses by the policy; after
 * max(HEDGE_MIN_US, 4 x smoothed RTT) of silence it asks the next one as well, from another port,
 * and takes the first good answer; at most UPSTREAM_TRIES attempts per address and transport
 * (RFC 9520 section 3.1). Datagrams that do not fit the question are counted and ignored
 * (resolver/exchange.h); garbage under the right ID, socket and question ends that attempt only.
 *
 * Health lives in the registry, shared by workers and kept over reloads. */
#ifndef ISTHMUS_RESOLVER_UPSTREAM_H
#define ISTHMUS_RESOLVER_UPSTREAM_H

#include "config/reader.h"
#include "resolver/query.h"
#include "resolver/registry.h"

enum upstream_policy { POLICY_RANDOM, POLICY_ROUND_ROBIN, POLICY_SEQUENTIAL };
extern const char *const upstream_policy_words[]; /* in that order, NULL at the end */

/* One address; shared by all groups that name it with the same key. */
struct upstream {
    struct endpoint endpoint;
    uint8_t transport; /* TRANSPORT_UDP: as the client came (or as the group says); TRANSPORT_TLS */
    char text[ADDR_TEXT_MAX];
    _Atomic uint32_t srtt_us;      /* 0 = not known */
    _Atomic uint32_t fails;        /* in a row: probes (forward) or attempts (cluster) */
    _Atomic bool down;
    _Atomic int last_error;        /* errno of the last failure, 0 = silence */
    _Atomic uint64_t silent_since_us; /* first failure of the present row; 0 = none */
    _Atomic uint64_t used_us;      /* a question was sent last */
    _Atomic uint64_t probe_due_us; /* next regular probe; the worker that moves it on probes */
    _Atomic uint64_t trial_due_us; /* next trial while down */
    _Atomic bool probing;          /* one probe loop at most */
    _Atomic bool wrong_domain;     /* told once */
    _Atomic bool tcp_only;         /* UDP is silent, TCP answers; UDP is tried again after 60 s */
    _Atomic uint64_t tcp_until_us;
};

struct upstream_shared {
    _Atomic uint32_t in_flight;
    _Atomic uint32_t turn; /* round robin */
    _Atomic uint64_t rejected;
};

struct upstream_probe {
    int64_t interval_us;
    struct name name;
    uint16_t type;
    bool recursion_desired;
};

/* What a directive says about its addresses; const once set up. */
struct upstream_group {
    struct upstream **list;
    uint32_t n;
    struct upstream_shared *shared;
    const char *label;       /* for EDE texts and logs: the cluster's name, or "forward" */
    unsigned policy;         /* enum upstream_policy */
    bool force_tcp, prefer_udp;
    uint32_t max_fails;      /* 0 = never down, no probes */
    uint32_t max_concurrent; /* 0 = no cap */
    uint32_t attempts_max;   /* in all; 0 = until the deadline */
    int64_t deadline_us;     /* for the whole question */
    int64_t attempt_us;      /* silence that counts as failure of one attempt */
    int64_t expire_us, max_age_us;
    struct upstream_probe probe;
    uint64_t failover;       /* bit per rcode: ask the next address instead of passing it on */
    bool cluster;            /* strict: TC is retried over TCP, all known dead answers at once,
                                attempts count for health, regular probes while in use */
};

/* Claims an upstream. `group_key` distinguishes settings that must not share health (a cluster's
 * domain, say). NULL after adding an error. */
struct upstream *upstream_claim(struct registry *reg, const struct endpoint *e,
                                uint8_t transport, struct text group_key);
struct upstream_shared *upstream_claim_shared(struct registry *reg, struct span key);
void upstream_group_release(struct registry *reg, struct upstream_group *g);

enum upstream_outcome {
    UPSTREAM_ANSWER,     /* res->msg is the upstream's message, walked and matched */
    UPSTREAM_SILENT,     /* nobody answered in time */
    UPSTREAM_UNREACHED,  /* errors of route, ICMP or connection only */
    UPSTREAM_DOWN,       /* all known dead: nothing was sent */
    UPSTREAM_BUSY,       /* max_concurrent, or no socket to be had */
};

struct upstream_result {
    enum upstream_outcome outcome;
    struct msg *msg;          /* valid until on_wake returns, unless copied */
    const struct upstream *upstream; /* who answered, or failed last */
    const char *error;        /* static text for `errors`: "i/o timeout", "no healthy proxies" */
    uint64_t silent_us;       /* how long the one that failed last has been failing */
    int error_code;           /* errno, 0 = silence */
};

/* `question` is the whole message to send, ID ignored; copied. */
struct upstream_question {
    struct span wire;
    enum transport transport; /* the client's */
};

/* Returns WAIT always: failures come with the wake as well. */
enum verdict upstream_ask(struct query *q, const struct upstream_group *g,
                          const struct upstream_question *question);

/* In on_wake: what came of it. */
const struct upstream_result *upstream_result(struct query *q);

/* ---- per worker, called by resolver.c ---- */
struct upstreams;
struct upstreams *upstreams_new(struct resolver *r); /* NULL: no memory */
void upstreams_free(struct upstreams *u);
void upstreams_datagram(struct upstreams *u, uint32_t conn, struct span wire);
void upstreams_lost(struct upstreams *u, uint32_t conn, int error);

#endif
