/* The zones of `secondary`: those that the Corefile names, and the members of catalogs.
 *
 * Whenever a catalog has come anew the members of all are gone through: those that are
 * new begin, those that are gone end, those with another label begin anew (RFC 9432
 * section 5.4), and the rest stays as it is. A zone that the Corefile names, or that
 * another catalog has, is not taken; unless that catalog has a `coo` for ours (section
 * 4.4.1): then it is handed over, with its data where both give it the same label.
 *
 * Workers find members in a feed of their table. A member ends with the last table that
 * has it, when no worker holds that. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_SECONDARY_MEMBERS_H
#define ISTHMUS_RESOLVER_PLUGINS_SECONDARY_MEMBERS_H

#include "resolver/catalog.h"
#include "resolver/inbound.h"

struct secondary;

struct secondary_zone {
    struct secondary *of;
    struct name apex;
    struct inbound_use use;
    struct secondary_zone *next; /* of the Corefile */

    bool catalog;         /* its records are members */
    struct zones accepts; /* that they are under; empty: any */

    /* of a member */
    const struct secondary_zone *owner; /* the catalog that it belongs to */
    uint8_t label[64];                  /* there */
    uint32_t tables_n;                  /* that have it */
};

/* The data of secondary.members. */
struct members {
    struct zonetab zones; /* -> struct secondary_zone */
};

struct secondary {
    struct zonetab zones; /* of the Corefile -> struct secondary_zone */
    struct secondary_zone *list, **list_end;
    struct feed *members; /* NULL: there are no catalogs */
    struct fall fall;     /* one for all zones of the block, as in CoreDNS */

    /* of the line in hand, while it is set up */
    struct addr *primaries;
    uint32_t primaries_n;
    bool catalog;
    struct zones accepts;
};

/* At the end of set-up: the members of catalogs that are here already. 0, or -1: no
 * memory. */
int members_begin(struct setup *s, struct secondary *p);

/* inbound_use.changed of a catalog. */
void members_follow(struct inbound_use *use);

#endif
