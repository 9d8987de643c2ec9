#include "server/dial_udp_core.h"

#include "base/cursor.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* An answer may be as long as a datagram can be. Pages that were never written cost
 * nothing, and the odd 64 octets keep the heads of the slots out of one set of the
 * processor's cache. */
#define SLOT_IN       (65536 + 64)
#define IN_LEN        ((size_t)UDP_BATCH * SLOT_IN)
#define DRAWS_A_PLACE 16
#define SWEEP_MS      1000
/* For answers that come while the worker has lost its processor. Asked for; without the
 * privilege the system's default stays. */
#define RECEIVE_BUFFER (4 * 1024 * 1024)
/* Longer than any question is waited for: then a retired socket closes without being
 * settled. */
#define DRAIN_US  (15 * 1000000ull)
#define SECOND_US 1000000ull

struct dial_udp_pool {
    struct addr peer, source;
    uint64_t idle_us;
    uint32_t draws;
    uint32_t sockets_n;                                    /* open */
    struct dial_udp_socket *sockets[UPSTREAM_UDP_SOCKETS]; /* NULL: not open */
    struct dial_udp_socket *drawn;                         /* in this turn */
    uint32_t drawn_in;
};

static void on_sweep(uv_timer_t *timer);

/* ---- life ---- */

int dial_udp_init(struct dial_udp *d, struct turn *turn)
{
    *d = (struct dial_udp){.turn = turn, .conns = {.kind = CONNS_UDP}};
    d->in = calloc(1, sizeof *d->in);
    d->out = calloc(1, sizeof *d->out);
    if (d->in == NULL || d->out == NULL) {
        dial_udp_release(d);
        return ENOMEM;
    }
    void *wire = mmap(NULL, IN_LEN, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (wire == MAP_FAILED) {
        dial_udp_release(d);
        return ENOMEM;
    }
    d->in->wire = wire;
    for (size_t i = 0; i < UDP_BATCH; i++) {
        d->in->iov[i] =
            (struct iovec){.iov_base = d->in->wire + i * SLOT_IN, .iov_len = SLOT_IN};
        d->in->msgs[i].msg_hdr =
            (struct msghdr){.msg_iov = &d->in->iov[i], .msg_iovlen = 1};
        d->in->named[i].msg_hdr = (struct msghdr){
            .msg_name = &d->in->peers[i], .msg_iov = &d->in->iov[i], .msg_iovlen = 1};
        d->out->msgs[i].msg_hdr =
            (struct msghdr){.msg_iov = &d->out->iov[i], .msg_iovlen = 1};
    }
    intakes_init(&d->intakes, &turn->loop);
    uv_timer_init(&turn->loop, &d->sweep);
    d->sweep.data = d;
    return 0;
}

void dial_udp_release(struct dial_udp *d)
{
    if (d->in != NULL && d->in->wire != NULL)
        munmap(d->in->wire, IN_LEN);
    free(d->in);
    free(d->out);
    places_release(&d->pools);
    conns_release(&d->conns);
    *d = (struct dial_udp){0};
}

/* ---- closing and retiring ---- */

static void forget_failure(struct dial_udp *d, struct dial_udp_socket *s)
{
    struct dial_udp_socket **at = &d->failed;
    while (*at != NULL && *at != s)
        at = &(*at)->failed_next;
    if (*at != NULL)
        *at = s->failed_next;
    s->error = 0;
}

static void free_socket(struct dial_udp_socket *s)
{
    conns_del(&s->dial->conns, s->conn);
    free(s->asked);
    free(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct dial_udp_socket *s = (struct dial_udp_socket *)handle;
    s->gone = true;
    if (s->unsettled == 0 || s->dial->closing)
        free_socket(s);
}

static void send_batch(struct dial_udp *d);

void dial_udp_close_socket(struct dial_udp_socket *s)
{
    struct dial_udp *d = s->dial;
    if (s->fd < 0)
        return;
    if (s->first != DIAL_NO_QUESTION)
        send_batch(d);
    if (s->error != 0)
        forget_failure(d, s);
    intake_close(&s->intake, on_closed);
    close(s->fd);
    s->fd = -1;
    d->sockets_n--;
}

/* One upstream more or less that has sockets of its own. */
static void count_own(struct dial_udp *d, struct dial_udp_pool *p, int more)
{
    bool owned = p->sockets_n > 0;
    p->sockets_n += (uint32_t)more;
    d->owners_n += (uint32_t)((p->sockets_n > 0) - owned);
}

static void leave_pool(struct dial_udp_socket *s)
{
    struct dial_udp_pool *p = s->pool;
    for (unsigned i = 0; i < UPSTREAM_UDP_SOCKETS; i++) {
        if (p->sockets[i] == s)
            p->sockets[i] = NULL;
    }
    if (p->drawn == s)
        p->drawn = NULL;
    s->pool = NULL;
    count_own(s->dial, p, -1);
}

/* Nobody draws it any more; it closes when nothing is waited for on it. */
void dial_udp_retire(struct dial_udp_socket *s)
{
    if (s->retired)
        return;
    if (s->pool != NULL)
        leave_pool(s);
    else
        dial_shared_forget(s);
    s->retired = true;
    if (s->unsettled == 0)
        dial_udp_close_socket(s);
}

static void retire_all(struct dial_udp_pool *p)
{
    for (unsigned i = 0; i < UPSTREAM_UDP_SOCKETS; i++) {
        if (p->sockets[i] != NULL)
            dial_udp_retire(p->sockets[i]);
    }
}

bool dial_udp_worn(const struct dial_udp_socket *s, uint64_t now_us)
{
    return s->questions >= UPSTREAM_SOCKET_QUESTIONS ||
           now_us - s->opened_us >= UPSTREAM_SOCKET_LIFE_S * SECOND_US;
}

static void sweep_socket(struct dial_udp_socket *s, uint64_t now_us)
{
    if (s->fd < 0)
        return;
    uint64_t unused_us = now_us - s->used_us;
    uint64_t idle_us =
        s->pool != NULL ? s->pool->idle_us : UPSTREAM_SOCKET_IDLE_S * SECOND_US;
    if (s->retired) {
        if (unused_us >= DRAIN_US)
            dial_udp_close_socket(s);
    } else if (dial_udp_worn(s, now_us) ||
               (s->unsettled == 0 && unused_us >= idle_us)) {
        dial_udp_retire(s);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct dial_udp *d = timer->data;
    turn_begin(d->turn);
    for (uint32_t i = 0; i < d->conns.n; i++) {
        if (d->conns.list[i] != NULL)
            sweep_socket(d->conns.list[i], d->turn->now_us);
    }
    if (d->sockets_n == 0)
        uv_timer_stop(&d->sweep);
}

void dial_udp_close(struct dial_udp *d)
{
    d->closing = true;
    d->out->n = d->out->sockets_n = 0;
    for (uint32_t i = 0; i < d->conns.n; i++) {
        struct dial_udp_socket *s = d->conns.list[i];
        if (s == NULL)
            continue;
        s->first = DIAL_NO_QUESTION;
        if (s->gone)
            free_socket(s);
        else
            dial_udp_close_socket(s);
    }
    intakes_close(&d->intakes);
    uv_close((uv_handle_t *)&d->sweep, NULL);
}

/* ---- errors ---- */

/* A closed port is the upstream's matter. Anything else may be our side of the road,
 * such as an address that was taken away from an interface: sockets opened before are
 * suspect. */
static void blame_sockets(struct dial_udp_socket *s, int error)
{
    if (error != ECONNREFUSED && s->pool != NULL)
        retire_all(s->pool);
}

static void tell(struct dial_udp_socket *s, int error)
{
    struct dial_udp *d = s->dial;
    d->counters.lost++;
    blame_sockets(s, error);
    resolver_lost(d->turn->resolver, s->conn, error);
}

/* Told at the end of the turn: now the resolver may be in the middle of something. */
void dial_udp_tell_later(struct dial_udp_socket *s, int error)
{
    if (s->error == 0) {
        s->failed_next = s->dial->failed;
        s->dial->failed = s;
    }
    s->error = error;
}

/* ---- receiving ---- */

void dial_udp_foresee(const struct dial_udp_socket *s, const struct mmsghdr *msgs,
                      unsigned n)
{
    struct span wires[UDP_BATCH];
    for (unsigned i = 0; i < n; i++)
        wires[i] = (struct span){.at = msgs[i].msg_hdr.msg_iov->iov_base,
                                 .len = msgs[i].msg_len};
    resolver_foresee(s->dial->turn->resolver, wires, n);
}

/* Takes one batch and adds its size to *sum; false when nothing more is waiting. */
static bool receive(struct dial_udp_socket *s, unsigned *sum)
{
    struct dial_udp *d = s->dial;
    int n = recvmmsg(s->fd, d->in->msgs, UDP_BATCH, MSG_DONTWAIT, NULL);
    if (n < 0) {
        if (errno == EAGAIN)
            return false;
        if (errno != EINTR)
            tell(s, errno);
        return s->fd >= 0;
    }
    *sum += (unsigned)n;
    d->counters.received += (unsigned)n;
    s->heard_us = d->turn->now_us;
    s->waiting_us = 0;
    dial_udp_foresee(s, d->in->msgs, (unsigned)n);
    for (int i = 0; i < n; i++)
        resolver_datagram(d->turn->resolver, s->conn, d->in->iov[i].iov_base,
                          d->in->msgs[i].msg_len);
    return n == UDP_BATCH && s->fd >= 0;
}

unsigned dial_udp_read(struct dial_udp_socket *s, dial_receive *receive_batch)
{
    unsigned sum = 0;
    turn_begin(s->dial->turn);
    for (unsigned round = 0; round < DIAL_ROUNDS && s->fd >= 0; round++) {
        if (!receive_batch(s, &sum))
            break;
    }
    return sum;
}

static unsigned on_read(struct intake *in)
{
    return dial_udp_read((struct dial_udp_socket *)in, receive);
}

/* ---- opening ---- */

int dial_udp_fd(struct dial_udp *d, uint8_t family)
{
    const int omit4 = IP_PMTUDISC_OMIT, omit6 = IPV6_PMTUDISC_OMIT;
    const int room = RECEIVE_BUFFER, type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int domain = family == 4 ? AF_INET : AF_INET6;
    int fd = socket(domain, type, 0);
    if (fd < 0 && dial_udp_no_files(errno) && dial_udp_close_one(d, false))
        fd = socket(domain, type, 0);
    if (fd < 0)
        return fd;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (domain == AF_INET)
        setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit4, sizeof omit4);
    else
        setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &omit6, sizeof omit6);
    return fd;
}

static int connected_fd(struct dial_udp *d, const struct dial_udp_pool *p, int *out)
{
    union pktinfo_sockaddr sa;
    int fd = dial_udp_fd(d, p->peer.family);
    if (fd < 0)
        return errno;
    int rc = 0;
    if (p->source.family != 0) {
        socklen_t len = pktinfo_address(&sa, &p->source, p->source.family);
        rc = bind(fd, &sa.any, len);
    }
    if (rc == 0) {
        socklen_t len = pktinfo_address(&sa, &p->peer, p->peer.family);
        rc = connect(fd, &sa.any, len);
    }
    if (rc < 0) {
        int error = errno;
        close(fd);
        return error;
    }
    *out = fd;
    return 0;
}

bool dial_udp_close_one(struct dial_udp *d, bool waited_on)
{
    struct dial_udp_socket *own = NULL;
    for (uint32_t i = 0; i < d->conns.n; i++) {
        struct dial_udp_socket *s = d->conns.list[d->idle_at++ % d->conns.n];
        if (s != NULL && s->fd >= 0 && s->unsettled == 0) {
            dial_udp_retire(s);
            return true;
        }
        if (s != NULL && s->fd >= 0 && s->family == 0)
            own = s;
    }
    if (!waited_on || own == NULL)
        return false;
    dial_udp_retire(own);
    dial_udp_close_socket(own);
    return true;
}

static struct dial_udp_socket *make_socket(struct dial_udp *d, int fd, uint32_t conn)
{
    struct dial_udp_socket *s = malloc(sizeof *s);
    if (s != NULL)
        *s = (struct dial_udp_socket){.dial = d,
                                      .opened_us = d->turn->now_us,
                                      .used_us = d->turn->now_us,
                                      .heard_us = d->turn->now_us,
                                      .conn = conn,
                                      .fd = fd,
                                      .first = DIAL_NO_QUESTION};
    return s;
}

int dial_udp_add(struct dial_udp *d, int fd, const struct intake_calls *calls,
                 struct dial_udp_socket **out)
{
    uint32_t conn = conns_add(&d->conns, NULL);
    struct dial_udp_socket *s = conn == CONN_NONE ? NULL : make_socket(d, fd, conn);
    int error = s == NULL ? ENOMEM : intake_open(&s->intake, &d->intakes, fd, calls);
    if (error != 0) {
        if (conn != CONN_NONE)
            conns_del(&d->conns, conn);
        close(fd);
        free(s);
        return error;
    }
    d->conns.list[conn / 2] = *out = s;
    d->counters.opened++;
    if (d->sockets_n++ == 0)
        uv_timer_start(&d->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return 0;
}

static int open_own(struct dial_udp *d, struct dial_udp_pool *p,
                    struct dial_udp_socket **place)
{
    static const struct intake_calls calls = {.read = on_read};
    int fd, error = connected_fd(d, p, &fd);
    if (error == 0)
        error = dial_udp_add(d, fd, &calls, place);
    if (error != 0)
        return error;
    (*place)->pool = p;
    count_own(d, p, 1);
    return 0;
}

/* ---- choosing ---- */

static bool is_pool_of(const struct dial_udp_pool *p, const struct endpoint *e)
{
    return addr_equal(&p->peer, &e->addr) && addr_equal(&p->source, &e->source);
}

/* The pool of an endpoint. An id that has passed on to another address after a reload
 * finds the sockets of the former one: they go. */
static struct dial_udp_pool *pool_of(struct dial_udp *d, const struct endpoint *e)
{
    struct dial_udp_pool *p = places_claim(&d->pools, e->id, sizeof *p);
    if (p == NULL)
        return NULL;
    if (!is_pool_of(p, e))
        retire_all(p);
    p->peer = e->addr;
    p->source = e->source;
    p->idle_us =
        e->idle_us > 0 ? (uint64_t)e->idle_us : UPSTREAM_SOCKET_IDLE_S * SECOND_US;
    return p;
}

/* A question is asked again, and its socket has been silent since. The upstream may be
 * dead; but it may be the way that is: the address a socket is bound to has gone, or a
 * translator on the way (conntrack of a Service address) holds the port fast to a
 * server that is no more. So every socket goes that has heard nothing since: the retry
 * leaves from one that has, or a new one. */
static void doubt_sockets(struct dial_udp_pool *p, const struct dial_udp_socket *silent)
{
    uint64_t since_us = silent->waiting_us;
    if (silent->pool != p || since_us == 0)
        return;
    for (unsigned i = 0; i < UPSTREAM_UDP_SOCKETS; i++) {
        if (p->sockets[i] != NULL && p->sockets[i]->heard_us < since_us)
            dial_udp_retire(p->sockets[i]);
    }
}

/* Draws a place at random; an empty one gets a socket. Places that will not do are
 * passed over. A pool begins with one place and has one more for every DRAWS_A_PLACE
 * draws: an upstream among thousands would have four sockets for four questions, and
 * whoever guesses at ports is no nearer, since a question leaves from one of them. */
static int draw(struct dial_udp *d, struct dial_udp_pool *p, uint32_t avoid,
                struct dial_udp_socket **out)
{
    int error = EADDRNOTAVAIL;
    uint32_t places = 1 + p->draws++ / DRAWS_A_PLACE;
    if (places > UPSTREAM_UDP_SOCKETS)
        places = UPSTREAM_UDP_SOCKETS;
    uint32_t start = entropy_below(&d->turn->entropy, places);
    for (uint32_t i = 0; i < UPSTREAM_UDP_SOCKETS; i++) {
        struct dial_udp_socket **place =
            &p->sockets[i < places ? (start + i) % places : i];
        if (*place != NULL && dial_udp_worn(*place, d->turn->now_us))
            dial_udp_retire(*place);
        if (*place != NULL && (*place)->conn == avoid)
            continue;
        int rc = *place == NULL ? open_own(d, p, place) : 0;
        if (rc == 0) {
            *out = *place;
            return 0;
        }
        error = rc;
    }
    return error;
}

/* One that was heard while `silent` was not: its way is known to lead somewhere, which
 * nobody knows of a new port (routers and translators spread flows by their ports). */
static struct dial_udp_socket *draw_heard(struct dial_udp *d, struct dial_udp_pool *p,
                                          const struct dial_udp_socket *silent)
{
    uint32_t start = entropy_below(&d->turn->entropy, UPSTREAM_UDP_SOCKETS);
    for (uint32_t i = 0; i < UPSTREAM_UDP_SOCKETS; i++) {
        struct dial_udp_socket *s = p->sockets[(start + i) % UPSTREAM_UDP_SOCKETS];
        if (s != NULL && s != silent && silent->waiting_us != 0 &&
            s->heard_us > s->opened_us && s->heard_us >= silent->waiting_us &&
            !dial_udp_worn(s, d->turn->now_us))
            return s;
    }
    return NULL;
}

/* One of its own. `silent`: that by which it was asked last, NULL: it was not. */
static int choose_own(struct dial_udp *d, const struct endpoint *e, uint32_t avoid,
                      struct dial_udp_socket **out)
{
    const struct dial_udp_socket *silent =
        conns_is_stream(avoid) ? NULL : conns_get(&d->conns, avoid);
    struct dial_udp_pool *p = pool_of(d, e);
    if (p == NULL)
        return ENOMEM;
    *out = NULL;
    if (silent != NULL && silent->family == 0) {
        doubt_sockets(p, silent);
        *out = draw_heard(d, p, silent);
    }
    if (*out != NULL && (*out)->questions < UPSTREAM_SOCKET_QUESTIONS)
        return 0;
    int error = draw(d, p, avoid, out);
    if (error == 0) {
        p->drawn = *out;
        p->drawn_in = d->turn->number;
    }
    return error;
}

/* That of this turn; NULL: none has been drawn, or it will not do. */
static struct dial_udp_socket *drawn(const struct dial_udp *d,
                                     const struct dial_udp_pool *p)
{
    struct dial_udp_socket *s = p->drawn_in == d->turn->number ? p->drawn : NULL;
    return s != NULL && s->questions < UPSTREAM_SOCKET_QUESTIONS ? s : NULL;
}

/* Who has sockets of his own goes on with them, and so does a question that is asked
 * again: the way of a shared socket to him may be the one that leads nowhere. */
int dial_udp_connect(struct dial_udp *d, const struct endpoint *e, uint32_t avoid,
                     uint32_t *conn)
{
    const struct dial_udp_pool *p = places_get(&d->pools, e->id);
    bool first = conns_is_stream(avoid) || conns_get(&d->conns, avoid) == NULL;
    bool known = first && p != NULL && is_pool_of(p, e);
    struct dial_udp_socket *s = known ? drawn(d, p) : NULL;
    int error = 0;
    if (s == NULL && first && (p == NULL || p->sockets_n == 0) &&
        dial_shared_takes(d, e))
        error = dial_shared_draw(d, e->addr.family, &s);
    else if (s == NULL)
        error = choose_own(d, e, avoid, &s);
    if (error != 0 && dial_shared_may(e))
        error = dial_shared_instead(d, e->addr.family, avoid, error, &s);
    if (error == 0)
        *conn = s->conn;
    return error;
}

/* ---- sending ---- */

int dial_udp_send(struct dial_udp *d, uint32_t conn, const struct endpoint *to,
                  const uint8_t *wire, size_t len)
{
    struct dial_udp_socket *s = conns_get(&d->conns, conn);
    struct dial_udp_out *out = d->out;
    if (s == NULL || s->fd < 0)
        return ENOTCONN;
    if (len > ANSWER_MAX)
        return EMSGSIZE;
    if (out->n == UDP_BATCH || sizeof out->octets - out->used < len)
        send_batch(d);
    uint8_t i = (uint8_t)out->n++;
    out->questions[i] = (struct dial_question){
        .at = (uint32_t)out->used, .len = (uint32_t)len, .next = DIAL_NO_QUESTION};
    memcpy(out->octets + out->used, wire, len);
    out->used += len;
    if (s->family != 0) {
        out->peers[i] = to->addr;
        dial_shared_note(s, &to->addr, load_u16(wire));
    }
    if (s->first == DIAL_NO_QUESTION) {
        s->first = i;
        out->sockets[out->sockets_n++] = s;
    } else {
        out->questions[s->last].next = i;
    }
    s->last = i;
    s->unsettled++;
    s->questions++;
    s->used_us = d->turn->now_us;
    if (s->waiting_us == 0)
        s->waiting_us = d->turn->now_us;
    return 0;
}

/* The questions of a socket, as sendmmsg() wants them; returns their number. */
static unsigned gather(struct dial_udp_out *out, struct dial_udp_socket *s)
{
    unsigned n = 0;
    for (uint8_t i = s->first; i != DIAL_NO_QUESTION; i = out->questions[i].next, n++) {
        const struct dial_question *q = &out->questions[i];
        struct msghdr *m = &out->msgs[n].msg_hdr;
        out->iov[n] =
            (struct iovec){.iov_base = out->octets + q->at, .iov_len = q->len};
        out->which[n] = i;
        m->msg_name = s->family == 0 ? NULL : &out->names[n];
        m->msg_namelen =
            s->family == 0 ? 0
                           : pktinfo_address(&out->names[n], &out->peers[i], s->family);
    }
    s->first = DIAL_NO_QUESTION;
    return n;
}

static int send_some(const struct dial_udp_socket *s, struct dial_udp_out *out,
                     unsigned at, unsigned n)
{
    if (n - at > 1 || s->family != 0)
        return sendmmsg(s->fd, out->msgs + at, n - at, MSG_DONTWAIT);
    struct iovec *iov = &out->iov[at];
    return send(s->fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT) < 0 ? -1 : 1;
}

static void send_questions(struct dial_udp *d, struct dial_udp_socket *s, unsigned n)
{
    unsigned at = 0, tries = 0;
    intake_sending(&s->intake, n);
    while (at < n) {
        int sent = send_some(s, d->out, at, n);
        if (sent > 0) {
            at += (unsigned)sent;
            d->counters.sent += (unsigned)sent;
            tries = 0;
            /* What stopped it is in the queue of errors now, and nowhere else. */
            if (at < n && s->family != 0)
                dial_udp_tell_later(s, EAGAIN);
        } else if (errno == EAGAIN || errno == ENOBUFS) {
            /* As if the network had lost them: they are asked again. */
            d->counters.full += n - at;
            return;
        } else if (errno != EINTR && s->family != 0) {
            bool over = dial_shared_pass_over(s, at, ++tries, errno);
            at += over;
            tries = over ? 0 : tries;
        } else if (errno != EINTR) {
            /* All that waits on this socket is told so, the rest of the batch too. */
            dial_udp_tell_later(s, errno);
            return;
        }
    }
}

static void send_batch(struct dial_udp *d)
{
    struct dial_udp_out *out = d->out;
    for (unsigned i = 0; i < out->sockets_n; i++)
        send_questions(d, out->sockets[i], gather(out, out->sockets[i]));
    out->n = out->sockets_n = 0;
    out->used = 0;
}

bool dial_udp_flush(struct dial_udp *d)
{
    send_batch(d);
    if (d->failed == NULL && d->unsent_n == 0)
        return false;
    dial_shared_tell_unsent(d);
    while (d->failed != NULL) {
        struct dial_udp_socket *s = d->failed;
        int error = s->error;
        d->failed = s->failed_next;
        s->error = 0;
        if (s->family != 0)
            dial_shared_tell(s);
        else
            tell(s, error);
    }
    return true;
}

void dial_udp_settle(struct dial_udp *d, uint32_t conn)
{
    struct dial_udp_socket *s = conns_get(&d->conns, conn);
    if (s == NULL || s->unsettled == 0 || --s->unsettled > 0)
        return;
    if (s->gone)
        free_socket(s);
    else if (s->retired)
        dial_udp_close_socket(s);
}
