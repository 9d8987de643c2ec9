/* Where names hide in RDATA, for every type whose layout ldns knows (ldns_rr_descript),
 * plus SVCB and HTTPS, which an older ldns may lack. The tables are built once at
 * start.
 *
 * Types whose layout cannot be told in these steps (IPSECKEY, HIP, A6: what follows
 * depends on what came before) are opaque, and so are the few that ldns describes
 * otherwise than their RFC. A layout is used only where every octet in front of a name
 * is accounted for. */
#ifndef ISTHMUS_RESOLVER_RDATA_H
#define ISTHMUS_RESOLVER_RDATA_H

#include "resolver/msg.h"

/* One step of an RDATA layout. */
enum rdata_step {
    RDATA_END,     /* nothing more may follow */
    RDATA_FIXED,   /* `len` octets */
    RDATA_STRING,  /* one character-string: length octet and that many */
    RDATA_STRINGS, /* one or more of them, to the end */
    RDATA_NAME,    /* a domain name */
    RDATA_REST,    /* anything to the end */
};
struct rdata_field {
    uint8_t step; /* enum rdata_step */
    uint8_t len;
};
struct rdata_layout {
    struct rdata_field field[14];
    bool known; /* false: RDATA is opaque (RFC 3597) */
    bool has_names;
    bool compress; /* names may be compressed when sent: RFC 1035 types only (RFC 3597
                      4) */
};

/* The layout of a type; never NULL. Types without a layout have known = false. */
const struct rdata_layout *rdata_layout(uint16_t type);

/* Builds the tables. 0, or -1: the program must not start. Calling it again changes
 * nothing, so that tests and threads may all call it; everything else here comes after
 * it. */
int rdata_start(void);

/* The RDATA of a walked record, in alternating parts: plain octets, a name, plain
 * octets ...
 *
 *     struct rdata_part part = rdata_parts(rr);
 *     while (rdata_next(rr, &part)) ...
 *
 * A part lies at base + at and takes `len` octets there; a name may be compressed. */
struct rdata_part {
    const struct rdata_field *field; /* what comes next; NULL = opaque to the end */
    uint32_t at, len;
    bool is_name;
};
struct rdata_part rdata_parts(const struct rr *rr);
bool rdata_next(const struct rr *rr, struct rdata_part *part);

/* Octets of the RDATA once its names are written in full. */
size_t rdata_len_plain(const struct rr *rr);

/* Writes the RDATA with its names in full: rdata_len_plain() octets. */
void rdata_expand(const struct rr *rr, uint8_t *out);

/* The RDATA as a zone file has it, cut where `out` ends. For people: allocates. Returns
 * out. */
char *rdata_print(const struct rr *rr, char *out, size_t cap);

/* Mnemonics: "A", "TYPE65400"; "IN", "CLASS7"; "NXDOMAIN", "RCODE77". They are
 * CoreDNS's, save that 16 is BADVERS and not BADSIG (both are read). Printing allocates
 * nothing; `out` holds 16 and may or may not be used. Parsing takes any case: 0, or -1
 * when there is no such name. */
#define RDATA_MNEMONIC_MAX 16
const char *rdata_type_print(uint16_t type, char *out);
const char *rdata_class_print(uint16_t class, char *out);
int rdata_type_parse(struct text from, uint16_t *out);
int rdata_class_parse(struct text from, uint16_t *out);
const char *rcode_print(uint16_t rcode, char *out);
int rcode_parse(struct text from, uint16_t *out);

#define NSEC3_HASH_LEN 20 /* octets: SHA-1 */

/* The hash of a name in lower case, as the data of an NSEC3 or NSEC3PARAM says (RFC
 * 5155 section 5), whose algorithm is 1. */
void rdata_nsec3_hash(const uint8_t *data, const uint8_t *name,
                      uint8_t hash[NSEC3_HASH_LEN]);

#endif
