/* The header that a load balancer puts in front of what a client sends, to tell who the
 * client is: PROXY protocol, versions 1 (text) and 2 (binary), as haproxy defines it
 * (doc/proxy-protocol.txt, sections 2.1 and 2.2).
 *
 *     switch (proxy_header_parse(octets, &header)) ...
 *     octets = span behind header.len
 */
#ifndef ISTHMUS_SERVER_PROXY_HEADER_H
#define ISTHMUS_SERVER_PROXY_HEADER_H

#include "base/addr.h"

/* The longest header that is read: what a v2 header may hold beyond the addresses
 * (names, certificates) is passed over, but not without an end. */
#define PROXY_HEADER_MAX 2048

enum proxy_found {
    PROXY_NONE,  /* the octets begin with something else */
    PROXY_SHORT, /* so far it is one; more octets are needed */
    PROXY_WRONG, /* it begins as one and cannot be one */
    PROXY_WHOLE,
};

struct proxy_header {
    size_t len;         /* octets of the header itself */
    uint8_t version;    /* 1 or 2 */
    bool datagram;      /* the client came by UDP */
    bool told;          /* the addresses below are the client's; else there are none: a
                           health check of the balancer (LOCAL), or a way without IP
                           addresses (UNKNOWN, UNSPEC, unix) */
    struct addr source; /* the client */
    struct addr target; /* what it meant to reach */
};

enum proxy_found proxy_header_parse(struct span in, struct proxy_header *out);

#endif
