/* A record in etcd as SkyDNS has them, which the plugin `etcd` answers from: the key is
 * a name, its labels from the root on, the value a JSON object.
 *
 *     /skydns/test/web/a   {"host": "192.0.2.1", "port": 8080, "ttl": 60}
 *
 *     s = skydns_new(key, prefix_len, &value, why);
 *     if (why[0] != '\0') log ...
 *     if (!s->bad) ...
 *     skydns_free(s);
 *
 * Immutable once made, but for what is known of its lease. */
#ifndef ISTHMUS_CONFIG_SKYDNS_H
#define ISTHMUS_CONFIG_SKYDNS_H

#include "base/name.h"

#include <stdatomic.h>

/* How long a lease has to live, as far as is known; many keys may share one. */
struct skydns_lease {
    uint64_t id;
    _Atomic uint64_t ends_us; /* on the monotonic clock; 0: not known yet */

    /* the source's thread */
    uint64_t due_us; /* of the next question about it */
    uint32_t uses;
};

enum skydns_host {
    SKYDNS_NONE, /* a text alone, or nothing */
    SKYDNS_V4,
    SKYDNS_V6,
    SKYDNS_NAME,
};

struct skydns {
    const char *key; /* NUL-terminated */
    uint32_t key_len;
    uint32_t slashes; /* in the key: how deep it lies */
    bool bad;         /* it exists, and what it says is not usable */
    bool mail;        /* also an MX record */
    enum skydns_host kind;
    uint8_t ip[16];             /* of an address; IPv4 in the first four */
    const uint8_t *host;        /* of a name: in wire form; else NULL */
    const uint8_t *owner;       /* the key's name; NULL: it is no legal name */
    const uint8_t *text;        /* RDATA of TXT; NULL: none */
    uint16_t text_len;          /* of the RDATA */
    const char *group;          /* "": none */
    int32_t port;               /* -1: there is none, and no SRV record */
    uint16_t priority;          /* also the preference of MX; 10 where none is given */
    int32_t weight;             /* 0: not given */
    uint32_t ttl;               /* 0: not given */
    uint32_t strip;             /* labels to take off the left of a target */
    struct skydns_lease *lease; /* NULL: none; whoever holds the record sets it */
};

#define SKYDNS_WHY_MAX 128

/* `prefix_len` octets of the key are in front of the name; `value` NULL: there is none
 * to be read. `why` says what is not used, "" nothing. NULL: no memory. */
struct skydns *skydns_new(struct text key, size_t prefix_len, const struct text *value,
                          char *why);
void skydns_free(struct skydns *s);

/* Of its key and another, as octets: less than, equal to or more than 0. */
int skydns_compare(const struct skydns *s, struct text key);

/* The seconds of TTL: those of the record or of its lease, which count from `min` to
 * `max`, whichever is less; 300 when there are neither. */
uint32_t skydns_ttl(const struct skydns *s, uint64_t now_us, uint32_t min,
                    uint32_t max);

#endif
