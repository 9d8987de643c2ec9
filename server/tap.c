#include "server/tap.h"

#include "base/limits.h"
#include "base/log.h"
#include "server/tap_listen.h"
#include "server/tap_ring.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH         64  /* messages in one write */
#define MESSAGE_USUAL 256 /* octets: what a place in the queue is reckoned at */

struct tap {
    struct outside_tap how;
    char *text;                /* "tcp://127.0.0.1:6000", for the log */
    struct tap_sink *sink;     /* when we connect; NULL: not connected */
    struct tap_listen *listen; /* when others do */
    time_t retry_at, told_at;
    uint64_t lost, told; /* messages without a taker; lost ones that the log knows of */

    pthread_t thread;
    pthread_mutex_t lock; /* for `wake`: two threads sleep and rouse */
    pthread_cond_t wake;
    _Atomic bool asleep, ended;
    tap_end end; /* when the thread is to be done with what waits */
    _Atomic(struct tap_ring *) rings[TAP_WORKERS_MAX];
};

static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* ---- workers ---- */

static struct tap_ring *ring_of(struct tap *t, unsigned worker)
{
    struct tap_ring *r = atomic_load_explicit(&t->rings[worker], memory_order_relaxed);
    if (r != NULL)
        return r;
    r = tap_ring_new((size_t)t->how.queue * MESSAGE_USUAL);
    atomic_store_explicit(&t->rings[worker], r, memory_order_release);
    return r;
}

void tap_put(void *tap, unsigned worker, const uint8_t *octets, size_t len)
{
    struct tap *t = tap;
    struct tap_ring *r = worker < TAP_WORKERS_MAX ? ring_of(t, worker) : NULL;
    if (r == NULL)
        return;
    tap_ring_put(r, octets, len);
    if (tap_ring_used(r) < r->cap / 4 ||
        !atomic_load_explicit(&t->asleep, memory_order_relaxed))
        return;
    atomic_store_explicit(&t->asleep, false, memory_order_relaxed);
    pthread_cond_signal(&t->wake);
}

/* ---- the thread ---- */

/* A sink that is gone is made anew at once, and then now and again. */
static struct tap_sink *sink_of(struct tap *t)
{
    char reason[OUTSIDE_REASON_MAX] = "";
    if (t->sink != NULL || now_s() < t->retry_at)
        return t->sink;
    t->sink = tap_sink_connect(&t->how, &t->end, reason);
    if (t->sink == NULL) {
        t->retry_at = now_s() + TAP_RETRY_S;
        log_error("plugin/dnstap: No connection to dnstap endpoint %s: %s", t->text,
                  reason);
    }
    return t->sink;
}

static void write_to_sink(struct tap *t, const struct iovec *iov, int n)
{
    struct tap_sink *s = sink_of(t);
    if (s != NULL && tap_sink_write(s, iov, n) < 0) {
        tap_sink_close(s);
        t->sink = NULL;
        s = sink_of(t);
        if (s != NULL && tap_sink_write(s, iov, n) < 0)
            s = NULL;
    }
    t->lost += s == NULL ? (uint64_t)n : 0;
}

/* Takes what waits; true when there was something. */
static bool drain(struct tap *t)
{
    struct iovec iov[BATCH];
    bool any = false;
    for (unsigned i = 0; i < TAP_WORKERS_MAX; i++) {
        struct tap_ring *r = atomic_load_explicit(&t->rings[i], memory_order_acquire);
        int n = r == NULL ? 0 : tap_ring_peek(r, iov, BATCH);
        if (n == 0)
            continue;
        any = true;
        if (t->listen != NULL)
            t->lost += tap_listen_write(t->listen, iov, n);
        else
            write_to_sink(t, iov, n);
        tap_ring_done(r);
    }
    return any;
}

