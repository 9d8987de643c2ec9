#include "base/name.h"

#include "base/hash.h"

#define WORD     8
#define EACH(c)  (UINT64_C(0x0101010101010101) * (c)) /* the octet in all eight */
#define HIGH_BIT EACH(0x80)

/* Eight octets at once. The sums carry into an octet's high bit exactly when its low
 * seven bits reach 'A', and when they pass 'Z'. Length octets stay as they are, for
 * they are below 'A': whole names can be folded without looking for labels. */
static inline uint64_t word_lower(uint64_t w)
{
    uint64_t low = w & ~HIGH_BIT;
    uint64_t from_a = low + EACH(0x80 - 'A');
    uint64_t past_z = low + EACH(0x7f - 'Z');
    uint64_t upper = (from_a ^ past_z) & ~w & HIGH_BIT;
    return w | upper >> 2; /* 0x80 >> 2 is the bit of the case */
}

static inline uint64_t load_word(const uint8_t *at)
{
    uint64_t w;
    memcpy(&w, at, sizeof w);
    return w;
}

static inline uint32_t load_half(const uint8_t *at)
{
    uint32_t w;
    memcpy(&w, at, sizeof w);
    return w;
}

static inline uint8_t octet_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads one octet of a label, plain or escaped, at *at. Returns 0 or -1. */
static int parse_octet(struct text from, size_t *at, uint8_t *out)
{
    const char *p = from.at + *at;
    size_t left = from.len - *at;

    if (p[0] != '\\') {
        *out = (uint8_t)p[0];
        *at += 1;
        return 0;
    }
    if (left < 2)
        return -1;
    if (!is_digit(p[1])) {
        *out = (uint8_t)p[1];
        *at += 2;
        return 0;
    }
    if (left < 4 || !is_digit(p[2]) || !is_digit(p[3]))
        return -1;
    int value = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
    if (value > 255)
        return -1;
    *out = (uint8_t)value;
    *at += 4;
    return 0;
}

/* Reads one label and the dot behind it, and appends it to `out`. The last octet of a
 * full name is kept free for the root. */
static int parse_label(struct name *out, struct text from, size_t *at)
{
    size_t start = out->len, len = 0;

    while (*at < from.len && from.at[*at] != '.') {
        uint8_t octet = 0;
        if (parse_octet(from, at, &octet) < 0)
            return -1;
        if (len == NAME_LABEL_MAX || start + 1 + len >= NAME_WIRE_MAX - 1)
            return -1;
        out->wire[start + 1 + len++] = octet;
    }
    if (len == 0)
        return -1;
    if (*at < from.len)
        *at += 1;
    out->wire[start] = (uint8_t)len;
    out->len = (uint8_t)(start + 1 + len);
    return 0;
}

int name_parse(struct name *out, struct text from)
{
    size_t at = 0;

    out->len = 0;
    if (from.len == 0)
        return -1;
    if (from.len == 1 && from.at[0] == '.')
        at = 1;
    while (at < from.len)
        if (parse_label(out, from, &at) < 0)
            return -1;
    out->wire[out->len++] = 0;
    return 0;
}

static char *print_octet(char *out, uint8_t c)
{
    if (c < 0x21 || c > 0x7e) {
        *out++ = '\\';
        *out++ = (char)('0' + c / 100);
        *out++ = (char)('0' + c / 10 % 10);
        *out++ = (char)('0' + c % 10);
        return out;
    }
    if (memchr(".\\\"';()@", c, 8) != NULL)
        *out++ = '\\';
    *out++ = (char)c;
    return out;
}

size_t name_print(const uint8_t *name, char *out)
{
    char *at = out;

    if (*name == 0)
        *at++ = '.';
    for (; *name != 0; name += *name + 1) {
        for (unsigned i = 1; i <= *name; i++)
            at = print_octet(at, name[i]);
        *at++ = '.';
    }
    *at = '\0';
    return (size_t)(at - out);
}

size_t name_len(const uint8_t *name)
{
    const uint8_t *at = name;

    while (*at != 0)
        at += *at + 1;
    return (size_t)(at - name) + 1;
}

