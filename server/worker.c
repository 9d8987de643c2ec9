#include "server/worker.h"

#include "server/dial_stream.h"
#include "server/dial_udp.h"
#include "server/tap.h"
#include "server/tcp.h"
#include "server/udp.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NONE UINT32_MAX

/* A listening address as this worker has it open. */
struct listener {
    uint32_t id;       /* of the listen_address */
    uint32_t udp, tcp; /* numbers of the sockets; NONE: no UDP */
    bool keep;
};

struct worker {
    struct io io; /* first: struct io * is struct worker * */
    struct worker_settings settings;
    struct turn turn;
    struct udp udp;
    struct tcp tcp;
    struct streams streams;
    struct dial_udp dial_udp;
    struct dial_stream dial_stream;
    struct listener *listeners;
    uint32_t listeners_n;

    uv_prepare_t before_sleep;
    uv_timer_t timer;  /* for the resolver */
    uint64_t timer_us; /* when it fires; UINT64_MAX: not armed */
    uv_async_t wake;
    _Atomic(struct worker_order *) order;
    _Atomic(struct worker_question *) questions;
    _Atomic uint32_t turns; /* begun by `wake` */
    _Atomic int end;        /* enum worker_end */
    _Atomic bool ended;
    bool draining;
    bool started;
    pthread_t thread;
};

/* ---- struct io ---- */

static struct worker *worker_of(struct io *io)
{
    return (struct worker *)io;
}

static void io_random(struct io *io, void *out, size_t len)
{
    entropy_take(&worker_of(io)->turn.entropy, out, len);
}

static struct worker_question *question_of(const struct client *c)
{
    return (struct worker_question *)(uintptr_t)c->handle;
}

static uint8_t *io_reply_space(struct io *io, const struct client *c, size_t *cap)
{
    if (c->trace != NULL) {
        *cap = sizeof question_of(c)->reply;
        return question_of(c)->reply;
    }
    if (c->transport == TRANSPORT_UDP)
        return udp_reply_space(&worker_of(io)->udp, c, cap);
    return streams_reply_space(&worker_of(io)->streams, c, cap);
}

/* Nothing of the question is touched any more once it is done. */
static void reply_to_question(struct worker *w, const struct client *c, size_t len)
{
    struct worker_question *q = question_of(c);
    q->reply_len = len;
    atomic_store(&q->done, true);
    uv_async_send(w->settings.notify);
}

static void io_reply(struct io *io, const struct client *c, size_t len)
{
    if (c->trace != NULL)
        reply_to_question(worker_of(io), c, len);
    else if (c->transport == TRANSPORT_UDP)
        udp_reply(&worker_of(io)->udp, c, len);
    else
        streams_reply(&worker_of(io)->streams, c, len);
}

static void io_reply_part(struct io *io, const struct client *c, size_t len)
{
    streams_reply_part(&worker_of(io)->streams, c, len);
}

static int io_connect(struct io *io, const struct endpoint *e, enum transport t,
                      uint32_t avoid, uint32_t *conn)
{
    struct worker *w = worker_of(io);
    int error = t == TRANSPORT_UDP
                    ? dial_udp_connect(&w->dial_udp, e, avoid, conn)
                    : dial_stream_connect(&w->dial_stream, e, t, avoid, conn);
    io->opened = w->dial_udp.counters.opened + w->dial_stream.counters.opened;
    return error;
}

static int io_send(struct io *io, uint32_t conn, const struct endpoint *to,
                   const uint8_t *wire, size_t len)
{
    if (conns_is_stream(conn))
        return dial_stream_send(&worker_of(io)->dial_stream, conn, wire, len);
    return dial_udp_send(&worker_of(io)->dial_udp, conn, to, wire, len);
}

static void io_settle(struct io *io, uint32_t conn)
{
    if (conns_is_stream(conn))
        dial_stream_settle(&worker_of(io)->dial_stream, conn);
    else
        dial_udp_settle(&worker_of(io)->dial_udp, conn);
}

static uint64_t io_wall_us(struct io *io)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void io_tap(struct io *io, void *tap, const uint8_t *octets, size_t len)
{
    tap_put(tap, worker_of(io)->settings.number, octets, len);
}

