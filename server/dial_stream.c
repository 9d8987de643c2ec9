#include "server/dial_stream_core.h"
#include "server/http2.h"
#include "server/pktinfo.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define ROOM     (2 + 65535) /* for reading: the longest answer in one piece */
#define ROUNDS   4           /* reads per connection and wake-up */
#define OUT_MAX  (1024 * 1024)
#define SWEEP_MS 1000

static void on_event(uv_poll_t *poll, int status, int events);
static void on_sweep(uv_timer_t *timer);

int dial_stream_init(struct dial_stream *d, struct turn *turn)
{
    *d = (struct dial_stream){.turn = turn, .conns = {.kind = CONNS_STREAM}};
    d->room = malloc(ROOM);
    if (d->room == NULL)
        return ENOMEM;
    uv_timer_init(&turn->loop, &d->sweep);
    d->sweep.data = d;
    return 0;
}

/* Other settings than the last time: what was learnt with those is worth nothing. */
static void set_tls(struct dial_stream_pool *p, const void *tls)
{
    tls_session_free(p->session);
    p->session = NULL;
    tls_free((void *)(uintptr_t)p->tls);
    p->tls = tls == NULL ? NULL : tls_keep(tls);
}

void dial_stream_release(struct dial_stream *d)
{
    for (uint32_t id = 0; id < d->pools.n; id++) {
        struct dial_stream_pool *p = places_get(&d->pools, id);
        if (p == NULL)
            continue;
        set_tls(p, NULL);
        if (p->conns != p->few)
            free(p->conns);
    }
    free(d->room);
    http2_free(d->doh);
    places_release(&d->pools);
    conns_release(&d->conns);
    *d = (struct dial_stream){0};
}

/* ---- closing ---- */

