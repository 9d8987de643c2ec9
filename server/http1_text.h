/* The text that HTTP/1.1 is made of (RFC 9112), as both of its sides read it: heads,
 * lines, fields. What another program could read in another way is a flaw.
 *
 *     len = http1_head(in, &scanned);                     // 0: more has to come
 *     struct text head = {.at = ..., .len = len};
 *     struct text line = http1_line(&head, &flawed);
 *     struct text name = http1_cut(&line, ':'), value = http1_trimmed(line); */
#ifndef ISTHMUS_SERVER_HTTP1_TEXT_H
#define ISTHMUS_SERVER_HTTP1_TEXT_H

#include "base/span.h"

/* Octets of the head at the front of `in`, with the empty line at its end; 0 = it is
 * not whole. *scanned is the caller's: how many have been looked at, 0 at first. */
size_t http1_head(struct span in, size_t *scanned);

/* Takes a line off, without its CRLF; any other CR, LF or NUL in it is a flaw. */
struct text http1_line(struct text *from, bool *flawed);

/* What stands before the separator, which is taken off too. */
struct text http1_cut(struct text *from, char separator);

/* Without blanks at its ends. */
struct text http1_trimmed(struct text t);

/* Letter case does not count. */
bool http1_same(struct text a, const char *b);

/* Whether a list with commas has the word. */
bool http1_lists(struct text list, const char *word);

/* A field's name (RFC 9110 section 5.6.2). */
bool http1_is_token(struct text t);

/* Digits and nothing else; what is more than UINT32_MAX is some number above it. -1: it
 * is no number. */
int64_t http1_number(struct text t);

#endif
