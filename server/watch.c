#include "server/watch.h"

#include <sys/random.h>

/* So that many programs with one Corefile do not all read it at once: the interval,
 * more or less up to half of the jitter. Without random numbers the interval itself. */
static uint64_t draw_ms(const struct plan_reload *settings)
{
    uint64_t jitter = (uint64_t)settings->jitter_us, drawn = 0;
    uint64_t least = (uint64_t)settings->interval_us - jitter / 2;
    if (getrandom(&drawn, sizeof drawn, GRND_NONBLOCK) != (ssize_t)sizeof drawn)
        drawn = jitter / 2;
    return (least + drawn % (jitter + 1)) / 1000;
}

static void on_timer(uv_timer_t *timer)
{
    struct watch *w = timer->data;
    reload_look(w->reload);
}

void watch_init(struct watch *w, uv_loop_t *loop, struct reload *r)
{
    *w = (struct watch){.reload = r};
    uv_timer_init(loop, &w->timer);
    w->timer.data = w;
}

void watch_follow(struct watch *w)
{
    const struct plan_reload *settings = &w->reload->plan->reload;
    if (settings->interval_us == w->drawn.interval_us &&
        settings->jitter_us == w->drawn.jitter_us)
        return;
    w->drawn = *settings;
    uv_timer_stop(&w->timer);
    if (settings->interval_us == 0)
        return;
    uint64_t period_ms = draw_ms(settings);
    uv_timer_start(&w->timer, on_timer, period_ms, period_ms);
}

void watch_stop(struct watch *w)
{
    uv_timer_stop(&w->timer);
}
