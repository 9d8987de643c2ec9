#include "server/reload.h"

#include "base/limits.h"
#include "base/log.h"
#include "resolver/outside.h"
#include "resolver/registry.h"
#include "server/lookup.h"
#include "server/tls.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* Made with each plan, so that its last user has somewhere to put it without asking for
 * memory. */
struct reload_retired {
    struct reload *reload;
    struct plan *plan;
    struct reload_retired *next;
};

static const struct where nowhere = {0};

int reload_init(struct reload *r, const struct arguments *args, uv_async_t *wake,
                struct errors *errs)
{
    *r = (struct reload){.args = args, .wake = wake};
    r->registry = registry_new();
    r->quota = quota_new(TCP_CLIENTS_MAX, TCP_CLIENTS_PER_ADDRESS);
    if (r->registry != NULL && r->quota != NULL && uv_mutex_init(&r->lock) == 0)
        return 0;
    registry_free(r->registry);
    quota_free(r->quota);
    return error_at(errs, nowhere, "out of memory");
}

/* ---- plans ---- */

/* On whatever thread used the plan last. */
static void retire_plan(struct plan *plan, void *context)
{
    struct reload_retired *retired = context;
    struct reload *r = retired->reload;
    retired->plan = plan;
    uv_mutex_lock(&r->lock);
    retired->next = r->retired;
    r->retired = retired;
    uv_mutex_unlock(&r->lock);
    uv_async_send(r->wake);
}

static void free_retired(struct reload *r)
{
    uv_mutex_lock(&r->lock);
    struct reload_retired *list = r->retired;
    r->retired = NULL;
    uv_mutex_unlock(&r->lock);
    while (list != NULL) {
        struct reload_retired *next = list->next;
        plan_free(list->plan);
        list = next;
    }
}

static struct plan *load(struct reload *r, struct errors *errs)
{
    struct config *config = config_load(r->args->conf, plugin_vocabulary(), errs);
    if (config == NULL)
        return NULL;
    static const struct outside outside = {
        .lookup = lookup_addrs, .tls_new = tls_new, .tls_free = tls_free};
    struct plan_flags flags = {.dns_port = r->args->dns_port, .outside = &outside};
    struct plan *plan = plan_build(config, r->registry, &flags, errs);
    if (plan == NULL)
        return NULL;
    struct reload_retired *retired = arena_alloc(&plan->arena, sizeof *retired);
    if (retired == NULL) {
        plan_free(plan);
        error_at(errs, nowhere, "out of memory");
        return NULL;
    }
    retired->reload = r;
    plan->unused = retire_plan;
    plan->unused_context = retired;
    return plan;
}

/* ---- the first ---- */

static unsigned usable_cpus(void)
{
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) == 0
                 ? CPU_COUNT(&set)
                 : sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

static unsigned workers_for(const struct plan *plan)
{
    return plan->workers > 0 ? plan->workers : usable_cpus();
}

int reload_first(struct reload *r, struct errors *errs)
{
    r->plan = load(r, errs);
    if (r->plan == NULL)
        return -1;
    log_enable_debug(r->plan->debug);
    r->listeners = listen_open(r->plan, NULL, workers_for(r->plan), errs);
    return r->listeners == NULL ? -1 : 0;
}

static void write_order(struct reload *r, struct plan *plan,
                        struct listen_set *listeners)
{
    r->order.plan = plan;
    r->order.listeners = listeners;
    atomic_store(&r->order.left, r->workers_n);
    atomic_store(&r->order.failed, 0);
}

int reload_start_workers(struct reload *r, struct errors *errs)
{
    unsigned n = r->listeners->workers;
    r->workers = calloc(n, sizeof(struct worker *));
    if (r->workers == NULL)
        return error_at(errs, nowhere, "out of memory");
    write_order(r, r->plan, r->listeners);
    for (unsigned i = 0; i < n; i++) {
        struct worker_settings settings = {
            .number = i, .notify = r->wake, .quota = r->quota};
        r->workers[i] = worker_new(&settings, &r->order, errs);
        if (r->workers[i] == NULL)
            return -1;
        r->workers_n++;
    }
    for (unsigned i = 0; i < n; i++) {
        if (worker_start(r->workers[i], errs) < 0)
            return -1;
    }
    return 0;
}

