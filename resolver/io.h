/* The seam, outward: all that resolver/ ever asks of the world. server/worker.c
 * implements it with sockets, tests with a script. Time is not here: it comes in with
 * resolver_tick().
 *
 * No function calls back into the resolver before it returns. */
#ifndef ISTHMUS_RESOLVER_IO_H
#define ISTHMUS_RESOLVER_IO_H

#include "base/addr.h"

enum transport {
    TRANSPORT_UDP,
    TRANSPORT_TCP,
    TRANSPORT_TLS,
    TRANSPORT_HTTPS,
};

struct trace;

/* Who asked, and where the reply goes. Copied into the query; needs no release. */
struct client {
    uint8_t transport; /* enum transport */
    uint16_t server;   /* index into the plan's servers */
    struct addr peer;
    struct addr local; /* the address that was asked (IP_PKTINFO); scope = interface */
    struct addr via;  /* where a datagram's reply goes instead of to the peer: the proxy
                         that told us of it; family 0 = nowhere else */
    uint32_t request; /* the io's own: which question of the connection */
    uint64_t handle; /* the io's own; for a stream with a generation, so that a reply to
                        a closed connection goes nowhere */
    struct trace *trace; /* NULL, or where the way of the question is written down */
};

/* How questions go over HTTPS (RFC 8484 section 4.1). */
enum endpoint_https { HTTPS_NOT, HTTPS_POST, HTTPS_GET };

/* An address that questions can be sent to. Lives in the registry; `id` is small and
 * dense and is the io's key for the sockets it keeps for it. */
struct endpoint {
    uint32_t id;
    struct addr addr;
    struct addr source; /* family 0: the kernel chooses */
    const void *tls;    /* settings for TRANSPORT_TLS and _HTTPS, else NULL */
    int64_t idle_us;    /* unused sockets close after this */
    int64_t life_us;    /* no socket is used longer; 0 = without end (streams only) */
    uint32_t
        streams_idle_max; /* idle stream connections kept; 0 = the io's own limit */
    uint8_t https;        /* enum endpoint_https, for TRANSPORT_HTTPS */
};

#define CONN_NONE UINT32_MAX

/* Among the errnos that conns break with: an upstream's HTTP status, which stands for
 * no answer, is this and the status. */
#define IO_HTTP_STATUS 1000

/* "HTTP status 404"; static. Of what is no status "network error". */
const char *io_status_words(int error);

struct io {
    uint64_t opened; /* sockets and connections that connect() has opened so far */

    /* Octets nobody can guess. Cannot fail: the worker does not start without entropy.
     */
    void (*random)(struct io *io, void *out, size_t len);

    /* Room for the reply to a client: *cap octets (at least 4096 for UDP, 65535 for
     * streams), valid until reply(). NULL when there is none (the client has gone, or
     * memory is short). */
    uint8_t *(*reply_space)(struct io *io, const struct client *c, size_t *cap);

    /* Sends the first `len` octets of the room. len 0: no reply will come (a stream may
     * count its question as done). Exactly one call for each resolver_query(). */
    void (*reply)(struct io *io, const struct client *c, size_t len);

    /* The same for one of several messages of one reply, of a stream: another follows,
     * and resolver_writable() says when. reply() is still called once, for the last. */
    void (*reply_part)(struct io *io, const struct client *c, size_t len);

    /* A socket or connection to ask `e` on: for UDP one of a pool, the same for all
     * questions of one turn; never conn `avoid` (a retry leaves from another port).
     * Streams may still be connecting: what is sent waits. Returns 0 and *conn, or an
     * errno. Several upstreams may share a conn; if so, resolver_datagram_from() tells
     * what comes in on it. A conn that one has alone is not used for another peer while
     * questions on it are unsettled. */
    int (*connect)(struct io *io, const struct endpoint *e, enum transport t,
                   uint32_t avoid, uint32_t *conn);

    /* Sends one message (without TCP's length) to `to` on a conn that connect() has
     * just given for it; copies it. Returns 0 or an errno. */
    int (*send)(struct io *io, uint32_t conn, const struct endpoint *to,
                const uint8_t *wire, size_t len);

    /* One question sent on the conn is no longer waited for (answered or given up).
     * Exactly once for each send() that returned 0, also after resolver_lost(). */
    void (*settle)(struct io *io, uint32_t conn);

    /* Microseconds since 1970, for those who write down when things happened. */
    uint64_t (*wall_us)(struct io *io);

    /* Gives one dnstap message to a tap of struct outside. Copies it; without room it
     * is lost and counted there. */
    void (*tap)(struct io *io, void *tap, const uint8_t *octets, size_t len);
};

#endif
