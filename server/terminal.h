/* What only a terminal gets: colours and progress. */
#ifndef ISTHMUS_SERVER_TERMINAL_H
#define ISTHMUS_SERVER_TERMINAL_H

#include <stdint.h>
#include <stdio.h>

enum terminal_colour { COLOUR_GOOD, COLOUR_DOUBTFUL, COLOUR_BAD };

/* Prints `text`, coloured where `out` is a terminal that knows colours, and NO_COLOR is
 * not set (no-color.org). */
void terminal_print(FILE *out, enum terminal_colour colour, const char *text);

/* "412 of 1000" on standard error, in a line that replaces itself. Nothing in the first
 * half second, nor where standard error is no terminal. Start with zeroes. */
struct terminal_progress {
    uint64_t start_us, shown_us;
};
void terminal_progress(struct terminal_progress *p, uint32_t done, uint32_t n);
void terminal_progress_end(const struct terminal_progress *p); /* clears the line */

#endif
