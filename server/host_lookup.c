#include "server/host_lookup.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct host_lookup {
    char *host, *port;
    int family, flags, fd, rc;
    struct addrinfo *list;
    _Atomic bool done; /* `rc` and `list` are there */
    _Atomic bool left; /* by one of the two, thread and owner: the other frees */
};

static void release(struct host_lookup *l)
{
    if (l->list != NULL)
        freeaddrinfo(l->list);
    if (l->fd >= 0)
        close(l->fd);
    free(l->host);
    free(l->port);
    free(l);
}

static void leave(struct host_lookup *l)
{
    if (atomic_exchange(&l->left, true))
        release(l);
}

static void *run(void *lookup)
{
    struct host_lookup *l = lookup;
    struct addrinfo hints = {.ai_family = l->family,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = l->flags | AI_NUMERICSERV};
    const char *host = l->host[0] == '\0' ? NULL : l->host;
    l->rc = getaddrinfo(host, l->port, &hints, &l->list);
    atomic_store(&l->done, true);
    eventfd_write(l->fd, 1);
    leave(l);
    return NULL;
}

static int start(struct host_lookup *l)
{
    pthread_t thread;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* they are the control thread's */
    int error = pthread_create(&thread, NULL, run, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error == 0)
        pthread_detach(thread);
    return error == 0 ? 0 : -1;
}

struct host_lookup *host_lookup_new(const char *host, const char *port, int family,
                                    int flags)
{
    struct host_lookup *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->family = family;
    l->flags = flags;
    l->host = strdup(host);
    l->port = strdup(port);
    l->fd = eventfd(0, EFD_CLOEXEC);
    if (l->host != NULL && l->port != NULL && l->fd >= 0 && start(l) == 0)
        return l;
    release(l);
    return NULL;
}

int host_lookup_fd(const struct host_lookup *l)
{
    return l->fd;
}

int host_lookup_result(const struct host_lookup *l, const struct addrinfo **list)
{
    *list = NULL;
    if (!atomic_load(&l->done))
        return EAI_AGAIN;
    *list = l->list;
    return l->rc;
}

int host_lookup_wait(const struct host_lookup *l, int patience_ms,
                     const struct addrinfo **list)
{
    struct pollfd p = {.events = POLLIN};
    if (l == NULL)
        return EAI_MEMORY;
    p.fd = host_lookup_fd(l);
    return poll(&p, 1, patience_ms) == 1 ? host_lookup_result(l, list) : EAI_AGAIN;
}

void host_lookup_free(struct host_lookup *l)
{
    if (l != NULL)
        leave(l);
}
