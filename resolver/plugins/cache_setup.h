/* The configuration side of `cache`. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_CACHE_SETUP_H
#define ISTHMUS_RESOLVER_PLUGINS_CACHE_SETUP_H

#include "resolver/cachestore.h"
#include "resolver/plugin.h"

enum stale_mode {
    STALE_IMMEDIATE, /* answered first, asked anew behind it */
    STALE_VERIFY,    /* asked first, answered when that fails or takes too long */
};

struct cache_stale {
    bool on, written;
    unsigned mode;      /* enum stale_mode */
    int64_t until_us;   /* after expiry */
    int64_t timeout_us; /* of a verification; 0 = as long as the question may take */
    int64_t recheck_us; /* after a failed refresh nobody tries again so long */
    uint32_t ttl_s;
};

struct cache_bounds {
    uint32_t entries;
    uint32_t max_s, min_s;
    bool written; /* some TTL stands in the Corefile */
    bool disabled;
    struct zones disabled_for; /* empty with `disabled`: all */
};

struct cache_plugin {
    struct cachestore *store;
    struct zones zones; /* as written; empty: whatever the block serves */
    struct cache_bounds bounds[CACHE_KINDS];
    struct cache_stale stale;
    bool prefer_positive, keep_ttl;
    int64_t servfail_us;
    uint32_t prefetch; /* hits; 0 = off */
    uint32_t prefetch_percent;
    int64_t prefetch_gap_us;
};

#define CACHE_OPTIONS_N 8
extern const struct option cache_options[CACHE_OPTIONS_N];

int cache_setup(struct setup *s, const struct directive *d);
void cache_release(struct registry *reg, void *state);

#endif
