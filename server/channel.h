/* The octets of a client's connection, in the clear or by TLS: one set of calls for
 * both. Everything is as of a non-blocking socket; errno says what went wrong, EAGAIN
 * that the socket has to become ready first. */
#ifndef ISTHMUS_SERVER_CHANNEL_H
#define ISTHMUS_SERVER_CHANNEL_H

#include "server/outbox.h"
#include "server/tls.h"

struct channel {
    int fd;
    struct tls_stream *tls; /* NULL: in the clear */
    bool greeting;          /* TLS shakes hands */
};

/* Begins on an accepted socket; `tls` is what tls_server_new() gave, or NULL. Returns 0
 * or an errno; the socket stays open then. */
int channel_open(struct channel *c, int fd, const void *tls, enum tls_talk talk);
void channel_close(struct channel *c); /* the socket too */

/* Goes on with the handshake, while c->greeting. Returns 0 or an errno. */
int channel_greet(struct channel *c);

ssize_t channel_read(struct channel *c, void *to, size_t len);
ssize_t channel_write(struct channel *c, const void *from, size_t len);

/* Sends what the socket takes of `o`; 0, or an errno other than EAGAIN. */
int channel_flush(struct channel *c, struct outbox *o);

/* No more will be sent. Returns 0 or an errno. */
int channel_end(struct channel *c);

/* Throws away what has come since. As recv(). */
ssize_t channel_discard(struct channel *c, void *room, size_t len);

/* Whether reading has to wait until the socket takes octets. */
static inline bool channel_wants_write(const struct channel *c)
{
    return c->tls != NULL && tls_wants_write(c->tls);
}

/* Whether there is more to read than the kernel knows of. */
static inline bool channel_has_more(const struct channel *c)
{
    return c->tls != NULL && tls_has_more(c->tls);
}

#endif
