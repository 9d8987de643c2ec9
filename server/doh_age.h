/* How long DNS messages may be kept by who knows them from HTTP (RFC 8484 section 5.1).
 */
#ifndef ISTHMUS_SERVER_DOH_AGE_H
#define ISTHMUS_SERVER_DOH_AGE_H

#include "base/span.h"

/* For how many seconds an answer may be kept: as long as its shortest record, or as the
 * SOA of a negative one says; failures not at all. */
uint32_t doh_max_age(struct span wire);

/* Some cache of HTTP has kept an answer for so long: its records have as much less to
 * live. Of what is no DNS message nothing is changed behind the first flaw. */
void doh_grow_old(uint8_t *wire, size_t len, uint32_t age_s);

#endif
