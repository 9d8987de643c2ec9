/* Pages over HTTP: /metrics, /clusters, /health and /ready, where the plan says
 * (resolver/pages.h). All of it runs on the control thread's loop: no worker knows of
 * it, and no page is made while a plan is being replaced.
 *
 *     admin_init(&a, &loop, &facts, &errs);
 *     admin_prepare(&a, plan, &errs);   // opens what `plan` names and is not open yet
 *     admin_commit(&a, plan);           // serves that, closes what it does not name
 *
 * HTTP is spoken by libmicrohttpd, which is loaded when the first page is needed: it
 * and what it needs take some megabytes, and a Corefile without pages has none of them.
 */
#ifndef ISTHMUS_SERVER_ADMIN_H
#define ISTHMUS_SERVER_ADMIN_H

#include "resolver/plan.h"

#include "resolver/metrics_page.h"

#include <uv.h>

struct admin_library;
struct admin_place;
struct MHD_Response;

#define ADMIN_PAGES 2 /* /metrics and /clusters */

/* A page as it was made, for all who ask before `until_us`. */
struct admin_page {
    struct MHD_Response *response; /* NULL: it is made when somebody asks */
    uint64_t until_us;
};

struct admin {
    uv_loop_t *loop;
    uv_timer_t timer; /* for connections that may have to end */
    struct admin_library *library;
    struct admin_place *places;
    struct admin_page pages[ADMIN_PAGES];
    const struct plan *plan; /* shown */
    const struct metrics_facts *facts;
    bool leaving;
};

/* `facts` stay the caller's, who keeps them true. Returns 0, or -1 after adding an
 * error.
 */
int admin_init(struct admin *a, uv_loop_t *loop, const struct metrics_facts *facts,
               struct errors *errs);

/* 0, or -1 after adding an error: only /health has to be served (CoreDNS). For /metrics
 * and /ready the error is logged, and the next reload tries again. */
int admin_prepare(struct admin *a, const struct plan *plan, struct errors *errs)
    __attribute__((warn_unused_result));
void admin_commit(struct admin *a, const struct plan *plan);

/* From now on /ready says 503. */
void admin_leave(struct admin *a);

/* Ends everything; the loop has to run once more before `a` goes. */
void admin_release(struct admin *a);

#endif