static const struct io worker_io = {
    .random = io_random,
    .reply_space = io_reply_space,
    .reply = io_reply,
    .reply_part = io_reply_part,
    .connect = io_connect,
    .send = io_send,
    .settle = io_settle,
    .wall_us = io_wall_us,
    .tap = io_tap,
};

/* ---- turns ---- */

static void on_timer(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    w->timer_us = UINT64_MAX;
    turn_begin(&w->turn);
}

/* Has the resolver woken in time. A deadline that moved to later is not worth a call:
 * the timer then fires early once, and is set anew. libuv counts in whole milliseconds
 * from a clock that may be one behind. */
static void arm_timer(struct worker *w)
{
    uint64_t next_us = resolver_next_us(w->turn.resolver);
    if (next_us >= w->timer_us)
        return;
    uint64_t now_us = w->turn.now_us;
    uint64_t wait_ms = next_us <= now_us ? 0 : (next_us - now_us) / 1000 + 1;
    w->timer_us = next_us;
    uv_timer_start(&w->timer, on_timer, wait_ms, 0);
}

/* Sends what the turn has produced. Failures found on the way may make the resolver ask
 * again. */
static void end_turn(struct worker *w)
{
    bool more;
    do {
        more = streams_flush(&w->streams);
        more |= dial_stream_flush(&w->dial_stream);
        more |= dial_udp_flush(&w->dial_udp);
        udp_flush(&w->udp);
    } while (more);
    w->turn.open = false;
}

static void on_before_sleep(uv_prepare_t *prepare)
{
    struct worker *w = prepare->data;
    if (w->turn.open)
        end_turn(w);
    arm_timer(w);
    if (w->draining && resolver_in_flight(w->turn.resolver) == 0 &&
        streams_quiet(&w->streams))
        uv_stop(&w->turn.loop);
}

/* ---- orders ---- */

static struct listener *listener_of(struct worker *w, uint32_t id)
{
    for (uint32_t i = 0; i < w->listeners_n; i++) {
        if (w->listeners[i].id == id)
            return &w->listeners[i];
    }
    return NULL;
}

static int open_listener(struct worker *w, struct listener *l, struct listen_address *a)
{
    struct listen_fds fds = a->fds[w->settings.number];
    a->fds[w->settings.number] = (struct listen_fds){.udp = -1, .tcp = -1};
    *l = (struct listener){.id = a->id, .udp = NONE, .keep = true};
    int error =
        fds.udp < 0 ? 0 : udp_open(&w->udp, fds.udp, &a->addr, a->server, &l->udp);
    if (error != 0) {
        close(fds.tcp);
        return error;
    }
    error = tcp_open(&w->tcp, fds.tcp, a, &l->tcp);
    if (error != 0 && l->udp != NONE)
        udp_close(&w->udp, l->udp);
    return error;
}

static void close_listener(struct worker *w, struct listener *l)
{
    if (l->udp != NONE)
        udp_close(&w->udp, l->udp);
    tcp_close(&w->tcp, l->tcp);
}

/* Closes what the order does not name any more. */
static void drop_listeners(struct worker *w)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->listeners_n; i++) {
        if (w->listeners[i].keep)
            w->listeners[kept++] = w->listeners[i];
        else
            close_listener(w, &w->listeners[i]);
    }
    w->listeners_n = kept;
}

/* Room for all listeners of before and after. */
static int reserve_listeners(struct worker *w, const struct listen_set *set)
{
    size_t n = (size_t)w->listeners_n + set->n;
    struct listener *list = realloc(w->listeners, (n + 1) * sizeof *list);
    if (list == NULL)
        return ENOMEM;
    w->listeners = list;
    return 0;
}

static struct stream_limits limits_of(const struct plan_server *server)
{
    struct stream_limits limits = stream_limits_default;
    const struct plan_timeouts *t = &server->timeouts;
    if (t->read_us > 0)
        limits.read_ms = (uint32_t)(t->read_us / 1000);
    if (t->write_us > 0)
        limits.write_ms = (uint32_t)(t->write_us / 1000);
    if (t->idle_us > 0)
        limits.idle_ms = (uint32_t)(t->idle_us / 1000);
    limits.questions_max = t->queries_max;
    limits.proxy = server->proxy;
    limits.https = server->https_meter;
    return limits;
}

