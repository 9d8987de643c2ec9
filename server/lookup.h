/* Looks up a host name at start, waiting (struct outside): one question over UDP, or
 * without servers as other programs of the host do. */
#ifndef ISTHMUS_SERVER_LOOKUP_H
#define ISTHMUS_SERVER_LOOKUP_H

#include "resolver/outside.h"

int lookup_addrs(const struct name *name, uint8_t family, const struct addr *servers,
                 uint32_t servers_n, struct outside_addrs *out);

#endif
