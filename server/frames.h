/* Messages in a stream, each behind two octets of length (RFC 1035 section 4.2.2, RFC
 * 7766 section 8). Whole messages are read where they arrived; only one that is not yet
 * whole is kept, so that an idle connection costs nothing here.
 *
 *     at = frames_room(&f, shared, sizeof shared, &len);
 *     n = read(fd, at, len);
 *     struct span in = frames_got(&f, at, n), message;
 *     while (frames_next(&in, &message)) ...
 *     frames_keep(&f, in);                               // what is left of `in`
 *
 * `shared` is one buffer for all streams of a thread. */
#ifndef ISTHMUS_SERVER_FRAMES_H
#define ISTHMUS_SERVER_FRAMES_H

#include "base/span.h"

struct frames {
    uint8_t *kept; /* heap; NULL: nothing is kept */
    uint32_t len, cap;
};

/* Where to put what comes next: behind the kept octets, just enough to make their
 * message whole, or into `shared`. *len is more than 0. NULL: no memory. Not while a
 * whole message is kept. */
uint8_t *frames_room(struct frames *f, uint8_t *shared, size_t shared_len, size_t *len);

/* `n` octets were put `at` the room: all that is in hand now. Valid until
 * frames_keep(). */
struct span frames_got(struct frames *f, const uint8_t *at, size_t n);

/* What is kept. */
struct span frames_kept(const struct frames *f);

/* Takes a whole message off the front of *in, if one is there. */
bool frames_next(struct span *in, struct span *message);

/* Keeps what is left: the end of what frames_got() or frames_kept() gave. Returns 0, or
 * -1: no memory, and nothing is kept. */
int frames_keep(struct frames *f, struct span rest) __attribute__((warn_unused_result));

void frames_release(struct frames *f);

#endif