/* Goes over to server `index` of the plan. */
static void serve(struct worker *w, const struct listener *l, uint16_t index,
                  const struct plan_server *server)
{
    struct stream_limits limits = limits_of(server);
    bool http = server->scheme == SCHEME_HTTPS;
    if (l->udp != NONE)
        udp_serve(&w->udp, l->udp, index, server);
    tcp_serve(&w->tcp, l->tcp, index);
    tcp_limit(&w->tcp, l->tcp, &limits);
    tcp_secure(&w->tcp, l->tcp, server->tls.settings, http ? server->https_max : 0);
}

static int reconcile(struct worker *w, struct worker_order *order)
{
    struct listen_set *set = order->listeners;
    int error = 0;
    for (uint32_t i = 0; i < w->listeners_n; i++)
        w->listeners[i].keep = false;
    for (uint32_t i = 0; i < set->n; i++) {
        struct listen_address *a = &set->list[i];
        struct listener *l = listener_of(w, a->id);
        if (l != NULL) {
            l->keep = true;
        } else {
            l = &w->listeners[w->listeners_n];
            int rc = open_listener(w, l, a);
            if (rc != 0) {
                error = rc;
                continue;
            }
            w->listeners_n++;
        }
        serve(w, l, a->server, &order->plan->servers[a->server]);
    }
    drop_listeners(w);
    return error;
}

static int follow(struct worker *w, struct worker_order *order)
{
    int error = reserve_listeners(w, order->listeners);
    if (error == 0 && resolver_adopt(w->turn.resolver, order->plan, order->epoch) < 0)
        error = ENOMEM;
    if (error == 0)
        error = reconcile(w, order);
    return error;
}

static void begin_drain(struct worker *w)
{
    w->draining = true;
    for (uint32_t i = 0; i < w->listeners_n; i++) {
        if (w->listeners[i].udp != NONE)
            udp_pause(&w->udp, w->listeners[i].udp);
        tcp_pause(&w->tcp, w->listeners[i].tcp);
    }
    streams_drain(&w->streams);
}

static void ask_questions(struct worker *w)
{
    struct worker_question *q = atomic_exchange(&w->questions, NULL);
    while (q != NULL) {
        struct worker_question *next = q->next; /* `q` may be done, and gone, soon */
        resolver_query(w->turn.resolver, &q->client, q->wire, q->wire_len);
        q = next;
    }
}

static void on_wake(uv_async_t *async)
{
    struct worker *w = async->data;
    turn_begin(&w->turn);
    atomic_fetch_add_explicit(&w->turns, 1, memory_order_relaxed);
    struct worker_order *order = atomic_exchange(&w->order, NULL);
    if (order != NULL) {
        if (follow(w, order) != 0)
            atomic_fetch_add(&order->failed, 1);
        atomic_fetch_sub(&order->left, 1);
        uv_async_send(w->settings.notify);
    }
    ask_questions(w);
    int end = atomic_load(&w->end);
    if (end == WORKER_STOP)
        uv_stop(&w->turn.loop);
    else if (end == WORKER_DRAIN && !w->draining)
        begin_drain(w);
}

/* ---- life ---- */

/* All handles have been closed. Parts that were never made are all zero. */
static void release_parts(struct worker *w)
{
    udp_release(&w->udp);
    tcp_release(&w->tcp);
    streams_release(&w->streams);
    dial_udp_release(&w->dial_udp);
    dial_stream_release(&w->dial_stream);
}

/* Ends what is in flight and closes all but `wake`, which the control thread may use
 * until it has joined. */
static void take_down(struct worker *w)
{
    turn_begin(&w->turn);
    resolver_free(w->turn.resolver);
    w->turn.resolver = NULL;
    for (uint32_t i = 0; i < w->listeners_n; i++)
        close_listener(w, &w->listeners[i]);
    intakes_close(&w->udp.intakes);
    tcp_close_timer(&w->tcp);
    streams_close(&w->streams);
    dial_udp_close(&w->dial_udp);
    dial_stream_close(&w->dial_stream);
    uv_close((uv_handle_t *)&w->before_sleep, NULL);
    uv_close((uv_handle_t *)&w->timer, NULL);
    uv_unref((uv_handle_t *)&w->wake);
    uv_run(&w->turn.loop, UV_RUN_DEFAULT);
    release_parts(w);
    free(w->listeners);
}

