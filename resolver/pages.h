/* What is shown over HTTP besides DNS, and where: written down by the plugins
 * `prometheus`, `health` and `ready`, served by server/admin.c. */
#ifndef ISTHMUS_RESOLVER_PAGES_H
#define ISTHMUS_RESOLVER_PAGES_H

#include "base/addr.h"

struct reader;
struct setup;

enum page_kind {
    PAGE_METRICS, /* /metrics */
    PAGE_HEALTH,  /* /health */
    PAGE_READY,   /* /ready */
};

/* One page at one address; family 0: every address of the host. */
struct page_place {
    enum page_kind kind;
    struct addr addr;
    struct page_place *next;
};

/* All of a plan, each once. Several pages may share an address. */
struct pages {
    struct page_place *first;
};

/* Reads `[ADDR]`, to the end of the line, and adds the page to the plan. ADDR is
 * [HOST]:PORT, HOST an IP address or a name that is looked up now, as other programs of
 * the host would; a page other than /health is left out, with an error in the log, when
 * it cannot be found, as in CoreDNS. 0, or -1 after adding an error. */
int pages_read(struct setup *s, struct reader *rd, enum page_kind kind,
               const char *fallback);

#endif
