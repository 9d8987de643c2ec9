/* The records below a prefix of an etcd, followed: what the plugin `etcd` answers from.
 *
 *     s = skydns_source_new(&settings);           // its thread looks from now on
 *     skydns_source_settle(s, 2000, 10000, &stop); // until it has looked once
 *     v = skydns_map_take(skydns_source_map(s));  // and whenever the number differs
 *
 * Nothing is lost on doubt: while no etcd answers, all that was known stays. A value
 * that is no record is told, and its key exists without one. How long leases have to
 * live is asked when they are new and from time to time, since whoever keeps one alive
 * leaves no trace in what is watched; in between the time is counted down. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_SKYDNS_SOURCE_H
#define ISTHMUS_CONFIG_DISCOVERY_SKYDNS_SOURCE_H

#include "config/discovery/access.h"
#include "config/skydns_map.h"

struct skydns_source;

/* All is copied. */
struct skydns_source_settings {
    const char *prefix; /* ends in a slash */
    struct discovery_access access;
    bool quiet; /* nobody is asked: for looks at a Corefile, and for tests */
    /* There is another view. Called on the source's thread; may be NULL. */
    void (*changed)(void *context);
    void *context;
};

/* NULL: no memory, descriptors or threads. */
struct skydns_source *skydns_source_new(const struct skydns_source_settings *settings);
/* No view may be in use. */
void skydns_source_free(struct skydns_source *s);

/* What tells sources apart. */
void skydns_source_digest(const struct skydns_source_settings *settings,
                          uint8_t digest[SHA512_LEN]);

/* Waits until it has looked once: for `ms`, and while keys come for `ms_max` at most;
 * until `*stop`. Any thread. */
void skydns_source_settle(struct skydns_source *s, int ms, int ms_max,
                          const _Atomic bool *stop);

struct skydns_map *skydns_source_map(struct skydns_source *s);

#endif
