/* Regular expressions as CoreDNS reads them: RE2's language (Go's regexp), searched for
 * anywhere in the text. What RE2 does not have is refused when a pattern is read: back
 * references, look-around, atomic groups, possessive quantifiers, conditions,
 * recursion, comments, verbs, \C. A pattern therefore means here what it means there.
 *
 *     char why[PATTERN_WHY_MAX];
 *     const struct pattern *p = pattern_new(arena, "(.*)\\.corp\\.$", 0, why);
 *     switch (pattern_match(p, &scratch, text_of("www.corp."), &found)) {
 *     case PATTERN_MATCH: ... pattern_group(&found, 1) ...
 *
 * RE2 is linear in the length of the text; PCRE2, which does the work here, is not. So
 * every match has a budget (PATTERN_STEPS_MAX), and one that spends it ends as
 * PATTERN_GAVE_UP, which must never be taken for "no match": who relies on a pattern to
 * keep something out would be let down.
 *
 * The just-in-time compiler is not used: it needs memory that can be both written and
 * executed. */
#ifndef ISTHMUS_RESOLVER_PATTERN_H
#define ISTHMUS_RESOLVER_PATTERN_H

#include "base/arena.h"

struct pattern; /* immutable, shared by all threads */

/* One thread's memory for matching, made at the first match and kept. */
struct pattern_scratch;

#define PATTERN_WHY_MAX  200
#define PATTERN_CASELESS 1u /* as if the pattern began with (?i) */

/* Compiles; everything lives in `arena`. NULL with the reason in `why`: not in RE2's
 * language, longer than PATTERN_LEN_MAX octets, or no memory. */
const struct pattern *pattern_new(struct arena *arena, const char *text, unsigned flags,
                                  char why[PATTERN_WHY_MAX]);

/* Capturing groups, the whole match (0) not counted. */
unsigned pattern_groups_n(const struct pattern *p);

/* The number of the group (?P<name>...), or 0 when there is none of that name. */
unsigned pattern_group_named(const struct pattern *p, const char *name);

enum pattern_result {
    PATTERN_MATCH,
    PATTERN_NONE,
    PATTERN_GAVE_UP, /* over budget, no memory, or the text is no UTF-8 */
};

/* Where the groups lie in the text. Valid until the next match with the same scratch.
 */
struct pattern_found {
    struct text text;
    const size_t *at; /* start and end of each group */
    unsigned n;       /* groups, the whole match included */
};

/* Looks for the first match in `text`. *scratch is NULL at first and the caller's to
 * free at the end; a match allocates only when it is NULL, or when a pattern has more
 * groups than any before. */
enum pattern_result pattern_match(const struct pattern *p,
                                  struct pattern_scratch **scratch, struct text text,
                                  struct pattern_found *found);

/* Group `i` of a match; empty when it took no part or there is no such group. */
struct text pattern_group(const struct pattern_found *found, unsigned i);

void pattern_scratch_free(struct pattern_scratch *scratch); /* NULL is fine */

#endif
