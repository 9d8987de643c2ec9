/* EDNS options (RFC 6891): walking, and building an OPT's RDATA. */
#ifndef ISTHMUS_RESOLVER_EDNS_H
#define ISTHMUS_RESOLVER_EDNS_H

#include "base/cursor.h"
#include "resolver/msg.h"

#define EDNS_OPT_LEN 11 /* octets of an OPT record without options */

enum edns_code {
    EDNS_NSID = 3,
    EDNS_SUBNET = 8,
    EDNS_EXPIRE = 9,
    EDNS_COOKIE = 10,
    EDNS_KEEPALIVE = 11,
    EDNS_PADDING = 12,
    EDNS_EDE = 15,
};

struct edns_option {
    uint16_t code;
    struct span data;
};

/* Takes the next option from checked RDATA; false at the end. Start with *at = 0. */
bool edns_next(struct span rdata, size_t *at, struct edns_option *out);
bool edns_find(struct span rdata, uint16_t code, struct edns_option *out);

void edns_put(struct wr *wr, uint16_t code, struct span data);

/* RFC 8914. The text is cut at a character so that the option fits what is left of wr,
 * and dropped with the option when even the code does not fit. */
void edns_put_ede(struct wr *wr, uint16_t code, struct text text);

/* Writes a whole OPT record (owner, type, class = size, ttl, RDATA). */
void edns_put_opt(struct wr *wr, uint16_t udp_size, uint8_t rcode_high, bool dnssec_ok,
                  struct span options);

#endif
