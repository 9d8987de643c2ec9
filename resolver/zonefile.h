/* Zone text (RFC 1035 section 5) to a zone.
 *
 * Lines, owners, TTLs, classes, $ORIGIN and $TTL are read here; what stands behind the
 * type is read by ldns, and what ldns makes of it is walked as strictly as a packet
 * before it is used. A record without TTL has that of $TTL, else that of the record
 * before it (RFC 1035), else, being the SOA, its own minimum. $INCLUDE reads another
 * file here, $GENERATE makes lines (zonegen.h).
 *
 * Names are relative to `apex` until the text says otherwise, so that one text can make
 * several zones. Records outside the zone are passed over with a warning. */
#ifndef ISTHMUS_RESOLVER_ZONEFILE_H
#define ISTHMUS_RESOLVER_ZONEFILE_H

#include "config/lexer.h"
#include "resolver/zonedata.h"

/* The zone, in the arena; NULL after adding errors, each at its line: all of them; or
 * without one when `*stop` became true, which may be NULL. Nothing of `from` is kept.
 * rdata_start() has been called. */
struct zonedata *zonefile_parse(struct arena *a, struct source from,
                                const struct name *apex, const _Atomic bool *stop,
                                struct errors *errs);

/* ---- one record ---- */

#define ZONEFILE_TTL_S 3600 /* of a record by itself that says none, as in CoreDNS */

struct zonefile_record {
    struct name owner; /* spelt as written */
    uint16_t type, class;
    uint32_t ttl;
    struct span rdata; /* in the room */
};

/* Where a record is taken apart: its text, its data, and a little more. */
struct zonefile_room {
    uint8_t *at;
    size_t len;
};

/* Reads `OWNER [TTL] [CLASS] TYPE DATA`, the first record of a text, as `template`
 * writes them for a query: of any class, names absolute with or without a final dot.
 * Addresses, names, texts and plain numbers take no memory; other types do, for a
 * moment. 1; 0: there is no record in the text; -1 after adding an error. */
int zonefile_record(struct text from, struct zonefile_room room,
                    struct zonefile_record *out, struct errors *errs);

#endif
