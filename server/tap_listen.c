#include "server/tap_listen.h"

#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct tap_listen {
    const struct outside_tap *how;
    const char *text;
    const tap_end *end;
    int fd, over;     /* `over`: an eventfd, readable when it is */
    struct stat made; /* the socket in the file system, to remove no other */
    pthread_t thread;
    pthread_mutex_t lock; /* for the list: one thread adds, another writes */
    struct tap_sink *sinks[TAP_SINKS_MAX];
    unsigned n;
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
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    const char *host = how->host[0] == '\0' ? NULL : how->host;
    int rc = getaddrinfo(host, how->port, &hints, &list);
    if (rc != 0) {
        snprintf(reason, OUTSIDE_REASON_MAX, "%s", gai_strerror(rc));
        return -1;
    }
    int fd = listen_on(list->ai_addr, list->ai_addrlen);
    if (fd < 0)
        snprintf(reason, OUTSIDE_REASON_MAX, "%s", strerror(errno));
    freeaddrinfo(list);
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

static void accept_one(struct tap_listen *l)
{
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    char reason[OUTSIDE_REASON_MAX];
    struct tap_sink *s = tap_sink_accept(fd, l->how, l->end, reason);
    if (s == NULL)
        log_warning("plugin/dnstap: %s: a connection was given up: %s", l->text,
                    reason);
    else
        add(l, s);
}

static void *accept_all(void *listen)
{
    struct tap_listen *l = listen;
    struct pollfd fds[] = {{.fd = l->over, .events = POLLIN},
                           {.fd = l->fd, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (fds[0].revents != 0)
            return NULL;
        if (fds[1].revents != 0)
            accept_one(l);
    }
}

void tap_listen_write(struct tap_listen *l, const struct iovec *iov, int n)
{
    pthread_mutex_lock(&l->lock);
    for (unsigned i = 0; i < l->n;) {
        if (tap_sink_write(l->sinks[i], iov, n) == 0) {
            i++;
            continue;
        }
        tap_sink_close(l->sinks[i]);
        l->sinks[i] = l->sinks[--l->n];
    }
    pthread_mutex_unlock(&l->lock);
}

/* ---- life ---- */

static int start(struct tap_listen *l)
{
    sigset_t all, old;
    l->over = eventfd(0, EFD_CLOEXEC);
    if (l->over < 0)
        return -1;
    pthread_mutex_init(&l->lock, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&l->thread, NULL, accept_all, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error == 0)
        return 0;
    pthread_mutex_destroy(&l->lock);
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

void tap_listen_close(struct tap_listen *l)
{
    if (l == NULL)
        return;
    uint64_t one = 1;
    ssize_t written = write(l->over, &one, sizeof one);
    (void)written; /* the counter of an eventfd takes it */
    pthread_join(l->thread, NULL);
    for (unsigned i = 0; i < l->n; i++)
        tap_sink_close(l->sinks[i]);
    pthread_mutex_destroy(&l->lock);
    close(l->over);
    close_socket(l);
}
