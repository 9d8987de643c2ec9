/* A worker: one thread, one loop, one resolver, sockets of its own. It shares with
 * other workers only what the plan and the registry hold.
 *
 *     w = worker_new(&settings, &order, &errs);     // everything that can fail, failed
 * here worker_start(w, &errs); worker_give(w, &order);                       // a
 * reload: goes over between two turns worker_end(w, WORKER_DRAIN);                  //
 * answers what is in flight, then ends worker_join(w);
 *
 * All functions are the control thread's. The worker's only words back are
 * uv_async_send() on `notify`: after it has gone over to an order, and when its thread
 * is about to end. */
#ifndef ISTHMUS_SERVER_WORKER_H
#define ISTHMUS_SERVER_WORKER_H

#include "server/listen.h"
#include "server/quota.h"

#include <uv.h>

struct worker;

struct worker_settings {
    unsigned number; /* from 0; also the place in a listen_set */
    uv_async_t *notify;
    struct quota *quota; /* shared by all workers */
};

/* A plan to go over to, the same for all workers. */
struct worker_order {
    struct plan *plan;
    uint64_t epoch;               /* of queries from then on (resolver/retire.h) */
    struct listen_set *listeners; /* each worker takes its descriptors */
    _Atomic unsigned left;        /* workers that have not yet gone over */
    _Atomic unsigned failed; /* for want of memory: these stayed with the old plan */
};

/* A question of our own, asked as a client asks and traced (resolver/trace.h). Belongs
 * to the worker from worker_ask() until `done`, or until the worker has been joined. */
struct worker_question {
    struct worker_question *next; /* given to the same worker at the same time */
    struct client client;         /* with a trace; `handle` is worker_ask()'s */
    uint8_t wire[512];
    size_t wire_len;
    size_t reply_len;
    _Atomic bool
        done; /* told by `notify`; `reply` holds what a client would have got */
    uint8_t reply[65535];
};

enum worker_end {
    WORKER_RUN,
    WORKER_DRAIN, /* takes no new questions; ends when all are answered */
    WORKER_STOP,  /* at once */
};

/* Makes a worker and gives it its first plan. NULL after adding an error. */
struct worker *worker_new(const struct worker_settings *settings,
                          struct worker_order *order, struct errors *errs);

/* Starts the thread. 0, or -1 after adding an error. */
int worker_start(struct worker *w, struct errors *errs);

/* The order stays the caller's and valid until order->left is 0. */
void worker_give(struct worker *w, struct worker_order *order);

void worker_ask(struct worker *w, struct worker_question *q);

/* Has the worker make a turn; worker_turns() grows when it has. Any worker whose loop
 * goes round answers within a moment. */
void worker_ping(struct worker *w);
uint32_t worker_turns(const struct worker *w);

/* Once drained or stopped a worker does not come back; a later WORKER_STOP hastens a
 * drain. */
void worker_end(struct worker *w, enum worker_end how);

/* The epoch of the oldest query it may have in flight. Before worker_end(). */
uint64_t worker_oldest_epoch(const struct worker *w);

/* Whether its thread is about to end. */
bool worker_ended(const struct worker *w);

/* Waits for the thread, if it was started, and frees the worker. NULL is fine. */
void worker_join(struct worker *w);

#endif
