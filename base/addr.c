#include "base/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <net/if.h>
#include <stdio.h>

#define IP_TEXT_MAX 64 /* an IPv6 address, '%', an interface name, NUL */

static const uint8_t zone_v4[] = "\7in-addr\4arpa";
static const uint8_t zone_v6[] = "\3ip6\4arpa";

static unsigned address_bits(uint8_t family)
{
    return family == 4 ? 32 : 128;
}

/* Decimal digits only, at most `max`. Returns 0 or -1. */
static int parse_number(struct text from, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;

    if (from.len == 0)
        return -1;
    for (size_t i = 0; i < from.len; i++) {
        if (from.at[i] < '0' || from.at[i] > '9')
            return -1;
        uint32_t digit = (uint32_t)(from.at[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    *out = value;
    return 0;
}

/* Splits at the first `c` (kept in neither part); false when there is none. */
static bool split(struct text from, char c, struct text *before, struct text *after)
{
    const char *at = from.len == 0 ? NULL : memchr(from.at, c, from.len);

    if (at == NULL)
        return false;
    size_t len = (size_t)(at - from.at);
    *after = text_from(from, len + 1);
    *before = (struct text){.at = from.at, .len = len};
    return true;
}

/* An interface by number or by name. */
static int parse_scope(struct addr *out, struct text from)
{
    char name[IF_NAMESIZE];

    if (parse_number(from, UINT32_MAX, &out->scope) == 0)
        return out->scope == 0 ? -1 : 0;
    if (from.len == 0 || from.len >= sizeof name)
        return -1;
    memcpy(name, from.at, from.len);
    name[from.len] = '\0';
    out->scope = if_nametoindex(name);
    return out->scope == 0 ? -1 : 0;
}

int addr_parse_ip(struct addr *out, struct text from)
{
    char ip[INET6_ADDRSTRLEN];
    struct text scope = {0};

    *out = (struct addr){0};
    bool scoped = split(from, '%', &from, &scope);
    if (from.len == 0 || from.len >= sizeof ip || memchr(from.at, 0, from.len) != NULL)
        return -1;
    memcpy(ip, from.at, from.len);
    ip[from.len] = '\0';
    out->family = memchr(ip, ':', from.len) == NULL ? 4 : 6;
    if (inet_pton(out->family == 4 ? AF_INET : AF_INET6, ip, out->ip) != 1)
        return -1;
    if (!scoped)
        return 0;
    return out->family == 6 ? parse_scope(out, scope) : -1;
}

int addr_parse(struct addr *out, struct text from, uint16_t port)
{
    struct text ip = from, rest = {0};
    uint32_t number = port;
    bool has_port = false;

    if (from.len > 0 && from.at[0] == '[') {
        if (!split(text_from(from, 1), ']', &ip, &rest))
            return -1;
        if (memchr(ip.at, ':', ip.len) == NULL)
            return -1;
        has_port = rest.len > 0;
        if (has_port && rest.at[0] != ':')
            return -1;
        rest = text_from(rest, 1);
    } else if (split(from, ':', &ip, &rest)) {
        has_port = rest.len == 0 || memchr(rest.at, ':', rest.len) == NULL;
        if (!has_port)
            ip = from; /* IPv6 without brackets */
    }
    if (has_port && parse_number(rest, UINT16_MAX, &number) < 0)
        return -1;
    if (addr_parse_ip(out, ip) < 0)
        return -1;
    out->port = (uint16_t)number;
    return 0;
}

/* The octets as text, without scope. */
static void print_octets(uint8_t family, const uint8_t *ip, char *out)
{
    if (family == 0) {
        out[0] = '-';
        out[1] = '\0';
        return;
    }
    inet_ntop(family == 4 ? AF_INET : AF_INET6, ip, out, INET6_ADDRSTRLEN);
}

char *addr_print_ip(const struct addr *a, char *out)
{
    print_octets(a->family, a->ip, out);
    if (a->scope != 0) {
        size_t len = strlen(out);
        snprintf(out + len, ADDR_TEXT_MAX - len, "%%%u", a->scope);
    }
    return out;
}

char *addr_print(const struct addr *a, char *out)
{
    char ip[ADDR_TEXT_MAX];

    addr_print_ip(a, ip);
    snprintf(out, ADDR_TEXT_MAX, a->family == 6 ? "[%.58s]:%u" : "%.58s:%u", ip,
             a->port);
    return out;
}

bool addr_is_loopback(const struct addr *a)
{
    if (a->family == 4)
        return a->ip[0] == 127;
    return a->family == 6 && memcmp(a->ip, &in6addr_loopback, sizeof a->ip) == 0;
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && a->port == b->port && a->scope == b->scope &&
           memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

void addr_unmap(struct addr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (a->family != 6 || memcmp(a->ip, mapped, sizeof mapped) != 0)
        return;
    *a = (struct addr){.family = 4,
                       .port = a->port,
                       .ip = {a->ip[12], a->ip[13], a->ip[14], a->ip[15]}};
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == 4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&in.sin_addr, a->ip, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_port = htons(a->port),
                               .sin6_scope_id = a->scope};
    memcpy(&in6.sin6_addr, a->ip, 16);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

void addr_from_sockaddr(struct addr *out, const struct sockaddr *from)
{
    *out = (struct addr){0};
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        out->family = 4;
        out->port = ntohs(in.sin_port);
        memcpy(out->ip, &in.sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof in6);
        out->family = 6;
        out->port = ntohs(in6.sin6_port);
        out->scope = in6.sin6_scope_id;
        memcpy(out->ip, &in6.sin6_addr, 16);
    }
}

/* Whether the first `bits` bits agree. */
static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    size_t whole = bits / 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return bits % 8 == 0 || (a[whole] ^ b[whole]) >> (8 - bits % 8) == 0;
}

/* Clears the bits behind the prefix; tells whether any was set. */
static bool clear_host_bits(struct cidr *c)
{
    uint8_t seen = 0;

    for (unsigned i = 0; i < sizeof c->ip; i++) {
        unsigned keep = c->bits <= 8 * i ? 0 : c->bits - 8 * i;
        unsigned host = keep >= 8 ? 0 : 0xffu >> keep;
        seen |= (uint8_t)(c->ip[i] & host);
        c->ip[i] &= (uint8_t)~host;
    }
    return seen != 0;
}

int cidr_parse(struct cidr *out, struct text from, bool *host_bits)
{
    struct text ip, length;
    struct addr a;
    uint32_t bits;

    if (!split(from, '/', &ip, &length))
        return -1;
    if (addr_parse_ip(&a, ip) < 0 || a.scope != 0)
        return -1;
    if (parse_number(length, address_bits(a.family), &bits) < 0)
        return -1;
    *out = (struct cidr){.family = a.family, .bits = (uint8_t)bits};
    memcpy(out->ip, a.ip, sizeof a.ip);
    bool found = clear_host_bits(out);
    if (host_bits != NULL)
        *host_bits = found;
    return 0;
}

char *cidr_print(const struct cidr *c, char *out)
{
    print_octets(c->family, c->ip, out);
    size_t len = strlen(out);
    snprintf(out + len, ADDR_TEXT_MAX - len, "/%u", c->bits);
    return out;
}

bool cidr_contains(const struct cidr *c, const struct addr *a)
{
    return c->family == a->family && prefix_equal(c->ip, a->ip, c->bits);
}

bool cidr_overlap(const struct cidr *a, const struct cidr *b)
{
    unsigned bits = a->bits < b->bits ? a->bits : b->bits;

    return a->family == b->family && prefix_equal(a->ip, b->ip, bits);
}

bool cidr_equal(const struct cidr *a, const struct cidr *b)
{
    return a->bits == b->bits && cidr_overlap(a, b);
}

int cidr_nth(const struct cidr *c, uint64_t n, struct addr *out)
{
    unsigned width = address_bits(c->family);
    unsigned host = width - c->bits;

    if (host < 64 && n >> host != 0)
        return -1;
    *out = (struct addr){.family = c->family};
    memcpy(out->ip, c->ip, sizeof c->ip);
    /* The host bits are zero, so there is nothing to carry. */
    for (unsigned at = width / 8; n != 0; n >>= 8)
        out->ip[--at] |= (uint8_t)n;
    return 0;
}

/* The labels of reverse names: one per octet, in decimal, or one per nibble, in hex. */
static unsigned label_bits(uint8_t family)
{
    return family == 4 ? 8 : 4;
}

static int parse_octet_label(const uint8_t *label, uint32_t *out)
{
    struct text digits = {.at = (const char *)label + 1, .len = label[0]};

    if (digits.len > 1 && digits.at[0] == '0')
        return -1;
    return parse_number(digits, 255, out);
}

static int parse_nibble_label(const uint8_t *label, uint32_t *out)
{
    static const char hex[] = "0123456789abcdef0123456789ABCDEF";

    if (label[0] != 1)
        return -1;
    const char *at = memchr(hex, label[1], sizeof hex - 1);
    if (at == NULL)
        return -1;
    *out = (uint32_t)(at - hex) % 16;
    return 0;
}

int cidr_from_reverse(struct cidr *out, const uint8_t *name)
{
    size_t prefix_len;

    *out = (struct cidr){0};
    if (name_under(name, zone_v4, &prefix_len))
        out->family = 4;
    else if (name_under(name, zone_v6, &prefix_len))
        out->family = 6;
    else
        return -1;
    unsigned labels = name_labels(name) - 2, step = label_bits(out->family);
    if (labels * step > address_bits(out->family))
        return -1;
    out->bits = (uint8_t)(labels * step);
    /* The last bits come first. */
    for (unsigned i = labels; i-- > 0; name += *name + 1) {
        uint32_t value = 0;
        if (step == 8 ? parse_octet_label(name, &value)
                      : parse_nibble_label(name, &value))
            return -1;
        unsigned shift = step == 4 && i % 2 == 0 ? 4 : 0;
        out->ip[i * step / 8] |= (uint8_t)(value << shift);
    }
    return 0;
}

/* Labels of each reverse zone of the prefix: its length, rounded up to a label
 * boundary. */
static unsigned reverse_labels(const struct cidr *c)
{
    unsigned step = label_bits(c->family);

    return (c->bits + step - 1) / step;
}

unsigned cidr_reverse_zones(const struct cidr *c)
{
    return 1u << (reverse_labels(c) * label_bits(c->family) - c->bits);
}

static void append_label(struct name *out, const char *digits, size_t len)
{
    out->wire[out->len] = (uint8_t)len;
    memcpy(out->wire + out->len + 1, digits, len);
    out->len = (uint8_t)(out->len + 1 + len);
}

void cidr_reverse_zone(const struct cidr *c, unsigned i, struct name *out)
{
    assert(i < cidr_reverse_zones(c));

    const uint8_t *zone = c->family == 4 ? zone_v4 : zone_v6;
    bool octets = c->family == 4;
    unsigned last = reverse_labels(c);
    char digits[12];

    out->len = 0;
    for (unsigned at = last; at-- > 0; i = 0) {
        unsigned value = octets        ? c->ip[at]
                         : at % 2 == 0 ? c->ip[at / 2] >> 4
                                       : c->ip[at / 2] & 0xfu;
        /* `i` counts in the bits that the last label has behind the prefix: only there.
         */
        int len = snprintf(digits, sizeof digits, octets ? "%u" : "%x", value | i);
        append_label(out, digits, (size_t)len);
    }
    size_t zone_len = name_len(zone);
    memcpy(out->wire + out->len, zone, zone_len);
    out->len = (uint8_t)(out->len + zone_len);
}
