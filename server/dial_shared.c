#include "server/dial_udp_core.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "base/log.h"
#include "resolver/msg.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <stdlib.h>
#include <unistd.h>

#define SUSPICION_US (60 * 1000000ull)
#define SEND_TRIES   4          /* of a socket that reports an error */
#define SENT_ROOM    (12 + 512) /* the beginning of a question that comes back */

static struct dial_shared *of_family(struct dial_udp *d, uint8_t family)
{
    return &d->shared[family == 4 ? 0 : 1];
}

/* ---- choosing ---- */

/* Not 0.0.0.0 and ::, which answer as another; nor those whose answers the kernel may
 * name in another way: ::ffff:192.0.2.1, and a scope. */
bool dial_shared_may(const struct endpoint *e)
{
    static const uint8_t unspecified[sizeof e->addr.ip];
    struct addr plain = e->addr;
    addr_unmap(&plain);
    return e->source.family == 0 && e->addr.scope == 0 &&
           plain.family == e->addr.family &&
           memcmp(plain.ip, unspecified, sizeof unspecified) != 0;
}

bool dial_shared_takes(const struct dial_udp *d, const struct endpoint *e)
{
    return d->owners_n >= UPSTREAM_OWNERS && d->turn->now_us >= d->own_until_us &&
           dial_shared_may(e);
}

static int open_shared(struct dial_udp *d, uint8_t family,
                       struct dial_udp_socket **out);

int dial_shared_draw(struct dial_udp *d, uint8_t family, struct dial_udp_socket **out)
{
    struct dial_shared *sh = of_family(d, family);
    struct dial_udp_socket **place = &sh->sockets[sh->drawn];
    if (sh->drawn_in != d->turn->number || *place == NULL ||
        (*place)->questions >= UPSTREAM_SOCKET_QUESTIONS) {
        sh->drawn = entropy_below(&d->turn->entropy, UPSTREAM_SHARED_SOCKETS);
        sh->drawn_in = d->turn->number;
        place = &sh->sockets[sh->drawn];
    }
    if (*place != NULL && dial_udp_worn(*place, d->turn->now_us))
        dial_udp_retire(*place);
    int error = *place == NULL ? open_shared(d, family, place) : 0;
    *out = *place;
    return error;
}

/* An open one; NULL: none will do. */
static struct dial_udp_socket *find_open(struct dial_udp *d, struct dial_shared *sh,
                                         uint32_t avoid)
{
    uint32_t start = entropy_below(&d->turn->entropy, UPSTREAM_SHARED_SOCKETS);
    for (uint32_t i = 0; i < UPSTREAM_SHARED_SOCKETS; i++) {
        struct dial_udp_socket *s = sh->sockets[(start + i) % UPSTREAM_SHARED_SOCKETS];
        if (s != NULL && s->conn != avoid && !dial_udp_worn(s, d->turn->now_us))
            return s;
    }
    return NULL;
}

int dial_shared_instead(struct dial_udp *d, uint8_t family, uint32_t avoid, int error,
                        struct dial_udp_socket **out)
{
    struct dial_shared *sh = of_family(d, family);
    uint32_t free = 0;
    *out = dial_udp_no_files(error) ? find_open(d, sh, avoid) : NULL;
    if (*out != NULL)
        return 0;
    while (free < UPSTREAM_SHARED_SOCKETS && sh->sockets[free] != NULL)
        free++;
    if (!dial_udp_no_files(error) || free == UPSTREAM_SHARED_SOCKETS ||
        !dial_udp_close_one(d, true))
        return error;
    error = open_shared(d, family, &sh->sockets[free]);
    *out = sh->sockets[free];
    return error;
}

void dial_shared_forget(struct dial_udp_socket *s)
{
    struct dial_shared *sh = of_family(s->dial, s->family);
    for (unsigned i = 0; i < UPSTREAM_SHARED_SOCKETS; i++) {
        if (sh->sockets[i] == s)
            sh->sockets[i] = NULL;
    }
}

/* ---- guesses ---- */

/* Where it is noted that the socket has asked `peer` by an ID, or at all. Both are in
 * one Bloom filter, which few questions fill to an eighth at most. The hash is keyed:
 * who knows an ID of his own does not know one of another from it. */
#define AT_ALL 0x10000u

