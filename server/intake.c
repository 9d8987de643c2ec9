#include "server/intake.h"

static void on_ready(uv_poll_t *poll, int status, int events);

/* Cannot fail: it only notes what the next wait is to watch. */
static void watch(struct intake *in)
{
    int events = (in->paused ? 0 : UV_READABLE) | (in->awaits_room ? UV_WRITABLE : 0);
    if (events == 0)
        uv_poll_stop(&in->poll);
    else
        uv_poll_start(&in->poll, events, on_ready);
}

static bool is_closed(const struct intake *in)
{
    return uv_is_closing((const uv_handle_t *)&in->poll);
}

static void list(struct intake *in)
{
    in->busy = true;
    in->next = in->all->busy;
    in->all->busy = in;
}

static void unlist(struct intake *in)
{
    struct intake **at = &in->all->busy;
    while (*at != NULL && *at != in)
        at = &(*at)->next;
    if (*at != NULL)
        *at = in->next;
    in->busy = false;
}

/* Reads the busy sockets. A read may close any of them: they are freed later only. */
static void on_idle(uv_idle_t *idle)
{
    struct intakes *all = idle->data;
    struct intake *next, *first = all->busy;
    all->busy = NULL;
    for (struct intake *in = first; in != NULL; in = next) {
        next = in->next;
        in->busy = false;
        unsigned n = in->paused || is_closed(in) ? 0 : in->calls->read(in);
        if (is_closed(in) || in->busy)
            continue;
        if (n >= INTAKE_BUSY && !in->awaits_room)
            list(in);
        else
            watch(in);
    }
    if (all->busy == NULL)
        uv_idle_stop(idle);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct intake *in = (struct intake *)poll;
    if (events & UV_WRITABLE)
        in->calls->room(in);
    if (status < 0 && in->calls->error != NULL)
        in->calls->error(in);
    if (!is_closed(in) && !in->paused && (status < 0 || events & UV_READABLE))
        in->calls->read(in);
    /* After an error on the socket libuv has stopped watching it; reading has cleared
     * it. */
    if (status < 0 && !is_closed(in) && !in->busy)
        watch(in);
}

void intakes_init(struct intakes *all, uv_loop_t *loop)
{
    *all = (struct intakes){0};
    uv_idle_init(loop, &all->idle);
    all->idle.data = all;
}

void intakes_close(struct intakes *all)
{
    uv_close((uv_handle_t *)&all->idle, NULL);
}

int intake_open(struct intake *in, struct intakes *all, int fd,
                const struct intake_calls *calls)
{
    int rc = uv_poll_init(all->idle.loop, &in->poll, fd);
    if (rc < 0)
        return -rc;
    in->all = all;
    in->calls = calls;
    watch(in);
    return 0;
}

void intake_sending(struct intake *in, unsigned n)
{
    if (n < INTAKE_BUSY || in->busy || in->paused || in->awaits_room || is_closed(in))
        return;
    uv_poll_stop(&in->poll);
    list(in);
    uv_idle_start(&in->all->idle, on_idle);
}

void intake_await_room(struct intake *in, bool awaits)
{
    if (in->awaits_room == awaits)
        return;
    in->awaits_room = awaits;
    if (in->busy)
        unlist(in);
    watch(in);
}

void intake_pause(struct intake *in)
{
    in->paused = true;
    if (in->busy)
        unlist(in);
    watch(in);
}

void intake_close(struct intake *in, uv_close_cb on_closed)
{
    if (in->busy)
        unlist(in);
    uv_close((uv_handle_t *)&in->poll, on_closed);
}
