/* Questions to upstreams over UDP, for one worker.
 *
 * For each endpoint there is a pool of up to UPSTREAM_UDP_SOCKETS connected sockets,
 * each on a port that the kernel chose at random (RFC 5452 section 9.2). A turn draws
 * one of them for all its questions to the endpoint, so that they leave with one
 * sendmmsg(); drawing an empty place opens a socket. A socket retires after
 * UPSTREAM_SOCKET_QUESTIONS or UPSTREAM_SOCKET_LIFE_S: it is drawn no more, and closed
 * when its questions are settled.
 * A retry never leaves from a socket that has been silent since the
 * question: old ports may lead nowhere while new ones do.
 *
 * Where UPSTREAM_OWNERS endpoints have sockets, further ones share
 * UPSTREAM_SHARED_SOCKETS that are not connected (dial_shared.c): questions to a
 * thousand upstreams leave with one sendmmsg(), too, and their answers come with one
 * recvmmsg(). A port at random, and an answer is taken from the address that was asked
 * only. Whoever is asked learns the port that others are asked from, but not what they
 * are asked, nor the ID; after UPSTREAM_GUESSES datagrams that can only be guesses at
 * it (in the name of who was asked, by an ID he was never asked with) nobody shares for
 * a minute. Retries leave from sockets of their own, unless there are no descriptors
 * left.
 *
 *     dial_udp_connect(d, endpoint, CONN_NONE, &conn);     // io->connect
 *     dial_udp_send(d, conn, endpoint, wire, len);         // io->send: into the batch
 *     while (dial_udp_flush(d)) ...                        // end of the turn
 *     dial_udp_settle(d, conn);                            // io->settle, once for
 * every send
 *
 * Answers go to resolver_datagram(), errors of the network to resolver_lost(). */
#ifndef ISTHMUS_SERVER_DIAL_UDP_H
#define ISTHMUS_SERVER_DIAL_UDP_H

#include "base/limits.h"
#include "base/log.h"
#include "server/conns.h"
#include "server/intake.h"
#include "server/places.h"
#include "server/turn.h"

struct dial_udp_in;
struct dial_udp_out;
struct dial_udp_socket;

/* The shared sockets of one family. */
struct dial_shared {
    struct dial_udp_socket *sockets[UPSTREAM_SHARED_SOCKETS]; /* NULL: not open */
    uint32_t drawn;                                           /* in this turn */
    uint32_t drawn_in;
};

/* A question that could not be sent by a shared socket, not yet told. */
struct dial_unsent {
    uint32_t conn;
    int error;
    struct addr peer;
    uint8_t head[12]; /* of the message */
};

struct dial_udp_counters {
    uint64_t opened;
    uint64_t sent, received;
    uint64_t full; /* questions dropped: the kernel had no room */
    uint64_t lost; /* errors told to the resolver */
};

struct dial_udp {
    struct turn *turn;
    struct conns conns;
    struct intakes intakes;
    struct places pools; /* of struct dial_udp_pool */
    uint32_t owners_n;   /* of them, those with sockets */
    struct dial_shared shared[2];
    struct dial_unsent unsent[UDP_BATCH];
    unsigned unsent_n;
    uint32_t guesses; /* since guessed_us */
    uint64_t guessed_us;
    uint64_t own_until_us; /* nobody shares before */
    struct log_limit log_guesses;
    struct dial_udp_in *in;
    struct dial_udp_out *out;
    struct dial_udp_socket
        *failed;        /* with an error to be told at the end of the turn */
    uint32_t sockets_n; /* open now */
    uint32_t idle_at;   /* where the search for an idle socket goes on */
    uv_timer_t sweep;
    bool closing;
    struct dial_udp_counters counters;
};

/* Returns 0, or an errno. */
int dial_udp_init(struct dial_udp *d, struct turn *turn)
    __attribute__((warn_unused_result));

/* Closes everything, without a word to the resolver; the loop has to run afterwards
 * until no handle is left. */
void dial_udp_close(struct dial_udp *d);

/* After dial_udp_close() and that loop. */
void dial_udp_release(struct dial_udp *d);

/* As in struct io. */
int dial_udp_connect(struct dial_udp *d, const struct endpoint *e, uint32_t avoid,
                     uint32_t *conn);
int dial_udp_send(struct dial_udp *d, uint32_t conn, const struct endpoint *to,
                  const uint8_t *wire, size_t len);
void dial_udp_settle(struct dial_udp *d, uint32_t conn);

/* Sends the batch and tells the resolver what went wrong; true when it was told
 * something and may have asked anew: call again. */
bool dial_udp_flush(struct dial_udp *d);

#endif
