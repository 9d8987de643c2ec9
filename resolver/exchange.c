#include "resolver/exchange.h"

#include "base/cursor.h"
#include "resolver/msg.h"
#include "resolver/wire.h"

#include <stdlib.h>

#define BUCKETS_FIRST 256u
#define CONN_BUCKETS  256u
#define ID_DRAWS      64 /* all in use with half of a conn's IDs taken: once in 2^64 */

int exchanges_init(struct exchanges *x)
{
    *x = (struct exchanges){0};
    x->buckets = calloc(BUCKETS_FIRST, sizeof(struct exchange *));
    x->conns = calloc(CONN_BUCKETS, sizeof(struct exchange *));
    if (x->buckets == NULL || x->conns == NULL) {
        exchanges_release(x);
        return -1;
    }
    x->mask = BUCKETS_FIRST - 1;
    x->conns_n = CONN_BUCKETS;
    return 0;
}

void exchanges_release(struct exchanges *x)
{
    free(x->buckets);
    free(x->conns);
    *x = (struct exchanges){0};
}

/* The ID was chosen by us at random: any mixing will do. */
static struct exchange **bucket(const struct exchanges *x, uint32_t conn, uint16_t id)
{
    return &x->buckets[(conn * 0x9e3779b1u + id) & x->mask];
}

static struct exchange **conn_bucket(const struct exchanges *x, uint32_t conn)
{
    return &x->conns[(conn * 0x9e3779b1u >> 16) % x->conns_n];
}

static struct exchange *find(const struct exchanges *x, uint32_t conn, uint16_t id)
{
    struct exchange *e = *bucket(x, conn, id);
    while (e != NULL && (e->conn != conn || e->id != id))
        e = e->hash_next;
    return e;
}

/* Twice the buckets; without memory the chains grow longer instead. */
static void grow(struct exchanges *x)
{
    uint32_t old_n = x->mask + 1;
    struct exchange **old = x->buckets;
    if (old_n > UINT32_MAX / 2)
        return;
    x->buckets = calloc((size_t)old_n * 2, sizeof(struct exchange *));
    if (x->buckets == NULL) {
        x->buckets = old;
        return;
    }
    x->mask = old_n * 2 - 1;
    for (uint32_t i = 0; i < old_n; i++) {
        for (struct exchange *e = old[i], *next; e != NULL; e = next) {
            struct exchange **to = bucket(x, e->conn, e->id);
            next = e->hash_next;
            e->hash_next = *to;
            *to = e;
        }
    }
    free(old);
}

static int draw_id(const struct exchanges *x, struct io *io, struct exchange *e)
{
    for (unsigned i = 0; i < ID_DRAWS; i++) {
        io->random(io, &e->id, sizeof e->id);
        if (find(x, e->conn, e->id) == NULL)
            return 0;
    }
    return -1;
}

static void file_exchange(struct exchanges *x, struct exchange *e)
{
    if (x->n > x->mask)
        grow(x);
    struct exchange **at = bucket(x, e->conn, e->id), **first = conn_bucket(x, e->conn);
    e->hash_next = *at;
    *at = e;
    e->conn_next = *first;
    e->conn_prev = first;
    if (e->conn_next != NULL)
        e->conn_next->conn_prev = &e->conn_next;
    *first = e;
    e->serial = ++x->serial;
    e->open = true;
    x->n++;
}

int exchange_open(struct exchanges *x, struct io *io, struct exchange *e, uint32_t conn)
{
    e->conn = conn;
    if (draw_id(x, io, e) < 0)
        return -1;
    file_exchange(x, e);
    return 0;
}

void exchange_close(struct exchanges *x, struct exchange *e)
{
    if (!e->open)
        return;
    struct exchange **at = bucket(x, e->conn, e->id);
    while (*at != e)
        at = &(*at)->hash_next;
    *at = e->hash_next;
    *e->conn_prev = e->conn_next;
    if (e->conn_next != NULL)
        e->conn_next->conn_prev = e->conn_prev;
    e->open = false;
    x->n--;
}

void exchange_move(struct exchanges *x, struct exchange *from, struct exchange *to)
{
    exchange_close(x, from);
    to->conn = from->conn;
    to->id = from->id;
    file_exchange(x, to);
}

struct exchange *exchange_match(struct exchanges *x, uint32_t conn, struct span packet)
{
    struct exchange *e = NULL;
    if (packet.len >= DNS_HEADER_LEN)
        e = find(x, conn, load_u16(packet.at));
    if (e != NULL && wire_answers(packet, e->question))
        return e;
    x->mismatched++;
    return NULL;
}

struct exchange *exchange_on(const struct exchanges *x, uint32_t conn, uint64_t serial)
{
    struct exchange *e = *conn_bucket(x, conn);
    while (e != NULL && (e->conn != conn || e->serial > serial))
        e = e->conn_next;
    return e;
}
