/* The text of a hosts file, made ready to be looked things up in.
 *
 *     192.0.2.10   web.test web      # an address, then names
 *     2001:db8::5  six.test
 *     192.0.2.20   *.apps.test       # any one label in front of apps.test
 *
 * Lines that are no entry (no address, no name) are passed over, as in CoreDNS and in
 * the C library. Immutable once read; everything lives in the arena it was read into.
 */
#ifndef ISTHMUS_RESOLVER_PLUGINS_HOSTS_DATA_H
#define ISTHMUS_RESOLVER_PLUGINS_HOSTS_DATA_H

#include "base/addr.h"
#include "config/key.h"
#include "resolver/zonetab.h"

/* One name at one address. Entries that answer one question are linked in the order of
 * the file, `same` by name and family, `same_addr` by address. */
struct hosts_entry {
    const struct hosts_entry *same, *same_addr;
    struct hosts_entry *next, *next_addr; /* in a bucket: the first of each key */
    const uint8_t *name; /* lower case; of a wildcard without its `*` */
    uint8_t family;      /* 4 or 6; IPv4 mapped into IPv6 is 4 */
    bool wildcard;
    uint8_t ip[16];
};

struct hosts_data {
    struct hosts_entry **names, **wildcards, **addrs; /* buckets */
    uint32_t mask;
    uint32_t n; /* entries */
};

/* What is being read: zeroed but for the first two fields. */
struct hosts_builder {
    struct arena *arena;
    const struct zones *zones;  /* names outside are passed over */
    struct hosts_entry *newest; /* all entries, by `next`, the last one first */
    uint32_t n;
};

/* Reads lines. 0, or -1: no memory. */
int hosts_data_add(struct hosts_builder *b, struct text lines);

/* Makes them ready; without `reverse` no address leads to a name. NULL: no memory. */
const struct hosts_data *hosts_data_finish(struct hosts_builder *b, bool reverse);

/* The first entry that answers for a name: its own, else a wildcard one label above.
 * NULL when there is none of this family. */
const struct hosts_entry *hosts_data_name(const struct hosts_data *d,
                                          const struct name_key *key, uint8_t family);

/* The first entry of an address; its scope and port do not matter. */
const struct hosts_entry *hosts_data_addr(const struct hosts_data *d,
                                          const struct addr *addr);

#endif
