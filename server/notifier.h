/* Tells secondaries that a zone has changed (RFC 1996): the work of the control thread,
 * which takes what plugins have put into plan->notifies.
 *
 *     notifier_init(&n, &loop);
 *     notifier_send(&n, &plan->notifies);      // whenever there may be some
 *     notifier_stop(&n);                       // then the loop runs until it is empty
 *
 * Each goes out by UDP from a socket of its own, until its receiver says that it has
 * it, NOTIFY_TRIES times, further and further apart; no more than NOTIFY_RUNNING_MAX at
 * once, the rest waits. */
#ifndef ISTHMUS_SERVER_NOTIFIER_H
#define ISTHMUS_SERVER_NOTIFIER_H

#include "resolver/transfer.h"

#include <uv.h>

struct notifier {
    uv_loop_t *loop;
    struct notify *waiting, **waiting_end;
    struct notifier_try *running;
    unsigned running_n;
    bool stopped;
};

void notifier_init(struct notifier *n, uv_loop_t *loop);

/* Takes the whole list. */
void notifier_send(struct notifier *n, struct notify **list);

void notifier_stop(struct notifier *n);

#endif
