/* HTTP/1.1 responses on one connection to a server (RFC 9112), one after the other, in
 * whatever pieces they come. Read as strictly as requests are: who says both lengths,
 * or a coding that is none, says nothing that can be relied upon.
 *
 *     struct http1_response h = {.memory = &memory, .reply = {.memory = &memory}};
 *     while ((got = http1_response_feed(&h, octets, len)) == HTTP1_WHOLE) {
 *         ... h.reply ...
 *         http1_response_next(&h);
 *         len = 0;                                    // another may be there already
 *     }
 *     http1_response_release(&h); */
#ifndef ISTHMUS_SERVER_HTTP1_RESPONSE_H
#define ISTHMUS_SERVER_HTTP1_RESPONSE_H

#include "server/chunks.h"
#include "server/doh_reply.h"

enum http1_body {
    HTTP1_NO_BODY_YET, /* the head is to come, or its rest */
    HTTP1_LENGTH,
    HTTP1_CHUNKS,
    HTTP1_TO_THE_END, /* of the connection */
};

struct http1_response {
    struct doh_memory *memory;
    struct doh_buffer in;
    size_t scanned; /* octets of `in` that hold no end of a head */
    enum http1_body body;
    uint32_t left; /* octets to come of HTTP1_LENGTH */
    struct chunks chunks;
    struct doh_reply reply;
    bool close; /* the server wants no more requests */
};

enum http1_got { HTTP1_MORE, HTTP1_WHOLE, HTTP1_FLAWED, HTTP1_NO_MEMORY };

/* `len` may be 0. */
enum http1_got http1_response_feed(struct http1_response *h, const void *at,
                                   size_t len);

/* The connection has ended, which ends a body of HTTP1_TO_THE_END; else HTTP1_FLAWED.
 */
enum http1_got http1_response_end(struct http1_response *h);

/* Part of one is there. */
bool http1_response_partial(const struct http1_response *h);

void http1_response_next(struct http1_response *h);
void http1_response_release(struct http1_response *h);

#endif
