/* One question on its way: down the chain of plugins with the question, up with the
 * response.
 *
 *   client's bytes -> accept -> block -> driver: on_query, on_query, ... until one
 * answers
 *                                        <- on_response of those above it, nearest
 * first
 *                                     -> respond -> io->reply
 *
 * Plugins never call each other: each returns a verdict, and query_run() is the only
 * caller. A plugin that has to wait returns WAIT; whoever holds its ticket wakes it,
 * and the driver then calls on_wake in the direction the query was going. query_wake()
 * only queues: no plugin is ever re-entered.
 *
 * Memory: `arena` lives as long as the query; its first block lies in the pool slot, so
 * a query that answers at once allocates nothing. Until the first WAIT the request
 * points into the receive slot; at the WAIT the driver copies it. A response lies with
 * the worker, of which one query runs at a time; who waits and has begun one takes a
 * copy along. */
#ifndef ISTHMUS_RESOLVER_QUERY_H
#define ISTHMUS_RESOLVER_QUERY_H

#include "resolver/io.h"
#include "resolver/msg.h"
#include "resolver/timers.h"
#include "resolver/zonetab.h"

struct plan_block;
struct plan_hold;
struct plan_zone;
struct resolver;
struct query;
struct query_frame;
struct tsig_session;
struct upstream;
struct zone;

enum verdict {
    PASS, /* on, in the present direction */
    DONE, /* q->response is set: turn round and go up */
    WAIT, /* someone holds my ticket; on_wake is called once, in the same direction */
    DROP, /* send nothing */
};

/* A query by its place in the pool; goes stale when the query ends. */
struct ticket {
    uint32_t slot, generation;
};

struct request {
    struct span wire; /* the client's message */
    struct span
        asked; /* the question section: name in the client's spelling, type, class */
    const uint8_t
        *name; /* the current name: the client's spelling unless a plugin changed it */
    const uint8_t *lower; /* the current name in lower case */
    uint16_t id, flags;   /* as they came */
    uint16_t type, class; /* current */
    uint32_t signature;   /* where its TSIG begins in `wire`; 0 = none */
    uint8_t name_len;     /* of `name` */
    struct opt opt;       /* the client's; a plugin may lower udp_size */
    const uint8_t *mark;  /* goes along to upstreams (trail.h); NULL = none */
};

struct response {
    bool failed;    /* made by query_fail: CoreDNS's "returned but not written" */
    struct msg msg; /* flags: AA TC RA AD CD and rcode count, the rest is respond's */
    struct span options; /* EDNS options to send besides our own, already filtered */
    uint16_t opt_len;    /* of the OPT it has for CoreDNS, told in sizes; 0 = none */
    bool unshared;       /* not for every client: `cache` does not keep it */
    bool ede;            /* an extended error goes along when the client speaks EDNS */
    uint16_t ede_code;
    const char *ede_text; /* <= 60 ASCII characters; in the arena or static */
    const char
        *error; /* why it failed, for the `errors` plugin; NULL = nothing to tell */
};

/* A question as the plugins below a `rewrite` saw it. */
struct request_below {
    const uint8_t *lower;
    uint8_t name_len;
    uint16_t type, class;
    struct opt opt;
    bool reverted; /* the answer has been changed for the client */
};

enum direction { DOWN, UP };

enum query_state {
    QUERY_RUNNING,     /* in the driver's hands */
    QUERY_WOKEN_EARLY, /* woken before the plugin returned WAIT */
    QUERY_WAITING,     /* someone holds its ticket */
    QUERY_READY,       /* woken, in line to be run */
};

/* Whether who answers, or that nobody does, was decided by who the client is. */
enum judged_by {
    JUDGED_NOT,
    JUDGED_IN_BLOCK, /* alike for every question of the block */
    JUDGED_BY_NAME,
};

struct child_result {
    struct ticket of; /* the child whose it is: an earlier one may still be running */
    bool done;
    bool failed;
    bool plain;           /* of a failure: there is no error to tell */
    uint16_t rcode;       /* also of a failure */
    struct msg msg;       /* in the parent's arena */
    const char *ede_text; /* of a failure; likewise */
};

struct query {
    struct resolver *r;
    const struct plan_zone *zone; /* of the server, that the block was chosen by */
    const struct plan_block *block;
    struct response
        *response; /* the worker's room; NULL while it waits on the way down */
    /* While going up above a `rewrite` that changed something, for plugins that tell of
     * it; else NULL. */
    const struct request_below *below;
    const struct upstream *asked_upstream; /* who answered, or failed, last */
    uint64_t start_us;
    uint64_t deadline_us; /* children share their parent's */
    uint64_t alarm_us;    /* 0 = none; see query_alarm */
    uint32_t mapping; /* of the cluster of its name when it came to `cache`; 0 = none */

    /* upstream.c's: which inquiry it waits for, where on its chain it asked, and on
     * which way: it may be waiting elsewhere when the answer comes */
    uint32_t asked_serial;
    uint16_t asked_at;
    uint8_t asked_direction;

    uint8_t
        judged; /* enum judged_by, above `cache`: that of its block keeps the answer */
    bool led; /* a child's answer was for this client: no `cache` keeps what is made of
                 it */

