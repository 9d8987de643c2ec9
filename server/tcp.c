#include "server/tcp.h"

#include "base/limits.h"
#include "server/pktinfo.h"
#include "server/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCEPTS 64 /* connections per socket and wake-up */
#define REST_MS 100

struct tcp_socket {
    uv_poll_t poll;
    struct tcp *tcp;
    int fd;
    uint32_t number;
    uint32_t id; /* of the listen_address */
    uint32_t connections_max;
    uint16_t server;
    enum transport transport;
    bool wildcard;
    bool resting;
    bool paused; /* for good */
    struct addr local;
    struct stream_terms terms;
};

void tcp_init(struct tcp *t, struct streams *streams)
{
    *t = (struct tcp){.streams = streams};
    uv_timer_init(&streams->turn->loop, &t->rest);
    t->rest.data = t;
}

void tcp_close_timer(struct tcp *t)
{
    uv_close((uv_handle_t *)&t->rest, NULL);
}

void tcp_release(struct tcp *t)
{
    conns_release(&t->sockets);
    *t = (struct tcp){0};
}

/* ---- accepting ---- */

/* Whether this client may have a connection, if need be in the place of an idle one. */
static bool take_quota(struct tcp *t, const struct addr *peer)
{
    struct quota *quota = t->streams->quota;
    enum quota_verdict v = quota_take(quota, peer);
    if (v == QUOTA_FULL && streams_evict(t->streams))
        v = quota_take(quota, peer);
    switch (v) {
    case QUOTA_TAKEN:
        return true;
    case QUOTA_FULL:
        t->counters.full++;
        return false;
    case QUOTA_ADDRESS:
        t->counters.address++;
        return false;
    }
    return false;
}

/* And a place at this address, likewise. */
static bool take_place(struct tcp_socket *s)
{
    struct streams *streams = s->tcp->streams;
    if (s->terms.place == QUOTA_NOWHERE ||
        quota_enter(streams->quota, s->id, s->connections_max))
        return true;
    if (streams_evict_of(streams, s->number) &&
        quota_enter(streams->quota, s->id, s->connections_max))
        return true;
    s->tcp->counters.full++;
    return false;
}

