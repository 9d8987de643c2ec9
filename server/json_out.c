#include "server/json_out.h"

#include <inttypes.h>
#include <string.h>

/* How many octets of a whole UTF-8 character stand at `at`; 0: none does (RFC 3629). */
static size_t utf8_len(const unsigned char *at)
{
    static const struct {
        unsigned char from, to, second_from, second_to, len;
    } rows[] = {
        {0x20, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (at[0] < rows[i].from || at[0] > rows[i].to)
            continue;
        size_t len = 1;
        while (len < rows[i].len &&
               at[len] >= (len == 1 ? rows[i].second_from : 0x80) &&
               at[len] <= (len == 1 ? rows[i].second_to : 0xbf))
            len++;
        return len == rows[i].len ? len : 0;
    }
    return 0;
}

static void write_string(FILE *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    putc('"', out);
    while (*at != '\0') {
        size_t len = utf8_len(at);
        if (*at == '"' || *at == '\\')
            fprintf(out, "\\%c", *at);
        else if (len > 0)
            fwrite(at, 1, len, out);
        else if (*at == '\n')
            fputs("\\n", out);
        else if (*at < 0x20)
            fprintf(out, "\\u%04x", *at);
        else
            fputs("\\ufffd", out);
        at += len > 0 ? len : 1;
    }
    putc('"', out);
}

static void begin(struct json_out *j, const char *key)
{
    if (j->comma)
        putc(',', j->out);
    j->comma = true;
    if (key == NULL)
        return;
    write_string(j->out, key);
    putc(':', j->out);
}

void json_open(struct json_out *j, const char *key, char bracket)
{
    begin(j, key);
    putc(bracket, j->out);
    j->comma = false;
    j->depth++;
}

void json_close(struct json_out *j, char bracket)
{
    putc(bracket, j->out);
    j->comma = true;
    if (--j->depth == 0)
        putc('\n', j->out);
}

void json_text(struct json_out *j, const char *key, const char *value)
{
    begin(j, key);
    if (value == NULL)
        fputs("null", j->out);
    else
        write_string(j->out, value);
}

void json_number(struct json_out *j, const char *key, int64_t value)
{
    begin(j, key);
    fprintf(j->out, "%" PRId64, value);
}

void json_decimal(struct json_out *j, const char *key, double value)
{
    begin(j, key);
    fprintf(j->out, "%.3f", value);
}

void json_bool(struct json_out *j, const char *key, bool value)
{
    begin(j, key);
    fputs(value ? "true" : "false", j->out);
}
