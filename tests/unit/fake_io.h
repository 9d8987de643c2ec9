/* A world without sockets: everything a resolver asks of its io is written down, and
 * happens only when a test says so. Time is the test's own.
 *
 *     fake_io_init(&f);
 *     r = resolver_new(&f.io, 0);
 *     ... resolver_query(r, &client, wire, len);
 *     struct fake_sent *s = fake_io_take(&f);       // what went to an upstream, and
 * where resolver_datagram(r, s->conn, answer, len); struct fake_reply *reply =
 * fake_io_reply(&f, client.handle);
 *
 * One conn is kept per endpoint and transport, another one only where the first is to
 * be avoided or is closed: so a test sees whether a retry changes its port. */
#ifndef ISTHMUS_TESTS_UNIT_FAKE_IO_H
#define ISTHMUS_TESTS_UNIT_FAKE_IO_H

#include "base/span.h"
#include "resolver/io.h"

#define FAKE_CONNS    1024
#define FAKE_REFUSALS 8

struct fake_conn {
    uint32_t endpoint;
    enum transport transport;
    struct addr peer;
    uint32_t unsettled; /* questions sent and not settled */
    bool closed;
};

/* One message to an upstream. */
struct fake_sent {
    struct fake_sent *next;
    uint32_t conn;
    struct addr to;
    enum transport transport;
    bool taken;
    size_t len;
    uint8_t wire[];
};

/* One reply to a client; len 0: none will come. */
struct fake_reply {
    struct fake_reply *next;
    struct client client;
    size_t len;
    uint8_t wire[];
};

struct fake_io {
    struct io io;  /* first */
    uint64_t seed; /* of what passes for random; the same in every run */
    struct fake_conn conns[FAKE_CONNS];
    uint32_t conns_n;
    struct fake_sent *sent, **sent_tail;
    struct fake_reply *replies, **replies_tail;
    uint32_t sent_n, replies_n;
    struct {
        struct addr peer;
        int error;
    } refused[FAKE_REFUSALS]; /* error 0: free */
    bool no_reply_space;
    uint8_t space[65535];
};

void fake_io_init(struct fake_io *f);
void fake_io_release(struct fake_io *f);

/* The oldest message to an upstream not taken yet, NULL when there is none. */
struct fake_sent *fake_io_take(struct fake_io *f);

/* The first reply to the client with this handle, NULL when there is none. */
const struct fake_reply *fake_io_reply(const struct fake_io *f, uint64_t handle);

/* From now on connect() to this address fails with `error`; 0 ends it. */
void fake_io_refuse(struct fake_io *f, const struct addr *peer, int error);

/* The conn is not given out again. (resolver_lost() is the test's to call.) */
void fake_io_close(struct fake_io *f, uint32_t conn);

/* Questions sent and not yet settled, on all conns. */
uint32_t fake_io_unsettled(const struct fake_io *f);

#endif
