/* When a socket of datagrams is read: when epoll says so, or, while much goes through
 * it, once a turn without asking.
 *
 * Each datagram that leaves by a socket in epoll's hands wakes epoll's queue for nobody
 * (it was told to watch for reading only): 100 ns, a twentieth of a cache hit. So a
 * socket by which INTAKE_BUSY datagrams or more are about to leave at once is taken
 * from epoll and read in the next turn; one that then brings fewer is given back.
 * Measured in docs/performance.md.
 *
 *     intake_open(&s->intake, &u->intakes, fd, &calls);   // watched
 *     intake_sending(&s->intake, n); sendmmsg(fd, msgs, n, 0);
 *     intake_close(&s->intake, on_closed);
 */
#ifndef ISTHMUS_SERVER_INTAKE_H
#define ISTHMUS_SERVER_INTAKE_H

#include <stdbool.h>
#include <uv.h>

#define INTAKE_BUSY 16 /* less than that, and epoll_ctl() twice costs more */

struct intake;

/* Those of a worker's clients, or of its upstreams. */
struct intakes {
    uv_idle_t idle; /* runs while some socket is busy */
    struct intake *busy;
};

/* What the owner does; either may close this and other sockets. */
struct intake_calls {
    unsigned (*read)(struct intake *in); /* returns how many datagrams came */
    void (*room)(struct intake *in);     /* see intake_await_room */
    void (*error)(struct intake *in);    /* NULL, or reads the queue of errors */
};

struct intake {
    uv_poll_t poll; /* first */
    struct intakes *all;
    const struct intake_calls *calls;
    struct intake *next; /* in all->busy */
    bool busy, paused, awaits_room;
};

void intakes_init(struct intakes *all, uv_loop_t *loop);
void intakes_close(struct intakes *all);

/* Reads `fd` from now on. 0, or an errno. */
int intake_open(struct intake *in, struct intakes *all, int fd,
                const struct intake_calls *calls) __attribute__((warn_unused_result));

/* `n` datagrams are about to leave by the socket. */
void intake_sending(struct intake *in, unsigned n);

/* Calls `room` whenever the kernel has room for more to leave, until told otherwise. */
void intake_await_room(struct intake *in, bool awaits);

/* Reads no more; for good. */
void intake_pause(struct intake *in);

/* `on_closed` is called from the loop, with &in->poll. The caller closes the fd. */
void intake_close(struct intake *in, uv_close_cb on_closed);

#endif
