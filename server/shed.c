#include "server/shed.h"

#include <stdlib.h>

struct reply {
    union pktinfo_sockaddr peer;
    struct pktinfo_room control;
    struct iovec iov;
    socklen_t peer_len;
    size_t control_len;
    uint8_t wire[UDP_ANSWER_MAX];
};

struct shed {
    uint32_t top; /* where the next one goes */
    uint32_t n;
    struct reply ring[SHED_DEPTH];
};

struct shed *shed_new(void)
{
    return calloc(1, sizeof(struct shed));
}

void shed_free(struct shed *s)
{
    free(s);
}

unsigned shed_put(struct shed *s, const struct msghdr *m)
{
    struct reply *r = &s->ring[s->top];
    r->peer_len = m->msg_namelen;
    r->control_len = m->msg_controllen;
    memcpy(&r->peer, m->msg_name, m->msg_namelen);
    if (m->msg_controllen > 0)
        memcpy(&r->control, m->msg_control, m->msg_controllen);
    memcpy(r->wire, m->msg_iov->iov_base, m->msg_iov->iov_len);
    r->iov = (struct iovec){.iov_base = r->wire, .iov_len = m->msg_iov->iov_len};
    s->top = (s->top + 1) % SHED_DEPTH;
    if (s->n == SHED_DEPTH)
        return 1;
    s->n++;
    return 0;
}

unsigned shed_newest(struct shed *s, struct mmsghdr *msgs, unsigned max)
{
    unsigned n = s->n < max ? s->n : max;
    for (unsigned i = 0; i < n; i++) {
        struct reply *r = &s->ring[(s->top + SHED_DEPTH - 1 - i) % SHED_DEPTH];
        msgs[i].msg_hdr = (struct msghdr){.msg_name = &r->peer,
                                          .msg_namelen = r->peer_len,
                                          .msg_iov = &r->iov,
                                          .msg_iovlen = 1,
                                          .msg_control = &r->control,
                                          .msg_controllen = r->control_len};
    }
    return n;
}

void shed_sent(struct shed *s, unsigned n)
{
    s->top = (s->top + SHED_DEPTH - n) % SHED_DEPTH;
    s->n -= n;
}

uint32_t shed_n(const struct shed *s)
{
    return s == NULL ? 0 : s->n;
}

bool shed_full(const struct shed *s)
{
    return shed_n(s) == SHED_DEPTH;
}
