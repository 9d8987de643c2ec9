/* What the two files that read zone text share. */
#ifndef ISTHMUS_RESOLVER_ZONEFILE_SCAN_H
#define ISTHMUS_RESOLVER_ZONEFILE_SCAN_H

#include "resolver/zonefile.h"

#include <ldns/ldns.h>

#define TTL_MAX 0x7fffffffu /* RFC 2181 section 8 */

/* Room in front of a record on its line, for what ldns is given before the type. */
#define SCAN_LEAD 7

struct scan {
    struct source from;
    struct errors *errs;
    size_t at;
    uint32_t line;   /* at `at` */
    uint32_t first;  /* where the record in hand begins */
    bool made;       /* the lines are those of one $GENERATE, and have its number */
    uint32_t within; /* files that include this one */
    struct arena *scratch;
    int depth; /* of parentheses */
    bool quoted;
    char *text; /* the record on one line, NUL-terminated, without comments */
    size_t text_len;
    struct name apex, origin, owner;
    ldns_rdf *origin_rdf; /* ldns's form of origin, once it is needed */
    bool ttl_known;
    bool ttl_fixed; /* by $TTL */
    uint32_t ttl;
    uint8_t *packet;
    size_t packet_cap;
    bool any_class;
    struct zonedata *zone;
    bool soa;
    uint32_t outside;
    const _Atomic bool *stop; /* NULL: never */
};

/* Adds an error at the record in hand; -1. */
int scan_flaw(struct scan *s, const char *what, struct text found);

/* The next word of the line, `*at` moving behind it; empty at the end. */
struct text scan_word(const char **at);
bool scan_word_is(struct text word, const char *s);

/* A name, relative to the origin; seconds, or such as 1h30m. 0 or -1. */
int scan_name(const struct scan *s, struct text t, struct name *out);
int scan_ttl(struct text t, uint32_t *out);

/* Sets the origin, for ldns too. 0, or -1: no memory. */
int scan_origin(struct scan *s, const struct name *origin);

/* The rest of the text, line by line; errors are added and gone on behind. */
void scan_all(struct scan *s);

/* The line in hand, which begins with `$`. 0 or -1. */
int scan_control(struct scan *s);

#endif
