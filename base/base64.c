#include "base/base64.h"

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(letters, c);
    return at == NULL ? -1 : (int)(at - letters);
}

/* Digits on their way to octets. */
struct bits {
    uint32_t value;
    unsigned held;
};

/* One digit more; true: *octet is whole. */
static bool add_digit(struct bits *b, int digit, uint8_t *octet)
{
    b->value = b->value << 6 | (uint32_t)digit;
    b->held += 6;
    if (b->held < 8)
        return false;
    b->held -= 8;
    *octet = (uint8_t)(b->value >> b->held);
    return true;
}

int base64_read(struct arena *a, struct text text, struct text *out)
{
    struct bits bits = {0};
    unsigned ends = 0, n = 0;
    size_t len = 0;
    uint8_t *to = arena_alloc(a, text.len / 4 * 3 + 4);
    *out = (struct text){.at = (char *)to};
    for (size_t i = 0; to != NULL && i < text.len; i++) {
        char c = text.at[i];
        int value = value_of(c);
        if (c == '\n' || c == '\r')
            continue;
        n++;
        ends += c == '=';
        if ((value < 0 && c != '=') || (value >= 0 && ends > 0))
            return -1;
        if (c != '=')
            len += add_digit(&bits, value, to + len);
    }
    out->len = len;
    return to != NULL && n % 4 == 0 && ends <= 2 ? 0 : -1;
}

static int url_value_of(char c)
{
    if (c == '+' || c == '/')
        return -1;
    return value_of(c == '-' ? '+' : c == '_' ? '/' : c);
}

ssize_t base64url_read(uint8_t *text, size_t len)
{
    struct bits bits = {0};
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int value = url_value_of((char)text[i]);
        if (value < 0)
            return -1;
        n += add_digit(&bits, value, text + n);
    }
    return len % 4 == 1 ? -1 : (ssize_t)n;
}

/* Without padding. Returns how many characters. */
static size_t encode(char *to, const uint8_t *from, size_t len, const char *digits)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | from[i];
        for (held += 8; held >= 6; held -= 6)
            to[n++] = digits[bits >> (held - 6) & 63];
    }
    if (held > 0)
        to[n++] = digits[bits << (6 - held) & 63];
    return n;
}

char *base64_print(struct arena *a, struct text octets)
{
    char *to = arena_alloc(a, (octets.len + 2) / 3 * 4 + 1);
    if (to == NULL)
        return NULL;
    size_t n = encode(to, (const uint8_t *)octets.at, octets.len, letters);
    while (n % 4 != 0)
        to[n++] = '=';
    return to;
}

size_t base64url_print(char *to, struct span octets)
{
    static const char url_letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    return encode(to, octets.at, octets.len, url_letters);
}
