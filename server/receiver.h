/* Has zones from their primaries (resolver/inbound.h): the work of the control thread,
 * on connections of its own, so that no worker takes part and a primary that stalls or
 * floods delays nobody's answer.
 *
 *     receiver_init(&r, &loop, registry, changed, context);
 *     next_us = receiver_run(&r, plan, now_us);    // whenever something may be due
 *     receiver_stop(&r);                           // before the registry goes
 *
 * What came is put in order, on another thread where it is large. One primary after the
 * other is asked for the SOA over TCP, and on the same connection for the zone if it
 * has a newer one, until one gives it whole. FETCH_RUNNING_MAX zones at once; a primary
 * has FETCH_CONNECT_MS, FETCH_STALL_MS for each message and FETCH_TOTAL_S for all. Who
 * has failed waits for its turn (inbound_queue()), members of catalogs in a row of
 * their own: first questions and NOTIFYs do not wait for them.
 *
 * Why a primary fails is told once, until it answers or fails in another way. Of zones
 * and of members of catalogs 10 lines a second each are told; who finds no room is told
 * after a later failure. */
#ifndef ISTHMUS_SERVER_RECEIVER_H
#define ISTHMUS_SERVER_RECEIVER_H

#include "base/log.h"
#include "resolver/inbound.h"

#include <uv.h>

struct registry;
struct fetch;

struct receiver {
    uv_loop_t *loop;
    struct registry *registry;
    /* A zone has changed, or there is room for another to be asked for. */
    void (*changed)(void *context);
    void *context;
    struct log_limit log,
        log_members; /* failures of zones of the Corefile, of others */
    uint64_t turn_us, turn_members_us; /* of the last one to be asked for again */
    struct fetch *running;
    unsigned running_n;
};

void receiver_init(struct receiver *r, uv_loop_t *loop, struct registry *reg,
                   void (*changed)(void *context), void *context);

/* Begins what is due of the plan's zones. Returns when it is needed next, on the clock
 * of `now_us`; UINT64_MAX: not before `changed`. */
uint64_t receiver_run(struct receiver *r, const struct plan *plan, uint64_t now_us);

/* Ends all; runs the loop until they are closed. */
void receiver_stop(struct receiver *r);

#endif
