#include "config/key.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define ZONES_FIRST 1 /* nearly every list has one */

struct scheme_row {
    const char *name, *prefix;
    uint16_t port;
};

static const struct scheme_row *scheme_row(enum scheme s)
{
    static const struct scheme_row rows[] = {
        [SCHEME_DNS] = {"dns", "dns://", 53},
        [SCHEME_TLS] = {"tls", "tls://", 853},
        [SCHEME_QUIC] = {"quic", "quic://", 853},
        [SCHEME_GRPC] = {"grpc", "grpc://", 443},
        [SCHEME_HTTPS] = {"https", "https://", 443},
        [SCHEME_HTTPS3] = {"https3", "https3://", 443},
        [SCHEME_UNIX] = {"unix", "unix://", 0},
    };
    assert((size_t)s < sizeof rows / sizeof rows[0]);
    return &rows[s];
}

const char *scheme_name(enum scheme s)
{
    return scheme_row(s)->name;
}

uint16_t scheme_port(enum scheme s)
{
    return scheme_row(s)->port;
}

/* Takes a scheme off the front. Capital letters make none, as in CoreDNS. */
static enum scheme key_scheme(struct text *text)
{
    static const enum scheme known[] = {SCHEME_DNS,  SCHEME_TLS,   SCHEME_QUIC,
                                        SCHEME_GRPC, SCHEME_HTTPS, SCHEME_HTTPS3,
                                        SCHEME_UNIX};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct text prefix = text_of(scheme_row(known[i])->prefix);
        if (text_starts(*text, prefix)) {
            *text = text_from(*text, prefix.len);
            return known[i];
        }
    }
    return SCHEME_DNS;
}

/* What stands between scheme and end: the zone, and the port if there is one. */
struct key_parts {
    struct text zone;
    long long port; /* perhaps an impossible one */
    bool port_written;
};

/* A decimal integer of 64 bits with an optional sign, the whole text: Go's Atoi. */
static bool key_integer(struct text text, long long *out)
{
    size_t sign = text.len > 0 && (text.at[0] == '+' || text.at[0] == '-');
    if (text.len == sign)
        return false;
    for (size_t i = sign; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    errno = 0;
    *out = strtoll(text.at, NULL, 10); /* the text ends its string */
    return errno == 0;
}

/* The port is what follows the last colon when it is an integer; else it is part of the
 * zone. A bare IPv6 address is therefore taken for a zone and a port, as in CoreDNS.
 * False when the last colon has nothing behind it. */
static bool key_split(struct text text, struct key_parts *out)
{
    *out = (struct key_parts){.zone = text};
    size_t colon = text.len;
    while (colon > 0 && text.at[colon - 1] != ':')
        colon--;
    if (colon == text.len)
        return false;
    if (colon > 0 && key_integer(text_from(text, colon), &out->port)) {
        out->port_written = true;
        out->zone.len = colon - 1;
    }
    return true;
}

static int zones_push(struct arena *a, struct zones *zones, const struct name *zone)
{
    if (zones->n == zones->cap) {
        if (zones->cap > UINT32_MAX / 2)
            return -1;
        uint32_t cap = zones->cap == 0 ? ZONES_FIRST : zones->cap * 2;
        struct name *more = arena_array(a, cap, sizeof *more);
        if (more == NULL)
            return -1;
        if (zones->n > 0)
            memcpy(more, zones->list, zones->n * sizeof *more);
        zones->list = more;
        zones->cap = cap;
    }
    struct name *to = &zones->list[zones->n++];
    to->len = zone->len;
    name_lower(to->wire, zone->wire, zone->len);
    return 0;
}

/* Why a text is no zone. */
enum flaw {
    FLAW_NONE,
    FLAW_COLON,  /* nothing behind the last colon */
    FLAW_NAME,   /* not a domain name */
    FLAW_CIDR,   /* an IPv6 prefix in a form CoreDNS refuses */
    FLAW_MEMORY, /* not the text's fault */
};

static enum flaw zones_add_zone(struct arena *a, struct zones *zones, struct text zone)
{
    struct name name;
    struct cidr cidr;
    if (name_parse(&name, zone) < 0)
        return FLAW_NAME;
    if (cidr_parse(&cidr, zone, NULL) < 0)
        return zones_push(a, zones, &name) < 0 ? FLAW_MEMORY : FLAW_NONE;
    if (cidr.family == 6 && (zone.at[0] == ':' || zone.at[0] == '0'))
        return FLAW_CIDR;
    unsigned n = cidr_reverse_zones(&cidr);
    for (unsigned i = 0; i < n; i++) {
        cidr_reverse_zone(&cidr, i, &name);
        if (zones_push(a, zones, &name) < 0)
            return FLAW_MEMORY;
    }
    return FLAW_NONE;
}

int zones_add(struct arena *a, struct zones *zones, const char *text)
{
    struct text rest = text_of(text);
    struct key_parts parts;
    key_scheme(&rest);
    if (!key_split(rest, &parts))
        return 1;
    enum flaw flaw = zones_add_zone(a, zones, parts.zone);
    if (flaw == FLAW_MEMORY)
        return -1;
    return flaw == FLAW_NONE ? 0 : 1;
}

const struct name *zones_match(const struct zones *zones, const uint8_t *name)
{
    const struct name *longest = NULL;
    for (uint32_t i = 0; i < zones->n; i++) {
        const struct name *zone = &zones->list[i];
        if ((longest == NULL || zone->len > longest->len) &&
            name_under(name, zone->wire, NULL))
            longest = zone;
    }
    return longest;
}

/* How to mend a text that is no domain name. */
static const char *key_hint(struct text zone)
{
    if (zone.len == 0)
        return "write '.' for all names; is an environment variable unset?";
    if (zone.len > 1 && zone.at[zone.len - 1] == '{')
        return "a blank is missing before '{'";
    return "labels have 1 to 63 octets, names at most 255";
}

static int key_refuse(enum flaw flaw, const char *text, struct text zone,
                      struct where at, struct errors *errs)
{
    int len = (int)zone.len;
    switch (flaw) {
    case FLAW_COLON:
        return error_at(errs, at,
                        "expecting data after last colon: \"%s\": write a port, or no "
                        "colon",
                        text);
    case FLAW_NAME:
        return error_at(errs, at, "zone is not a valid domain name: %.*s: %s", len,
                        zone.at, key_hint(zone));
    case FLAW_CIDR:
        return error_at(errs, at,
                        "invalid CIDR %.*s: an IPv6 prefix must begin with 1 to f here",
                        len, zone.at);
    case FLAW_NONE:
    case FLAW_MEMORY:
        break;
    }
    return error_at(errs, (struct where){0}, "out of memory");
}

int key_parse(struct arena *a, const char *text, struct where at, struct key *out,
              struct errors *errs)
{
    struct text rest = text_of(text);
    struct key_parts parts;
    *out = (struct key){.scheme = key_scheme(&rest)};
    out->port = scheme_port(out->scheme);
    if (!key_split(rest, &parts))
        return key_refuse(FLAW_COLON, text, rest, at, errs);
    enum flaw flaw = zones_add_zone(a, &out->zones, parts.zone);
    if (flaw != FLAW_NONE)
        return key_refuse(flaw, text, parts.zone, at, errs);
    if (parts.port_written && (parts.port < 0 || parts.port > UINT16_MAX))
        return error_at(errs, at,
                        "address %lld: invalid port in '%s': expected 0 to 65535",
                        parts.port, text);
    if (parts.port_written)
        out->port = (uint16_t)parts.port;
    out->port_written = parts.port_written;
    return 0;
}
