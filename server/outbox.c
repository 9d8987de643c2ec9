#include "server/outbox.h"

#include "base/cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define FIRST_CAP 1024
#define KEEP_CAP  2048 /* more is given back when nothing waits */

/* Room for `len` more octets behind those that wait. */
static int reserve(struct outbox *o, size_t len, size_t max)
{
    if (len > max || o->len > max - len)
        return -1;
    if (o->at > 0 && o->at + o->len + len > o->cap) {
        memmove(o->octets, o->octets + o->at, o->len);
        o->at = 0;
    }
    if (o->at + o->len + len <= o->cap)
        return 0;
    size_t cap = o->cap == 0 ? FIRST_CAP : o->cap * 2;
    if (cap < o->len + len)
        cap = o->len + len;
    uint8_t *octets = realloc(o->octets, cap);
    if (octets == NULL)
        return -1;
    o->octets = octets;
    o->cap = cap;
    return 0;
}

static void append(struct outbox *o, const void *from, size_t len)
{
    memcpy(o->octets + o->at + o->len, from, len);
    o->len += len;
}

int outbox_put(struct outbox *o, const void *from, size_t len, size_t max)
{
    if (len == 0)
        return 0;
    if (reserve(o, len, max) < 0)
        return -1;
    append(o, from, len);
    return 0;
}

int outbox_put_message(struct outbox *o, const void *wire, size_t len, size_t max)
{
    uint8_t length[2];
    if (len > UINT16_MAX || reserve(o, sizeof length + len, max) < 0)
        return -1;
    store_u16(length, (uint16_t)len);
    append(o, length, sizeof length);
    append(o, wire, len);
    return 0;
}

void outbox_drop(struct outbox *o, size_t n)
{
    o->at += n;
    o->len -= n;
    if (o->len > 0)
        return;
    o->at = 0;
    if (o->cap > KEEP_CAP)
        outbox_release(o);
}

int outbox_send(struct outbox *o, int fd)
{
    while (o->len > 0) {
        ssize_t n = send(fd, o->octets + o->at, o->len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            outbox_drop(o, (size_t)n);
        } else if (errno == EAGAIN) {
            return 0;
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

void outbox_release(struct outbox *o)
{
    free(o->octets);
    *o = (struct outbox){0};
}