static void admit(struct tcp_socket *s, int fd, const union pktinfo_sockaddr *peer)
{
    struct client who = {
        .transport = (uint8_t)s->transport, .server = s->server, .local = s->local};
    pktinfo_peer(&who.peer, peer);
    union pktinfo_sockaddr local;
    socklen_t len = sizeof local;
    if (s->wildcard && getsockname(fd, &local.any, &len) == 0)
        pktinfo_peer(&who.local, &local);
    if (!take_place(s)) {
        close(fd);
        return;
    }
    if (!take_quota(s->tcp, &who.peer)) {
        quota_leave(s->tcp->streams->quota, s->terms.place);
        close(fd);
        return;
    }
    if (streams_admit(s->tcp->streams, fd, &who, s->number, &s->terms) == 0)
        s->tcp->counters.accepted++;
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_rested(uv_timer_t *timer)
{
    struct tcp *t = timer->data;
    for (uint32_t i = 0; i < t->sockets.n; i++) {
        struct tcp_socket *s = t->sockets.list[i];
        if (s == NULL || !s->resting)
            continue;
        s->resting = false;
        uv_poll_start(&s->poll, UV_READABLE, on_acceptable);
    }
}

static void rest(struct tcp_socket *s)
{
    if (s->paused)
        return;
    s->tcp->counters.rests++;
    s->resting = true;
    uv_poll_stop(&s->poll);
    uv_timer_start(&s->tcp->rest, on_rested, REST_MS, 0);
}

/* Accepts one connection; false when there is none, or none can be had now. */
static bool accept_one(struct tcp_socket *s)
{
    union pktinfo_sockaddr peer;
    socklen_t len = sizeof peer;
    int fd = accept4(s->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        admit(s, fd, &peer);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        if (streams_evict(s->tcp->streams))
            return true;
        rest(s);
        return false;
    default: /* that connection has failed meanwhile: the next one */
        return true;
    }
}

static void accept_some(struct tcp_socket *s)
{
    turn_begin(s->tcp->streams->turn);
    for (unsigned i = 0; i < ACCEPTS; i++) {
        if (!accept_one(s))
            return;
    }
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct tcp_socket *s = poll->data;
    accept_some(s);
    /* libuv watches no more after an error on the socket, which accept4() has reported.
     */
    if (status < 0 && !s->resting)
        uv_poll_start(&s->poll, UV_READABLE, on_acceptable);
}

/* ---- sockets ---- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Numbers and watches a socket; 0 or an errno. */
static int add(struct tcp *t, struct tcp_socket *s)
{
    s->number = conns_add(&t->sockets, s);
    if (s->number == CONN_NONE)
        return ENOMEM;
    int rc = uv_poll_init(&t->streams->turn->loop, &s->poll, s->fd);
    if (rc < 0) {
        conns_del(&t->sockets, s->number);
        return -rc;
    }
    s->poll.data = s;
    uv_poll_start(&s->poll, UV_READABLE, on_acceptable);
    return 0;
}

static enum transport transport_of(enum scheme scheme)
{
    return scheme == SCHEME_TLS     ? TRANSPORT_TLS
           : scheme == SCHEME_HTTPS ? TRANSPORT_HTTPS
                                    : TRANSPORT_TCP;
}

int tcp_open(struct tcp *t, int fd, const struct listen_address *a, uint32_t *number)
{
    struct tcp_socket *s = calloc(1, sizeof *s);
    int error = ENOMEM;
    if (s != NULL &&
        (a->scheme != SCHEME_HTTPS || streams_speak_http(t->streams) == 0)) {
        *s = (struct tcp_socket){
            .tcp = t,
            .fd = fd,
            .id = a->id,
            .server = a->server,
            .transport = transport_of(a->scheme),
            .wildcard = a->addr.family == 0,
            .local = a->addr,
            .terms = {.limits = stream_limits_default, .place = QUOTA_NOWHERE}};
        error = add(t, s);
    }
    if (error != 0) {
        free(s);
        close(fd);
        return error;
    }
    *number = s->number;
    return 0;
}

void tcp_serve(struct tcp *t, uint32_t number, uint16_t server)
{
    struct tcp_socket *s = conns_at(&t->sockets, number);
    s->server = server;
    streams_serve(t->streams, number, server);
}

void tcp_limit(struct tcp *t, uint32_t number, const struct stream_limits *limits)
{
    struct tcp_socket *s = conns_at(&t->sockets, number);
    s->terms.limits = *limits;
    streams_limit(t->streams, number, limits);
}

void tcp_secure(struct tcp *t, uint32_t number, const void *tls, uint32_t connections)
{
    struct tcp_socket *s = conns_at(&t->sockets, number);
    const void *before = s->terms.tls;
    s->terms.tls = tls == NULL ? NULL : tls_keep(tls);
    tls_free((void *)(uintptr_t)before);
    s->connections_max = connections;
    s->terms.place = connections > 0 ? s->id : QUOTA_NOWHERE;
}

void tcp_pause(struct tcp *t, uint32_t number)
{
    struct tcp_socket *s = conns_at(&t->sockets, number);
    s->paused = true;
    uv_poll_stop(&s->poll);
    accept_some(s);
}

void tcp_close(struct tcp *t, uint32_t number)
{
    struct tcp_socket *s = conns_at(&t->sockets, number);
    streams_orphan(t->streams, number);
    conns_del(&t->sockets, number);
    tls_free((void *)(uintptr_t)s->terms.tls);
    uv_close((uv_handle_t *)&s->poll, on_closed);
    close(s->fd);
}
