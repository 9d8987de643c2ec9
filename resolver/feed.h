/* What plugins read from files while they serve: hosts, weights, zones.
 *
 *     f = feed_new(&s->plan->feeds, s->arena, &source);  // setup
 *     feed_refresh(f);                                   // the first reading
 *     const struct hosts_data *d = feed_get(f);          // in a hook, on a worker
 *
 * The control thread looks at the file from time to time, builds a whole new value of
 * it and publishes that; workers take no lock and count nothing. What feed_get() gives
 * is good until the hook returns: across a WAIT it is asked for again. Records may
 * point into it, for they are encoded, or copied at a WAIT, before the worker's turn is
 * over.
 *
 * What takes long to read has a `read` beside its `look`, which is run on another
 * thread once the server has said how (feeds_begin); before that, and in tests, where
 * it is asked for.
 *
 * A value that was replaced is freed when every worker has ended the turn it was in:
 * server/reload.c passes by all of them, then calls feeds_reclaim(). What is replaced
 * meanwhile waits for the next time. */
#ifndef ISTHMUS_RESOLVER_FEED_H
#define ISTHMUS_RESOLVER_FEED_H

#include "base/arena.h"

#include <stdatomic.h>

/* One reading of a file. Everything lives in its arena. */
struct feed_value {
    struct arena arena;
    const void *data;
    void (*release)(const void *data); /* what the arena does not hold; may be NULL */
    struct feed_value *older;          /* replaced before this one was */
};

struct feed;

struct feed_source {
    int64_t interval_us; /* between looks; 0 = only the first */
    /* Looks, and publishes when there is something new. Control thread. */
    void (*look)(struct feed *f, void *context);
    void *context;
    /* For a look that only decides, and calls feed_read(). `read` is on any thread, and
     * has the context for itself until `take` gets what it returned: that publishes,
     * and frees it. Control thread. */
    void *(*read)(void *context);
    void (*take)(struct feed *f, void *context, void *reading);
    /* Whether a look is due at once: for what comes by itself, whose thread wakes the
     * control thread then. NULL: never. */
    bool (*news)(const struct feed *f, void *context);
};

struct feeds;

struct feed {
    struct feed_source source;
    struct feeds *all;
    _Atomic(struct feed_value *) value;
    struct feed_value *replaced; /* since feeds_refresh() */
    struct feed_value *passed;   /* before it: feeds_reclaim() frees them */
    uint64_t due_us;             /* of the next look; 0 = not yet said */
    bool reading;
    struct feed *next, **at; /* at NULL: in no list */
};

/* All feeds of a plan. */
struct feeds {
    struct feed *list;
    uint32_t reading_n;
    bool later; /* readings wait for feeds_begin() */
    _Atomic bool stopped;
    /* Has source.read run on another thread, then feed_done() on this one. */
    void (*run)(struct feed *f, void *runner);
    void *runner;
};

/* A feed without a value, in `a`, which lives as long as the plan. NULL: no memory. */
struct feed *feed_new(struct feeds *all, struct arena *a,
                      const struct feed_source *source);

/* The same in memory of the caller, who ends it: its values are freed, which no worker
 * may hold any more. */
void feed_init(struct feed *f, struct feeds *all, const struct feed_source *source);
void feed_end(struct feed *f);

/* An empty value to be filled by source->look; NULL: no memory. Published or freed. */
struct feed_value *feed_value_new(void);
void feed_value_free(struct feed_value *v);

/* Puts `v` in the place of the present value. */
void feed_publish(struct feed *f, struct feed_value *v);

/* Looks now, whenever it would be due. */
void feed_refresh(struct feed *f);

/* Reads, unless it is being read already. */
void feed_read(struct feed *f);

/* No more looks; a reading that waits for feeds_begin() is left out. */
void feed_stop(struct feed *f);

/* What a reading that `run` was asked for came to. Afterwards feeds_refresh() is
 * needed. */
void feed_done(struct feed *f, void *reading);

/* The data of the present value; NULL while there is none. Any thread. */
const void *feed_get(const struct feed *f);

/* A reading that `run` was asked for will not come. */
void feed_dropped(struct feed *f);

/* Whether nobody wants readings any more: one that takes long ends early then, with
 * whatever it has. Any thread. */
const _Atomic bool *feed_stopped(const struct feed *f);

/* ---- the control thread ---- */

/* Readings are run so from now on, those that have waited for it at once. */
void feeds_begin(struct feeds *all, void (*run)(struct feed *f, void *runner),
                 void *runner);

/* Looks at all that are due. True when something was replaced: feeds_reclaim() is then
 * to follow, once no worker can hold the old. */
bool feeds_refresh(struct feeds *all, uint64_t now_us);

/* When feeds_refresh() is needed next, seen from now; UINT64_MAX: never. */
uint64_t feeds_due_us(struct feeds *all, uint64_t now_us);

/* Frees what was replaced. */
void feeds_reclaim(struct feeds *all);

/* From now on nobody wants readings: feed_stopped(). */
void feeds_stop(struct feeds *all);

/* Frees all values; the feeds themselves end with their arena. */
void feeds_release(struct feeds *all);

#endif