static void free_conn(struct dial_conn *c)
{
    conns_del(&c->dial->conns, c->conn);
    free(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct dial_conn *c = handle->data;
    c->gone = true;
    if (c->unsettled == 0 || c->dial->closing)
        free_conn(c);
}

static void leave_pool(struct dial_conn *c)
{
    struct dial_stream_pool *p = c->pool;
    for (unsigned i = 0; p != NULL && i < p->conns_n; i++) {
        if (p->conns[i] == c)
            p->conns[i] = NULL;
    }
    c->pool = NULL;
    if (c->tls != NULL)
        tls_forget_session(c->tls);
}

static void forget_dirty(struct dial_conn *c)
{
    struct dial_conn **at = &c->dial->dirty;
    if (!c->dirty)
        return;
    while (*at != c)
        at = &(*at)->dirty_next;
    *at = c->dirty_next;
    c->dirty = false;
}

static void close_conn(struct dial_conn *c)
{
    if (c->state == DIAL_CLOSED)
        return;
    leave_pool(c);
    forget_dirty(c);
    c->state = DIAL_CLOSED;
    frames_release(&c->in);
    outbox_release(&c->out);
    uv_close((uv_handle_t *)&c->poll, on_closed);
    doh_client_free(c->doh);
    c->doh = NULL;
    tls_close(c->tls);
    c->tls = NULL;
    close(c->fd);
    c->fd = -1;
    c->dial->open--;
}

/* The connection has ended; those who wait on it are told. */
static void fail(struct dial_conn *c, int error)
{
    struct dial_stream *d = c->dial;
    if (c->doh != NULL && (error == 0 || error == ECONNRESET || error == EPIPE)) {
        leave_pool(c);
        dial_https_give_back(c);
    }
    bool waited = c->unsettled > 0;
    close_conn(c);
    if (!waited)
        return;
    d->counters.lost++;
    resolver_lost(d->turn->resolver, c->conn, error);
}

/* Has it looked at by the end of the turn. */
static void mark_dirty(struct dial_conn *c)
{
    if (c->dirty)
        return;
    c->dirty = true;
    c->dirty_next = c->dial->dirty;
    c->dial->dirty = c;
}

/* Whether the endpoint keeps as many idle connections as it may. */
static bool enough_idle(const struct dial_conn *c)
{
    const struct dial_stream_pool *p = c->pool;
    uint32_t idle = 0;
    if (p == NULL || p->idle_max == 0 || c->unsettled > 0)
        return false;
    for (unsigned i = 0; i < p->conns_n; i++)
        idle += p->conns[i] != NULL && p->conns[i]->unsettled == 0;
    return idle > p->idle_max;
}

/* Closes a connection that nobody waits on when there is a reason to. */
static void close_if_done(struct dial_conn *c)
{
    const struct dial_stream_pool *p = c->pool;
    uint64_t now_us = c->dial->turn->now_us;
    if (c->unsettled > 0 || c->telling || c->state == DIAL_CLOSED)
        return;
    bool silent = c->waiting_us != 0 && now_us - c->waiting_us >= DIAL_SILENT_US;
    bool idle = p != NULL && now_us - c->used_us >= p->idle_us;
    bool old = p != NULL && p->life_us > 0 && now_us - c->opened_us >= p->life_us;
    if (p == NULL || silent || idle || old || enough_idle(c))
        close_conn(c);
}

static void on_sweep(uv_timer_t *timer)
{
    struct dial_stream *d = timer->data;
    turn_begin(d->turn);
    for (uint32_t i = 0; i < d->conns.n; i++) {
        struct dial_conn *c = d->conns.list[i];
        if (c != NULL && c->doh != NULL) {
            dial_https_forget(c);
            mark_dirty(c);
        }
        if (c != NULL)
            close_if_done(c);
    }
    if (d->open == 0)
        uv_timer_stop(&d->sweep);
}

void dial_stream_close(struct dial_stream *d)
{
    d->closing = true;
    for (uint32_t i = 0; i < d->conns.n; i++) {
        struct dial_conn *c = d->conns.list[i];
        if (c != NULL && c->gone)
            free_conn(c);
        else if (c != NULL)
            close_conn(c);
    }
    uv_close((uv_handle_t *)&d->sweep, NULL);
}

/* ---- reading ---- */

static void watch(struct dial_conn *c)
{
    int events = c->state == DIAL_OPEN ? UV_READABLE : 0;
    if (c->state == DIAL_GREETING)
        events = tls_wants_write(c->tls) ? UV_WRITABLE : UV_READABLE;
    else if (c->state == DIAL_CONNECTING || c->out.len > 0)
        events |= UV_WRITABLE;
    if (events == c->watched || c->state == DIAL_CLOSED)
        return;
    c->watched = events;
    uv_poll_start(&c->poll, events, on_event);
}

static void take_answers(struct dial_conn *c, struct span in)
{
    struct dial_stream *d = c->dial;
    struct span message;
    c->telling = true;
    while (frames_next(&in, &message)) {
        d->counters.received++;
        c->waiting_us = 0;
        resolver_datagram(d->turn->resolver, c->conn, message.at, message.len);
    }
    c->telling = false;
    if (frames_keep(&c->in, in) < 0)
        fail(c, ENOMEM);
    else
        close_if_done(c);
}

/* After words over HTTPS: who has said goodbye gets no more questions. */
static void go_on(struct dial_conn *c, int error)
{
    if (error != 0) {
        fail(c, error);
        return;
    }
    if (doh_client_is_closing(c->doh))
        leave_pool(c);
    mark_dirty(c);
    close_if_done(c);
}

/* Reads once; false when there is no more, or the connection has ended. */
static bool read_some(struct dial_conn *c)
{
    size_t len = ROOM;
    uint8_t *at =
        c->doh != NULL ? c->dial->room : frames_room(&c->in, c->dial->room, ROOM, &len);
    if (at == NULL) {
        fail(c, ENOMEM);
        return false;
    }
    ssize_t n =
        c->tls != NULL ? tls_read(c->tls, at, len) : recv(c->fd, at, len, MSG_DONTWAIT);
    if (n > 0) {
        if (c->doh != NULL)
            go_on(c, dial_https_feed(c, at, (size_t)n));
        else
            take_answers(c, frames_got(&c->in, at, (size_t)n));
        return (size_t)n == len && c->state == DIAL_OPEN;
    }
    if (n == 0 && c->doh != NULL)
        dial_https_hang_up(c);
    if (n == 0)
        fail(c, 0);
    else if (errno != EAGAIN && errno != EINTR)
        fail(c, errno);
    return false;
}

/* What OpenSSL has taken from the socket already has to be read now: the kernel would
 * not wake us for it. */
static bool has_more(const struct dial_conn *c)
{
    return c->tls != NULL && tls_has_more(c->tls);
}

static void read_rounds(struct dial_conn *c)
{
    for (unsigned i = 0; i < ROUNDS || has_more(c); i++) {
        if (!read_some(c) && !has_more(c))
            return;
    }
}

/* ---- events ---- */

static int send_by_tls(struct dial_conn *c)
{
    while (c->out.len > 0) {
        ssize_t n = tls_write(c->tls, c->out.octets + c->out.at, c->out.len);
        if (n < 0)
            return errno == EAGAIN ? 0 : errno;
        outbox_drop(&c->out, (size_t)n);
    }
    return 0;
}

static int send_by_https(struct dial_conn *c)
{
    int error = send_by_tls(c);
    size_t n = 1;
    while (error == 0 && c->out.len == 0 && n > 0) {
        error = dial_https_fill(c, &n);
        if (error == 0)
            error = send_by_tls(c);
    }
    return error;
}

static void send_out(struct dial_conn *c)
{
    int error = c->doh != NULL   ? send_by_https(c)
                : c->tls != NULL ? send_by_tls(c)
                                 : outbox_send(&c->out, c->fd);
    if (error == 0)
        watch(c);
    else
        fail(c, error);
}

static void greet(struct dial_conn *c)
{
    char text[ADDR_TEXT_MAX];
    int error = tls_handshake(c->tls);
    if (error == EKEYREJECTED && c->pool != NULL)
        log_limited(&c->dial->log_flaws, 10, LOG_WARNING,
                    "the certificate of %s://%s is not accepted: %s",
                    c->doh == NULL ? "tls" : "https", addr_print(&c->peer, text),
                    tls_flaw(c->tls));
    if (error == 0 && c->doh != NULL)
        error = dial_https_begin(c);
    if (error == EAGAIN) {
        watch(c);
    } else if (error != 0) {
        fail(c, error);
    } else {
        c->state = DIAL_OPEN;
        send_out(c);
    }
}

/* The connection stands, or does not. */
static void on_connected(struct dial_conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error != 0) {
        fail(c, error);
        return;
    }
    if (c->tls != NULL) {
        c->state = DIAL_GREETING;
        greet(c);
        return;
    }
    c->state = DIAL_OPEN;
    send_out(c);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct dial_conn *c = poll->data;
    turn_begin(c->dial->turn);
    if (c->state == DIAL_CONNECTING) {
        on_connected(c);
        return;
    }
    if (c->state == DIAL_GREETING) {
        greet(c);
        return;
    }
    if (status >= 0 && (events & UV_WRITABLE))
        send_out(c);
    if (c->state != DIAL_OPEN)
        return;
    /* After an error libuv watches no more; what came before it can be read, then the
     * error shows. */
    if (status < 0 || (events & UV_READABLE))
        read_rounds(c);
    if (status < 0 && c->state == DIAL_OPEN)
        fail(c, ECONNRESET);
}