/* ---- the next ---- */

static void give_order(struct reload *r, struct plan *plan,
                       struct listen_set *listeners)
{
    r->busy = true;
    write_order(r, plan, listeners);
    for (unsigned i = 0; i < r->workers_n; i++)
        worker_give(r->workers[i], &r->order);
}

/* The new plan with its new sockets, or errors. */
static struct plan *prepare(struct reload *r, struct errors *errs)
{
    if (r->args->conf != NULL && strcmp(r->args->conf, "stdin") == 0) {
        error_at(errs, nowhere,
                 "the configuration came from standard input, which cannot be read "
                 "again: use a file");
        return NULL;
    }
    struct plan *plan = load(r, errs);
    if (plan == NULL)
        return NULL;
    r->listeners_next = listen_open(plan, r->listeners, r->workers_n, errs);
    if (r->listeners_next != NULL)
        return plan;
    plan_done(plan);
    return NULL;
}

static void log_failure(const struct errors *errs)
{
    for (uint32_t i = 0; i < errs->n && i < ERRORS_MAX && errs->list != NULL; i++) {
        const struct error *e = &errs->list[i];
        if (e->at.file != NULL && e->at.line > 0)
            log_error("Restart failed: %s:%u - %s", e->at.file, e->at.line, e->text);
        else
            log_error("Restart failed: %s", e->text);
    }
    log_error("SIGUSR1: %u errors, the old configuration stays in use", errs->n);
}

static void begin(struct reload *r)
{
    struct errors errs;
    errors_init(&errs);
    log_info("Reloading");
    struct plan *plan = prepare(r, &errs);
    if (plan == NULL) {
        log_failure(&errs);
    } else {
        if (workers_for(plan) != r->workers_n)
            log_warning(
                "Reloading: %u workers go on; a changed multisocket takes effect "
                "at the next start",
                r->workers_n);
        give_order(r, plan, r->listeners_next);
    }
    log_enable_debug(r->plan->debug);
    errors_release(&errs);
}

void reload_begin(struct reload *r)
{
    if (r->busy)
        r->again = true;
    else
        begin(r);
}

/* All workers are with the new plan. */
static void finish(struct reload *r)
{
    unsigned failed = atomic_load(&r->order.failed);
    r->busy = false;
    if (r->order.plan == r->plan) { /* they only passed by */
        feeds_reclaim(&r->plan->feeds);
        return;
    }
    plan_done(r->plan);
    listen_free(r->listeners);
    r->plan = r->order.plan;
    r->listeners = r->listeners_next;
    r->listeners_next = NULL;
    log_enable_debug(r->plan->debug);
    if (failed > 0)
        log_error("Restart failed: %u workers could not go over: out of memory",
                  failed);
    else
        log_info("Reloading complete");
}

void reload_poll(struct reload *r)
{
    if (r->busy && atomic_load(&r->order.left) == 0)
        finish(r);
    free_retired(r);
    if (r->again && !r->busy) {
        r->again = false;
        begin(r);
    }
}

/* ---- files ---- */

/* A worker that has gone over, to the same plan, is between two turns: it can hold
 * nothing that was replaced before. */
uint64_t reload_refresh(struct reload *r, uint64_t now_us)
{
    struct feeds *feeds = &r->plan->feeds;
    if (!r->busy && feeds_refresh(feeds, now_us))
        give_order(r, r->plan, r->listeners);
    return r->busy ? UINT64_MAX : feeds_due_us(feeds, now_us);
}

/* ---- the end ---- */

void reload_release(struct reload *r)
{
    for (unsigned i = 0; i < r->workers_n; i++)
        worker_join(r->workers[i]);
    free(r->workers);
    if (r->busy && r->order.plan != r->plan)
        plan_done(r->order.plan);
    if (r->plan != NULL)
        plan_done(r->plan);
    free_retired(r);
    listen_free(r->listeners_next);
    listen_free(r->listeners);
    uv_mutex_destroy(&r->lock);
    quota_free(r->quota);
    registry_free(r->registry);
}
