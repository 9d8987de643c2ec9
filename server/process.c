#include "server/process.h"

#include "base/hash.h"
#include "base/log.h"
#include "resolver/rdata.h"
#include "server/control.h"
#include "server/notifier.h"
#include "server/receiver.h"
#include "server/reload.h"
#include "server/systemd.h"
#include "server/turn.h"
#include "server/version.h"
#include "server/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DRAIN_MS       5000 /* for queries in flight, at the end */
#define ZONES_PAUSE_MS 5    /* between looks for zones that have come */
#define LOG_STOP_MS    1000 /* for log lines that nobody reads */

enum process_state {
    PROCESS_SERVING,
    PROCESS_LEAVING, /* lame duck: serves on, and says that it is about to end */
    PROCESS_ENDING,  /* workers answer what is in flight */
};

#define SIGNALS 6

struct process {
    const struct arguments *args;
    enum process_state state;
    int status; /* the exit status */
    uv_loop_t loop;
    uv_async_t wake;     /* from workers */
    uv_timer_t patience; /* while ending */
    uv_timer_t files;    /* the next look at what plugins read */
    uv_signal_t signals[SIGNALS];
    struct reload reload;
    struct watch watch;
    struct notifier notifier;
    struct receiver receiver;
    struct systemd systemd;
    struct control control;
    char *control_path; /* of one that was not named */
};

/* ---- ending ---- */

static void end_workers(struct process *p, enum worker_end how)
{
    for (unsigned i = 0; i < p->reload.workers_n; i++)
        worker_end(p->reload.workers[i], how);
}

static void on_out_of_patience(uv_timer_t *timer)
{
    struct process *p = timer->data;
    log_warning("%d s have passed with queries unanswered; stopping", DRAIN_MS / 1000);
    end_workers(p, WORKER_STOP);
}

static void drain(struct process *p)
{
    p->state = PROCESS_ENDING;
    end_workers(p, WORKER_DRAIN);
    uv_timer_start(&p->patience, on_out_of_patience, DRAIN_MS, 0);
}

static void on_left(uv_timer_t *timer)
{
    drain(timer->data);
}

static void begin_end(struct process *p, const char *words)
{
    char text[DURATION_TEXT_MAX];
    int64_t lameduck_us = p->reload.plan->lameduck_us;
    if (p->state != PROCESS_SERVING)
        return;
    log_info("%s", words);
    systemd_stopping(&p->systemd);
    admin_leave(&p->reload.admin);
    watch_stop(&p->watch);
    if (lameduck_us <= 0) {
        drain(p);
        return;
    }
    log_info("plugin/health: Going into lameduck mode for %s",
             duration_print(lameduck_us, text));
    p->state = PROCESS_LEAVING;
    uv_timer_start(&p->patience, on_left, (uint64_t)lameduck_us / 1000, 0);
}

static void end_at_once(struct process *p, int status)
{
    systemd_stopping(&p->systemd);
    p->state = PROCESS_ENDING;
    p->status = status;
    end_workers(p, WORKER_STOP);
}

static bool all_ended(const struct process *p)
{
    for (unsigned i = 0; i < p->reload.workers_n; i++) {
        if (!worker_ended(p->reload.workers[i]))
            return false;
    }
    return true;
}

/* ---- files ---- */

/* Looks at the files that are due, and comes back for the next. */
static void look_at_files(uv_timer_t *timer)
{
    struct process *p = timer->data;
    uint64_t now_us = turn_clock_us(), due_us;
    if (p->state == PROCESS_ENDING)
        return;
    due_us = reload_refresh(&p->reload, now_us);
    uint64_t zones_us = receiver_run(&p->receiver, p->reload.plan, now_us);
    due_us = zones_us < due_us ? zones_us : due_us;
    notifier_send(&p->notifier, &p->reload.plan->notifies);
    if (due_us != UINT64_MAX)
        uv_timer_start(timer, look_at_files, (due_us - now_us) / 1000 + 1, 0);
}

/* A look goes through all zones: when thousands come one after the other there is one
 * for many. */
static void on_zones(void *context)
{
    struct process *p = context;
    if (!uv_is_active((uv_handle_t *)&p->files) ||
        uv_timer_get_due_in(&p->files) > ZONES_PAUSE_MS)
        uv_timer_start(&p->files, look_at_files, ZONES_PAUSE_MS, 0);
}

/* ---- events ---- */

static void reload_for(struct process *p, const char *signal)
{
    log_info("%s: Reloading", signal);
    if (p->state != PROCESS_SERVING)
        return;
    systemd_reloading(&p->systemd);
    reload_begin(&p->reload, signal);
    systemd_follow(&p->systemd); /* it may have been refused */
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct process *p = handle->data;
    switch (number) {
    case SIGTERM:
        begin_end(p, "SIGTERM: Shutting down servers then terminating");
        break;
    case SIGINT:
        if (p->state != PROCESS_SERVING)
            end_at_once(p, 2);
        else
            begin_end(p, "SIGINT: Shutting down");
        break;
    case SIGQUIT:
        end_at_once(p, 0);
        break;
    case SIGUSR1:
        reload_for(p, "SIGUSR1");
        break;
    case SIGHUP:
        reload_for(p, "SIGHUP");
        break;
    case SIGUSR2:
        log_warning("SIGUSR2: replacing the program in place is not offered: start the "
                    "new one beside this one, then end this one");
        break;
    default:
        break;
    }
}

static void on_wake(uv_async_t *async)
{
    struct process *p = async->data;
    control_poll(&p->control);
    if (p->state != PROCESS_ENDING) {
        reload_poll(&p->reload);
        control_follow(&p->control);
        watch_follow(&p->watch);
        look_at_files(&p->files);
        systemd_follow(&p->systemd);
    } else if (all_ended(p)) {
        uv_stop(&p->loop);
    }
}

