/* Clients over UDP: batches in, batches out.
 *
 *     udp_init(&u, turn);
 *     udp_open(&u, fd, &addr, server, &number);    // starts serving the socket
 *     ... udp_reply_space / udp_reply from io ...
 *     udp_flush(&u);                               // at the end of every turn
 *
 * Up to UDP_BATCH datagrams come in with one recvmmsg() into prepared slots; the
 * resolver reads them there and writes replies straight into the slots that the next
 * sendmmsg() sends. A wake-up takes at most UDP_ROUNDS batches, so that a flood on one
 * socket does not keep the others waiting. Replies are never queued beyond one batch:
 * what the kernel does not take at once is dropped and counted, as the network would,
 * unless `shed` keeps it. */
#ifndef ISTHMUS_SERVER_UDP_H
#define ISTHMUS_SERVER_UDP_H

#include "server/conns.h"
#include "server/intake.h"
#include "server/proxy.h"
#include "server/turn.h"

#define UDP_ROUNDS 4 /* batches per socket and wake-up */

struct udp_in;
struct udp_out;
struct udp_socket;

struct udp_counters {
    uint64_t received;
    uint64_t cut; /* longer than a slot: the resolver saw the beginning */
    uint64_t sent;
    uint64_t full;    /* replies dropped: the kernel had no room (EAGAIN, ENOBUFS) */
    uint64_t shed;    /* questions dropped because of that (`shed`) */
    uint64_t refused; /* replies dropped: no way to the client */
};

struct udp {
    struct turn *turn;
    struct udp_in *in;
    struct udp_out *out;
    struct conns sockets; /* of struct udp_socket */
    struct intakes intakes;
    uint32_t opened; /* counts udp_open: generation of handles */
    struct udp_counters counters;
};

/* Returns 0, or -1: no memory. */
int udp_init(struct udp *u, struct turn *turn) __attribute__((warn_unused_result));

/* Frees what udp_init took. All sockets are closed and their loop has run since. */
void udp_release(struct udp *u);

/* Serves `fd`, which belongs to udp from now on, also after a failure. `addr` is where
 * it is bound; family 0: to every address. `server` goes into struct client. Returns 0
 * and *number, or an errno. */
int udp_open(struct udp *u, int fd, const struct addr *addr, uint16_t server,
             uint32_t *number) __attribute__((warn_unused_result));

/* The socket is for this server of the plan, of which it is number `index`, from now
 * on. */
void udp_serve(struct udp *u, uint32_t number, uint16_t index,
               const struct plan_server *server);

/* Takes what waits in the socket's buffer, then listens no more; replies still leave.
 */
void udp_pause(struct udp *u, uint32_t number);

void udp_close(struct udp *u, uint32_t number);

/* The two calls of struct io, for TRANSPORT_UDP. */
uint8_t *udp_reply_space(struct udp *u, const struct client *c, size_t *cap);
void udp_reply(struct udp *u, const struct client *c, size_t len);

/* Sends what was replied in this turn. */
void udp_flush(struct udp *u);

#endif
