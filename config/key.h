/* Keys of server blocks (coredns-reference 1.6, 1.7): `[scheme://]ZONE-OR-CIDR[:PORT]`,
 * and zone arguments of plugins, which are normalised in the same way. */
#ifndef ISTHMUS_CONFIG_KEY_H
#define ISTHMUS_CONFIG_KEY_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/error.h"

enum scheme {
    SCHEME_DNS,
    SCHEME_TLS,
    SCHEME_QUIC,
    SCHEME_GRPC,
    SCHEME_HTTPS,
    SCHEME_HTTPS3,
    SCHEME_UNIX,
};

/* "dns", "tls", ... */
const char *scheme_name(enum scheme s);
uint16_t scheme_port(enum scheme s); /* 53, 853, 443; 0 for unix */

/* A list of zones in lower-case wire form. */
struct zones {
    struct name *list;
    uint32_t n, cap;
};

struct key {
    enum scheme scheme;
    uint16_t port;      /* the scheme's default when none is written */
    bool port_written;  /* only then the -dns.port flag does not apply */
    struct zones zones; /* one, or all that a CIDR expands to */
};

/* Parses one key; errors use CoreDNS's words ("zone is not a valid domain name: a..b",
 * "expecting data after last colon", "invalid CIDR", "invalid port"). 0 or -1. */
int key_parse(struct arena *a, const char *text, struct where at, struct key *out,
              struct errors *errs);

/* Normalises one zone argument of a plugin (scheme and port stripped, lower case, a
 * CIDR fully expanded) and appends the result. Returns 0; 1 when the text is no zone,
 * and nothing was appended (CoreDNS drops such arguments); -1 on lack of memory. */
int zones_add(struct arena *a, struct zones *zones, const char *text);

/* The longest zone of the list that equals `name` or is above it; NULL when none is. */
const struct name *zones_match(const struct zones *zones, const uint8_t *name);

#endif
