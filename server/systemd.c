#include "server/systemd.h"

#include "base/log.h"
#include "server/status.h"
#include "server/turn.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOK_MS     5000 /* between looks at how clusters are */
#define MESSAGE_MAX (SYSTEMD_STATUS_MAX + 128)

/* ---- the socket ---- */

/* A path, or with an at sign a name that is no file (unix(7), abstract). */
static int read_address(struct systemd *s)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path == NULL ? 0 : strlen(path);
    if (len == 0)
        return -1;
    if ((path[0] != '/' && path[0] != '@') || len >= sizeof s->to.sun_path) {
        log_warning("NOTIFY_SOCKET %s is not understood: expected a path or @NAME",
                    path);
        return -1;
    }
    s->to.sun_family = AF_UNIX;
    memcpy(s->to.sun_path, path, len);
    s->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (path[0] == '@')
        s->to.sun_path[0] = '\0';
    else
        s->to_len++; /* its end */
    return 0;
}

__attribute__((format(printf, 2, 3))) static void tell(const struct systemd *s,
                                                       const char *form, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    if (s->fd < 0)
        return;
    va_start(args, form);
    int len = vsnprintf(text, sizeof text, form, args);
    va_end(args);
    if (len < 0)
        return;
    size_t n = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    if (sendto(s->fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT,
               (const struct sockaddr *)&s->to, s->to_len) < 0)
        log_warning("systemd could not be told: %s", strerror(errno));
}

/* ---- how things are ---- */

static void describe(const struct systemd *s, char out[SYSTEMD_STATUS_MAX])
{
    struct status_count n = status_count(s->reload->plan);
    char down[128] = "", drained[40] = "";
    if (n.down > 0)
        snprintf(down, sizeof down, ", %u down (%.60s%s)", n.down, n.first_down,
                 n.down > 1 ? ", ..." : "");
    if (n.drained > 0)
        snprintf(drained, sizeof drained, ", %u drained", n.drained);
    snprintf(out, SYSTEMD_STATUS_MAX, "%u cluster%s%s%s%s", n.clusters,
             n.clusters == 1 ? "" : "s", down, drained,
             s->reload->failure.n > 0
                 ? "; the changed configuration was refused, see the log"
                 : "");
}

static void tell_status(struct systemd *s)
{
    char now[SYSTEMD_STATUS_MAX];
    describe(s, now);
    if (strcmp(now, s->status) == 0)
        return;
    memcpy(s->status, now, sizeof now);
    tell(s, "STATUS=%s", now);
}

static void tell_ready(struct systemd *s)
{
    describe(s, s->status);
    tell(s, "READY=1\nSTATUS=%s", s->status);
}

static void on_look(uv_timer_t *timer)
{
    systemd_follow(timer->data);
}

/* ---- the watchdog ---- */

static bool all_turned(struct systemd *s)
{
    for (unsigned i = 0; i < s->reload->workers_n; i++) {
        const struct worker *w = s->reload->workers[i];
        if (worker_ended(w) || worker_turns(w) != s->turns[i])
            continue;
        if (!s->hanging)
            log_error("worker %u does not go round: the watchdog is not fed", i);
        s->hanging = true;
        return false;
    }
    s->hanging = false;
    return true;
}

static void ask_all(struct systemd *s)
{
    for (unsigned i = 0; i < s->reload->workers_n; i++) {
        struct worker *w = s->reload->workers[i];
        s->turns[i] = worker_turns(w);
        if (!worker_ended(w))
            worker_ping(w);
    }
}

static void on_watchdog(uv_timer_t *timer)
{
    struct systemd *s = timer->data;
    if (!all_turned(s))
        return;
    tell(s, "WATCHDOG=1");
    ask_all(s);
}

/* Four times as often as systemd wants: one that is late, because this thread builds a
 * large plan, say, is no reason to end the program. */
static void read_watchdog(struct systemd *s)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return;
    char *end;
    errno = 0;
    unsigned long long us = strtoull(usec, &end, 10);
    if (errno != 0 || usec[0] < '0' || usec[0] > '9' || *end != '\0' || us < 4000) {
        log_warning("WATCHDOG_USEC %s is not understood: expected microseconds", usec);
        return;
    }
    s->watchdog_ms = us / 4000;
}

/* ---- life ---- */

void systemd_init(struct systemd *s, struct reload *r)
{
    uv_loop_t *loop = r->wake->loop;
    *s = (struct systemd){.reload = r, .fd = -1};
    uv_timer_init(loop, &s->watchdog);
    uv_timer_init(loop, &s->look);
    s->watchdog.data = s->look.data = s;
    if (read_address(s) < 0)
        return;
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->fd >= 0)
        read_watchdog(s);
}

void systemd_start(struct systemd *s)
{
    if (s->fd < 0)
        return;
    tell_ready(s);
    uv_timer_start(&s->look, on_look, LOOK_MS, LOOK_MS);
    s->turns = calloc(s->reload->workers_n, sizeof *s->turns);
    if (s->watchdog_ms == 0 || s->turns == NULL)
        return;
    ask_all(s);
    uv_timer_start(&s->watchdog, on_watchdog, s->watchdog_ms, s->watchdog_ms);
}

void systemd_reloading(struct systemd *s)
{
    if (s->fd < 0 || s->stopping)
        return;
    s->reloading = true;
    tell(s, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)turn_clock_us());
}

void systemd_follow(struct systemd *s)
{
    if (s->fd < 0 || s->stopping)
        return;
    if (!s->reloading) {
        tell_status(s);
    } else if (!reload_is_going_on(s->reload)) {
        s->reloading = false;
        tell_ready(s);
    }
}

void systemd_stopping(struct systemd *s)
{
    if (s->stopping)
        return;
    tell(s, "STOPPING=1\nSTATUS=ending");
    s->stopping = true;
}

void systemd_release(struct systemd *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    free(s->turns);
    s->turns = NULL;
}
