/* A configuration made ready to run: listeners, blocks, chains. Built whole on the
 * control thread, immutable afterwards, shared by all workers, freed when the last
 * query that began under it has ended. */
#ifndef ISTHMUS_RESOLVER_PLAN_H
#define ISTHMUS_RESOLVER_PLAN_H

#include "config/config.h"
#include "config/key.h"
#include "resolver/feed.h"
#include "resolver/metrics.h"
#include "resolver/pages.h"
#include "resolver/plan_tls.h"
#include "resolver/plugin.h"
#include "resolver/retire.h"
#include "resolver/zonetab.h"

struct plan_bind {
    struct addr *list; /* ports are 0 */
    uint32_t n;
    bool written; /* a bind directive stands in the block */
};

/* Of client connections; 0 = not said. */
struct plan_timeouts {
    int64_t read_us, write_us, idle_us; /* one second to one day */
    uint32_t queries_max;               /* per connection; 0 = no end */
    bool queries_written;
};

/* What a PROXY protocol header in front of a client's octets is good for. */
enum proxy_policy {
    PROXY_USE,    /* it tells who the client is */
    PROXY_IGNORE, /* it is taken off and forgotten */
    PROXY_REJECT, /* who sends one is not served */
    PROXY_SKIP,   /* nobody looks for one */
};

struct plan_proxy {
    struct cidr *allow; /* proxies whose headers are used */
    uint32_t allow_n;
    enum proxy_policy others; /* and what those of others are */
    bool others_written;
    int64_t
        session_us; /* a header holds so long for UDP without one; <= 0: not at all */
    uint32_t sessions_max;
};

struct cluster_map;
struct dnstap_tap;
struct inbound_use;
struct clusters;
struct notify;
struct transfer;
struct tsig_keys;
struct zone_source;
struct outside;
struct cachestore;

struct plan_block {
    struct key *keys;
    uint32_t keys_n;
    struct zones zones;    /* of all keys */
    struct zonetab serves; /* the same, for look-ups: there may be thousands */
    struct slot *chain;    /* plugins with a hook on the way of a query, in order */
    uint16_t chain_n;
    bool any_class; /* a plugin lets classes other than IN into the chain */
    const struct cluster_map *clusters; /* of its cluster lines; NULL = none */
    bool measured;                      /* prometheus stands in it */
    struct cachestore *cache;           /* NULL = none */
    const struct zones *cached;         /* what it keeps */
    const char *view;   /* the name of its view; NULL = it takes every question */
    struct slot filter; /* the plugin that admits questions; none: plugin NULL */
    const struct zones *metadata; /* names that have labels; NULL = none */
    struct where at;
    const struct block *source;
    struct slot *setup_done; /* all plugins set up, for release */
    uint32_t setup_n;

    /* what configuring plugins say for the listeners */
    /* plugins that serve zones, for each other */
    const struct transfer *transfer;  /* may send them on; NULL: nobody may have them */
    struct zone_source *zone_sources; /* in chain order */
    bool checks_tsig;                 /* signed questions are for a plugin */
    bool hears_notify;                /* a plugin wants to know of new zones */

    const char *root; /* where relative paths begin; NULL = not said */
    struct plan_bind bind;
    uint32_t sockets; /* multisocket: workers that listen; 0 = not said */
    struct plan_timeouts timeouts;
    const struct plan_proxy *proxy; /* NULL = not said */
    bool shed;
    struct plan_tls tls;
    uint32_t https_max; /* connections; 0 = no end */
    bool https_written;
    const struct dnstap_tap *taps; /* of dnstap; NULL = none */
};

/* One listening address and what is served there. */
struct plan_server {
    enum scheme scheme;
    struct addr addr; /* family 0: every address of the host, v4 and v6; port is set */
    struct zonetab zones; /* zone -> its first struct plan_zone */
    bool any_class;
    struct plan_timeouts timeouts;  /* each as the last block that says it */
    const struct plan_proxy *proxy; /* of the last block that has one; or NULL */
    bool shed;                      /* some block has it */
    const struct meter *shed_meter, *https_meter; /* NULL: not measured */
    struct plan_listener_tls tls;
    uint32_t https_max; /* of the first block that says it */
    bool https_written;
    const struct meter *refused; /* what reaches no block; NULL: not measured */
};

/* One block serving one zone. */
struct plan_zone {
    struct name zone;
    const struct plan_block *block;
    struct plan_zone *next; /* another view of the zone, in file order; or NULL */
    const struct meter *meter, *cache_meter; /* NULL: not measured */
    /* Those of plugins, by their place in the chain; NULL: not measured. */
    const struct meter ***counters;
};

