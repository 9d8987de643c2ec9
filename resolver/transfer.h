/* Zones on their way out (RFC 5936, RFC 1995, RFC 1996): what `transfer` allows, and
 * what the plugins that serve zones have to do with it.
 *
 *     zone_source_add(s, &source);                    // their setup: zones are here
 *     transfer_notify(plan, block, &apex);            // one of them has changed
 *
 * Both do nothing where the block has no `transfer`. */
#ifndef ISTHMUS_RESOLVER_TRANSFER_H
#define ISTHMUS_RESOLVER_TRANSFER_H

#include "resolver/plan.h"
#include "resolver/zone.h"

/* One `transfer` line. */
struct transfer_line {
    struct zones zones;
    bool anyone;     /* `to *` */
    struct addr *to; /* who may have the zones, and is told when one changes */
    uint32_t to_n;
    struct addr source; /* family 0: the kernel chooses */
    struct transfer_line *next;
};

struct transfer {
    struct transfer_line *lines;
};

/* That of the longest zone at or above the name; NULL: none. */
const struct transfer_line *transfer_line_for(const struct transfer *t,
                                              const uint8_t *lower);

/* A plugin's zones. */
struct zone_source {
    /* The zone whose apex is the query's name, for as long as the hook runs. NULL with
     * *known set: it has no data yet; without: it is not served here. */
    const struct zone *(*find)(struct query *q, const void *state, bool *known);
    const void *state;
    struct zone_source *next;
};

/* 0, or -1 after adding an error. */
int zone_source_add(struct setup *s, const struct zone_source *source);

/* A NOTIFY to be sent. */
struct notify {
    struct name zone;
    struct addr to, source; /* source.family 0: the kernel chooses */
    struct notify *next;
};

/* Puts one for each address that is to be told into plan->notifies, which server/
 * empties. Control thread. */
void transfer_notify(struct plan *p, const struct plan_block *b,
                     const struct name *zone);
void notifies_free(struct notify *list);

#endif