/* ---- opening ---- */

static int bind_source(int fd, const struct addr *source)
{
    union pktinfo_sockaddr sa;
    const int on = 1;
    if (source->family == 0)
        return 0;
    socklen_t len = pktinfo_address(&sa, source, source->family);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    return bind(fd, &sa.any, len);
}

static int connecting_fd(const struct dial_stream_pool *p, int *out)
{
    union pktinfo_sockaddr sa;
    const int on = 1;
    int domain = p->peer.family == 4 ? AF_INET : AF_INET6;
    int fd = socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    socklen_t len = pktinfo_address(&sa, &p->peer, p->peer.family);
    if (bind_source(fd, &p->source) < 0 ||
        (connect(fd, &sa.any, len) < 0 && errno != EINPROGRESS)) {
        int error = errno;
        close(fd);
        return error;
    }
    *out = fd;
    return 0;
}

/* Closes a connection that nobody waits on, anywhere, to have its descriptor. */
static bool close_an_idle(struct dial_stream *d)
{
    for (uint32_t i = 0; i < d->conns.n; i++) {
        struct dial_conn *c = d->conns.list[i];
        if (c != NULL && c->state != DIAL_CLOSED && c->unsettled == 0 && !c->telling) {
            close_conn(c);
            return true;
        }
    }
    return false;
}

