#include "base/base64.h"

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(letters, c);
    return at == NULL ? -1 : (int)(at - letters);
}

int base64_read(struct arena *a, struct text text, struct text *out)
{
    uint32_t bits = 0;
    unsigned held = 0, ends = 0, n = 0;
    size_t len = 0;
    char *to = arena_alloc(a, text.len / 4 * 3 + 4);
    *out = (struct text){.at = to};
    for (size_t i = 0; to != NULL && i < text.len; i++) {
        char c = text.at[i];
        int value = value_of(c);
        if (c == '\n' || c == '\r')
            continue;
        n++;
        ends += c == '=';
        if ((value < 0 && c != '=') || (value >= 0 && ends > 0))
            return -1;
        if (c == '=')
            continue;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            to[len++] = (char)(bits >> held & 0xff);
        }
    }
    out->len = len;
    return to != NULL && n % 4 == 0 && ends <= 2 ? 0 : -1;
}

char *base64_print(struct arena *a, struct text octets)
{
    char *to = arena_alloc(a, (octets.len + 2) / 3 * 4 + 1);
    for (size_t i = 0, at = 0; to != NULL && i < octets.len; i += 3, at += 4) {
        size_t left = octets.len - i;
        uint32_t bits = (uint32_t)(uint8_t)octets.at[i] << 16;
        if (left > 1)
            bits |= (uint32_t)(uint8_t)octets.at[i + 1] << 8;
        if (left > 2)
            bits |= (uint8_t)octets.at[i + 2];
        to[at] = letters[bits >> 18];
        to[at + 1] = letters[bits >> 12 & 63];
        to[at + 2] = left > 1 ? letters[bits >> 6 & 63] : '=';
        to[at + 3] = left > 2 ? letters[bits & 63] : '=';
    }
    return to;
}
