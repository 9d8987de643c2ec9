/* Deadlines by the thousand: a wheel of coarse slots (TIMERS_SLOT_US), O(1) to arm and
 * to disarm, because nearly every timer is disarmed by an answer. Deadlines fire up to
 * one slot late, never early. */
#ifndef ISTHMUS_RESOLVER_TIMERS_H
#define ISTHMUS_RESOLVER_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#define TIMERS_SLOTS 4096
#define TIMERS_SLOT_US                                                                 \
    2000 /* horizon: 8 s; later deadlines are looked at once a round */

struct timer {
    struct timer *next, **prev; /* prev NULL: not armed */
    uint64_t due_us;
    void (*fire)(struct timer *t, void *context); /* disarmed before it is called */
};

struct timers {
    struct timer *slot[TIMERS_SLOTS];
    uint64_t used[TIMERS_SLOTS / 64]; /* bit per slot that holds anything */
    uint64_t now_us;
    uint32_t armed;
    void *context; /* handed to fire */
};

void timers_init(struct timers *w, void *context, uint64_t now_us);

/* Arms (or moves) a timer; a past deadline fires with the next timers_run. */
void timers_arm(struct timers *w, struct timer *t, uint64_t due_us);
void timers_disarm(struct timers *w, struct timer *t); /* not armed: nothing */

/* Fires all that are due at `now_us`. A fired timer may arm any timer. */
void timers_run(struct timers *w, uint64_t now_us);

/* The earliest moment at which timers_run may have work (never later than the first
 * deadline's slot end); UINT64_MAX when nothing is armed. */
uint64_t timers_next_us(const struct timers *w);

#endif
