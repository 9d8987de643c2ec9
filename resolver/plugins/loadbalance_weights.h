/* The file of `loadbalance weighted`:
 *
 *     # a name, then its addresses and how often each is to come first
 *     www.example.org
 *     192.0.2.1 3
 *     192.0.2.2 1
 *
 * Immutable once read; everything lives in the arena it was read into. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_LOADBALANCE_WEIGHTS_H
#define ISTHMUS_RESOLVER_PLUGINS_LOADBALANCE_WEIGHTS_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/error.h"

struct weights;

/* NULL after adding an error that names `file` and the line. */
const struct weights *weights_parse(struct arena *a, const char *file, struct text text,
                                    struct errors *errs);

/* The weight of an address record, 1 to 255; 1 where the file says nothing. `ip` has 4
 * or 16 octets, as `family` says. */
unsigned weights_get(const struct weights *w, const uint8_t *owner, uint8_t family,
                     const uint8_t *ip);

#endif
