/* explain_offline(): a question without a server. */
#include "server/explain.h"

#include "base/hash.h"
#include "resolver/rdata.h"
#include "resolver/registry.h"
#include "server/outside.h"

#include <stdatomic.h>
#include <stdlib.h>

#define PATIENCE_MS 15000 /* longer than any question may take */

static const struct where nowhere = {0};

struct bench {
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t patience;
    struct registry *registry;
    struct quota *quota;
    struct plan *plan;
    struct worker *worker;
    struct listen_set listeners; /* none */
    struct worker_order order;
    struct explain *asked;
};

static void on_wake(uv_async_t *async)
{
    struct bench *b = async->data;
    if (atomic_load(&b->asked->question.done))
        uv_stop(&b->loop);
}

static void on_out_of_patience(uv_timer_t *timer)
{
    struct bench *b = timer->data;
    uv_stop(&b->loop);
}

static int make_plan(struct bench *b, const char *conf, struct errors *errs)
{
    struct plan_flags flags = {.outside = &outside_asking};
    struct config *config = config_load(conf, plugin_vocabulary(), errs);
    if (config == NULL)
        return -1;
    b->plan = plan_build(config, b->registry, &flags, errs);
    return b->plan == NULL ? -1 : 0;
}

static int start_worker(struct bench *b, struct errors *errs)
{
    struct worker_settings settings = {.notify = &b->wake, .quota = b->quota};
    b->listeners.workers = 1;
    b->order.plan = b->plan;
    b->order.listeners = &b->listeners;
    b->worker = worker_new(&settings, &b->order, errs);
    return b->worker == NULL ? -1 : worker_start(b->worker, errs);
}

static int run(struct bench *b, const char *conf, const struct explain_what *what,
               struct errors *errs)
{
    if (make_plan(b, conf, errs) < 0 || start_worker(b, errs) < 0)
        return -1;
    b->asked = explain_new(b->plan, what, errs);
    if (b->asked == NULL)
        return -1;
    worker_ask(b->worker, &b->asked->question);
    uv_timer_start(&b->patience, on_out_of_patience, PATIENCE_MS, 0);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    if (atomic_load(&b->asked->question.done))
        return 0;
    return error_at(errs, nowhere, "no answer in %d s", PATIENCE_MS / 1000);
}

static void end(struct bench *b)
{
    if (b->worker != NULL) {
        worker_end(b->worker, WORKER_STOP);
        worker_join(b->worker);
    }
    explain_free(b->asked);
    if (b->plan != NULL)
        plan_done(b->plan);
    plan_free(b->plan);
    quota_free(b->quota);
    registry_free(b->registry);
    uv_close((uv_handle_t *)&b->wake, NULL);
    uv_close((uv_handle_t *)&b->patience, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    uv_loop_close(&b->loop);
}

static int open_loop(struct bench *b)
{
    if (uv_loop_init(&b->loop) != 0)
        return -1;
    if (uv_async_init(&b->loop, &b->wake, on_wake) != 0) {
        uv_loop_close(&b->loop);
        return -1;
    }
    uv_timer_init(&b->loop, &b->patience);
    b->wake.data = b->patience.data = b;
    return 0;
}

int explain_offline(struct json_out *j, const char *conf,
                    const struct explain_what *what, struct errors *errs)
{
    struct bench b = {0};
    int rc = -1;
    if (hash_seed() < 0 || rdata_start() < 0 || open_loop(&b) < 0)
        return error_at(errs, nowhere, "out of memory");
    b.registry = registry_new();
    b.quota = quota_new(1, 1);
    if (b.registry == NULL || b.quota == NULL)
        error_at(errs, nowhere, "out of memory");
    else
        rc = run(&b, conf, what, errs);
    if (rc == 0)
        explain_json(j, b.asked, b.plan);
    end(&b);
    return rc;
}
