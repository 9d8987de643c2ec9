#include "server/roff.h"

#include <stdbool.h>
#include <string.h>

static void print_char(char c, FILE *out)
{
    if (c == '\\')
        fputs("\\e", out);
    else if (c == '-')
        fputs("\\-", out);
    else
        putc(c, out);
}

void roff_text(const char *text, FILE *out)
{
    for (; *text != '\0'; text++)
        print_char(*text, out);
}

static void print_line(const char *line, size_t len, FILE *out)
{
    fputs("\\&", out);
    for (size_t i = 0; i < len; i++)
        print_char(line[i], out);
    putc('\n', out);
}

void roff_paragraphs(const char *text, FILE *out)
{
    bool kept = false;
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        bool indented = *text == ' ';
        if (indented != kept)
            fputs(indented ? ".RS\n.nf\n" : ".fi\n.RE\n", out);
        kept = indented;
        if (len == 0)
            fputs(".PP\n", out);
        else
            print_line(text, len, out);
        text += len + (text[len] == '\n');
    }
    if (kept)
        fputs(".fi\n.RE\n", out);
}