static uint64_t *note_of(const struct dial_udp_socket *s, const struct addr *peer,
                         uint32_t id, uint64_t *bit)
{
    uint64_t who = hash_bytes(peer->ip, sizeof peer->ip);
    uint64_t place = hash_mix(who, (uint64_t)peer->port << 32 | id) % DIAL_ASKED_BITS;
    *bit = UINT64_C(1) << place % 64;
    return &s->asked[place / 64];
}

void dial_shared_note(struct dial_udp_socket *s, const struct addr *peer, uint16_t id)
{
    uint64_t bit;
    *note_of(s, peer, id, &bit) |= bit;
    *note_of(s, peer, AT_ALL, &bit) |= bit;
}

/* What answers nothing is late or came twice where its ID was asked with, and the noise
 * of the network where its sender was never asked: in his name nothing can be gained.
 */
static bool is_guess(const struct dial_udp_socket *s, const struct addr *from,
                     struct span wire)
{
    uint64_t bit;
    if (wire.len < DNS_HEADER_LEN || (*note_of(s, from, AT_ALL, &bit) & bit) == 0)
        return false;
    return (*note_of(s, from, load_u16(wire.at), &bit) & bit) == 0;
}

/* Who is asked by a shared socket knows its port and could send answers in the name of
 * another, if he can forge addresses: of 65,536 IDs he would have to guess one. Nobody
 * may guess often: then the sockets close, what was asked by them is asked anew from
 * ports that nobody else is told, and so is all else for a while. */
static void suspect(struct dial_udp *d)
{
    static const char text[] =
        "upstream: %u datagrams under IDs never used within %u s, as from somebody who "
        "guesses: sockets are not shared for now";
    uint64_t now_us = d->turn->now_us;
    if (now_us - d->guessed_us >= SUSPICION_US) {
        d->guessed_us = now_us;
        d->guesses = 0;
    }
    if (++d->guesses < UPSTREAM_GUESSES)
        return;
    d->guesses = 0;
    d->own_until_us = now_us + SUSPICION_US;
    log_limited(&d->log_guesses, 1, LOG_WARNING, text, (unsigned)UPSTREAM_GUESSES,
                (unsigned)(SUSPICION_US / 1000000));
    for (uint32_t i = 0; i < d->conns.n; i++) {
        struct dial_udp_socket *s = d->conns.list[i];
        if (s == NULL || s->family == 0)
            continue;
        dial_shared_forget(s);
        s->retired = true;
        dial_udp_close_socket(s);
    }
}

/* ---- receiving ---- */

static void take(struct dial_udp_socket *s, unsigned i)
{
    struct dial_udp *d = s->dial;
    struct addr from;
    struct span wire = {.at = d->in->iov[i].iov_base, .len = d->in->named[i].msg_len};
    pktinfo_peer(&from, &d->in->peers[i]);
    if (!resolver_datagram_from(d->turn->resolver, s->conn, &from, wire) &&
        is_guess(s, &from, wire))
        suspect(d);
}

/* Takes one batch and adds its size to *sum; false when nothing more is waiting. */
static bool receive(struct dial_udp_socket *s, unsigned *sum)
{
    struct dial_udp *d = s->dial;
    for (unsigned i = 0; i < UDP_BATCH; i++)
        d->in->named[i].msg_hdr.msg_namelen = sizeof d->in->peers[i];
    int n = recvmmsg(s->fd, d->in->named, UDP_BATCH, MSG_DONTWAIT, NULL);
    if (n < 0) {
        if (errno == EAGAIN)
            return false;
        if (errno != EINTR)
            dial_shared_tell(s);
        return s->fd >= 0;
    }
    *sum += (unsigned)n;
    d->counters.received += (unsigned)n;
    dial_udp_foresee(s, d->in->named, (unsigned)n);
    for (unsigned i = 0; i < (unsigned)n && s->fd >= 0; i++)
        take(s, i);
    return n == UDP_BATCH && s->fd >= 0;
}

static unsigned on_read(struct intake *in)
{
    return dial_udp_read((struct dial_udp_socket *)in, receive);
}

static void on_error(struct intake *in)
{
    struct dial_udp_socket *s = (struct dial_udp_socket *)in;
    turn_begin(s->dial->turn);
    dial_shared_tell(s);
}

/* ---- opening ---- */

