/* What was taken out of use while queries may still point to it: it ends when every
 * query that began before has ended.
 *
 *     retire(&plan->retirement, &thing->retired, free_thing);
 *     ... the workers are given an order with the number retirement_next(...)
 *     retirement_reclaim(&plan->retirement, oldest);    // of all workers' queries
 *
 * An epoch is a number that grows; each query belongs to the one its worker was in when
 * it began (struct plan_hold). Control thread only. */
#ifndef ISTHMUS_RESOLVER_RETIRE_H
#define ISTHMUS_RESOLVER_RETIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retired {
    struct retired *next;
    uint64_t epoch; /* queries of this one and later do not know it */
    void (*end)(struct retired *r);
};

struct retirement {
    struct retired *first, **last;
    uint64_t epoch; /* that things retired now get */
    bool waiting;   /* some have it */
};

void retirement_init(struct retirement *all, uint64_t epoch);

/* `r` lies in what is retired. */
void retire(struct retirement *all, struct retired *r, void (*end)(struct retired *r));

/* Ends those that queries of epoch `oldest` and later do not know. */
void retirement_reclaim(struct retirement *all, uint64_t oldest);

/* Ends all. */
void retirement_release(struct retirement *all);

#endif