/* When the Corefile is looked at again. */
struct plan_reload {
    int64_t interval_us; /* 0 = never */
    int64_t jitter_us;
};

struct plan {
    struct arena arena;
    struct config *config; /* owned */
    struct errors *errs;   /* of set-up; NULL once it is over: then errors are logged */
    struct registry *registry;
    const struct outside *outside; /* for set-up; may be NULL */
    struct plan_block *blocks;
    uint32_t blocks_n;
    struct plan_server *servers;
    uint32_t servers_n, servers_cap;
    struct inbound_use *inbound;       /* zones that come from primaries (inbound.h) */
    const struct tsig_keys *tsig_keys; /* of its `tsig` lines */
    struct notify *notifies;           /* news of zones, to be sent (transfer.h) */
    struct feeds feeds;           /* files that are read again while it is in use */
    struct clusters *clusters;    /* of its blocks; NULL = none */
    struct retirement retirement; /* clusters that have left them */
    struct meters meters;
    struct pages pages; /* served over HTTP */
    struct plan_reload reload;
    int64_t lameduck_us; /* served so long after being told to end */
    bool debug;          /* debug lines are wanted */
    uint32_t workers;    /* multisocket: the number of worker threads; 0 = one a CPU */
    _Atomic uint32_t uses;

    /* Called when the last user is done, on that user's thread; NULL in tests. */
    void (*unused)(struct plan *p, void *context);
    void *unused_context;
    /* Wakes the control thread, from any other, with unused_context; NULL in tests. */
    void (*tell)(void *context);
};

/* A worker's hold on a plan: one use, however many queries began under it. */
struct plan_hold {
    struct plan *plan;
    uint64_t epoch; /* what was retired before is unknown to its queries (retire.h) */
    struct plan_hold *next; /* older */
    uint32_t queries;
};

struct plan_flags {
    uint64_t epoch;    /* of the orders given so far */
    bool read_later;   /* files that take long are read after feeds_begin() */
    uint16_t dns_port; /* -dns.port: for dns:// keys without a port */
    const struct outside *outside; /* outlives all plans; NULL: nothing can be asked */
};

/* Builds from `config`, which the plan then owns, also on failure. With `read_later`
 * set-up is over when nothing is read any more (feeds.reading_n), and plan->errs is the
 * caller's. Returns NULL after adding errors, all of them, and for a flawed config
 * always. */
struct plan *plan_build(struct config *config, struct registry *reg,
                        const struct plan_flags *flags, struct errors *errs);
void plan_free(struct plan *p);

/* One user more or fewer. A plan starts with one use, its builder's. After the last
 * plan_done p->unused is called, if set; the plan is then to be freed on the control
 * thread. */
void plan_use(struct plan *p);
void plan_done(struct plan *p);

/* `path` as a plugin of the block means it: under its `root` when it is relative. NULL:
 * no memory. */
const char *plan_path(const struct plan_block *b, struct arena *a, const char *path);

/* The text of a file that a plugin names at `at`. 0, or -1 after adding an error. */
int plan_read(struct setup *s, const char *plugin, struct where at, const char *path,
              const char **out);

/* Whether a name (lower case) lies in one of the block's zones. */
bool plan_serves(const struct plan_block *b, const uint8_t *name);

/* The zones left on a directive's line; the block's own when there are none. What is no
 * zone is passed over with a warning, as CoreDNS does without one. 0, or -1: no memory.
 */
int plan_zones(struct setup *s, struct reader *rd, struct zones *out);

/* A text that names the block to the registry: the same as long as its keys, its
 * addresses and its view are. NULL: no memory. */
const char *plan_block_name(const struct setup *s);

/* Who serves a question on a server: the longest zone with a block that admits it, and
 * of its blocks the first; NULL: nobody (REFUSED). DS questions go to the parent's
 * side: the shortest such zone but the root (coredns-reference 1.11). */
const struct plan_zone *plan_find(const struct plan_server *s, struct query *q);

/* The server of a plan with this scheme and address; UINT16_MAX when it has none. */
uint16_t plan_server_index(const struct plan *p, enum scheme scheme,
                           const struct addr *addr);

/* Banner lines as CoreDNS prints them (".:53", "example.org.:53 on 127.0.0.1"), sorted
 * per listener. Calls `line` for each. */
void plan_banner(const struct plan *p, void (*line)(const char *text));

#endif
