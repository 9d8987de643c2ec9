/* A zone from within, for zonedata.c and zoneproof.c only. */
#ifndef ISTHMUS_RESOLVER_ZONEDATA_CORE_H
#define ISTHMUS_RESOLVER_ZONEDATA_CORE_H

#include "resolver/zonedata.h"

/* Records of one name and type. */
struct zone_set {
    const struct rr *rr;
    const struct zone_set *sigs; /* the RRSIG records of the name; NULL: none */
    uint32_t n;
    uint16_t type;
};

struct zone_node {
    const uint8_t *name;            /* lower case */
    uint32_t number;                /* in order of creation: parents before children */
    const struct zone_node *parent; /* NULL: the apex */
    const struct zone_node *wild;   /* the child `*` */
    const struct zone_set *hides; /* its NS (not beside the SOA) or DNAME: what is below
                                     it is not the zone's own to answer */
    const struct zone_set *hidden; /* the topmost such set above it */
    struct zone_set *sets;
    uint32_t sets_n;
    bool hash; /* has an NSEC3 and is otherwise no name of the zone */
};

/* What proves absence. */
struct zone_proofs {
    struct zone_node **nsec; /* those with an NSEC, in canonical order */
    uint32_t nsec_n;
    struct zone_node **nsec3; /* those of the chain in use, by hash */
    uint32_t nsec3_n;
    const struct rr *param; /* its NSEC3PARAM; NULL: there is none */
};

/* A record as it was added. */
struct zone_raw {
    struct zone_node *node;
    uint32_t number; /* in the order of the file */
    uint32_t ttl;
    uint16_t type;
    bool again; /* the same as one before it */
    struct span rdata;
};

struct zonedata {
    struct arena *arena, *scratch; /* scratch: NULL once sealed */
    struct zonetab names; /* -> struct zone_node; entries in order of creation */
    struct zone_node *apex;
    const struct zone_set *soa, *ns;
    const uint8_t *conflict;
    struct zone_proofs proofs;
    struct zone_raw *raw;
    uint32_t raw_n, raw_cap;
};

/* One question on its way through the zone. */
struct walk {
    const struct zonedata *z;
    struct arena *arena;
    struct msg *out;
    uint16_t type;
    bool dnssec;
    const struct name_key *key; /* of the present name: the caller's, or own_key */
    unsigned below;             /* its labels that the zone does not have */
    bool empty;                 /* the name asked has no records */
    struct name name;           /* a CNAME led here */
    struct name_key own_key;
};

/* ---- zonedata.c ---- */

/* NULL: the name has none of the type. */
const struct zone_set *zone_set_of(const struct zone_node *node, uint16_t type);

/* Puts a set, with its signatures, unless the section has it. 0, or -1: no memory. */
int walk_put_once(struct walk *w, const struct zone_set *set, enum section section);

/* ---- zoneproof.c ---- */

/* At the end of building. 0, or -1: no memory. */
int proofs_order(struct zonedata *z);

/* What the present name of a walk is in need of a proof for. */
enum proof {
    PROOF_NO_TYPE,      /* the name is there, the type is not */
    PROOF_NO_NAME,      /* nor is the name */
    PROOF_WILD_NO_TYPE, /* a wildcard covers it, and has not the type */
    PROOF_WILD,         /* a wildcard has answered */
};

/* Puts the proof for who wants it, where the zone has it (RFC 4035 section 3.1.3, RFC
 * 5155 section 7.2). 0, or -1: no memory. */
int prove(struct walk *w, enum proof what);

/* That the zone below a cut, an apex in lower case, is not signed. */
int prove_unsigned(struct walk *w, const uint8_t *cut);

#endif
