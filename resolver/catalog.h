/* A catalog zone (RFC 9432): a zone whose records name other zones, its members.
 *
 *     version.catalog.example    TXT "2"
 *     id1.zones.catalog.example  PTR example.org.
 *     coo.id1.zones.catalog.example PTR other.catalog.
 *
 *     c = catalog_read(zone->data, &zone->arena, why);
 *
 * It is right as a whole or not at all: version 2 once, an NS, for each label one
 * member, each member once, and at most one `coo` (which catalog may have the member
 * next). Other properties are passed over. */
#ifndef ISTHMUS_RESOLVER_CATALOG_H
#define ISTHMUS_RESOLVER_CATALOG_H

#include "resolver/zonedata.h"

#define CATALOG_WHY_MAX 400

/* Names are in lower case. */
struct catalog_member {
    const uint8_t *label; /* its length and octets */
    const uint8_t *zone;
    const uint8_t *coo; /* NULL: none */
};

struct catalog {
    struct zonetab members; /* by zone: -> struct catalog_member */
};

/* Members in the arena, whose zone data is kept. NULL: `why` says what is wrong. */
const struct catalog *catalog_read(const struct zonedata *z, struct arena *a,
                                   char why[CATALOG_WHY_MAX]);

/* NULL: it is no member. */
const struct catalog_member *catalog_member(const struct catalog *c,
                                            const uint8_t *zone);

#endif
