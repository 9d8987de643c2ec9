/* What is below a prefix of etcd, in the order of its keys: one thread writes, any
 * number read.
 *
 *     skydns_map_put(&m, record) ... skydns_map_remove(&m, key) ...   // the writer
 *     skydns_map_publish(&m);
 *     v = skydns_map_take(&m);                                  // who passes it on
 *     for (at = skydns_view_find(v, key); (s = skydns_view_next(&at)) != NULL;) ...
 *     skydns_view_done(v);
 *
 * A view is a version of it that never changes. It is a list of short lists, so that a
 * change copies one of these and the list of them, and not a hundred thousand pointers.
 * What a change replaced ends when neither the view that had it nor an older one is in
 * use any more, and the writer passes by. */
#ifndef ISTHMUS_CONFIG_SKYDNS_MAP_H
#define ISTHMUS_CONFIG_SKYDNS_MAP_H

#include "config/skydns.h"

#include <pthread.h>

struct skydns_chunk;

/* What is to end with something; the writer's own. */
struct skydns_pile {
    void **list;
    uint32_t n, cap;
};

struct skydns_view {
    struct skydns_map *map;
    uint64_t number; /* of the version, from 1 */
    struct skydns_chunk **chunks;
    uint32_t chunks_n;
    uint32_t n;    /* records */
    uint32_t uses; /* under the map's lock */
    struct skydns_view *newer;
    struct skydns_pile records, lists; /* of this view, and of no newer one */
};

struct skydns_map {
    /* Called by the writer when a record ends. */
    void (*ended)(void *context, struct skydns *s);
    void *context;
    struct skydns_view *draft;           /* the writer's; NULL: nothing has changed */
    struct skydns_pile records, lists;   /* that the draft has replaced */
    pthread_mutex_t lock;                /* for all below, and uses */
    struct skydns_view *oldest, *newest; /* NULL: nothing is known yet */
    _Atomic uint64_t number;             /* of the newest view; 0: none */
};

/* ---- the writer ---- */

void skydns_map_init(struct skydns_map *m,
                     void (*ended)(void *context, struct skydns *s), void *context);
/* Ends everything; no view may be in use. */
void skydns_map_release(struct skydns_map *m);

/* 0, or -1: no memory; the record is the caller's still, and nothing has changed. */
int skydns_map_put(struct skydns_map *m, struct skydns *s);
int skydns_map_remove(struct skydns_map *m, struct text key);

/* All that is there from now on, in the order of its keys, each once. As above. */
int skydns_map_fill(struct skydns_map *m, struct skydns *const *list, uint32_t n);

/* What was done since the last time is there for readers. 0 or -1: no memory, and it is
 * to be done anew some time. */
int skydns_map_publish(struct skydns_map *m);

/* Ends what nobody can see any more. */
void skydns_map_reclaim(struct skydns_map *m);

/* ---- readers ---- */

/* Adds a use to the newest view; NULL: there is none. Any thread. */
struct skydns_view *skydns_map_take(struct skydns_map *m);
void skydns_view_done(struct skydns_view *v); /* likewise */

struct skydns_at {
    const struct skydns_view *view;
    uint32_t chunk, i;
};

/* The first record whose key is not less, as octets. */
struct skydns_at skydns_view_find(const struct skydns_view *v, struct text key);
/* The record there, going on to the next one; NULL: that was the last. */
const struct skydns *skydns_view_next(struct skydns_at *at);

#endif
