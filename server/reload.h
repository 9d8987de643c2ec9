/* The configuration in use: how the first comes about, and how another takes its place
 * while queries go on.
 *
 *     reload_init(&r, args, &wake);
 *     reload_first(&r, &errs);                 // plan and listening sockets, all or
 * nothing reload_start_workers(&r, &errs); reload_begin(&r);                        //
 * SIGUSR1 reload_poll(&r);                         // whenever `wake` fires
 *
 * A new plan is built here, on the control thread; files that may be large are read on
 * others meanwhile. Once all is read it opens only addresses that are new; any error
 * leaves all as it was. Then every worker is told and goes over between
 * two turns: queries begun under the old plan end under it. The old one is freed when
 * the last of them has ended. Requests that come meanwhile make one more reload
 * afterwards, however many. */
#ifndef ISTHMUS_SERVER_RELOAD_H
#define ISTHMUS_SERVER_RELOAD_H

#include "resolver/outside.h"
#include "server/admin.h"
#include "server/arguments.h"
#include "server/drains.h"
#include "server/inherited.h"
#include "server/worker.h"

struct reload_retired;
struct reload_reading;

/* What was read, to know when it changes: also of what could not be used. */
struct reload_text {
    uint8_t digest[SHA512_LEN];
    uint64_t errors; /* a hash of those that reading gave; 0 = none */
};

struct reload {
    const struct arguments *args;
    struct registry *registry;
    struct quota *quota;
    uv_async_t *wake;
    struct worker **workers;
    unsigned workers_n;

    struct plan *plan;                 /* in use */
    struct listen_set *listeners;      /* in use */
    struct listen_set *listeners_next; /* while workers go over */
    struct worker_order order;
    uint64_t epoch;          /* of the last order; each has the next */
    struct plan *next;       /* whose files are being read; NULL: none */
    const char *next_signal; /* why it is loaded; NULL: its file has changed */
    struct errors next_errs;
    struct reload_reading *readings; /* files being read, of any plan */
    struct outside outside;
    bool busy;                /* workers are going over */
    const char *again;        /* asked for meanwhile, by this signal; NULL = not */
    struct reload_text tried; /* last */
    unsigned left_behind;     /* workers without memory to go over, last time */
    struct errors failure;    /* why the last reload was refused; none: it was not */
    struct drains drains;
    struct inherited inherited;
    uint64_t started_us, loaded_us; /* on the workers' clock */

    struct admin admin;
    struct metrics_facts facts;
    char digest[2 * SHA512_LEN + 1]; /* of the plan in use */

    uv_mutex_t lock; /* for `retired`: worker threads add to it when they end a plan */
    struct reload_retired *retired;
};

/* Returns 0, or -1 after adding an error. `wake` is sent to from worker threads. */
int reload_init(struct reload *r, const struct arguments *args, uv_async_t *wake,
                struct errors *errs) __attribute__((warn_unused_result));

/* Reads the configuration and opens what it listens on. 0, or -1 after adding errors.
 */
int reload_first(struct reload *r, struct errors *errs)
    __attribute__((warn_unused_result));

/* Makes and starts the workers. 0, or -1 after adding an error; reload_release() undoes
 * it. */
int reload_start_workers(struct reload *r, struct errors *errs)
    __attribute__((warn_unused_result));

/* Loads anew because of a signal, or of what else is said in its place; logs how it
 * went. */
void reload_begin(struct reload *r, const char *signal);

/* Whether workers are going over to another plan, or will at once. */
bool reload_is_going_on(const struct reload *r);

/* Loads anew if the file says something else than when it was last tried. */
void reload_look(struct reload *r);

/* Finishes what workers, and threads that read, have done their part of. */
void reload_poll(struct reload *r);

/* At the end: files that are being read are not read to their end. The loop runs
 * meanwhile. */
void reload_settle(struct reload *r);

/* Has plugins look at the files they read, where it is due, and workers take over what
 * is new. Returns when it is needed next, on the clock of `now_us`; UINT64_MAX: not
 * before reload_poll() has finished something. */
uint64_t reload_refresh(struct reload *r, uint64_t now_us);

/* Waits for the workers, which have ended or were told to, and frees everything. */
void reload_release(struct reload *r);

#endif
