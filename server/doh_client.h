/* DNS over HTTPS (RFC 8484) towards a server, for one connection: questions in, octets
 * out; octets in, answers out. No socket and no TLS are here (dial_stream.c has them).
 *
 *     shared = doh_client_shared_new();                // of a worker
 *     c = doh_client_new(shared, &how);
 *     doh_client_ask(c, question, now_us);             // at once or later
 *     doh_client_begin(c, true);                       // HTTP/2, says ALPN
 *     while ((n = doh_client_take(c, room, sizeof room)) > 0) send(fd, room, n);
 *     doh_client_feed(c, octets, len);                 // how.answered() meanwhile
 *     if (doh_client_ended(c)) ...                     // nothing more is to come
 *
 * Over HTTP/2 (libnghttp2, which is loaded when the first shared part is made)
 * questions are out side by side; over HTTP/1.1 they wait for each other.
 *
 * A question is a POST, or a GET whose URL is the same for all who ask the same: the ID
 * is 0 on the way, and back in the answer. */
#ifndef ISTHMUS_SERVER_DOH_CLIENT_H
#define ISTHMUS_SERVER_DOH_CLIENT_H

#include "base/span.h"

struct doh_client;
struct http2;

/* What all connections of a worker share, for http2_free(). NULL: no memory, or no
 * library. */
struct http2 *doh_client_shared_new(void);

/* None is called from doh_client_ask(); the first two may ask anew. */
struct doh_client_how {
    const char *authority; /* "dns.test", "192.0.2.1:8443"; copied */
    bool get;
    /* The answer, with the ID of its question; as strange as it may be. */
    void (*answered)(void *owner, uint16_t id, struct span wire);
    /* There is none: an error as of resolver_lost_one(), and words for the log, of
     * which there are none when it is no fault. */
    void (*failed)(void *owner, uint16_t id, int error, const char *why);
    /* Whether somebody waits for the answer. */
    bool (*awaited)(void *owner, uint16_t id);
    void *owner;
};

/* NULL: no memory. */
struct doh_client *doh_client_new(const struct http2 *h,
                                  const struct doh_client_how *how);
void doh_client_free(struct doh_client *c); /* NULL: nothing; tells nobody */

/* What the connection speaks: HTTP/2, or HTTP/1.1. Returns 0 or an errno. */
int doh_client_begin(struct doh_client *c, bool http2);

/* A DNS message, which is copied. Returns 0 or an errno. */
int doh_client_ask(struct doh_client *c, struct span wire, uint64_t now_us);

/* What the server sent. Returns 0, or an errno: the connection is of no use any more,
 * and how.failed() is not called for what it had. */
int doh_client_feed(struct doh_client *c, const void *at, size_t len);

/* The server has closed, which may be the end of an answer. */
void doh_client_hang_up(struct doh_client *c);

/* The connection ends: what has not been sent is told of, with ECANCELED. */
void doh_client_give_back(struct doh_client *c);

/* Octets to be sent now; 0: none. */
size_t doh_client_take(struct doh_client *c, void *to, size_t cap);

/* Of the questions asked before `until_us` those that nobody waits for are withdrawn:
 * servers let only so many be out. */
void doh_client_forget(struct doh_client *c, uint64_t until_us);

/* The server takes no more questions, and answers those that it has. */
bool doh_client_is_closing(const struct doh_client *c);

/* All has been said, or cannot be said. */
bool doh_client_ended(const struct doh_client *c);

/* Questions that can be out at the same time. */
uint32_t doh_client_width(const struct doh_client *c);

#endif
