/* What is answered before any plugin: headers that are wrong, opcodes and types that
 * are not for a forwarder (coredns-reference 3.1, reliability 3.1 to 3.4, RFC 9619, RFC
 * 6891). */
#ifndef ISTHMUS_RESOLVER_ACCEPT_H
#define ISTHMUS_RESOLVER_ACCEPT_H

#include "resolver/query.h"

enum accept_verdict {
    ACCEPT_QUERY,  /* q->request is filled */
    ACCEPT_SILENT, /* no answer at all */
    ACCEPT_ERROR,  /* *rcode is to be sent, with the question when *question says so */
};

/* Walks the message and fills q->request (pointing into `wire`). `scratch` is the
 * walker's index. */
enum accept_verdict accept_query(struct query *q, struct span wire, struct msg *scratch,
                                 uint16_t *rcode, bool *question);

#endif
