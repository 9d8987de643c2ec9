/* DNS over HTTPS (RFC 8484) for one connection of a client: its octets in, questions
 * out; answers in, octets out. No socket and no TLS are here (stream.c has them).
 *
 *     shared = doh_shared_new();                       // of a worker
 *     d = doh_new(shared, &ask);
 *     doh_feed(d, octets, len);                        // ask.question() meanwhile
 *     doh_answer(d, request, wire, len);               // at once or later
 *     while ((n = doh_take(d, room, sizeof room)) > 0) send(fd, room, n);
 *     if (doh_ended(d)) ...                            // nothing more is to come
 *
 * HTTP/1.1 and HTTP/2 are told apart by the client's first octets, so that both are
 * spoken in the clear too, behind a proxy. HTTP/2 is libnghttp2's, which is loaded when
 * the first of these is made ready. */
#ifndef ISTHMUS_SERVER_DOH_H
#define ISTHMUS_SERVER_DOH_H

#include "base/error.h"
#include "server/doh_http1.h"

struct doh;
struct http2;

/* What all connections of a worker share, for http2_free(). NULL: no memory, or no
 * library; see doh_check(). */
struct http2 *doh_shared_new(void);

/* Whether the library can be had. 0, or -1 after adding an error. */
int doh_check(struct errors *errs);

/* NULL: no memory. */
struct doh *doh_new(const struct http2 *h, const struct doh_ask *ask);
void doh_free(struct doh *d); /* NULL: nothing */

/* What the client sent, or nothing: then what waited for an answer goes on. Not while
 * doh_is_full(). Returns 0, or -1: the connection is of no use any more. */
int doh_feed(struct doh *d, const void *at, size_t len)
    __attribute__((warn_unused_result));

/* Whether more may only be fed after an answer. */
bool doh_is_full(const struct doh *d);

/* The answer to a question, once for each; `len` 0: there is none. A client that has
 * withdrawn its question gets nothing. 0, or -1: no memory. */
int doh_answer(struct doh *d, uint32_t request, const void *wire, size_t len)
    __attribute__((warn_unused_result));

/* Octets to be sent now; 0: none. */
size_t doh_take(struct doh *d, void *to, size_t cap);

/* Whether some are to be sent, be it that the client has to take others first. */
bool doh_owes(const struct doh *d);

/* No more requests are wanted; those that were made are answered. */
void doh_end(struct doh *d);

/* All has been said: after doh_end(), or because of what the client did. */
bool doh_ended(const struct doh *d);

/* Whether part of a request is there. */
bool doh_partial(const struct doh *d);

/* Octets of memory. */
size_t doh_held(const struct doh *d);

#endif
