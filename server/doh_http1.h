/* HTTP/1.1 for one connection (RFC 9112), as much of it as DNS over HTTPS needs: one
 * request at a time, bodies with a Content-Length or in chunks. Requests that are
 * pipelined wait. What another HTTP program could read as another sequence of requests
 * is refused and ends the connection (section 11.2): both lengths at once, a coding
 * twice, a field name that is none.
 *
 *     struct http1 h = {.ask = &ask, .memory = &memory, .request = {.memory =
 * &memory}}; http1_feed(&h, octets, len);            // ask.question() for each
 * question http1_answer(&h, wire, len);            // at once or later
 *     ... h.out is to be sent ...
 *     http1_release(&h); */
#ifndef ISTHMUS_SERVER_DOH_HTTP1_H
#define ISTHMUS_SERVER_DOH_HTTP1_H

#include "server/chunks.h"
#include "server/doh_request.h"

/* Whom questions are for. */
struct doh_ask {
    /* False: it will not be answered. The message is good until this returns. */
    bool (*question)(void *owner, uint32_t request, struct span message);
    /* An answer with this status is on its way. */
    void (*answered)(void *owner, unsigned status);
    void *owner;
};

enum http1_state {
    HTTP1_HEAD, /* of a request, or between two */
    HTTP1_BODY,
    HTTP1_ASKED, /* the answer is to come */
    HTTP1_ENDED, /* nothing more is read */
};

struct http1 {
    struct doh_memory *memory;
    const struct doh_ask *ask;
    struct doh_buffer in, out;
    size_t scanned; /* octets of `in` that hold no end of a head */
    struct doh_request request;
    uint32_t number;    /* of the request in hand */
    uint32_t body_left; /* octets to come, unless they come in chunks */
    struct chunks chunks;
    enum http1_state state;
    bool chunked; /* the body */
    bool close;   /* after the answer in hand */
    bool expects; /* the client waits for a word before it sends the body */
};

/* What the client sent; `len` may be 0. Returns 0, or -1: no memory. */
int http1_feed(struct http1 *h, const void *at, size_t len)
    __attribute__((warn_unused_result));

/* The answer to question h->number; len 0: there is none. More questions wait in what
 * was fed: http1_feed() of nothing. 0, or -1: no memory. */
int http1_answer(struct http1 *h, const void *wire, size_t len)
    __attribute__((warn_unused_result));

/* Part of a request is there. */
bool http1_partial(const struct http1 *h);

void http1_release(struct http1 *h);

#endif