unsigned name_labels(const uint8_t *name)
{
    unsigned n = 0;

    for (; *name != 0; name += *name + 1)
        n++;
    return n;
}

void name_lower(uint8_t *to, const uint8_t *from, size_t len)
{
    for (; len >= WORD; len -= WORD, to += WORD, from += WORD) {
        uint64_t w = word_lower(load_word(from));
        memcpy(to, &w, sizeof w);
    }
    for (size_t i = 0; i < len; i++)
        to[i] = octet_lower(from[i]);
}

bool name_octets_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (; len >= WORD; len -= WORD, a += WORD, b += WORD)
        if (word_lower(load_word(a)) != word_lower(load_word(b)))
            return false;
    for (size_t i = 0; i < len; i++)
        if (octet_lower(a[i]) != octet_lower(b[i]))
            return false;
    return true;
}

bool name_equal(const uint8_t *a, const uint8_t *b)
{
    if (*a != *b)
        return false;
    size_t len = name_len(a);

    return len == name_len(b) && name_octets_equal(a, b, len);
}

bool name_under(const uint8_t *name, const uint8_t *zone, size_t *prefix_len)
{
    size_t len = name_len(name), zone_len = name_len(zone);

    if (len < zone_len)
        return false;
    size_t prefix = len - zone_len, at = 0;
    while (at < prefix)
        at += name[at] + 1u;
    if (at != prefix || !name_octets_equal(name + at, zone, zone_len))
        return false;
    if (prefix_len != NULL)
        *prefix_len = prefix;
    return true;
}

int name_join(struct name *out, const uint8_t *name, size_t prefix_len,
              const uint8_t *suffix)
{
    size_t suffix_len = name_len(suffix);

    if (prefix_len + suffix_len > NAME_WIRE_MAX)
        return -1;
    memcpy(out->wire, name, prefix_len);
    memcpy(out->wire + prefix_len, suffix, suffix_len);
    out->len = (uint8_t)(prefix_len + suffix_len);
    return 0;
}

/* Up to eight octets as one word: overlapping loads, because nothing may be read in
 * front of or behind the name. The length octet is among them, so that no two labels
 * look alike. */
static inline uint64_t load_short(const uint8_t *at, size_t len)
{
    if (len >= 4)
        return (uint64_t)load_half(at) << 32 | load_half(at + len - 4);
    return (uint64_t)at[0] << 16 | (uint64_t)at[len / 2] << 8 | at[len - 1];
}

static inline uint64_t hash_label(const struct hash_key *k, uint64_t h,
                                  const uint8_t *label)
{
    size_t len = *label + 1u;

    if (len <= WORD)
        return hash_fold(k, h, word_lower(load_short(label, len)));
    for (size_t at = 0; at + WORD < len; at += WORD)
        h = hash_fold(k, h, word_lower(load_word(label + at)));
    return hash_fold(k, h, word_lower(load_word(label + len - WORD)));
}

static inline uint32_t hash_narrow(uint64_t h)
{
    return (uint32_t)(h ^ h >> 32);
}

unsigned name_hashes(const uint8_t *name, uint32_t *hashes, uint8_t *offsets)
{
    const struct hash_key *k = hash_key();
    uint64_t h = k->word[0];
    unsigned labels = 0;
    size_t at = 0;

    for (; name[at] != 0; at += name[at] + 1u)
        offsets[labels++] = (uint8_t)at;
    offsets[labels] = (uint8_t)at;
    hashes[labels] = hash_narrow(h);
    for (unsigned i = labels; i-- > 0;) {
        h = hash_label(k, h, name + offsets[i]);
        hashes[i] = hash_narrow(h);
    }
    return labels;
}

uint32_t name_hash(const uint8_t *name)
{
    uint32_t hashes[NAME_LABELS_MAX + 1];
    uint8_t offsets[NAME_LABELS_MAX + 1];

    name_hashes(name, hashes, offsets);
    return hashes[0];
}
