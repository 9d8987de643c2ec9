/* Zone text (RFC 1035 section 5) to a zone.
 *
 * Lines, owners, TTLs, classes, $ORIGIN and $TTL are read here; what stands behind the
 * type is read by ldns, and what ldns makes of it is walked as strictly as a packet
 * before it is used. A record without TTL has that of $TTL, else that of the record
 * before it (RFC 1035), else, being the SOA, its own minimum. $INCLUDE and $GENERATE
 * are refused.
 *
 * Names are relative to `apex` until the text says otherwise, so that one text can make
 * several zones. Records outside the zone are passed over with a warning. */
#ifndef ISTHMUS_RESOLVER_ZONEFILE_H
#define ISTHMUS_RESOLVER_ZONEFILE_H

#include "config/lexer.h"
#include "resolver/zonedata.h"

/* The zone, in the arena; NULL after adding errors, each at its line: all of them.
 * Nothing of `from` is kept. rdata_start() has been called. */
struct zonedata *zonefile_parse(struct arena *a, struct source from,
                                const struct name *apex, struct errors *errs);

#endif
