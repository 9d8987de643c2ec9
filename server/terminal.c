#include "server/terminal.h"

#include "server/turn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_US 500000
#define EVERY_US 100000

static bool has_colours(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(out)) == 1 && (no == NULL || *no == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

void terminal_print(FILE *out, enum terminal_colour colour, const char *text)
{
    static const char *const codes[] = {
        [COLOUR_GOOD] = "32", [COLOUR_DOUBTFUL] = "33", [COLOUR_BAD] = "31"};
    if (has_colours(out))
        fprintf(out, "\033[%sm%s\033[0m", codes[colour], text);
    else
        fputs(text, out);
}

void terminal_progress(struct terminal_progress *p, uint32_t done, uint32_t n)
{
    uint64_t now_us = turn_clock_us();
    if (p->start_us == 0)
        p->start_us = now_us;
    if (now_us - p->start_us < FIRST_US || now_us - p->shown_us < EVERY_US ||
        isatty(STDERR_FILENO) != 1)
        return;
    fprintf(stderr, "\r%u of %u", done, n);
    p->shown_us = now_us;
}

void terminal_progress_end(const struct terminal_progress *p)
{
    if (p->shown_us != 0)
        fputs("\r\033[K", stderr);
}
