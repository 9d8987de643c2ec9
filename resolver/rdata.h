/* Where names hide in RDATA, for every type whose layout ldns knows (ldns_rr_descript), plus
 * SVCB and HTTPS, which Debian's ldns may lack. The tables are built once at start. */
#ifndef ISTHMUS_RESOLVER_RDATA_H
#define ISTHMUS_RESOLVER_RDATA_H

#include "resolver/msg.h"

/* One step of an RDATA layout. */
enum rdata_step {
    RDATA_END,        /* nothing more may follow */
    RDATA_FIXED,      /* `len` octets */
    RDATA_STRING,     /* one character-string: length octet and that many */
    RDATA_NAME,       /* a domain name */
    RDATA_REST,       /* anything to the end */
};
struct rdata_field {
    uint8_t step; /* enum rdata_step */
    uint8_t len;
};
struct rdata_layout {
    struct rdata_field field[14];
    bool known;      /* false: RDATA is opaque (RFC 3597) */
    bool has_names;
    bool compress;   /* names may be compressed when sent: RFC 1035 types only (RFC 3597 4) */
};

/* The layout of a type; never NULL. Types without a layout have known = false. */
const struct rdata_layout *rdata_layout(uint16_t type);

/* Builds the tables. 0, or -1: no memory. Call once before any thread starts. */
int rdata_start(void);

/* Mnemonics: "A", "TYPE65400"; "IN", "CLASS7". `out` holds 16. rdata_type_parse: 0 or -1. */
const char *rdata_type_print(uint16_t type, char *out);
const char *rdata_class_print(uint16_t class, char *out);
int rdata_type_parse(struct text from, uint16_t *out);
int rdata_class_parse(struct text from, uint16_t *out);
const char *rcode_print(uint16_t rcode, char *out); /* "NXDOMAIN", "RCODE23" */
int rcode_parse(struct text from, uint16_t *out);

#endif
