#include "tests/unit/fake_io.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct fake_io *self(struct io *io)
{
    return (struct fake_io *)(void *)io;
}

static void fake_random(struct io *io, void *out, size_t len)
{
    struct fake_io *f = self(io);
    uint8_t *to = out;
    for (size_t i = 0; i < len; i++) {
        f->seed =
            f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        to[i] = (uint8_t)(f->seed >> 56);
    }
}

/* ---- clients ---- */

static uint8_t *fake_reply_space(struct io *io, const struct client *c, size_t *cap)
{
    struct fake_io *f = self(io);
    *cap = c->transport == TRANSPORT_UDP ? 4096 : sizeof f->space;
    return f->no_reply_space ? NULL : f->space;
}

static void fake_reply(struct io *io, const struct client *c, size_t len)
{
    struct fake_io *f = self(io);
    struct fake_reply *r = malloc(sizeof *r + len);
    assert(r != NULL);
    *r = (struct fake_reply){.client = *c, .len = len};
    memcpy(r->wire, f->space, len);
    *f->replies_tail = r;
    f->replies_tail = &r->next;
    f->replies_n++;
}

const struct fake_reply *fake_io_reply(const struct fake_io *f, uint64_t handle)
{
    const struct fake_reply *r = f->replies;
    while (r != NULL && r->client.handle != handle)
        r = r->next;
    return r;
}

static uint64_t fake_wall_us(struct io *io)
{
    return UINT64_C(1700000000000000);
}

/* ---- upstreams ---- */

static int refusal(const struct fake_io *f, const struct addr *peer)
{
    for (unsigned i = 0; i < FAKE_REFUSALS; i++) {
        if (f->refused[i].error != 0 && addr_equal(&f->refused[i].peer, peer))
            return f->refused[i].error;
    }
    return 0;
}

static int fake_connect(struct io *io, const struct endpoint *e, enum transport t,
                        uint32_t avoid, uint32_t *conn)
{
    struct fake_io *f = self(io);
    int error = refusal(f, &e->addr);
    if (error != 0)
        return error;
    for (uint32_t i = 0; i < f->conns_n; i++) {
        const struct fake_conn *c = &f->conns[i];
        if (i != avoid && !c->closed && c->endpoint == e->id && c->transport == t) {
            *conn = i;
            return 0;
        }
    }
    assert(f->conns_n < FAKE_CONNS);
    f->conns[f->conns_n] =
        (struct fake_conn){.endpoint = e->id, .transport = t, .peer = e->addr};
    *conn = f->conns_n++;
    return 0;
}

static int fake_send(struct io *io, uint32_t conn, const struct endpoint *to,
                     const uint8_t *wire, size_t len)
{
    struct fake_io *f = self(io);
    struct fake_conn *c = &f->conns[conn];
    struct fake_sent *s = malloc(sizeof *s + len);
    assert(conn < f->conns_n && !c->closed && s != NULL);
    *s = (struct fake_sent){
        .conn = conn, .to = c->peer, .transport = c->transport, .len = len};
    memcpy(s->wire, wire, len);
    *f->sent_tail = s;
    f->sent_tail = &s->next;
    f->sent_n++;
    c->unsettled++;
    return 0;
}

static void fake_settle(struct io *io, uint32_t conn)
{
    struct fake_conn *c = &self(io)->conns[conn];
    assert(c->unsettled > 0);
    c->unsettled--;
}

struct fake_sent *fake_io_take(struct fake_io *f)
{
    struct fake_sent *s = f->sent;
    while (s != NULL && s->taken)
        s = s->next;
    if (s != NULL)
        s->taken = true;
    return s;
}

void fake_io_refuse(struct fake_io *f, const struct addr *peer, int error)
{
    unsigned free_at = FAKE_REFUSALS;
    for (unsigned i = 0; i < FAKE_REFUSALS; i++) {
        if (f->refused[i].error != 0 && addr_equal(&f->refused[i].peer, peer)) {
            f->refused[i].error = error;
            return;
        }
        if (f->refused[i].error == 0)
            free_at = i;
    }
    assert(free_at < FAKE_REFUSALS || error == 0);
    if (error == 0)
        return;
    f->refused[free_at].peer = *peer;
    f->refused[free_at].error = error;
}

void fake_io_close(struct fake_io *f, uint32_t conn)
{
    f->conns[conn].closed = true;
}

uint32_t fake_io_unsettled(const struct fake_io *f)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->conns_n; i++)
        n += f->conns[i].unsettled;
    return n;
}

/* ---- life ---- */

void fake_io_init(struct fake_io *f)
{
    memset(f, 0, sizeof *f);
    f->io = (struct io){.random = fake_random,
                        .reply_space = fake_reply_space,
                        .reply = fake_reply,
                        .reply_part = fake_reply,
                        .wall_us = fake_wall_us,
                        .connect = fake_connect,
                        .send = fake_send,
                        .settle = fake_settle};
    f->seed = 1;
    f->sent_tail = &f->sent;
    f->replies_tail = &f->replies;
}

void fake_io_release(struct fake_io *f)
{
    for (struct fake_sent *s; (s = f->sent) != NULL;) {
        f->sent = s->next;
        free(s);
    }
    for (struct fake_reply *r; (r = f->replies) != NULL;) {
        f->replies = r->next;
        free(r);
    }
}
