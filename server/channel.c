#include "server/channel.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int channel_open(struct channel *c, int fd, const void *tls, enum tls_talk talk)
{
    *c = (struct channel){.fd = fd, .greeting = tls != NULL};
    if (tls == NULL)
        return 0;
    c->tls = tls_accept(tls, fd, talk);
    return c->tls == NULL ? ENOMEM : 0;
}

void channel_close(struct channel *c)
{
    tls_close(c->tls);
    close(c->fd);
    *c = (struct channel){.fd = -1};
}

int channel_greet(struct channel *c)
{
    int error = tls_handshake(c->tls);
    c->greeting = error == EAGAIN;
    return error;
}

ssize_t channel_read(struct channel *c, void *to, size_t len)
{
    if (c->tls != NULL)
        return tls_read(c->tls, to, len);
    return recv(c->fd, to, len, MSG_DONTWAIT);
}

ssize_t channel_write(struct channel *c, const void *from, size_t len)
{
    if (c->tls != NULL)
        return tls_write(c->tls, from, len);
    return send(c->fd, from, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int channel_flush(struct channel *c, struct outbox *o)
{
    if (c->tls == NULL)
        return outbox_send(o, c->fd);
    while (o->len > 0) {
        ssize_t n = tls_write(c->tls, o->octets + o->at, o->len);
        if (n < 0)
            return errno == EAGAIN ? 0 : errno;
        outbox_drop(o, (size_t)n);
    }
    return 0;
}

int channel_end(struct channel *c)
{
    if (c->tls != NULL)
        tls_goodbye(c->tls);
    return shutdown(c->fd, SHUT_WR) < 0 ? errno : 0;
}

ssize_t channel_discard(struct channel *c, void *room, size_t len)
{
    return recv(c->fd, room, len, MSG_DONTWAIT);
}
