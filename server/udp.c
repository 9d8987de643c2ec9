#include "server/udp.h"

#include "base/limits.h"
#include "server/pktinfo.h"
#include "server/shed.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* No multiples of 4096: the heads of all slots would fall into one set of the
 * processor's first cache. */
#define SLOT_IN  (2048 + 64) /* no question needs more; longer ones are not whole */
#define SLOT_OUT (UDP_ANSWER_MAX + 64)
/* Calls in a row that may fail for want of buffers before the rest of a batch is
 * dropped. */
#define FULL_MAX 4
/* Octets of a reply that every path carries in one piece. */
#define WHOLE_MAX 512
/* Batches taken at the end: more than a receive buffer holds of small questions.
 * Without an end a flood would hold up the end of the program. */
#define PAUSE_ROUNDS 256

struct udp_socket {
    struct intake intake; /* first */
    struct udp *udp;
    int fd;
    uint64_t handle; /* number, and a generation above it */
    uint16_t server;
    uint8_t family; /* of the socket: 6 when it takes both */
    bool wildcard;  /* the address that was asked comes with each datagram */
    bool whole;     /* its datagrams are marked as not to be fragmented */
    struct addr local;
    struct proxies proxies;
    const struct plan_server *sheds; /* with `shed`, of the plan in use; NULL: none */
    struct shed *kept;               /* made when it is first needed */
};

struct udp_in {
    struct mmsghdr msgs[UDP_BATCH];
    struct iovec iov[UDP_BATCH];
    union pktinfo_sockaddr peer[UDP_BATCH];
    struct pktinfo_room control[UDP_BATCH];
    unsigned used;     /* slots the kernel has written to */
    bool with_control; /* how unused slots are prepared */
    uint8_t wire[UDP_BATCH][SLOT_IN];
};

struct udp_out {
    struct mmsghdr msgs[UDP_BATCH];
    struct mmsghdr sorted[UDP_BATCH]; /* msgs of one socket, when there are several */
    struct iovec iov[UDP_BATCH];
    union pktinfo_sockaddr peer[UDP_BATCH];
    struct pktinfo_room control[UDP_BATCH];
    struct udp_socket *by[UDP_BATCH]; /* NULL: already sent */
    unsigned n;
    bool several; /* not all for one socket */
    bool large;   /* some may have to be fragmented */
    uint8_t wire[UDP_BATCH][SLOT_OUT];
};

int udp_init(struct udp *u, struct turn *turn)
{
    *u = (struct udp){.turn = turn};
    intakes_init(&u->intakes, &turn->loop);
    u->in = calloc(1, sizeof *u->in);
    u->out = calloc(1, sizeof *u->out);
    if (u->in == NULL || u->out == NULL) {
        udp_release(u);
        return -1;
    }
    for (unsigned i = 0; i < UDP_BATCH; i++) {
        struct msghdr *in = &u->in->msgs[i].msg_hdr, *out = &u->out->msgs[i].msg_hdr;
        u->in->iov[i] = (struct iovec){.iov_base = u->in->wire[i],
                                       .iov_len = sizeof u->in->wire[i]};
        u->out->iov[i] = (struct iovec){.iov_base = u->out->wire[i]};
        *in = (struct msghdr){.msg_name = &u->in->peer[i],
                              .msg_namelen = sizeof u->in->peer[i],
                              .msg_iov = &u->in->iov[i],
                              .msg_iovlen = 1,
                              .msg_control = &u->in->control[i]};
        *out = (struct msghdr){.msg_name = &u->out->peer[i],
                               .msg_iov = &u->out->iov[i],
                               .msg_iovlen = 1,
                               .msg_control = &u->out->control[i]};
    }
    return 0;
}

void udp_release(struct udp *u)
{
    free(u->in);
    free(u->out);
    conns_release(&u->sockets);
    *u = (struct udp){0};
}

/* ---- receiving ---- */

/* Gives back to the slots what recvmmsg() changed in them. */
static void prepare_slots(struct udp_in *in, bool with_control)
{
    unsigned n = in->used;
    if (with_control != in->with_control)
        n = UDP_BATCH;
    for (unsigned i = 0; i < n; i++) {
        struct msghdr *m = &in->msgs[i].msg_hdr;
        m->msg_namelen = sizeof in->peer[i];
        m->msg_controllen = with_control ? sizeof in->control[i] : 0;
        m->msg_flags = 0;
    }
    in->with_control = with_control;
    in->used = 0;
}

static void take_datagram(struct udp_socket *s, unsigned i, struct client *c)
{
    struct udp *u = s->udp;
    struct mmsghdr *m = &u->in->msgs[i];
    pktinfo_peer(&c->peer, &u->in->peer[i]);
    /* Nothing can be sent to port 0; only forgers send from it. */
    if (c->peer.port == 0)
        return;
    if (s->wildcard)
        pktinfo_read(&m->msg_hdr, &c->local);
    if (m->msg_hdr.msg_flags & MSG_TRUNC)
        u->counters.cut++;
    struct span in = {.at = u->in->wire[i], .len = m->msg_len};
    if (s->proxies.how != NULL && !proxies_unwrap(&s->proxies, u->turn->now_us, c, &in))
        return;
    resolver_query(u->turn->resolver, c, in.at, in.len);
}

