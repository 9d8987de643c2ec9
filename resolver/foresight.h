/* Looking ahead. What a message will be looked up in (a cache entry, a cluster, a
 * question in flight) has mostly left the processor's caches when there are many of
 * them, and each look-up waits for memory several times in a row. Messages come by the
 * batch: so before they are taken one by one the whole batch goes, step by step, down
 * the same way, and has the memory of the next step fetched. One wait serves 64.
 *
 * Nothing is decided here: what turns out not to be needed was fetched in vain. */
#ifndef ISTHMUS_RESOLVER_FORESIGHT_H
#define ISTHMUS_RESOLVER_FORESIGHT_H

#include "base/limits.h"
#include "resolver/zonetab.h"

struct foresight;
struct plan_server;

/* Each reads what the one before has had fetched, and has the next fetched. */
enum foresight_step {
    FORESEE_PLACE, /* in the tables */
    FORESEE_ENTRY, /* what is there: a cached answer, a cluster */
    FORESEE_GROUP,
    FORESEE_UPSTREAM,
};

static inline void foresee(const void *from, size_t len)
{
    for (size_t at = 0; at < len; at += 64)
        __builtin_prefetch((const uint8_t *)from + at);
}

/* Questions that came in at once, at most UDP_BATCH, are about to be given to
 * resolver_query() one by one. *f is made when it is first worth it, and freed with
 * free(). */
void foresight_questions(struct foresight **f, const struct plan_server *server,
                         const struct span *wires, unsigned n);

/* The key that was made of the name of one of them, until the next batch, so that it
 * need not be made again. NULL: none was. `f` may be NULL. */
const struct name_key *foresight_key(struct foresight *f, const uint8_t *wire,
                                     size_t name_len);

#endif
