/* `$GENERATE` of zone files, as BIND and CoreDNS have it: a line for each number.
 *
 *     $GENERATE 1-254 dhcp-$ A 10.0.0.$
 *     $GENERATE 0-30/10 h${100,4,d} CNAME x${0,2,x}.example.org.
 *
 * `$` is the number, `${OFFSET[,WIDTH[,BASE]]}` the number plus OFFSET with zeros in
 * front up to WIDTH, in base d, o, x or X; `$$` and `\$` are a dollar. */
#ifndef ISTHMUS_RESOLVER_ZONEGEN_H
#define ISTHMUS_RESOLVER_ZONEGEN_H

#include "base/arena.h"

#define ZONEGEN_LINES_MAX 65536      /* as CoreDNS's */
#define ZONEGEN_TEXT_MAX  (1u << 24) /* octets of all lines together */

/* `rest` is what stands behind the word `$GENERATE`: range and line. Returns the lines,
 * in the arena; `at` is NULL with the reason in *why. */
struct text zonegen_expand(struct arena *a, const char *rest, const char **why);

#endif
