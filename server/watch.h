/* Looks at the Corefile from time to time, as the `reload` plugin says
 * (coredns-reference 2.6).
 *
 *     watch_init(&w, &loop, &reload);
 *     watch_follow(&w);              // whenever another plan may have come into use */
#ifndef ISTHMUS_SERVER_WATCH_H
#define ISTHMUS_SERVER_WATCH_H

#include "server/reload.h"

struct watch {
    uv_timer_t timer;
    struct reload *reload;
    struct plan_reload drawn; /* the settings that the period was drawn for */
};

void watch_init(struct watch *w, uv_loop_t *loop, struct reload *r);

/* Looks as often as the plan in use says, from now on. The period is drawn once, and
 * anew when interval or jitter change. */
void watch_follow(struct watch *w);

void watch_stop(struct watch *w);

#endif
