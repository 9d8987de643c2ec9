/* Clients' connections (RFC 7766): pipelined questions, answers as they come, limits on
 * everything.
 *
 *     streams_init(&s, turn, quota);
 *     streams_admit(&s, fd, &who, listener, &limits); // tcp.c has accepted it
 *     ... streams_reply_space / streams_reply from io ...
 *     while (streams_flush(&s)) ...                   // end of the turn
 *
 * Descriptors are watched with uv_poll and read and written here: uv_tcp would want a
 * buffer for each read and a request for each write. This way all connections of a
 * worker share one buffer for reading and one for answers, an answer is encoded where
 * it is sent from, several for one connection leave with one send(), and an idle
 * connection costs some 400 octets.
 *
 * What a client may do is in base/limits.h. Reading from it pauses while
 * TCP_PIPELINE_MAX questions are unanswered or it does not take its answers; it is cut
 * off when it takes none of them for TCP_WRITE_MS, or when too much waits for it;
 * replies of many messages go on one by one, whenever nothing waits. With TLS the
 * handshake counts to the time of the first question, and handshakes of one turn may
 * take TLS_TURN_US: the rest has the kernel report them again; of more than
 * TLS_GREETING_MAX that are under way the oldest gives up its place. A message has a
 * deadline as a whole, so that one octet a second gains no time. A client that
 * half-closes still gets its answers. `timeouts` of a Corefile changes some of the
 * times, and may limit the questions of one connection. */
#ifndef ISTHMUS_SERVER_STREAM_H
#define ISTHMUS_SERVER_STREAM_H

#include "server/conns.h"
#include "server/proxy.h"
#include "server/quota.h"
#include "server/turn.h"

struct stream;
struct stream_tail;
struct http2;

struct stream_counters {
    uint64_t questions, answers;
    uint64_t evicted; /* idle or shaking hands, closed to make room */
    uint64_t late;    /* closed: idle, too slow to ask, or too slow to read */
    uint64_t full;    /* closed: too much waited for it */
    uint64_t strange; /* closed: TLS came to nothing */
};

struct stream_limits {
    uint32_t read_ms;       /* until the first question is whole, and each later one */
    uint32_t write_ms;      /* until the client takes some of what waits for it */
    uint32_t idle_ms;       /* between questions */
    uint32_t questions_max; /* of one connection; 0 = no end */
    const struct plan_proxy
        *proxy;                /* whose headers come first (the plan's); NULL: none */
    const struct meter *https; /* counts statuses of HTTP; NULL: not measured */
};

/* What a listener gives its connections. */
struct stream_terms {
    struct stream_limits limits;
    const void *tls; /* what tls_server_new() gave; NULL: in the clear */
    uint32_t place;  /* that quota_enter() has counted, or QUOTA_NOWHERE */
};

/* Those of base/limits.h. */
extern const struct stream_limits stream_limits_default;

/* Connections that may be closed to make room. */
struct stream_queue {
    struct stream *oldest, *newest;
    uint32_t n;
};

struct streams {
    struct turn *turn;
    struct quota *quota;
    struct conns list; /* of struct stream */
    uint32_t admitted; /* counts connections: generation of handles */
    uint32_t open;
    struct stream_queue idle;     /* by when they became so */
    struct stream_queue greeting; /* those whose handshake is not over, by age */
    struct stream *attend;        /* to be looked at when the turn ends */
    struct stream_tail *tail;     /* answers not sent yet */
    uint8_t *room;                /* for reading */
    struct http2 *doh;            /* NULL: no listener speaks HTTP */
    size_t held;                  /* octets in buffers of connections */
    uint32_t limited_turn;        /* for which questions_limit holds */
    uint64_t questions_limit;     /* of counters.questions in this turn */
    uint64_t greeted_us;          /* time that handshakes took in this turn */
    uv_timer_t sweep;
    struct stream_counters counters;
};

/* Returns 0, or an errno. `quota` is shared by all workers and stays the caller's. */
int streams_init(struct streams *s, struct turn *turn, struct quota *quota)
    __attribute__((warn_unused_result));

/* Before the first connection of TRANSPORT_HTTPS. Returns 0 or an errno. */
int streams_speak_http(struct streams *s) __attribute__((warn_unused_result));

/* Closes everything; the loop has to run afterwards until no handle is left. */
void streams_close(struct streams *s);

/* After streams_close() and that loop. */
void streams_release(struct streams *s);

/* Serves a connection that quota_take() has counted; `who` says transport, server, peer
 * and local, `listener` where it came from; `terms` are copied. The descriptor and what
 * the quota counted belong to streams from now on. Returns 0, or an errno after closing
 * the one and giving back the other. */
int streams_admit(struct streams *s, int fd, const struct client *who,
                  uint32_t listener, const struct stream_terms *terms)
    __attribute__((warn_unused_result));

/* Closes the connection that has been idle, or has been shaking hands, for longest;
 * false when none is. */
bool streams_evict(struct streams *s);
bool streams_evict_of(struct streams *s, uint32_t listener); /* of this listener's */

/* What came from this listener is for this server of the plan from now on. */
void streams_serve(struct streams *s, uint32_t listener, uint16_t server);

/* And has these limits from now on. */
void streams_limit(struct streams *s, uint32_t listener,
                   const struct stream_limits *limits);

/* The listener is gone: its connections close once they are answered. */
void streams_orphan(struct streams *s, uint32_t listener);

/* Takes what clients have sent so far, then closes each connection once it is answered.
 */
void streams_drain(struct streams *s);

/* Whether every answer has been taken by its client. */
bool streams_quiet(const struct streams *s);

/* The calls of struct io, for streams. */
uint8_t *streams_reply_space(struct streams *s, const struct client *c, size_t *cap);
void streams_reply(struct streams *s, const struct client *c, size_t len);

/* Another follows when resolver_writable() says that the client takes it. */
void streams_reply_part(struct streams *s, const struct client *c, size_t len);

/* Closes those whose time is up, as the timer does four times a second. */
void streams_sweep(struct streams *s);

/* Sends what was answered in this turn; true when the resolver was asked anew
 * meanwhile. */
bool streams_flush(struct streams *s);

#endif
