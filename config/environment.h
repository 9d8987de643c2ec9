/* Environment variables in a Corefile (coredns-reference 1.3): `{%NAME%}` first, then
 * `{$NAME}`, again and again until no reference is left.
 *
 *     {$ZONE}:53        with ZONE=example.org becomes   example.org:53
 *
 * An unset variable is empty text. `{$}` and `{%%}` stay and stop further replacement,
 * an unclosed reference stays. The result is one token, whatever blanks it holds. */
#ifndef ISTHMUS_CONFIG_ENVIRONMENT_H
#define ISTHMUS_CONFIG_ENVIRONMENT_H

#include "config/lexer.h"

/* Replaces what `token` refers to; its text then lives in the arena. A value that never
 * comes to an end, because it refers to itself, adds an error and leaves the text as it
 * was. -1 only on lack of memory (an error is added). */
int environment_expand(struct arena *a, struct token *token, struct errors *errs);

#endif