    /* the driver's own; small fields together, for there may be 50,000 queries */
    uint8_t depth; /* 0 = a client's */
    uint8_t direction;
    uint8_t state;  /* enum query_state */
    uint16_t at;    /* index into the block's chain */
    uint16_t top;   /* where the walk up ends: 0, or the plugin that started this one */
    uint16_t steps; /* fuse */
    bool kept;      /* request has been copied into the arena */
    bool started;   /* has been on its chain */
    bool gave_up;   /* its deadline passed while it waited */
    bool detached;  /* nobody waits for the response */
    bool dropped;   /* the client gets none: on_drop */
    bool
        refresh; /* began below a plugin, which sees the response (query_spawn_below) */
    bool writing;     /* in the resolver's list of writers */
    uint8_t children; /* still running */
    uint32_t slot, generation;
    struct ticket parent;
    struct child_result *child; /* of the last spawn */
    struct query_frame *frames; /* in the arena, see query_frame() */
    struct timer timer;         /* deadline while waiting */
    struct query *ready_next;   /* woken, in line */
    struct plan_hold *hold;     /* the plan it began under */
    struct zone *zone_held;     /* kept until it ends, see query_hold_zone */
    struct tsig_session *tsig;  /* what the reply is signed with; NULL: it is not */
    struct query *writer_next;

    /* What follows is not cleared when a query begins, but written as a whole. */
    struct client client;
    struct request request;
    struct arena arena;
};

static inline bool query_is_notify(const struct query *q)
{
    return DNS_OPCODE(q->request.flags) == DNS_NOTIFY;
}

/* The name's hashes, for zone tables; valid until the query's name changes or it waits.
 */
const struct name_key *query_key(struct query *q);

/* Per-query memory of one plugin, zeroed at the first call; `state` tells whose. NULL:
 * no memory (answer with query_fail). */
void *query_frame(struct query *q, const void *state, size_t size);

/* Changes the current question. `name` must outlive the query (its arena, a plan). 0,
 * or -1: no memory, and nothing has changed. */
int query_set_question(struct query *q, const uint8_t *name, uint16_t type,
                       uint16_t class) __attribute__((warn_unused_result));

/* The question as the last plugin saw it. CoreDNS has one message for it, which
 * `rewrite` changes; all it tells but the name and the ID is of that. */
struct request_below query_asked_below(const struct query *q);

/* Begins a response made here: empty, rcode, AA as told, RA off, CD as asked. Then
 * msg_add to it. Returns DONE, or what query_fail returns when memory is short. */
enum verdict query_respond(struct query *q, uint16_t rcode, bool authoritative,
                           uint32_t records);

/* Ends with an error code and no records; `error` and `ede_text` (may be NULL) are
 * static or in the query's arena. Returns DONE. */
enum verdict query_fail(struct query *q, uint16_t rcode, const char *error);
enum verdict query_fail_ede(struct query *q, uint16_t rcode, const char *error,
                            uint16_t ede, const char *ede_text);
void query_set_ede(struct query *q, uint16_t ede, const char *ede_text);

/* One that CoreDNS has, too: it counts in the sizes that are told. */
void query_set_told_ede(struct query *q, uint16_t ede, const char *ede_text);

struct ticket query_ticket(const struct query *q);

/* Adds a use of the zone that lasts as long as the query. One zone only. */
void query_hold_zone(struct query *q, struct zone *z);

/* For a client on a stream: sends q->response, as one of several messages of the reply.
 * Return WAIT afterwards; on_wake comes when there is room for the next one, or when
 * the client has gone. The last message is left in q->response as ever. 0, or -1: the
 * client has gone, and DROP is the verdict. */
int query_send_part(struct query *q);

/* Puts the query in line to be run; nothing when the ticket is stale. */
void query_wake(struct resolver *r, struct ticket t);

/* The query behind a ticket, NULL when it is stale. */
struct query *query_of(struct resolver *r, struct ticket t);

/* Starts a child that enters the listener from the top with this question ("upstream
 * look-up" of CoreDNS), sharing the deadline. Return WAIT afterwards; on_wake finds
 * q->child. 0, or -1: too deep or no memory. The question is copied,
 * and so is a response that has been begun. */
int query_spawn(struct query *q, const uint8_t *name, uint16_t type, uint16_t class);

/* Starts a child that asks the plugins below the present one the current question anew;
 * its walk up ends with the present plugin's on_response, where q->refresh is true.
 * With `wait` return WAIT afterwards, as for query_spawn; without, nobody waits for it,
 * and there is a cap on such (DETACHED_MAX). 0, or -1: too many, too deep or no memory.
 */
int query_spawn_below(struct query *q, bool wait);

/* Starts a query of our own that enters a server of the present plan from the top,
 * class IN; nobody waits for it. 0, or -1: too many of the kind, or no memory. */
int query_start(struct resolver *r, uint16_t server, const uint8_t *name,
                uint16_t type);

/* As with `wait`, for another name: it is asked only of the plugins below. */
int query_ask_below(struct query *q, const uint8_t *name);

/* In on_response: whether it is a child's that the present plugin started below itself,
 * and not its own question's. */
static inline bool query_is_below(const struct query *q)
{
    return q->refresh && q->at == q->top;
}

/* Wakes the query at this time even if nothing else has; for one WAIT. */
void query_alarm(struct query *q, uint64_t at_us);

uint64_t query_now_us(const struct query *q);

/* Microseconds since 1970: for what others have dated. */
uint64_t query_wall_us(const struct query *q);

/* Counts one in a cell of the present plugin's counter number `n`, in the order of its
 * `measure`; nothing where the block is not measured. */
void query_count(struct query *q, uint32_t n, uint32_t cell);

#endif
