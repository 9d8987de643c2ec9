#include "server/tap_listen.h"

#include "base/limits.h"
#include "base/log.h"
#include "server/host_lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum newcomer_state {
    NEWCOMER_NONE, /* the place is free */
    NEWCOMER_GREETS,
    NEWCOMER_SENT_AWAY, /* for another */
    NEWCOMER_STAYS,     /* and waits until it can be added */
    NEWCOMER_DONE,      /* its thread ends */
};

/* One who has connected and does not yet get messages, with a thread that may wait. */
struct newcomer {
    struct tap_listen *l;
    enum newcomer_state state; /* under l->door */
    uint64_t number;           /* in the order of coming */
    int fd, own;               /* the sink's; and of the same socket, to end it */
    pthread_t thread;
};

struct tap_listen {
    const struct outside_tap *how;
    const char *text;
    const tap_end *end;
    int fd, over;     /* `over`: an eventfd, readable when it is */
    struct stat made; /* the socket in the file system, to remove no other */
    pthread_t thread;
    pthread_mutex_t lock; /* for the list: some add, another writes */
    struct tap_sink *sinks[TAP_SINKS_MAX];
    unsigned n;
    pthread_mutex_t door; /* for what newcomers are at */
    struct newcomer newcomers[TAP_NEWCOMERS_MAX];
    uint64_t came, sent_away, told;
    int64_t told_ms;
    struct log_limit log; /* of readers that are closed */
};

/* ---- the listening socket ---- */

/* A reload that changes the line listens anew before the old one ends. */
static int listen_on(const struct sockaddr *addr, socklen_t len)
{
    int on = 1;
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, addr, len) == 0 && listen(fd, TAP_SINKS_MAX) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Whether another process listens there: what a process that died has left, or what we
 * listen on ourselves, may be replaced. */
static bool is_anothers(const struct sockaddr_un *addr)
{
    struct ucred who = {0};
    socklen_t len = sizeof who;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool taken =
        fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.pid != getpid();
    if (fd >= 0)
        close(fd);
    return taken;
}

static bool is_socket_or_nothing(const char *path)
{
    struct stat st;
    return lstat(path, &st) < 0 || S_ISSOCK(st.st_mode);
}

/* Made beside the path and moved there, so that there is always one to connect to. */
static int listen_unix(const struct outside_tap *how, char *reason)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX}, beside = addr;
    int fd = -1;
    memcpy(addr.sun_path, how->path,
           strlen(how->path)); /* its length has been checked */
    errno = ENAMETOOLONG;
    if ((size_t)snprintf(beside.sun_path, sizeof beside.sun_path, "%s+", how->path) <
        sizeof beside.sun_path) {
        errno = EADDRINUSE;
        if (is_socket_or_nothing(how->path) && !is_anothers(&addr)) {
            unlink(beside.sun_path);
            fd = listen_on((const struct sockaddr *)&beside, sizeof beside);
        }
    }
    if (fd >= 0 && rename(beside.sun_path, how->path) < 0) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        snprintf(reason, OUTSIDE_REASON_MAX, "%s", strerror(errno));
    return fd;
}

static int listen_tcp_on(const struct outside_tap *how, char *reason)
{
    const struct addrinfo *list = NULL;
    struct host_lookup *h =
        host_lookup_new(how->host, how->port, AF_UNSPEC, AI_PASSIVE);
    int rc = host_lookup_wait(h, TAP_NAME_MS, &list);
    int fd = rc == 0 ? listen_on(list->ai_addr, list->ai_addrlen) : -1;
    if (fd < 0)
        snprintf(reason, OUTSIDE_REASON_MAX, "%s",
                 rc != 0 ? gai_strerror(rc) : strerror(errno));
    host_lookup_free(h);
    return fd;
}

/* ---- who comes ---- */