/* A datagram of a socket without a peer costs the kernel an identifier for its
 * fragments, from a table of destinations, unless there will be none (RFC 6864 section
 * 4.1). Our questions fit one packet (EDNS_OPTIONS_MAX); what others say of the path
 * goes on to count for nothing. */
static int whole_only(int fd)
{
    const int probe = IP_PMTUDISC_PROBE;
    return setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe);
}

static int bound_fd(struct dial_udp *d, uint8_t family)
{
    const int on = 1;
    struct addr any = {.family = family};
    union pktinfo_sockaddr sa;
    int fd = dial_udp_fd(d, family);
    if (fd < 0)
        return fd;
    int rc = family == 4 ? setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on)
                         : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    if (rc == 0 && family == 4)
        rc = whole_only(fd);
    if (rc == 0)
        rc = bind(fd, &sa.any, pktinfo_address(&sa, &any, family));
    if (rc == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_shared(struct dial_udp *d, uint8_t family, struct dial_udp_socket **out)
{
    static const struct intake_calls calls = {.read = on_read, .error = on_error};
    struct dial_udp_socket *s;
    int fd = bound_fd(d, family);
    int error = fd < 0 ? errno : dial_udp_add(d, fd, &calls, &s);
    if (error != 0)
        return error;
    s->family = family;
    s->asked = calloc(DIAL_ASKED_BITS / 64, sizeof *s->asked);
    if (s->asked == NULL) {
        dial_udp_close_socket(s);
        return ENOMEM;
    }
    *out = s;
    return 0;
}

/* ---- what did not arrive ---- */

static void note_unsent(struct dial_udp_socket *s, unsigned question, int error)
{
    struct dial_udp *d = s->dial;
    const struct dial_question *q = &d->out->questions[question];
    if (d->unsent_n == UDP_BATCH) /* as if the network had lost it */
        return;
    struct dial_unsent *u = &d->unsent[d->unsent_n++];
    *u = (struct dial_unsent){
        .conn = s->conn, .error = error, .peer = d->out->peers[question]};
    memcpy(u->head, d->out->octets + q->at, sizeof u->head);
}

/* An error that a shared socket reports is of another that was sent before, unless it
 * reports it time and again: then this one cannot be sent. That a port is closed is
 * never said of what was not sent: then it is as if the network had lost it. */
bool dial_shared_pass_over(struct dial_udp_socket *s, unsigned at, unsigned tries,
                           int error)
{
    if (tries < SEND_TRIES)
        dial_udp_tell_later(s, error);
    else if (error == ECONNREFUSED)
        s->dial->counters.full++;
    else
        note_unsent(s, s->dial->out->which[at], error);
    return tries >= SEND_TRIES;
}

void dial_shared_tell_unsent(struct dial_udp *d)
{
    while (d->unsent_n > 0) {
        struct dial_unsent u = d->unsent[--d->unsent_n];
        d->counters.lost++;
        resolver_lost_one(d->turn->resolver, u.conn, &u.peer,
                          (struct span){.at = u.head, .len = sizeof u.head}, u.error);
    }
}

static const struct sock_extended_err *error_of(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
            (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
            return (const void *)CMSG_DATA(c);
    }
    return NULL;
}

/* The next of the errors that came to the socket, with the beginning of what was sent
 * and to whom. False: no more. */
static bool tell_next(struct dial_udp_socket *s)
{
    struct dial_udp *d = s->dial;
    union pktinfo_sockaddr to;
    struct addr peer;
    uint8_t sent[SENT_ROOM];
    _Alignas(struct cmsghdr) uint8_t control[256];
    struct iovec iov = {.iov_base = sent, .iov_len = sizeof sent};
    struct msghdr m = {.msg_name = &to,
                       .msg_namelen = sizeof to,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    ssize_t n = recvmsg(s->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (n < 0)
        return false;
    const struct sock_extended_err *e = error_of(&m);
    if (e == NULL || m.msg_namelen == 0)
        return true;
    pktinfo_peer(&peer, &to);
    d->counters.lost++;
    resolver_lost_one(d->turn->resolver, s->conn, &peer,
                      (struct span){.at = sent, .len = (size_t)n}, (int)e->ee_errno);
    return true;
}

void dial_shared_tell(struct dial_udp_socket *s)
{
    while (s->fd >= 0 && tell_next(s))
        ;
}
