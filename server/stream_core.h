/* One connection of a client and the answers in hand: stream.c's own. */
#ifndef ISTHMUS_SERVER_STREAM_CORE_H
#define ISTHMUS_SERVER_STREAM_CORE_H

#include "base/limits.h"
#include "server/channel.h"
#include "server/frames.h"
#include "server/outbox.h"
#include "server/stream.h"

enum stream_state {
    STREAM_OPEN,   /* takes questions */
    STREAM_ENDING, /* takes no more; closes when all is answered and taken */
    STREAM_LINGER, /* all is said; what the client still sends is thrown away */
    STREAM_CLOSED, /* libuv has not yet let go of it */
};

struct stream {
    uv_poll_t poll;
    struct streams *streams;
    struct stream *older, *newer; /* while idle */
    struct stream *attend_next;
    struct frames in;
    struct outbox out;
    struct client who;
    struct stream_limits limits;
    uint32_t number; /* in streams->list */
    uint32_t listener;
    uint32_t place; /* of the quota */
    struct channel channel;
    int watched; /* UV_READABLE, UV_WRITABLE */
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
    bool idle;     /* in the list of idle ones */
    bool attended; /* in the list of those to be looked at */
    bool partial;  /* a reply goes on when the client has taken what waits */
    bool broken;   /* to be closed at the end of the turn */
};

#define STREAM_MESSAGE (2 + ANSWER_MAX)

/* Answers of one connection, one behind the other with their lengths. */
struct stream_tail {
    struct stream *owner;
    size_t used;
    uint8_t octets[2 * STREAM_MESSAGE];
};

#endif