static void add(struct tap_listen *l, struct tap_sink *s)
{
    pthread_mutex_lock(&l->lock);
    bool room = l->n < TAP_SINKS_MAX;
    if (room)
        l->sinks[l->n++] = s;
    pthread_mutex_unlock(&l->lock);
    if (room)
        return;
    log_warning("plugin/dnstap: %s: refused: %d are connected", l->text, TAP_SINKS_MAX);
    tap_sink_close(s);
}

/* False: it had been sent away. */
static bool may_stay(struct newcomer *who)
{
    pthread_mutex_lock(&who->l->door);
    bool stays = who->state == NEWCOMER_GREETS;
    if (stays)
        who->state = NEWCOMER_STAYS;
    pthread_mutex_unlock(&who->l->door);
    return stays;
}

static void *greet(void *newcomer)
{
    struct newcomer *who = newcomer;
    struct tap_listen *l = who->l;
    char reason[OUTSIDE_REASON_MAX];
    struct tap_sink *s = tap_sink_accept(who->fd, l->how, l->end, reason);
    bool stays = may_stay(who);
    if (s != NULL && stays)
        add(l, s);
    else
        tap_sink_close(s);
    if (s == NULL && stays)
        log_warning("plugin/dnstap: %s: a connection was given up: %s", l->text,
                    reason);
    pthread_mutex_lock(&l->door);
    who->state = NEWCOMER_DONE;
    pthread_mutex_unlock(&l->door);
    return NULL;
}

static enum newcomer_state state_of(struct newcomer *who)
{
    pthread_mutex_lock(&who->l->door);
    enum newcomer_state state = who->state;
    pthread_mutex_unlock(&who->l->door);
    return state;
}

/* Its thread finds the socket at its end, whatever it waits for. */
static void send_away(struct newcomer *who)
{
    pthread_mutex_lock(&who->l->door);
    if (who->state == NEWCOMER_GREETS) {
        who->state = NEWCOMER_SENT_AWAY;
        shutdown(who->own, SHUT_RDWR);
    }
    pthread_mutex_unlock(&who->l->door);
}

static void make_free(struct newcomer *who)
{
    pthread_join(who->thread, NULL);
    close(who->own);
    who->state = NEWCOMER_NONE;
}

/* A place, if need be of the one who has been at it longest: who only connects keeps
 * nobody out. */
static struct newcomer *find_place(struct tap_listen *l)
{
    struct newcomer *oldest = NULL;
    for (unsigned i = 0; i < TAP_NEWCOMERS_MAX; i++) {
        struct newcomer *who = &l->newcomers[i];
        enum newcomer_state state = state_of(who);
        if (state == NEWCOMER_DONE)
            make_free(who);
        if (state == NEWCOMER_DONE || state == NEWCOMER_NONE)
            return who;
        if (state == NEWCOMER_GREETS &&
            (oldest == NULL || who->number < oldest->number))
            oldest = who;
    }
    if (oldest == NULL)
        oldest = &l->newcomers[0]; /* all of them are about to be done */
    else
        l->sent_away++;
    send_away(oldest);
    make_free(oldest);
    return oldest;
}

static void tell_sent_away(struct tap_listen *l)
{
    int64_t now_ms = tap_now_ms();
    if (l->sent_away == l->told || now_ms < l->told_ms + TAP_RETRY_S * 1000)
        return;
    log_warning("plugin/dnstap: %s: %llu who connected and did not shake hands made "
                "room for others",
                l->text, (unsigned long long)(l->sent_away - l->told));
    l->told = l->sent_away;
    l->told_ms = now_ms;
}

static void accept_one(struct tap_listen *l)
{
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct newcomer *who = find_place(l);
    tell_sent_away(l);
    *who = (struct newcomer){.l = l,
                             .state = NEWCOMER_GREETS,
                             .number = l->came++,
                             .fd = fd,
                             .own = fcntl(fd, F_DUPFD_CLOEXEC, 0)};
    if (who->own >= 0 && pthread_create(&who->thread, NULL, greet, who) == 0)
        return;
    log_warning("plugin/dnstap: %s: a connection was given up: no memory, or too many "
                "descriptors",
                l->text);
    who->state = NEWCOMER_NONE;
    if (who->own >= 0)
        close(who->own);
    close(fd);
}

