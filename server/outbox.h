/* Octets that a stream's peer has not taken yet. Empty, and without memory, nearly
 * always: the kernel takes most at once. */
#ifndef ISTHMUS_SERVER_OUTBOX_H
#define ISTHMUS_SERVER_OUTBOX_H

#include "base/span.h"

struct outbox {
    uint8_t *octets;
    size_t at, len, cap; /* octets[at] to octets[at + len] wait */
};

/* Adds `len` octets. Returns 0, or -1: no memory, or more than `max` would wait. */
int outbox_put(struct outbox *o, const void *from, size_t len, size_t max)
    __attribute__((warn_unused_result));

/* The same for a message with its two octets of length in front; all or nothing. */
int outbox_put_message(struct outbox *o, const void *wire, size_t len, size_t max)
    __attribute__((warn_unused_result));

/* Sends what the socket takes. Returns 0, or an errno other than EAGAIN; o->len says
 * what is left. */
int outbox_send(struct outbox *o, int fd) __attribute__((warn_unused_result));

/* The first `n` octets that wait have been sent by other means. */
void outbox_drop(struct outbox *o, size_t n);

void outbox_release(struct outbox *o);

#endif
