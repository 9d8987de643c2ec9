/* Values to text as Go's fmt does it. */
#include "resolver/gotmpl_code.h"

#include <stdio.h>

#define VERBS     "bcdoqstvxX"
#define FIELD_MAX 255 /* characters of a width or a precision: a name is no longer */

int gotmpl_put(struct gotmpl_out *out, struct text text)
{
    if (out->cap - out->len < text.len) {
        out->error = "the text is too long";
        return -1;
    }
    if (text.len > 0)
        memcpy(out->at + out->len, text.at, text.len);
    out->len += text.len;
    return 0;
}

/* ---- formats ---- */

static bool set_flag(struct gotmpl_verb *v, char c)
{
    switch (c) {
    case '-':
        v->minus = true;
        return true;
    case '+':
        v->plus = true;
        return true;
    case ' ':
        v->space = true;
        return true;
    case '0':
        v->zero = true;
        return true;
    case '#':
        v->sharp = true;
        return true;
    default:
        return false;
    }
}

/* A number at *at; FIELD_MAX + 1 when it is larger than that. */
static unsigned read_number(struct text format, size_t *at)
{
    unsigned n = 0;
    for (; *at < format.len && format.at[*at] >= '0' && format.at[*at] <= '9'; ++*at)
        n = n > FIELD_MAX ? n : n * 10 + (unsigned)(format.at[*at] - '0');
    return n;
}

static char verb_of(const struct gotmpl_verb *v, char c)
{
    bool known = c != '\0' && strchr(VERBS, c) != NULL;
    return known && v->width <= FIELD_MAX && v->precision <= FIELD_MAX ? c : '?';
}

bool gotmpl_format_next(struct text *format, struct gotmpl_verb *out)
{
    size_t at = 0;
    *out = (struct gotmpl_verb){0};
    if (format->len == 0)
        return false;
    while (at < format->len && format->at[at] != '%')
        at++;
    if (at > 0) {
        out->text = (struct text){format->at, at};
        *format = text_from(*format, at);
        return true;
    }
    at = 1;
    while (at < format->len && set_flag(out, format->at[at]))
        at++;
    out->width = read_number(*format, &at);
    out->has_precision = at < format->len && format->at[at] == '.';
    if (out->has_precision) {
        at++;
        out->precision = read_number(*format, &at);
    }
    char c = at < format->len ? format->at[at++] : '\0';
    bool plain = at == 2;
    out->text = (struct text){format->at, at};
    *format = text_from(*format, at);
    if (c == '%' && plain)
        out->text.len = 1;
    else
        out->verb = verb_of(out, c);
    return true;
}

/* ---- values ---- */

/* Characters of UTF-8: widths count them and not octets. */
static size_t count(struct text t)
{
    size_t n = 0;
    for (size_t i = 0; i < t.len; i++)
        n += ((unsigned char)t.at[i] & 0xc0) != 0x80;
    return n;
}

static int pad(struct gotmpl_out *out, size_t n, char c)
{
    while (n > 0) {
        if (gotmpl_put(out, (struct text){&c, 1}) < 0)
            return -1;
        n--;
    }
    return 0;
}

/* `text` in a field of the verb's width. */
static int put_field(const struct gotmpl_verb *v, struct text text,
                     struct gotmpl_out *out)
{
    size_t len = count(text), blanks = v->width > len ? v->width - len : 0;
    char fill = v->zero && !v->minus ? '0' : ' ';
    if (!v->minus && pad(out, blanks, fill) < 0)
        return -1;
    if (gotmpl_put(out, text) < 0)
        return -1;
    return v->minus ? pad(out, blanks, ' ') : 0;
}

static struct text cut(struct text t, unsigned characters)
{
    size_t len = 0;
    for (unsigned n = 0; len < t.len; len++) {
        if (((unsigned char)t.at[len] & 0xc0) != 0x80 && n++ == characters)
            break;
    }
    return (struct text){t.at, len};
}

/* The octets of a text, two digits each. */
static int put_hex(const struct gotmpl_verb *v, struct text t, struct gotmpl_out *out)
{
    char pair[3];
    if (v->width > 0 || v->has_precision || v->sharp || v->space) {
        out->error = "%x of a text takes no flags here";
        return -1;
    }
    for (size_t i = 0; i < t.len; i++) {
        snprintf(pair, sizeof pair, v->verb == 'x' ? "%02x" : "%02X",
                 (unsigned char)t.at[i]);
        if (gotmpl_put(out, (struct text){pair, 2}) < 0)
            return -1;
    }
    return 0;
}