/* What is said over the socket, by TLS or not. */
static int talk(struct dial_conn *c)
{
    struct dial_stream_pool *p = c->pool;
    if (p->tls == NULL)
        return 0;
    c->tls = tls_open(p->tls, c->fd, &p->session);
    if (c->tls == NULL)
        return ENOMEM;
    return p->https == HTTPS_NOT ? 0 : dial_https_open(c);
}

static int set_up(struct dial_conn *c)
{
    struct dial_stream *d = c->dial;
    int error = talk(c);
    if (error != 0)
        return error;
    c->conn = conns_add(&d->conns, c);
    if (c->conn == CONN_NONE)
        return ENOMEM;
    error = -uv_poll_init(&d->turn->loop, &c->poll, c->fd);
    if (error != 0)
        conns_del(&d->conns, c->conn);
    return error;
}

static int new_conn(struct dial_stream *d, struct dial_stream_pool *p, int fd,
                    struct dial_conn **out)
{
    struct dial_conn *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ENOMEM;
    *c = (struct dial_conn){.dial = d,
                            .pool = p,
                            .peer = p->peer,
                            .fd = fd,
                            .opened_us = d->turn->now_us,
                            .used_us = d->turn->now_us};
    int error = set_up(c);
    if (error != 0) {
        doh_client_free(c->doh);
        tls_close(c->tls);
        free(c);
        return error;
    }
    c->poll.data = c;
    *out = c;
    return 0;
}

