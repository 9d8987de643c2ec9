/* What dial_udp.c and dial_shared.c have in common; for them only. */
#ifndef ISTHMUS_SERVER_DIAL_UDP_CORE_H
#define ISTHMUS_SERVER_DIAL_UDP_CORE_H

#include "base/limits.h"
#include "server/dial_udp.h"
#include "server/pktinfo.h"

#include <errno.h>

#define DIAL_OCTETS      (65536 + UDP_BATCH * 512)
#define DIAL_NO_QUESTION UINT8_MAX
#define DIAL_ROUNDS      4 /* batches per socket and wake-up */
#define DIAL_ASKED_BITS  65536u

struct dial_udp_socket {
    struct intake intake; /* first */
    struct dial_udp *dial;
    struct dial_udp_pool *pool; /* whose it is; NULL: shared, or retired */
    struct dial_udp_socket *failed_next;
    uint64_t opened_us, used_us;
    uint64_t heard_us;   /* something came last; at first, when it was opened */
    uint64_t waiting_us; /* the first question since then; 0 = none */
    uint32_t conn;
    uint32_t unsettled;
    uint32_t questions;  /* in its life */
    uint64_t *asked;     /* of a shared one: whom, by which IDs (dial_shared.c) */
    int fd;              /* -1: closed */
    int error;           /* not yet told; 0 = none */
    uint8_t first, last; /* its questions in the batch */
    uint8_t family;      /* of a shared one; else 0 */
    bool retired;        /* drawn no more */
    bool gone;           /* libuv has let go of the intake's handle */
};

struct dial_udp_in {
    struct mmsghdr msgs[UDP_BATCH];
    struct mmsghdr named[UDP_BATCH]; /* the same room, and who sent it */
    struct iovec iov[UDP_BATCH];
    union pktinfo_sockaddr peers[UDP_BATCH];
    uint8_t *wire;
};

struct dial_question {
    uint32_t at, len; /* in octets */
    uint8_t next;     /* on the same socket */
};

struct dial_udp_out {
    struct dial_question questions[UDP_BATCH];
    struct addr peers[UDP_BATCH];               /* whom, where the socket is shared */
    struct dial_udp_socket *sockets[UDP_BATCH]; /* with questions, in order */
    unsigned n, sockets_n;
    size_t used;
    struct mmsghdr msgs[UDP_BATCH]; /* of the socket in hand */
    struct iovec iov[UDP_BATCH];
    union pktinfo_sockaddr names[UDP_BATCH];
    uint8_t which[UDP_BATCH]; /* the question that each of them is */
    uint8_t octets[DIAL_OCTETS];
};

static inline bool dial_udp_no_files(int error)
{
    return error == EMFILE || error == ENFILE;
}

/* ---- dial_udp.c ---- */

/* A new socket with a number, read by `calls`. `fd` is dial's from now on, also after a
 * failure. 0 or an errno. */
int dial_udp_add(struct dial_udp *d, int fd, const struct intake_calls *calls,
                 struct dial_udp_socket **out) __attribute__((warn_unused_result));

/* A socket of this family with the options that all have; -1 and errno. */
int dial_udp_fd(struct dial_udp *d, uint8_t family);

bool dial_udp_worn(const struct dial_udp_socket *s, uint64_t now_us);
void dial_udp_retire(struct dial_udp_socket *s);

/* Closes it whatever is waited for; nobody is told. */
void dial_udp_close_socket(struct dial_udp_socket *s);

/* Closes one socket that nobody waits on, anywhere, to have its descriptor; or, if
 * there is none and `waited_on` says so, one that an upstream has alone: its questions
 * are asked anew as if they had been lost. False: none. */
bool dial_udp_close_one(struct dial_udp *d, bool waited_on);

/* Has `error` told when the turn ends. */
void dial_udp_tell_later(struct dial_udp_socket *s, int error);

/* The resolver is about to be given these. */
void dial_udp_foresee(const struct dial_udp_socket *s, const struct mmsghdr *msgs,
                      unsigned n);

/* Takes one batch and adds its size to *sum; false when nothing more is waiting. */
typedef bool dial_receive(struct dial_udp_socket *s, unsigned *sum);

/* A socket is readable: some batches of it. How many datagrams there were. */
unsigned dial_udp_read(struct dial_udp_socket *s, dial_receive *receive_batch);

/* ---- dial_shared.c ---- */

/* Whether `e` answers from the address that is asked, and so may share; and whether a
 * question to it leaves by a shared socket now. */
bool dial_shared_may(const struct endpoint *e);
bool dial_shared_takes(const struct dial_udp *d, const struct endpoint *e);

/* The one of this turn. 0 or an errno. */
int dial_shared_draw(struct dial_udp *d, uint8_t family, struct dial_udp_socket **out);

/* For want of descriptors, if `error` says so, any but `avoid` for one that was to have
 * a socket of its own. Else, and when there is none, `error`. */
int dial_shared_instead(struct dial_udp *d, uint8_t family, uint32_t avoid, int error,
                        struct dial_udp_socket **out);

/* The socket asks `peer` by this ID. */
void dial_shared_note(struct dial_udp_socket *s, const struct addr *peer, uint16_t id);

/* It is drawn no more. */
void dial_shared_forget(struct dial_udp_socket *s);

/* Sending stopped before the batch's datagram `at`, for the `tries`-th time, with this
 * error. Returns whether it is passed over. */
bool dial_shared_pass_over(struct dial_udp_socket *s, unsigned at, unsigned tries,
                           int error);

/* Tells the resolver what could not be sent, or was sent in vain. */
void dial_shared_tell(struct dial_udp_socket *s);
void dial_shared_tell_unsent(struct dial_udp *d);

#endif
