/* The page that Prometheus reads: CoreDNS's names, labels and buckets
 * (coredns-reference 2.14, 2.1, 2.3), and those of clusters, in the text format 0.0.4.
 */
#ifndef ISTHMUS_RESOLVER_METRICS_PAGE_H
#define ISTHMUS_RESOLVER_METRICS_PAGE_H

#include "base/span.h"

struct plan;

/* What only the process knows. */
struct metrics_facts {
    const char *version, *build;
    const char *digest; /* of the configuration in use, as hexadecimal digits */
    uint64_t reload_failures;
};

/* The page of the plan's meters, from the heap, with its length. NULL: no memory.
 * Control thread. */
char *metrics_page(const struct plan *p, const struct metrics_facts *facts,
                   size_t *len);

#endif
