/* A zone as it comes in, message by message (RFC 5936 section 2.2), from a primary that
 * is not trusted to send a right one.
 *
 *     a = axfr_new(&apex, id);
 *     switch (axfr_message(a, message)) ...      // until AXFR_DONE or AXFR_BAD
 *     axfr_seal(a, false);                        // on another thread
 *     zone = axfr_take(a);
 *     axfr_free(a);
 *
 * The first record is the zone's SOA, and the zone ends where the same SOA comes again.
 * Messages are walked as strictly as any other, and what is no record of a zone,
 * another SOA, a code, or more than ZONE_OCTETS_MAX ends it. Records whose owner lies
 * elsewhere are passed over and counted. */
#ifndef ISTHMUS_RESOLVER_AXFR_H
#define ISTHMUS_RESOLVER_AXFR_H

#include "resolver/zone.h"

enum axfr_verdict { AXFR_MORE, AXFR_DONE, AXFR_BAD };

struct axfr;

/* NULL: no memory. */
struct axfr *axfr_new(const struct name *apex, uint16_t id);
void axfr_free(struct axfr *a); /* NULL is fine */

enum axfr_verdict axfr_message(struct axfr *a, struct span message);

/* After AXFR_BAD: what is wrong. */
const char *axfr_reason(const struct axfr *a);

/* After AXFR_DONE: puts the records in order, which takes its time; with `catalog` they
 * have to be one (catalog.h). On any thread. */
void axfr_seal(struct axfr *a, bool catalog);

/* After that: the zone, with one use, once. NULL: axfr_reason() says why. */
struct zone *axfr_take(struct axfr *a);

uint32_t axfr_records(const struct axfr *a);
uint32_t axfr_outside(const struct axfr *a);

/* ---- the question before it ---- */

/* Writes a question for the zone, of type SOA or AXFR. Returns its length. */
size_t axfr_ask(const struct name *apex, uint16_t type, uint16_t id,
                uint8_t out[NAME_WIRE_MAX + 16]);

/* The serial in the answer to the one of type SOA. 0, or -1 with the reason. */
int axfr_serial(const struct name *apex, uint16_t id, struct span message,
                uint32_t *serial, const char **reason);

#endif