static int open_conn(struct dial_stream *d, struct dial_stream_pool *p,
                     struct dial_conn **place)
{
    int fd = -1;
    int error = connecting_fd(p, &fd);
    if ((error == EMFILE || error == ENFILE) && close_an_idle(d))
        error = connecting_fd(p, &fd);
    if (error != 0)
        return error;
    error = new_conn(d, p, fd, place);
    if (error != 0) {
        close(fd);
        return error;
    }
    watch(*place);
    d->counters.opened++;
    if (d->open++ == 0)
        uv_timer_start(&d->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return 0;
}

/* ---- choosing ---- */

static void leave_all(struct dial_stream_pool *p)
{
    for (unsigned i = 0; i < p->conns_n; i++) {
        struct dial_conn *c = p->conns[i];
        if (c != NULL) {
            leave_pool(c);
            close_if_done(c);
        }
    }
}

/* The pool of an endpoint. An id that has passed on to another address after a reload
 * finds the connections of the former one: they go. */
static struct dial_stream_pool *pool_of(struct dial_stream *d, const struct endpoint *e)
{
    struct dial_stream_pool *p = places_claim(&d->pools, e->id, sizeof *p);
    if (p == NULL)
        return NULL;
    if (p->conns == NULL) {
        p->conns = p->few;
        p->conns_n = UPSTREAM_TCP_CONNECTIONS;
    }
    if (!addr_equal(&p->peer, &e->addr) || !addr_equal(&p->source, &e->source) ||
        p->tls != e->tls || p->https != e->https) {
        leave_all(p);
        set_tls(p, e->tls);
        p->http1 = false;
    }
    p->https = e->https;
    p->peer = e->addr;
    p->source = e->source;
    p->idle_us =
        e->idle_us > 0 ? (uint64_t)e->idle_us : UPSTREAM_SOCKET_IDLE_S * DIAL_SECOND_US;
    p->life_us = e->life_us > 0 ? (uint64_t)e->life_us : 0;
    p->idle_max = e->streams_idle_max;
    return p;
}

static bool too_old(const struct dial_conn *c)
{
    uint64_t age_us = c->dial->turn->now_us - c->opened_us;
    return c->pool->life_us > 0 && age_us >= c->pool->life_us;
}

/* The least busy connection, and a place for another one; either may be NULL. */
static struct dial_conn *least_busy(struct dial_stream_pool *p, uint32_t avoid,
                                    struct dial_conn ***place)
{
    struct dial_conn *best = NULL;
    *place = NULL;
    for (unsigned i = 0; i < p->conns_n; i++) {
        struct dial_conn *c = p->conns[i];
        if (c != NULL && too_old(c)) {
            leave_pool(c);
            close_if_done(c);
            c = NULL;
        }
        if (c == NULL)
            *place = &p->conns[i];
        else if (c->conn != avoid && (best == NULL || c->unsettled < best->unsettled))
            best = c;
    }
    return best;
}

/* Questions that it takes before another connection is opened: who answers them one
 * after the other gets one, HTTP/2 as many as the server lets be out. */
static uint32_t share_of(const struct dial_conn *c)
{
    return c->doh == NULL || c->pool->http1 ? 1 : doh_client_width(c->doh);
}

static enum transport transport_of(const struct endpoint *e)
{
    return e->https != HTTPS_NOT ? TRANSPORT_HTTPS
           : e->tls != NULL      ? TRANSPORT_TLS
                                 : TRANSPORT_TCP;
}

int dial_stream_connect(struct dial_stream *d, const struct endpoint *e,
                        enum transport t, uint32_t avoid, uint32_t *conn)
{
    if (t != transport_of(e))
        return ENOTSUP;
    struct dial_stream_pool *p = pool_of(d, e);
    if (p == NULL)
        return ENOMEM;
    struct dial_conn **place;
    struct dial_conn *c = least_busy(p, avoid, &place);
    int error = c == NULL || c->unsettled >= UPSTREAM_TCP_PIPELINE ? ENOBUFS : 0;
    if (place != NULL && (error != 0 || c->unsettled >= share_of(c))) {
        int rc = open_conn(d, p, place);
        if (rc == 0)
            c = *place;
        if (error != 0)
            error = rc;
    }
    if (error == 0)
        *conn = c->conn;
    return error;
}

/* ---- sending ---- */

int dial_stream_send(struct dial_stream *d, uint32_t conn, const uint8_t *wire,
                     size_t len)
{
    struct dial_conn *c = conns_get(&d->conns, conn);
    if (c == NULL || c->state == DIAL_CLOSED)
        return ENOTCONN;
    int error = 0;
    if (c->doh != NULL)
        error = doh_client_ask(c->doh, (struct span){wire, len}, d->turn->now_us);
    else if (outbox_put_message(&c->out, wire, len, OUT_MAX) < 0)
        error = ENOBUFS;
    if (error != 0)
        return error;
    c->unsettled++;
    c->used_us = d->turn->now_us;
    if (c->waiting_us == 0)
        c->waiting_us = d->turn->now_us;
    d->counters.sent++;
    mark_dirty(c);
    return 0;
}

bool dial_stream_flush(struct dial_stream *d)
{
    uint64_t lost = d->counters.lost;
    while (d->dirty != NULL) {
        struct dial_conn *c = d->dirty;
        d->dirty = c->dirty_next;
        c->dirty = false;
        if (c->state == DIAL_OPEN)
            send_out(c);
    }
    return d->counters.lost != lost;
}

void dial_stream_settle(struct dial_stream *d, uint32_t conn)
{
    struct dial_conn *c = conns_get(&d->conns, conn);
    if (c == NULL || c->unsettled == 0 || --c->unsettled > 0)
        return;
    if (c->gone)
        free_conn(c);
    else
        close_if_done(c);
}