static void foresee(const struct udp_socket *s, unsigned n)
{
    const struct udp_in *in = s->udp->in;
    struct span wires[UDP_BATCH];
    for (unsigned i = 0; i < n; i++)
        wires[i] = (struct span){.at = in->wire[i], .len = in->msgs[i].msg_len};
    resolver_foresee_questions(s->udp->turn->resolver, s->server, wires, n);
}

/* Takes one batch; returns its size. */
static unsigned receive(struct udp_socket *s)
{
    struct udp *u = s->udp;
    prepare_slots(u->in, s->wildcard);
    int n = recvmmsg(s->fd, u->in->msgs, UDP_BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0;
    u->in->used = (unsigned)n;
    u->counters.received += (unsigned)n;
    struct client c = {.transport = TRANSPORT_UDP,
                       .server = s->server,
                       .local = s->local,
                       .handle = s->handle};
    if (shed_full(s->kept)) { /* an answer would only drive another out */
        u->counters.shed += (unsigned)n;
        resolver_count(u->turn->resolver, s->sheds->shed_meter, SHED_QUERIES,
                       (unsigned)n);
        return (unsigned)n;
    }
    foresee(s, (unsigned)n);
    for (unsigned i = 0; i < (unsigned)n; i++)
        take_datagram(s, i, &c);
    return (unsigned)n;
}

/* Returns how many datagrams came. */
static unsigned receive_rounds(struct udp_socket *s, unsigned rounds)
{
    unsigned n, sum = 0;
    turn_begin(s->udp->turn);
    do {
        n = receive(s);
        sum += n;
    } while (n == UDP_BATCH && --rounds > 0);
    return sum;
}

static unsigned on_read(struct intake *in)
{
    return receive_rounds((struct udp_socket *)in, UDP_ROUNDS);
}

static void on_room(struct intake *in);

/* ---- sockets ---- */

static void on_closed(uv_handle_t *handle)
{
    struct udp_socket *s = (struct udp_socket *)handle;
    proxies_release(&s->proxies);
    shed_free(s->kept);
    free(s);
}

/* Numbers and watches a socket; 0 or an errno. */
static int add(struct udp *u, struct udp_socket *s)
{
    static const struct intake_calls calls = {.read = on_read, .room = on_room};
    uint32_t number = conns_add(&u->sockets, s);
    if (number == CONN_NONE)
        return ENOMEM;
    s->handle = (uint64_t)u->opened++ << 32 | number;
    int error = intake_open(&s->intake, &u->intakes, s->fd, &calls);
    if (error != 0)
        conns_del(&u->sockets, number);
    return error;
}

int udp_open(struct udp *u, int fd, const struct addr *addr, uint16_t server,
             uint32_t *number)
{
    struct udp_socket *s = calloc(1, sizeof *s);
    int domain = AF_INET6, error = ENOMEM;
    socklen_t len = sizeof domain;
    if (s != NULL) {
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
        *s = (struct udp_socket){.udp = u,
                                 .fd = fd,
                                 .server = server,
                                 .family = domain == AF_INET ? 4 : 6,
                                 .wildcard = addr->family == 0,
                                 .local = *addr};
        error = add(u, s);
    }
    if (error != 0) {
        free(s);
        close(fd);
        return error;
    }
    *number = (uint32_t)s->handle;
    return 0;
}

void udp_serve(struct udp *u, uint32_t number, uint16_t index,
               const struct plan_server *server)
{
    struct udp_socket *s = conns_at(&u->sockets, number);
    s->server = index;
    s->sheds = server->shed ? server : NULL;
    if (!server->shed && s->kept != NULL) {
        shed_free(s->kept);
        s->kept = NULL;
        intake_await_room(&s->intake, false);
    }
    proxies_use(&s->proxies, server->proxy);
}

void udp_pause(struct udp *u, uint32_t number)
{
    struct udp_socket *s = conns_at(&u->sockets, number);
    intake_pause(&s->intake);
    receive_rounds(s, PAUSE_ROUNDS);
}

void udp_close(struct udp *u, uint32_t number)
{
    struct udp_socket *s = conns_at(&u->sockets, number);
    udp_flush(u);
    conns_del(&u->sockets, number);
    intake_close(&s->intake, on_closed);
    close(s->fd);
}

/* ---- sending ---- */

static struct udp_socket *socket_of(const struct udp *u, const struct client *c)
{
    struct udp_socket *s = conns_get(&u->sockets, (uint32_t)c->handle);
    return s != NULL && s->handle == c->handle ? s : NULL;
}

uint8_t *udp_reply_space(struct udp *u, const struct client *c, size_t *cap)
{
    if (socket_of(u, c) == NULL)
        return NULL;
    if (u->out->n == UDP_BATCH)
        udp_flush(u);
    *cap = UDP_ANSWER_MAX;
    return u->out->wire[u->out->n];
}

void udp_reply(struct udp *u, const struct client *c, size_t len)
{
    struct udp_socket *s = socket_of(u, c);
    struct udp_out *out = u->out;
    if (s == NULL || len == 0)
        return;
    unsigned i = out->n++;
    struct msghdr *m = &out->msgs[i].msg_hdr;
    out->iov[i].iov_len = len;
    const struct addr *to = c->via.family != 0 ? &c->via : &c->peer;
    m->msg_namelen = pktinfo_address(&out->peer[i], to, s->family);
    m->msg_controllen = 0;
    if (s->wildcard)
        pktinfo_write(m, &c->local, s->family);
    out->by[i] = s;
    out->several = out->several || s != out->by[0];
    out->large = out->large || len > WHOLE_MAX;
}

/* Whether datagrams go whole or not at all, or may be fragmented on the way: then the
 * kernel has to number them, from a table of destinations, which costs as much as we
 * take to find a hit; the others all bear one number (RFC 6864 section 4.1). Either way
 * messages about the path count for nothing. Returns whether that is a change. */
static bool mark_whole(struct udp_socket *s, bool whole)
{
    const int how = whole ? IP_PMTUDISC_PROBE : IP_PMTUDISC_OMIT;
    if (whole == s->whole ||
        setsockopt(s->fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof how) < 0)
        return false;
    s->whole = whole;
    return true;
}

/* Replies that the kernel has no room for. */
static void keep_or_drop(struct udp_socket *s, const struct mmsghdr *msgs, unsigned n)
{
    struct udp *u = s->udp;
    unsigned lost = n;
    if (s->sheds != NULL && s->kept == NULL)
        s->kept = shed_new();
    if (s->sheds != NULL && s->kept != NULL) {
        lost = 0;
        for (unsigned i = 0; i < n; i++)
            lost += shed_put(s->kept, &msgs[i].msg_hdr);
        intake_await_room(&s->intake, shed_n(s->kept) > 0);
        resolver_count(u->turn->resolver, s->sheds->shed_meter, SHED_RESPONSES, lost);
    }
    u->counters.full += lost;
}

/* The kernel has room again for what was kept. */
static void on_room(struct intake *in)
{
    struct udp_socket *s = (struct udp_socket *)in;
    struct mmsghdr msgs[UDP_BATCH];
    mark_whole(s, false);
    while (shed_n(s->kept) > 0) {
        unsigned n = shed_newest(s->kept, msgs, UDP_BATCH);
        int sent = sendmmsg(s->fd, msgs, n, MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) /* this one cannot be sent at all */
            s->udp->counters.refused++;
        else
            s->udp->counters.sent += (unsigned)sent;
        shed_sent(s->kept, sent < 0 ? 1 : (unsigned)sent);
    }
    intake_await_room(in, false);
}

/* Sends all of them, or counts why not. One that cannot be sent (no route, an address
 * that a filter refuses) must not take the others with it. */
static void send_batch(struct udp_socket *s, struct mmsghdr *msgs, unsigned n)
{
    struct udp *u = s->udp;
    unsigned at = 0, full = 0;
    intake_sending(&s->intake, n);
    mark_whole(s, !u->out->large);
    while (at < n) {
        int sent = sendmmsg(s->fd, msgs + at, n - at, MSG_DONTWAIT);
        if (sent > 0) {
            at += (unsigned)sent;
            u->counters.sent += (unsigned)sent;
            full = 0;
        } else if (errno == EAGAIN || (errno == ENOBUFS && ++full == FULL_MAX)) {
            keep_or_drop(s, msgs + at, n - at);
            return;
        } else if (errno == ENOBUFS) {
            u->counters.full++;
            at++;
        } else if (errno != EINTR && !(errno == EMSGSIZE && mark_whole(s, false))) {
            u->counters.refused++;
            at++;
        }
    }
}

/* The replies of a turn for several sockets: one call for each of them. */
static void send_sorted(struct udp *u)
{
    struct udp_out *out = u->out;
    for (unsigned i = 0; i < out->n; i++) {
        struct udp_socket *s = out->by[i];
        unsigned n = 0;
        if (s == NULL)
            continue;
        for (unsigned k = i; k < out->n; k++) {
            if (out->by[k] == s) {
                out->sorted[n++] = out->msgs[k];
                out->by[k] = NULL;
            }
        }
        send_batch(s, out->sorted, n);
    }
}

void udp_flush(struct udp *u)
{
    struct udp_out *out = u->out;
    if (out->n == 0)
        return;
    if (out->several)
        send_sorted(u);
    else
        send_batch(out->by[0], out->msgs, out->n);
    out->n = 0;
    out->several = out->large = false;
}
