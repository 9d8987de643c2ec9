#include "base/json_out.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

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

static bool stands_as_it_is(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The one character at `at`, which does not stand as it is. Returns its octets. */
static size_t write_odd(struct sheet *out, const unsigned char *at)
{
    size_t len = utf8_len(at);
    if (*at == '"' || *at == '\\')
        sheet_print(out, "\\%c", *at);
    else if (len > 0)
        sheet_put(out, (const char *)at, len);
    else if (*at == '\n')
        sheet_text(out, "\\n");
    else if (*at < 0x20)
        sheet_print(out, "\\u%04x", *at);
    else
        sheet_text(out, "\\ufffd");
    return len > 0 ? len : 1;
}

static void write_string(struct sheet *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    sheet_put(out, "\"", 1);
    while (*at != '\0') {
        const unsigned char *from = at;
        while (stands_as_it_is(*at))
            at++;
        sheet_put(out, (const char *)from, (size_t)(at - from));
        if (*at != '\0')
            at += write_odd(out, at);
    }
    sheet_put(out, "\"", 1);
}

static void begin(struct json_out *j, const char *key)
{
    if (j->comma)
        sheet_put(&j->sheet, ",", 1);
    j->comma = true;
    if (key == NULL)
        return;
    write_string(&j->sheet, key);
    sheet_put(&j->sheet, ":", 1);
}

void json_open(struct json_out *j, const char *key, char bracket)
{
    begin(j, key);
    sheet_put(&j->sheet, &bracket, 1);
    j->comma = false;
}

void json_close(struct json_out *j, char bracket)
{
    sheet_put(&j->sheet, &bracket, 1);
    j->comma = true;
}

void json_text(struct json_out *j, const char *key, const char *value)
{
    begin(j, key);
    if (value == NULL)
        sheet_text(&j->sheet, "null");
    else
        write_string(&j->sheet, value);
}

void json_print(struct json_out *j, const char *key, const char *form, ...)
{
    struct sheet text = {0};
    va_list args;
    va_start(args, form);
    sheet_vprint(&text, form, args);
    va_end(args);
    if (text.failed)
        j->sheet.failed = true;
    else
        json_text(j, key, text.text);
    sheet_release(&text);
}

void json_number(struct json_out *j, const char *key, int64_t value)
{
    begin(j, key);
    sheet_print(&j->sheet, "%" PRId64, value);
}

void json_decimal(struct json_out *j, const char *key, double value)
{
    begin(j, key);
    sheet_print(&j->sheet, "%.3f", value);
}

void json_bool(struct json_out *j, const char *key, bool value)
{
    begin(j, key);
    sheet_text(&j->sheet, value ? "true" : "false");
}

int json_end(struct json_out *j, FILE *out)
{
    size_t len;
    char *text = sheet_take(&j->sheet, &len);
    if (text == NULL) {
        fputs("isthmus: out of memory\n", stderr);
        return -1;
    }
    fwrite(text, 1, len, out);
    putc('\n', out);
    free(text);
    return 0;
}
