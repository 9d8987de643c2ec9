/* The one-to-one mapping between a cluster's own domain and the zone clients use
 * (features.md N1 to N10, R1 to R11).
 *
 * A name at or under the domain, by labels and in any case, becomes the same name at or
 * under the zone; every other name stays. Owners and the names inside RDATA of known
 * types are mapped, in every section; TXT and unknown types never. Names are mapped
 * once, so that nested zones (b.cluster.local for cluster.local) do not map twice. */
#ifndef ISTHMUS_RESOLVER_RENAME_H
#define ISTHMUS_RESOLVER_RENAME_H

#include "resolver/encode.h"

/* The question: `name` under map->from to the name under map->to. 0; -1 when the result
 * would exceed 255 octets. `name` must lie under map->from. */
int rename_name(const struct name_map *map, const uint8_t *name, struct name *out);

struct rename {
    const struct name_map *map;
    struct span question; /* that the answer gets: name, type, class */
    uint8_t *buffer;      /* 65535 octets: where the answer is written */
};

/* Writes the answer `in` with all names mapped and indexes it into `out` (out->rr,
 * out->rr_cap given by the caller as for wire_walk). Drops RRSIG, NSEC and NSEC3 and
 * clears AD: signatures over other names cannot be verified. Returns 0; -1 when a name
 * would exceed 255 octets or the message 65535. */
int rename_response(struct encoder *e, const struct msg *in, const struct rename *how,
                    struct msg *out);

#endif
