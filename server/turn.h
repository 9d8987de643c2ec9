/* One turn of a worker's loop: the kernel says what is ready, callbacks run, and what
 * they produced leaves in batches before the worker sleeps again.
 *
 *     turn_begin(u->turn);                       // first thing in every callback of
 * the loop resolver_query(u->turn->resolver, ...);
 *
 * The clock is read once per turn and the resolver told once; worker.c closes the turn.
 */
#ifndef ISTHMUS_SERVER_TURN_H
#define ISTHMUS_SERVER_TURN_H

#include "resolver/resolver.h"
#include "server/entropy.h"

#include <uv.h>

struct turn {
    uv_loop_t loop;
    struct resolver *resolver;
    struct entropy entropy;
    uint64_t now_us; /* CLOCK_MONOTONIC at the start of the turn */
    uint32_t number; /* counts turns; differs from one to the next */
    bool open;
};

/* Reads the clock and ticks the resolver. */
void turn_open(struct turn *t);

static inline void turn_begin(struct turn *t)
{
    if (!t->open)
        turn_open(t);
}

/* The present time, for places outside a turn. */
uint64_t turn_clock_us(void);

#endif
