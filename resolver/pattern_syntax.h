/* From RE2's language to PCRE2's: one pass that lets through what RE2 has, spelt so
 * that PCRE2 takes it to mean the same, and refuses the rest with a reason.
 * https://github.com/google/re2/wiki/Syntax; details as in Go's regexp/syntax. */
#ifndef ISTHMUS_RESOLVER_PATTERN_SYNTAX_H
#define ISTHMUS_RESOLVER_PATTERN_SYNTAX_H

#include "base/arena.h"

/* The text for PCRE2 (with PCRE2_UTF and PCRE2_DOLLAR_ENDONLY), in the arena; at is
 * NULL with a reason in `why` (why_cap characters) when the text is not RE2's, or
 * memory is short. What PCRE2 refuses by itself (a parenthesis left open) is left to
 * it. */
struct text pattern_syntax_translate(struct arena *arena, struct text re2, char *why,
                                     size_t why_cap);

#endif
