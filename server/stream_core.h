/* A client's connection, for stream.c and stream_read.c only. */
#ifndef ISTHMUS_SERVER_STREAM_CORE_H
#define ISTHMUS_SERVER_STREAM_CORE_H

#include "base/limits.h"
#include "server/channel.h"
#include "server/doh.h"
#include "server/frames.h"
#include "server/stream.h"

/* Octets for reading; also the most that pausing leaves unread here. */
#define STREAM_ROOM    (16 * 1024)
#define STREAM_MESSAGE (2 + ANSWER_MAX)
#define STREAM_TAIL    (2 * STREAM_MESSAGE)

enum stream_state {
    STREAM_OPEN,   /* takes questions */
    STREAM_ENDING, /* takes no more; closes when all is answered and taken */
    STREAM_LINGER, /* all is said; what the client still sends is thrown away */
    STREAM_CLOSED, /* libuv has not yet let go of it */
};

struct stream {
    uv_poll_t poll;
    struct streams *streams;
    struct stream_queue *queue;   /* NULL: in none */
    struct stream *older, *newer; /* in `queue` */
    struct stream *attend_next;
    struct frames in;
    struct outbox out;
    struct client who;
    struct stream_limits limits;
    uint32_t number; /* in streams->list */
    uint32_t listener;
    uint32_t place; /* of the quota */
    struct channel channel;
    struct doh *doh; /* NULL: messages behind their lengths */
    int watched;     /* UV_READABLE, UV_WRITABLE */
    enum stream_state state;
    uint32_t unanswered;
    uint32_t questions; /* that came; stops counting before it wraps */
    uint64_t born_us;
    uint64_t active_us; /* the last whole question, or answer taken */
    uint64_t begun_us;  /* the first octet of the question that is kept; 0 = none */
    size_t held;        /* octets of `in` and `out`, as counted in streams */
    enum proxy_policy header; /* that may come first; PROXY_SKIP: no more of them */
    uint32_t header_seen;
    bool paused;   /* not watched for reading until there is room again */
    bool attended; /* in the list of those to be looked at */
    bool partial;  /* replies go on when the client has taken what waits */
    bool broken;   /* to be closed at the end of the turn */
    bool no_more;  /* the client has ended its side */
};

/* Answers of one connection, one behind the other with their lengths; or octets of
 * HTTP on their way. */
struct stream_tail {
    struct stream *owner;
    size_t used;
    uint8_t octets[STREAM_TAIL];
};

/* ---- stream.c ---- */

/* It owes the client nothing, and can be closed to make room; or not any more. After
 * the handshake it is to leave and join anew. */
void stream_join_idle(struct stream *c);
void stream_leave_idle(struct stream *c);

/* Has it looked at when the turn ends. */
void stream_attend(struct stream *c);

/* Counts the memory of its buffers. False: more than there is for all of them, or than
 * HTTP may take for one. */
bool stream_within_budget(struct stream *c);

void stream_close(struct stream *c);

/* ---- stream_read.c ---- */

/* Whether more questions may be taken. */
bool stream_has_room(const struct stream *c);

/* Whether the client is read from. */
bool stream_listens(const struct stream *c);

/* Whether octets wait for the client to take them, or to make room for them. */
bool stream_owes(const struct stream *c);

/* Reads so many times. */
void stream_read(struct stream *c, unsigned times);

/* Goes on with what was read before there was room for it. */
void stream_go_on(struct stream *c);

/* The client will ask no more; or it may not. */
void stream_begin_end(struct stream *c);

/* Throws away what comes after all was said, so that no reset overtakes the last
 * answer. */
void stream_discard(struct stream *c);

/* What doh_new() is told. */
bool stream_ask(void *stream, uint32_t request, struct span message);
void stream_answered(void *stream, unsigned status);

#endif