/* In double quotes, with a backslash before quotes and backslashes. */
static int put_quoted(struct text t, struct gotmpl_out *out)
{
    if (gotmpl_put(out, TEXT("\"")) < 0)
        return -1;
    for (size_t i = 0; i < t.len; i++) {
        char c = t.at[i];
        if ((unsigned char)c < ' ' || c == 0x7f) {
            out->error = "%q of a text with control characters";
            return -1;
        }
        if ((c == '"' || c == '\\') && gotmpl_put(out, TEXT("\\")) < 0)
            return -1;
        if (gotmpl_put(out, (struct text){&c, 1}) < 0)
            return -1;
    }
    return gotmpl_put(out, TEXT("\""));
}

static int put_text(const struct gotmpl_verb *v, struct text t, struct gotmpl_out *out)
{
    if (v->verb == 'x' || v->verb == 'X')
        return put_hex(v, t, out);
    if (v->verb == 'q' && v->width == 0 && !v->has_precision && !v->sharp)
        return put_quoted(t, out);
    if (v->verb == 's' || v->verb == 'v')
        return put_field(v, v->has_precision ? cut(t, v->precision) : t, out);
    out->error = "printf: this verb takes no text";
    return -1;
}

static unsigned base_of(char verb)
{
    switch (verb) {
    case 'b':
        return 2;
    case 'o':
        return 8;
    case 'x':
    case 'X':
        return 16;
    default:
        return 10;
    }
}

#define DIGITS_MAX (FIELD_MAX + 64)

/* Digits from the right, at least `least`; returns where they begin. */
static char *print_digits(char *end, const struct gotmpl_verb *v, uint64_t n,
                          unsigned least)
{
    const char *digits = v->verb == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned base = base_of(v->verb);
    char *at = end;
    for (; n > 0; n /= base)
        *--at = digits[n % base];
    while (end - at < (ptrdiff_t)least)
        *--at = '0';
    return at;
}

/* Zeros that fill the field stand behind the sign. */
static unsigned least_digits(const struct gotmpl_verb *v, bool sign)
{
    unsigned least = v->has_precision ? v->precision : 1;
    bool filled = v->zero && !v->minus && !v->has_precision && v->width > least;
    return filled ? v->width - sign : least;
}

static int put_number(const struct gotmpl_verb *v, const struct gotmpl_value *n,
                      struct gotmpl_out *out)
{
    char text[DIGITS_MAX + 4], *end = text + sizeof text;
    if (v->verb == 'c' && !n->negative && n->magnitude < 0x80) {
        char c = (char)n->magnitude;
        return put_field(v, (struct text){&c, 1}, out);
    }
    if (strchr("bdovxX", v->verb) == NULL || (v->sharp && base_of(v->verb) != 16)) {
        out->error = "printf: this verb takes no number";
        return -1;
    }
    bool sign = n->negative || v->plus || v->space;
    struct gotmpl_verb field = *v;
    field.zero = false;
    char *at = print_digits(end, v, n->magnitude, least_digits(v, sign));
    if (v->sharp) {
        *--at = v->verb;
        *--at = '0';
    }
    if (sign)
        *--at = n->negative ? '-' : v->plus ? '+' : ' ';
    return put_field(&field, (struct text){at, (size_t)(end - at)}, out);
}

int gotmpl_format_value(const struct gotmpl_verb *v, const struct gotmpl_value *value,
                        struct gotmpl_out *out)
{
    if (value->type == GOTMPL_TEXT)
        return put_text(v, value->text, out);
    if (value->type == GOTMPL_NUMBER)
        return put_number(v, value, out);
    if (value->type == GOTMPL_BOOL && (v->verb == 't' || v->verb == 'v'))
        return put_field(v, value->truth ? TEXT("true") : TEXT("false"), out);
    out->error = value->type == GOTMPL_NONE ? "a key that .Group does not have"
                                            : "printf: this verb takes another value";
    return -1;
}

int gotmpl_format_plain(const struct gotmpl_value *value, struct gotmpl_out *out)
{
    static const struct gotmpl_verb plain = {.verb = 'v'};
    if (value->type == GOTMPL_NONE)
        return gotmpl_put(out, TEXT("<no value>"));
    return gotmpl_format_value(&plain, value, out);
}
