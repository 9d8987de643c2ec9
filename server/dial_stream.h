/* Questions to upstreams over connections, for one worker (RFC 7766): kept open,
 * pipelined, up to UPSTREAM_TCP_CONNECTIONS for each endpoint (over HTTP/1.1, which has
 * no pipeline here, UPSTREAM_HTTP1_CONNECTIONS). The connections of an endpoint with
 * TLS settings shake hands first.
 *
 *     dial_stream_connect(d, endpoint, t, CONN_NONE, &conn);   // io->connect
 *     dial_stream_send(d, conn, wire, len);                    // io->send
 *     while (dial_stream_flush(d)) ...                         // end of the turn
 *     dial_stream_settle(d, conn);        // io->settle, once for every send
 *
 * A question goes to a connection nobody waits on; if there is none a new one is
 * opened, since many servers answer one connection's questions one after the other; if
 * there are enough of them the least busy takes it. What is sent before the handshake
 * is done waits. Over HTTP/2 (doh_client.h) one connection takes as many as the server
 * lets be out at a time.
 *
 * A connection is closed when it is idle for the endpoint's idle_us, older than its
 * life_us, or silent: when nothing came for a second while questions were given up on
 * it. Whatever ends it is told to resolver_lost() if questions were waiting. */
#ifndef ISTHMUS_SERVER_DIAL_STREAM_H
#define ISTHMUS_SERVER_DIAL_STREAM_H

#include "base/log.h"
#include "server/conns.h"
#include "server/places.h"
#include "server/turn.h"

struct dial_conn;

struct dial_stream_counters {
    uint64_t opened;
    uint64_t sent, received;
    uint64_t lost; /* connections that ended with questions waiting */
};

struct dial_stream {
    struct turn *turn;
    struct conns conns;
    struct places pools;     /* of struct dial_stream_pool */
    struct dial_conn *dirty; /* with something to send */
    struct http2 *doh;       /* NULL: none was needed so far */
    uint8_t *room;           /* for reading, and for HTTPS to send from */
    uint32_t open;
    uv_timer_t sweep;
    bool closing;
    struct log_limit log_flaws; /* of certificates and of HTTP */
    struct dial_stream_counters counters;
};

/* Returns 0, or an errno. */
int dial_stream_init(struct dial_stream *d, struct turn *turn)
    __attribute__((warn_unused_result));

/* Closes everything, without a word to the resolver; the loop has to run afterwards
 * until no handle is left. */
void dial_stream_close(struct dial_stream *d);

/* After dial_stream_close() and that loop. */
void dial_stream_release(struct dial_stream *d);

/* As in struct io. ENOTSUP for a transport that is none of ours. */
int dial_stream_connect(struct dial_stream *d, const struct endpoint *e,
                        enum transport t, uint32_t avoid, uint32_t *conn);
int dial_stream_send(struct dial_stream *d, uint32_t conn, const uint8_t *wire,
                     size_t len);
void dial_stream_settle(struct dial_stream *d, uint32_t conn);

/* Sends what waits and tells the resolver what went wrong; true when it was told
 * something and may have asked anew: call again. */
bool dial_stream_flush(struct dial_stream *d);

#endif
