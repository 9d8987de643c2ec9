/* Labels of a question (coredns-reference 2.13), for log formats, rewrite values and
 * views. They exist in blocks with a `metadata` directive, for names in its zones:
 *
 *     view/name          the view that the block belongs to
 *     forward/upstream   who answered, ADDRESS:PORT; not before the answer
 *     cluster/name       the cluster the name belongs to (not in CoreDNS)
 *
 * CoreDNS's other labels belong to plugins that do not exist here (kubernetes, geoip,
 * tls) and have no value. */
#ifndef ISTHMUS_RESOLVER_METADATA_H
#define ISTHMUS_RESOLVER_METADATA_H

#include "resolver/query.h"

#define METADATA_LABEL_MAX 64   /* with NUL */
#define METADATA_VALUE_MAX 1025 /* no value is longer than a name's text */

/* Writes the value without NUL and returns its length; 0: it has none. `b` is the
 * question's block, or the one that is being considered for it. */
size_t metadata_value(struct query *q, const struct plan_block *b, const char *label,
                      char out[METADATA_VALUE_MAX]);

#endif
