/* Messages on their way from one worker to the thread that writes them: one writer, one
 * reader, no lock. What finds no room is lost and counted.
 *
 *     tap_ring_put(r, octets, len)                // the worker
 *     n = tap_ring_peek(r, iov, max)              // the thread: what waits, in place
 *     tap_ring_done(r)                            // and is done with that
 *
 * A message lies in one piece: one that would reach over the end begins anew at the
 * start. */
#ifndef ISTHMUS_SERVER_TAP_RING_H
#define ISTHMUS_SERVER_TAP_RING_H

#include "base/span.h"

#include <stdatomic.h>
#include <sys/uio.h>

struct tap_ring {
    uint8_t *octets;
    size_t cap;                /* a power of two */
    _Atomic size_t put, taken; /* octets since the beginning */
    size_t peeked;             /* the reader's own */
    _Atomic uint64_t lost;
};

/* `cap` is rounded up; the kernel gives memory only to what is used. NULL: no memory.
 */
struct tap_ring *tap_ring_new(size_t cap);
void tap_ring_free(struct tap_ring *r); /* NULL is fine */

/* False: no room. */
bool tap_ring_put(struct tap_ring *r, const uint8_t *octets, size_t len);

/* Octets that wait. */
size_t tap_ring_used(struct tap_ring *r);

/* Up to `max` messages, the oldest first. */
int tap_ring_peek(struct tap_ring *r, struct iovec *iov, int max);
void tap_ring_done(struct tap_ring *r);

#endif
