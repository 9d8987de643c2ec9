/* The plugin `etcd` from inside. etcd.c reads the directive and keeps the records,
 * etcd_search.c finds those of a name, etcd_answer.c makes the answer of them. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_ETCD_ETCD_OWN_H
#define ISTHMUS_RESOLVER_PLUGINS_ETCD_ETCD_OWN_H

#include "config/discovery/skydns_source.h"
#include "resolver/fall.h"
#include "resolver/feed.h"
#include "resolver/plugin.h"

#define ETCD_PATH_MAX 1024 /* octets of the path that a Corefile names */

/* One line of the directive. */
struct etcd {
    struct fall fall;
    const char *path;          /* clean: "/skydns", "" for all keys */
    uint32_t min_ttl, max_ttl; /* of what a lease says */
    const char *endpoints, *user, *password;
    struct token_list tls;
    bool has_tls;
    struct where at;
    const char *label;             /* for messages */
    struct skydns_source **source; /* claimed from the registry */
    struct feed *feed;             /* of struct skydns_view */
    struct feed *first;            /* waits for its first look; NULL if quiet */
    bool quiet;                    /* nobody is asked */
    struct etcd *next;
};

struct etcd_zone {
    struct name apex; /* lower case */
    struct etcd *etcd;
};

/* All lines of a block. */
struct etcd_plugin {
    struct zonetab zones; /* -> struct etcd_zone */
    struct etcd *list;    /* the last one first */
};

/* ---- the records of a name ---- */

/* One question under way. */
struct etcd_search {
    struct query *q;
    const struct etcd *etcd;
    const struct skydns_view *view;
    uint32_t keys_left;       /* that may still be looked at */
    const struct skydns *bad; /* of a name that has no record but such */
};

enum etcd_found {
    ETCD_FOUND, /* the name exists, whatever records it has */
    ETCD_NONE,
    ETCD_TOO_MUCH, /* too many keys, or no memory */
};

struct etcd_records {
    const struct skydns **list; /* in the query's arena, in the order of keys */
    uint32_t n, cap;
};

/* Whether the name (lower case) exists: it has a key, or there is one below it. */
bool etcd_exists(const struct etcd_search *x, const uint8_t *name);

/* Its records that a question of this type may want: those of all keys below its own;
 * without any, or when `exact`, of its own key. Labels `*` and `any` stand for any one
 * label. Only those of one group are left when groups say so. */
enum etcd_found etcd_find(struct etcd_search *x, const uint8_t *name, uint16_t type,
                          bool exact, struct etcd_records *out);

/* ---- answers ---- */

enum verdict etcd_answer(struct query *q, const void *state, const struct etcd_zone *z,
                         const struct skydns_view *view);
enum verdict etcd_woken(struct query *q, const void *state);

#endif
