/* Text for manual pages. */
#ifndef ISTHMUS_SERVER_ROFF_H
#define ISTHMUS_SERVER_ROFF_H

#include <stdio.h>

/* Prints with what roff takes for its own escaped: backslashes and dashes everywhere. A
 * line that may begin with a dot or an apostrophe needs `\&` in front of it. */
void roff_text(const char *text, FILE *out);

/* The same for text of several lines: an empty one begins a paragraph, and lines that
 * begin with white space are kept as they are. */
void roff_paragraphs(const char *text, FILE *out);

#endif
