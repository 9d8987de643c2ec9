#include "server/reload.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "resolver/clusters.h"
#include "resolver/registry.h"
#include "server/outside.h"
#include "server/turn.h"
#include "server/version.h"

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

/* On the thread of an inventory's source. */
static void inventory_changed(void *context)
{
    uv_async_send(context);
}

int reload_init(struct reload *r, const struct arguments *args, uv_async_t *wake,
                struct errors *errs)
{
    *r = (struct reload){.args = args, .wake = wake};
    r->outside = outside_serving;
    r->outside.changed = inventory_changed;
    r->outside.context = wake;
    r->facts = (struct metrics_facts){
        .version = VERSION_NUMBER, .build = VERSION_COMPILER, .digest = r->digest};
    if (admin_init(&r->admin, wake->loop, &r->facts, errs) < 0)
        return -1;
    r->started_us = turn_clock_us();
    errors_init(&r->failure);
    errors_init(&r->next_errs);
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
    uv_mutex_lock(&r->lock);
    retired->next = r->retired;
    r->retired = retired;
    uv_mutex_unlock(&r->lock);
    uv_async_send(r->wake);
}

static void wake_control(void *context)
{
    struct reload_retired *retired = context;
    uv_async_send(retired->reload->wake);
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

static bool is_from_stdin(const struct reload *r)
{
    return r->args->conf != NULL && strcmp(r->args->conf, "stdin") == 0;
}

/* A file that is read on another thread, which keeps the plan. */
struct reload_reading {
    uv_work_t work;
    struct reload *reload;
    struct plan *plan;
    struct feed *feed;
    void *reading;
    struct reload_reading *next, **at;
};

static void read_feed(uv_work_t *work)
{
    struct reload_reading *one = work->data;
    one->reading = one->feed->source.read(one->feed->source.context);
}

static void on_read(uv_work_t *work, int status)
{
    struct reload_reading *one = work->data;
    *one->at = one->next;
    if (one->next != NULL)
        one->next->at = one->at;
    if (status == UV_ECANCELED)
        feed_dropped(one->feed);
    else
        feed_done(one->feed, one->reading);
    plan_done(one->plan);
    uv_async_send(one->reload->wake);
    free(one);
}

/* Without memory for a thread it is read here. */
static void start_reading(struct feed *f, void *runner)
{
    const struct reload_retired *of = runner;
    struct reload *r = of->reload;
    struct reload_reading *one = malloc(sizeof *one);
    if (one != NULL) {
        *one = (struct reload_reading){.reload = r, .plan = of->plan, .feed = f};
        one->work.data = one;
    }
    if (one == NULL || uv_queue_work(r->wake->loop, &one->work, read_feed, on_read)) {
        free(one);
        feed_done(f, f->source.read(f->source.context));
        return;
    }
    plan_use(of->plan);
    one->next = r->readings;
    one->at = &r->readings;
    if (one->next != NULL)
        one->next->at = &one->next;
    r->readings = one;
}

/* Takes `config`; NULL: it could not be read, and why is in `errs`. */
static struct plan *build(struct reload *r, struct config *config, struct errors *errs)
{
    if (config == NULL)
        return NULL;
    struct plan_flags flags = {.epoch = r->epoch,
                               .read_later = r->plan != NULL,
                               .dns_port = r->args->dns_port,
                               .outside = &r->outside};
    struct plan *plan = plan_build(config, r->registry, &flags, errs);
    if (plan == NULL)
        return NULL;
    corefile_forget(&plan->config->corefile); /* all of it has been read */
    struct reload_retired *retired = arena_alloc(&plan->arena, sizeof *retired);
    if (retired == NULL) {
        plan_free(plan);
        error_at(errs, nowhere, "out of memory");
        return NULL;
    }
    *retired = (struct reload_retired){.reload = r, .plan = plan};
    plan->unused = retire_plan;
    plan->tell = wake_control;
    plan->unused_context = retired;
    return plan;
}

/* ---- what was read ---- */

static uint64_t hash_errors(const struct errors *errs)
{
    uint64_t hash = errs->n;
    for (uint32_t i = 0; errs->list != NULL && i < errs->n && i < ERRORS_MAX; i++) {
        const struct error *e = &errs->list[i];
        hash = hash_mix(hash, hash_bytes(e->text, strlen(e->text)));
        hash = hash_mix(hash, e->at.line);
    }
    return hash;
}

/* Reads the file and notes what it says. True: that is new. */
static bool read_file(struct reload *r, struct config **config, struct errors *errs)
{
    struct reload_text was = r->tried;
    r->tried = (struct reload_text){0};
    *config = config_load(r->args->conf, plugin_vocabulary(), errs);
    r->tried.errors = hash_errors(errs);
    if (*config != NULL)
        memcpy(r->tried.digest, (*config)->digest, sizeof r->tried.digest);
    return r->tried.errors != was.errors ||
           memcmp(r->tried.digest, was.digest, sizeof was.digest) != 0;
}

/* Whether it is what the plan in use was made from. */
static bool is_in_use(const struct reload *r)
{
    return r->tried.errors == 0 && memcmp(r->tried.digest, r->plan->config->digest,
                                          sizeof r->tried.digest) == 0;
}

static void note_digest(struct reload *r)
{
    const uint8_t *digest = r->plan->config->digest;
    for (size_t i = 0; i < sizeof r->plan->config->digest; i++)
        snprintf(r->digest + 2 * i, 3, "%02x", digest[i]);
    if (r->plan->reload.interval_us > 0)
        log_info("plugin/reload: Running configuration SHA512 = %s", r->digest);
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
    struct config *config;
    read_file(r, &config, errs);
    r->plan = build(r, config, errs);
    if (r->plan == NULL)
        return -1;
    feeds_begin(&r->plan->feeds, start_reading, r->plan->unused_context);
    log_enable_debug(r->plan->debug);
    r->loaded_us = turn_clock_us();
    drains_apply(&r->drains, r->plan);
    struct listen_from from = {.inherited = &r->inherited};
    r->listeners = listen_open(r->plan, &from, workers_for(r->plan), errs);
    if (r->listeners == NULL)
        return -1;
    return admin_prepare(&r->admin, r->plan, errs);
}

static void write_order(struct reload *r, struct plan *plan,
                        struct listen_set *listeners)
{
    r->order.plan = plan;
    r->order.epoch = ++r->epoch;
    plan->retirement.epoch = r->epoch + 1;
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
    admin_commit(&r->admin, r->plan);
    note_digest(r);
    if (is_from_stdin(r) && r->plan->reload.interval_us > 0)
        log_warning("plugin/reload: the configuration came from standard input, which "
                    "cannot be read again: it is not watched");
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

/* The new sockets of a plan. 0, or -1 after adding errors. */
static int open_sockets(struct reload *r, struct plan *plan, struct errors *errs)
{
    struct listen_from from = {.old = r->listeners, .inherited = &r->inherited};
    r->listeners_next = listen_open(plan, &from, r->workers_n, errs);
    if (r->listeners_next == NULL)
        return -1;
    if (admin_prepare(&r->admin, plan, errs) == 0)
        return 0;
    listen_free(r->listeners_next);
    r->listeners_next = NULL;
    return -1;
}

static void forget_failure(struct reload *r)
{
    errors_release(&r->failure);
    errors_init(&r->failure);
}

/* Takes the errors, to be shown. */
static void log_failure(struct reload *r, struct errors *errs, const char *signal)
{
    const char *form = signal != NULL
                           ? "Restart failed"
                           : "plugin/reload: Corefile changed but reload failed";
    r->facts.reload_failures++;
    log_errors(LOG_ERROR, form, errs);
    if (signal != NULL)
        log_error("%s: %u error%s, the old configuration stays in use", signal, errs->n,
                  errs->n == 1 ? "" : "s");
    forget_failure(r);
    r->failure = *errs;
    errors_init(errs);
}

/* Goes over to the next plan once all its files are read, or says why not. */
static void go_over(struct reload *r)
{
    struct plan *plan = r->next;
    if (plan == NULL || plan->feeds.reading_n > 0 || r->busy)
        return;
    r->next = NULL;
    plan->errs = NULL;
    if (r->next_errs.n > 0 || open_sockets(r, plan, &r->next_errs) < 0) {
        plan_done(plan);
        log_failure(r, &r->next_errs, r->next_signal);
    } else {
        if (workers_for(plan) != r->workers_n)
            log_warning(
                "Reloading: %u workers go on; a changed multisocket takes effect "
                "at the next start",
                r->workers_n);
        drains_apply(&r->drains, plan);
        give_order(r, plan, r->listeners_next);
    }
    log_enable_debug(r->plan->debug);
}

/* Takes `config`. */
static void begin(struct reload *r, struct config *config, struct errors *errs,
                  const char *signal)
{
    log_info("Reloading");
    r->next = build(r, config, errs);
    if (r->next == NULL) {
        log_failure(r, errs, signal);
        log_enable_debug(r->plan->debug);
        return;
    }
    r->next_signal = signal;
    r->next->errs = &r->next_errs;
    feeds_begin(&r->next->feeds, start_reading, r->next->unused_context);
    go_over(r);
}

void reload_begin(struct reload *r, const char *signal)
{
    struct errors errs;
    struct config *config = NULL;
    if (r->busy || r->next != NULL) {
        r->again = signal;
        return;
    }
    errors_init(&errs);
    if (is_from_stdin(r))
        error_at(&errs, nowhere,
                 "the configuration came from standard input, which cannot be read "
                 "again: use a file");
    else
        read_file(r, &config, &errs);
    begin(r, config, &errs, signal);
    errors_release(&errs);
}

bool reload_is_going_on(const struct reload *r)
{
    return r->again != NULL || r->next != NULL || (r->busy && r->order.plan != r->plan);
}

void reload_look(struct reload *r)
{
    struct errors errs;
    struct config *config;
    if (r->busy || r->next != NULL || is_from_stdin(r))
        return;
    errors_init(&errs);
    if (read_file(r, &config, &errs) && !is_in_use(r)) {
        begin(r, config, &errs, NULL);
    } else {
        if (is_in_use(r))
            forget_failure(r);
        config_free(config);
    }
    errors_release(&errs);
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
    r->loaded_us = turn_clock_us();
    r->left_behind = failed;
    forget_failure(r);
    admin_commit(&r->admin, r->plan);
    r->listeners = r->listeners_next;
    r->listeners_next = NULL;
    log_enable_debug(r->plan->debug);
    note_digest(r);
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
    go_over(r);
    if (r->again != NULL && !r->busy && r->next == NULL) {
        const char *signal = r->again;
        r->again = NULL;
        reload_begin(r, signal);
    }
}

/* ---- files and inventories ---- */

#define RECLAIM_US 250000 /* between looks whether what was removed can end */

/* Ends what no query in flight can know. */
static bool reclaim(struct reload *r)
{
    uint64_t oldest = UINT64_MAX;
    if (r->plan->retirement.first == NULL)
        return false;
    for (unsigned i = 0; i < r->workers_n; i++) {
        uint64_t its = worker_oldest_epoch(r->workers[i]);
        oldest = its < oldest ? its : oldest;
    }
    retirement_reclaim(&r->plan->retirement, oldest);
    return r->plan->retirement.first != NULL;
}

/* A worker that has gone over, to the same plan, is between two turns: it can hold
 * nothing that was replaced before. */
uint64_t reload_refresh(struct reload *r, uint64_t now_us)
{
    struct feeds *feeds = &r->plan->feeds;
    if (!r->busy) {
        bool replaced = feeds_refresh(feeds, now_us);
        struct clusters_news news = clusters_refresh(r->plan, r->next);
        if (news.changed && r->drains.first != NULL)
            drains_apply(&r->drains, r->plan); /* also of those that have come */
        if (news.retired || replaced)
            give_order(r, r->plan, r->listeners);
    }
    if (r->busy)
        return UINT64_MAX;
    uint64_t due_us = feeds_due_us(feeds, now_us);
    if (reclaim(r) && due_us > now_us + RECLAIM_US)
        due_us = now_us + RECLAIM_US;
    return due_us;
}

/* ---- the end ---- */

void reload_settle(struct reload *r)
{
    for (struct reload_reading *one = r->readings; one != NULL; one = one->next) {
        feeds_stop(&one->plan->feeds);
        uv_cancel((uv_req_t *)&one->work);
    }
    while (r->readings != NULL)
        uv_run(r->wake->loop, UV_RUN_ONCE);
}

void reload_release(struct reload *r)
{
    for (unsigned i = 0; i < r->workers_n; i++)
        worker_join(r->workers[i]);
    free(r->workers);
    admin_release(&r->admin);
    if (r->busy && r->order.plan != r->plan)
        plan_done(r->order.plan);
    if (r->next != NULL)
        plan_done(r->next);
    if (r->plan != NULL)
        plan_done(r->plan);
    free_retired(r);
    listen_free(r->listeners_next);
    listen_free(r->listeners);
    drains_release(&r->drains);
    inherited_release(&r->inherited);
    errors_release(&r->failure);
    errors_release(&r->next_errs);
    uv_mutex_destroy(&r->lock);
    quota_free(r->quota);
    registry_free(r->registry);
}