static void send_all_away(struct tap_listen *l)
{
    for (unsigned i = 0; i < TAP_NEWCOMERS_MAX; i++)
        send_away(&l->newcomers[i]);
    for (unsigned i = 0; i < TAP_NEWCOMERS_MAX; i++) {
        if (state_of(&l->newcomers[i]) != NEWCOMER_NONE)
            make_free(&l->newcomers[i]);
    }
}

static void *accept_all(void *listen)
{
    struct tap_listen *l = listen;
    struct pollfd fds[] = {{.fd = l->over, .events = POLLIN},
                           {.fd = l->fd, .events = POLLIN}};
    for (;;) {
        if ((poll(fds, 2, -1) < 0 && errno != EINTR) || fds[0].revents != 0)
            break;
        if (fds[1].revents != 0)
            accept_one(l);
    }
    send_all_away(l);
    return NULL;
}

static void drop_reader(struct tap_listen *l, unsigned i)
{
    if (tap_sink_has_backlog(l->sinks[i]))
        log_limited(&l->log, 1, LOG_WARNING,
                    "plugin/dnstap: %s: a reader that took no more messages was closed",
                    l->text);
    tap_sink_close(l->sinks[i]);
    l->sinks[i] = l->sinks[--l->n];
}

uint64_t tap_listen_write(struct tap_listen *l, const struct iovec *iov, int n)
{
    uint64_t lost = 0;
    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < l->n;) {
        int missed = tap_sink_offer(l->sinks[i], iov, n);
        if (missed < 0) {
            drop_reader(l, i);
            continue;
        }
        lost += (uint64_t)missed;
        i++;
    }
    pthread_mutex_unlock(&l->lock);
    return lost;
}

/* ---- life ---- */

static int start(struct tap_listen *l)
{
    sigset_t all, old;
    l->over = eventfd(0, EFD_CLOEXEC);
    if (l->over < 0)
        return -1;
    pthread_mutex_init(&l->lock, NULL);
    pthread_mutex_init(&l->door, NULL);
    for (unsigned i = 0; i < TAP_NEWCOMERS_MAX; i++)
        l->newcomers[i].l = l;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&l->thread, NULL, accept_all, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error == 0)
        return 0;
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->door);
    close(l->over);
    return -1;
}

static void close_socket(struct tap_listen *l)
{
    struct stat st;
    close(l->fd);
    if (l->how->kind == TAP_UNIX && lstat(l->how->path, &st) == 0 &&
        st.st_dev == l->made.st_dev && st.st_ino == l->made.st_ino)
        unlink(l->how->path);
    free(l);
}

struct tap_listen *tap_listen_open(const struct outside_tap *how, const char *text,
                                   const tap_end *end, char *reason)
{
    struct tap_listen *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    *l = (struct tap_listen){.how = how, .text = text, .end = end};
    l->fd =
        how->kind == TAP_UNIX ? listen_unix(how, reason) : listen_tcp_on(how, reason);
    if (l->fd < 0) {
        free(l);
        return NULL;
    }
    if (how->kind == TAP_UNIX)
        lstat(how->path, &l->made);
    if (start(l) == 0)
        return l;
    close_socket(l);
    return NULL;
}

static void close_readers(struct tap_listen *l, bool with_backlog)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (l->sinks[i] == NULL || tap_sink_has_backlog(l->sinks[i]) != with_backlog)
            continue;
        tap_sink_close(l->sinks[i]);
        l->sinks[i] = NULL;
    }
}

void tap_listen_close(struct tap_listen *l)
{
    if (l == NULL)
        return;
    uint64_t one = 1;
    ssize_t written = write(l->over, &one, sizeof one);
    (void)written; /* the counter of an eventfd takes it */
    pthread_join(l->thread, NULL);
    close_readers(l, false); /* who is slow comes last: all have one time together */
    close_readers(l, true);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->door);
    close(l->over);
    close_socket(l);
}