static void *run(void *argument)
{
    struct worker *w = argument;
    uv_run(&w->turn.loop, UV_RUN_DEFAULT);
    take_down(w);
    atomic_store(&w->ended, true);
    uv_async_send(w->settings.notify);
    return NULL;
}

static int init_handles(struct worker *w)
{
    uv_prepare_init(&w->turn.loop, &w->before_sleep);
    uv_timer_init(&w->turn.loop, &w->timer);
    w->before_sleep.data = w->timer.data = w->wake.data = w;
    uv_prepare_start(&w->before_sleep, on_before_sleep);
    return -uv_async_init(&w->turn.loop, &w->wake, on_wake);
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_loop(struct worker *w)
{
    uv_walk(&w->turn.loop, close_handle, NULL);
    uv_run(&w->turn.loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->turn.loop);
}

/* What works with the loop. On failure the caller closes the loop, then releases. */
static int init_parts(struct worker *w)
{
    int error = init_handles(w);
    if (error == 0 && udp_init(&w->udp, &w->turn) < 0)
        error = ENOMEM;
    if (error == 0)
        error = streams_init(&w->streams, &w->turn, w->settings.quota);
    if (error == 0)
        error = dial_udp_init(&w->dial_udp, &w->turn);
    if (error == 0)
        error = dial_stream_init(&w->dial_stream, &w->turn);
    if (error != 0)
        return error;
    tcp_init(&w->tcp, &w->streams);
    w->turn.resolver = resolver_new(&w->io, w->settings.number);
    return w->turn.resolver == NULL ? ENOMEM : 0;
}

static int init(struct worker *w)
{
    int error = entropy_init(&w->turn.entropy);
    if (error == 0)
        error = -uv_loop_init(&w->turn.loop);
    if (error != 0)
        return error;
    error = init_parts(w);
    if (error != 0) {
        close_loop(w);
        release_parts(w);
    }
    return error;
}

struct worker *worker_new(const struct worker_settings *settings,
                          struct worker_order *order, struct errors *errs)
{
    struct worker *w = calloc(1, sizeof *w);
    int error = ENOMEM;
    if (w != NULL) {
        w->io = worker_io;
        w->settings = *settings;
        w->timer_us = UINT64_MAX;
        error = init(w);
    }
    if (error == 0) {
        turn_begin(&w->turn);
        error = follow(w, order);
        if (error == 0)
            return w;
        take_down(w);
        close_loop(w);
    }
    free(w);
    error_at(errs, (struct where){0}, "worker %u cannot start: %s", settings->number,
             strerror(error));
    return NULL;
}

int worker_start(struct worker *w, struct errors *errs)
{
    sigset_t all, before;
    /* Signals are for the control thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0)
        return error_at(errs, (struct where){0}, "worker %u cannot start: %s",
                        w->settings.number, strerror(error));
    w->started = true;
    char name[16];
    snprintf(name, sizeof name, "worker-%u", w->settings.number);
    pthread_setname_np(w->thread, name);
    return 0;
}

void worker_give(struct worker *w, struct worker_order *order)
{
    atomic_store(&w->order, order);
    uv_async_send(&w->wake);
}

void worker_ask(struct worker *w, struct worker_question *q)
{
    q->client.handle = (uintptr_t)q;
    q->next = atomic_load(&w->questions);
    while (!atomic_compare_exchange_weak(&w->questions, &q->next, q))
        ;
    uv_async_send(&w->wake);
}

void worker_ping(struct worker *w)
{
    uv_async_send(&w->wake);
}

uint32_t worker_turns(const struct worker *w)
{
    return atomic_load_explicit(&w->turns, memory_order_relaxed);
}

void worker_end(struct worker *w, enum worker_end how)
{
    if (atomic_load(&w->ended))
        return;
    atomic_store(&w->end, how);
    uv_async_send(&w->wake);
}

uint64_t worker_oldest_epoch(const struct worker *w)
{
    return resolver_oldest_epoch(w->turn.resolver);
}

bool worker_ended(const struct worker *w)
{
    return atomic_load(&w->ended);
}

void worker_join(struct worker *w)
{
    if (w == NULL)
        return;
    if (w->started)
        pthread_join(w->thread, NULL);
    else
        take_down(w);
    close_loop(w);
    free(w);
}