static void tell_losses(struct tap *t)
{
    uint64_t lost = t->lost;
    if (now_s() < t->told_at + TAP_RETRY_S)
        return;
    t->told_at = now_s();
    for (unsigned i = 0; i < TAP_WORKERS_MAX; i++) {
        struct tap_ring *r = atomic_load_explicit(&t->rings[i], memory_order_acquire);
        if (r != NULL)
            lost += atomic_load_explicit(&r->lost, memory_order_relaxed);
    }
    if (lost > t->told)
        log_warning("plugin/dnstap: Dropped dnstap messages: %llu (%s)",
                    (unsigned long long)(lost - t->told), t->text);
    t->told = lost;
}

/* Until woken, or TAP_FLUSH_MS: a wake that comes just before is made up for by that.
 */
static void rest(struct tap *t)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += TAP_FLUSH_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->asleep, true);
    if (!atomic_load(&t->ended))
        pthread_cond_timedwait(&t->wake, &t->lock, &until);
    atomic_store(&t->asleep, false);
    pthread_mutex_unlock(&t->lock);
}

static void *run(void *tap)
{
    struct tap *t = tap;
    if (t->listen == NULL)
        sink_of(t);
    while (!atomic_load(&t->ended)) {
        if (!drain(t))
            rest(t);
        if (t->listen != NULL)
            t->lost += tap_listen_write(t->listen, NULL, 0); /* what waits */
        tell_losses(t);
    }
    while (tap_now_ms() < atomic_load(&t->end) && drain(t))
        continue;
    tap_sink_close(t->sink);
    return NULL;
}

/* ---- life ---- */

static char *text_of_tap(const struct outside_tap *how)
{
    char text[512];
    if (how->kind == TAP_UNIX)
        snprintf(text, sizeof text, "%s", how->path);
    else
        snprintf(text, sizeof text, "%s://%s:%s", how->kind == TAP_TLS ? "tls" : "tcp",
                 how->host, how->port);
    return strdup(text);
}

/* Copies the parts that are used later. */
static int keep_settings(struct tap *t, const struct outside_tap *how)
{
    t->how = *how;
    t->how.path = how->path == NULL ? NULL : strdup(how->path);
    t->how.host = how->host == NULL ? NULL : strdup(how->host);
    t->how.port = how->port == NULL ? NULL : strdup(how->port);
    t->text = text_of_tap(how);
    bool all = t->text != NULL && (how->path == NULL || t->how.path != NULL) &&
               (how->host == NULL || t->how.host != NULL) &&
               (how->port == NULL || t->how.port != NULL);
    return all ? 0 : -1;
}

static int start(struct tap *t)
{
    pthread_condattr_t monotonic;
    sigset_t all, old;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&t->lock, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* they are the control thread's */
    int error = pthread_create(&t->thread, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error == 0)
        return 0;
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    return -1;
}

static void release(struct tap *t)
{
    tap_listen_close(t->listen);
    for (unsigned i = 0; i < TAP_WORKERS_MAX; i++)
        tap_ring_free(atomic_load(&t->rings[i]));
    free((char *)(uintptr_t)t->how.path);
    free((char *)(uintptr_t)t->how.host);
    free((char *)(uintptr_t)t->how.port);
    free(t->text);
    free(t);
}

/* Whatever fails leaves `reason`, or nothing for want of memory. */
static int prepare(struct tap *t, const struct outside_tap *how, char *reason)
{
    if (keep_settings(t, how) < 0)
        return -1;
    if (how->listen &&
        (t->listen = tap_listen_open(&t->how, t->text, &t->end, reason)) == NULL)
        return -1;
    return start(t);
}

void *tap_open(const struct outside_tap *how, char *reason)
{
    struct tap *t = calloc(1, sizeof *t);
    snprintf(reason, OUTSIDE_REASON_MAX, "out of memory");
    if (t == NULL)
        return NULL;
    t->end = TAP_ENDLESS;
    if (prepare(t, how, reason) == 0)
        return t;
    release(t);
    return NULL;
}

void tap_close(void *tap)
{
    struct tap *t = tap;
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->end, tap_now_ms() + TAP_END_MS);
    atomic_store(&t->ended, true);
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    release(t);
}
