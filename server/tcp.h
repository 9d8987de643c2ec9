/* TCP listening sockets of one worker: who may come in. Limits on connections in total
 * and from one address; at the total, and when descriptors run out, the connection that
 * has been idle for longest makes room. When there is none, accepting rests for a
 * moment instead of failing in a circle: a listening socket with a connection that
 * cannot be taken stays readable. */
#ifndef ISTHMUS_SERVER_TCP_H
#define ISTHMUS_SERVER_TCP_H

#include "server/listen.h"
#include "server/stream.h"

struct tcp_counters {
    uint64_t accepted;
    uint64_t full;    /* refused: the total limit, and nobody idle */
    uint64_t address; /* refused: too many from one address */
    uint64_t rests;   /* for want of descriptors or memory */
};

struct tcp {
    struct streams *streams;
    struct conns sockets;
    uv_timer_t rest; /* runs while some sockets rest */
    struct tcp_counters counters;
};

void tcp_init(struct tcp *t, struct streams *streams);

/* All sockets have been closed; the loop has to run afterwards. */
void tcp_close_timer(struct tcp *t);
void tcp_release(struct tcp *t);

/* Accepts from `fd`, which is bound to `a` and belongs to tcp from now on, also after a
 * failure. Returns 0 and *number, or an errno. */
int tcp_open(struct tcp *t, int fd, const struct listen_address *a, uint32_t *number)
    __attribute__((warn_unused_result));

/* Its connections are for this server of the plan from now on. */
void tcp_serve(struct tcp *t, uint32_t number, uint16_t server);

/* Its connections have these limits from now on, instead of the default ones; those to
 * come have these settings of TLS, or none, and at most so many are open at a time over
 * all workers (0: no limit but the general ones). */
void tcp_limit(struct tcp *t, uint32_t number, const struct stream_limits *limits);
void tcp_secure(struct tcp *t, uint32_t number, const void *tls, uint32_t connections);

/* Accepts what waits, then no more. */
void tcp_pause(struct tcp *t, uint32_t number);

/* Its connections close once they are answered. */
void tcp_close(struct tcp *t, uint32_t number);

#endif
