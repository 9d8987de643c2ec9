/* One connection to an upstream, as dial_stream.c and dial_https.c know it; for them
 * only. */
#ifndef ISTHMUS_SERVER_DIAL_STREAM_CORE_H
#define ISTHMUS_SERVER_DIAL_STREAM_CORE_H

#include "base/limits.h"
#include "server/dial_stream.h"
#include "server/doh_client.h"
#include "server/frames.h"
#include "server/outbox.h"
#include "server/tls.h"

#define DIAL_SECOND_US 1000000ull
#define DIAL_SILENT_US 1000000ull

enum dial_state {
    DIAL_CONNECTING,
    DIAL_GREETING, /* TLS shakes hands */
    DIAL_OPEN,
    DIAL_CLOSED, /* kept until libuv lets go of it and its questions are settled */
};

struct dial_stream_pool {
    struct addr peer, source;
    const void *tls; /* settings, which we keep; NULL: plain TCP */
    struct tls_session *session;
    struct dial_conn **conns; /* NULL: not open */
    unsigned conns_n;         /* places: in `few`, or on the heap */
    struct dial_conn *few[UPSTREAM_TCP_CONNECTIONS];
    uint64_t idle_us, life_us;
    uint32_t idle_max;
    uint8_t https; /* enum endpoint_https */
    bool http1;    /* the last connection that stood spoke HTTP/1.1 */
};

struct dial_conn {
    uv_poll_t poll;
    struct dial_stream *dial;
    struct dial_stream_pool *pool; /* NULL: takes no more questions */
    struct dial_conn *dirty_next;
    struct addr peer;
    struct frames in;
    struct outbox out;
    struct tls_stream *tls; /* NULL: plain TCP */
    struct doh_client *doh; /* NULL: messages behind their lengths */
    uint32_t conn;
    uint32_t unsettled;
    int fd;
    int watched; /* UV_READABLE, UV_WRITABLE */
    enum dial_state state;
    uint64_t opened_us, used_us;
    uint64_t waiting_us; /* the first question since the last answer; 0 = none */
    bool dirty;
    bool telling; /* the resolver hears of what it said: not to be closed now */
    bool gone;    /* libuv has let go of `poll` */
};

/* ---- dial_https.c: what a connection to https:// does beside TLS ---- */

/* Makes c->doh. Returns 0 or an errno. */
int dial_https_open(struct dial_conn *c);

/* TLS stands. Returns 0 or an errno. */
int dial_https_begin(struct dial_conn *c);

/* What came; answers go to the resolver. Returns 0, or an errno: the connection is of
 * no use any more. */
int dial_https_feed(struct dial_conn *c, const uint8_t *at, size_t n);

/* The connection has ended: what has not been sent goes elsewhere. */
void dial_https_give_back(struct dial_conn *c);

/* The other side has closed. */
void dial_https_hang_up(struct dial_conn *c);

/* Puts what is to be said into the empty c->out, a record of TLS at most; *n octets.
 * Returns 0 or an errno. */
int dial_https_fill(struct dial_conn *c, size_t *n);

/* Withdraws what has been out for DIAL_SILENT_US and was given up on. */
void dial_https_forget(struct dial_conn *c);

#endif