static int open_loop(struct process *p, struct errors *errs)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT,  SIGQUIT,
                                         SIGUSR1, SIGUSR2, SIGHUP};
    signal(SIGPIPE, SIG_IGN);
    int rc = uv_loop_init(&p->loop);
    if (rc == 0)
        rc = uv_async_init(&p->loop, &p->wake, on_wake);
    if (rc < 0)
        return error_at(errs, (struct where){0}, "event loop: %s", uv_strerror(rc));
    p->wake.data = p->patience.data = p->files.data = p;
    uv_timer_init(&p->loop, &p->patience);
    uv_timer_init(&p->loop, &p->files);
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(&p->loop, &p->signals[i]);
        p->signals[i].data = p;
        rc = uv_signal_start(&p->signals[i], on_signal, numbers[i]);
        if (rc < 0)
            return error_at(errs, (struct where){0}, "signal %d: %s", numbers[i],
                            uv_strerror(rc));
    }
    return 0;
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void close_loop(struct process *p)
{
    uv_walk(&p->loop, close_handle, NULL);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    uv_loop_close(&p->loop);
}

/* ---- starting ---- */

/* As many descriptors as the administrator allows: the soft limit is for programs that
 * use select(). */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void banner_line(const char *text)
{
    log_raw(text, strlen(text));
}

static void print_banner(const struct process *p)
{
    if (p->args->quiet)
        return;
    plan_banner(p->reload.plan, banner_line);
    banner_line(VERSION_LINE);
    banner_line(VERSION_BUILD);
}

static int write_pidfile(const char *path, struct errors *errs)
{
    if (path == NULL)
        return 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_at(errs, (struct where){0}, "pid file %s: %s", path,
                        strerror(errno));
    int rc = dprintf(fd, "%ld\n", (long)getpid());
    if (close(fd) == 0 && rc > 0)
        return 0;
    return error_at(errs, (struct where){0}, "pid file %s: %s", path, strerror(errno));
}

/* A file in one of the folders that systemd makes for the service. NULL: there is none,
 * or no memory. */
static char *in_folder(const char *variable, const char *file)
{
    const char *folder = getenv(variable);
    char *path = NULL;
    if (folder == NULL || folder[0] != '/' ||
        asprintf(&path, "%.*s/%s", (int)strcspn(folder, ":"), folder, file) < 0)
        return NULL;
    return path;
}

/* Where nobody asked for a control socket the program serves without one. */
static int open_control(struct process *p, struct errors *errs)
{
    struct errors found;
    control_init(&p->control, &p->reload);
    if (p->args->control != NULL)
        return control_open(&p->control, p->args->control, errs);
    p->control_path = in_folder("RUNTIME_DIRECTORY", "control");
    errors_init(&found);
    if (p->control_path != NULL &&
        control_open(&p->control, p->control_path, &found) < 0 && found.list != NULL)
        log_warning("%s", found.list[0].text);
    errors_release(&found);
    return 0;
}

static void read_drains(struct process *p)
{
    char *path = in_folder("STATE_DIRECTORY", "drained");
    drains_init(&p->reload.drains, path);
    free(path);
}

static int start(struct process *p, struct errors *errs)
{
    read_drains(p);
    inherited_take(&p->reload.inherited);
    systemd_init(&p->systemd, &p->reload);
    if (reload_first(&p->reload, errs) < 0)
        return -1;
    inherited_report(&p->reload.inherited);
    if (log_start(STDOUT_FILENO) < 0)
        return error_at(errs, (struct where){0}, "no thread for log lines to be had");
    if (reload_start_workers(&p->reload, errs) < 0)
        return -1;
    if (open_control(p, errs) < 0)
        return -1;
    if (write_pidfile(p->args->pidfile, errs) < 0)
        return -1;
    print_banner(p);
    return 0;
}

/* Serves until the end; the start has succeeded. */
static void serve(struct process *p)
{
    systemd_start(&p->systemd);
    watch_init(&p->watch, &p->loop, &p->reload);
    watch_follow(&p->watch);
    notifier_init(&p->notifier, &p->loop);
    receiver_init(&p->receiver, &p->loop, p->reload.registry, on_zones, p);
    look_at_files(&p->files);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&p->patience); /* every query has ended */
    notifier_stop(&p->notifier);
    receiver_stop(&p->receiver);
    reload_settle(&p->reload);
    if (p->args->pidfile != NULL)
        unlink(p->args->pidfile);
}

/* Large blocks have pages of their own, also after one has been freed: a fleet that was
 * read leaves nothing behind, and room for what a worker may need one day stays
 * untouched. glibc would move the limit up to 32 MiB. */
static void keep_large_apart(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
#endif
}

int process_run(const struct arguments *args)
{
    struct process p = {.args = args};
    struct errors errs;
    errors_init(&errs);
    keep_large_apart();
    raise_file_limit();
    if (hash_seed() < 0)
        error_at(&errs, (struct where){0}, "no random numbers from the kernel");
    else if (rdata_start() < 0)
        error_at(&errs, (struct where){0}, "out of memory");
    else if (open_loop(&p, &errs) == 0 &&
             reload_init(&p.reload, args, &p.wake, &errs) == 0) {
        if (start(&p, &errs) == 0)
            serve(&p);
        else
            end_workers(&p, WORKER_STOP);
        control_close(&p.control);
        reload_release(&p.reload);
        control_release(&p.control);
        systemd_release(&p.systemd);
        free(p.control_path);
        close_loop(&p);
    }
    log_stop(LOG_STOP_MS);
    errors_print(&errs, stderr);
    if (errs.n > 0)
        p.status = 1;
    errors_release(&errs);
    return p.status;
}
