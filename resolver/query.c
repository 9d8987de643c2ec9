#include "resolver/query.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/edns.h"
#include "resolver/plan.h"
#include "resolver/respond.h"
#include "resolver/zone.h"

#include <stddef.h>
#include <stdlib.h>

/* ---- the pool ---- */

int query_pool_init(struct query_pool *p)
{
    *p = (struct query_pool){0};
    p->slabs = calloc(QUERIES_IN_FLIGHT_MAX / QUERY_SLAB, sizeof *p->slabs);
    p->free_list = calloc(QUERIES_IN_FLIGHT_MAX, sizeof *p->free_list);
    if (p->slabs == NULL || p->free_list == NULL) {
        query_pool_release(p);
        return -1;
    }
    return 0;
}

void query_pool_release(struct query_pool *p)
{
    for (uint32_t i = 0; i < p->slabs_n; i++)
        free(p->slabs[i]);
    free(p->slabs);
    free(p->free_list);
    *p = (struct query_pool){0};
}

struct query *query_slot(const struct query_pool *p, uint32_t slot)
{
    uint8_t *at =
        p->slabs[slot / QUERY_SLAB] + (size_t)(slot % QUERY_SLAB) * QUERY_SLOT_LEN;
    return (struct query *)(void *)at;
}

const struct query *query_place(const struct query_pool *p, struct ticket t)
{
    return t.slot / QUERY_SLAB < p->slabs_n ? query_slot(p, t.slot) : NULL;
}

static bool add_slab(struct query_pool *p)
{
    if (p->slabs_n >= QUERIES_IN_FLIGHT_MAX / QUERY_SLAB)
        return false;
    uint8_t *slab = calloc(QUERY_SLAB, QUERY_SLOT_LEN);
    if (slab == NULL)
        return false;
    p->slabs[p->slabs_n] = slab;
    /* The lowest slot ends on top, so that memory is touched from its beginning. */
    for (uint32_t i = QUERY_SLAB; i > 0; i--)
        p->free_list[p->free_n++] = p->slabs_n * QUERY_SLAB + i - 1;
    p->slabs_n++;
    return true;
}

struct query *query_begin(struct resolver *r, const struct client *c)
{
    struct query_pool *p = &r->pool;
    if (p->free_n == 0 && !add_slab(p))
        return NULL;
    uint32_t slot = p->free_list[--p->free_n];
    struct query *q = query_slot(p, slot);
    uint32_t generation = q->generation + 1; /* odd: in use */
    memset(q, 0, offsetof(struct query, client));
    q->r = r;
    q->slot = slot;
    q->generation = generation;
    q->client = *c;
    q->start_us = r->now_us;
    q->timer.fire = query_deadline_passed;
    q->hold = r->hold;
    q->hold->queries++;
    arena_init(&q->arena, (uint8_t *)q + sizeof *q, QUERY_SLOT_LEN - sizeof *q);
    p->in_flight++;
    return q;
}

void query_end(struct query *q)
{
    struct resolver *r = q->r;
    timers_disarm(&r->timers, &q->timer);
    if (r->key_of == q)
        r->key_of = NULL;
    query_leave_writers(q);
    if (q->zone_held != NULL)
        zone_done(q->zone_held);
    arena_release(&q->arena);
    q->hold->queries--;
    if (q->hold != r->hold && q->hold->queries == 0)
        r->holds_idle = true;
    q->generation++; /* tickets go stale */
    r->pool.free_list[r->pool.free_n++] = q->slot;
    r->pool.in_flight--;
}

/* ---- replies of several messages ---- */

void query_hold_zone(struct query *q, struct zone *z)
{
    zone_use(z);
    q->zone_held = z;
}

void query_leave_writers(struct query *q)
{
    struct query **at = &q->r->writers;
    if (!q->writing)
        return;
    while (*at != q)
        at = &(*at)->writer_next;
    *at = q->writer_next;
    q->writing = false;
}

/* Each message that gets out is a step forward: time and fuse begin anew. */
int query_send_part(struct query *q)
{
    struct resolver *r = q->r;
    if (!respond_part(q, r->encoder, r->io))
        return -1;
    q->steps = 1;
    q->deadline_us = r->now_us + (uint64_t)TRANSFER_STALL_MS * 1000;
    q->writing = true;
    q->writer_next = r->writers;
    r->writers = q;
    return 0;
}

/* ---- tickets ---- */

struct ticket query_ticket(const struct query *q)
{
    return (struct ticket){.slot = q->slot, .generation = q->generation};
}

struct query *query_of(struct resolver *r, struct ticket t)
{
    if (t.slot / QUERY_SLAB >= r->pool.slabs_n)
        return NULL;
    struct query *q = query_slot(&r->pool, t.slot);
    return q->generation == t.generation ? q : NULL;
}

void query_enqueue(struct query *q)
{
    struct resolver *r = q->r;
    q->state = QUERY_READY;
    q->ready_next = NULL;
    *r->ready_tail = q;
    r->ready_tail = &q->ready_next;
}

void query_wake(struct resolver *r, struct ticket t)
{
    struct query *q = query_of(r, t);
    if (q == NULL)
        return;
    if (q->state == QUERY_WAITING)
        query_enqueue(q);
    else if (q->state == QUERY_RUNNING)
        q->state = QUERY_WOKEN_EARLY;
}

/* ---- what plugins use ---- */

uint64_t query_now_us(const struct query *q)
{
    return q->r->now_us;
}

uint64_t query_wall_us(const struct query *q)
{
    return q->r->io->wall_us(q->r->io);
}

const struct name_key *query_key(struct query *q)
{
    struct resolver *r = q->r;
    if (r->key_of != q) {
        name_key_init(&r->key, q->request.lower);
        r->key_of = q;
        r->key_now = &r->key;
    }
    return r->key_now;
}

struct query_frame {
    struct query_frame *next;
    const void *of;
    _Alignas(max_align_t) uint8_t octets[];
};

void *query_frame(struct query *q, const void *state, size_t size)
{
    struct query_frame *f = q->frames;
    while (f != NULL && f->of != state)
        f = f->next;
    if (f != NULL)
        return f->octets;
    f = arena_alloc(&q->arena, sizeof *f + size);
    if (f == NULL)
        return NULL;
    f->of = state;
    f->next = q->frames;
    q->frames = f;
    return f->octets;
}

int query_set_question(struct query *q, const uint8_t *name, uint16_t type,
                       uint16_t class)
{
    size_t len = name_len(name);
    uint8_t *lower = arena_copy(&q->arena, name, len);
    if (lower == NULL)
        return -1;
    name_lower(lower, lower, len);
    q->request.name = name;
    q->request.name_len = (uint8_t)len;
    q->request.lower = lower;
    q->request.type = type;
    q->request.class = class;
    if (q->r->key_of == q)
        q->r->key_of = NULL;
    return 0;
}

struct request_below query_asked_below(const struct query *q)
{
    const struct request *req = &q->request;
    if (q->below != NULL)
        return *q->below;
    return (struct request_below){.lower = req->lower,
                                  .name_len = req->name_len,
                                  .type = req->type,
                                  .class = req->class,
                                  .opt = req->opt};
}

enum verdict query_respond(struct query *q, uint16_t rcode, bool authoritative,
                           uint32_t records)
{
    *q->response = (struct response){0};
    struct msg *m = &q->response->msg;
    if (msg_init(m, &q->arena, records) < 0)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    m->rcode = rcode;
    m->flags = (uint16_t)((authoritative ? DNS_AA : 0) | (q->request.flags & DNS_CD));
    return DONE;
}

enum verdict query_fail(struct query *q, uint16_t rcode, const char *error)
{
    *q->response = (struct response){.failed = true, .error = error};
    q->response->msg.rcode = rcode;
    q->response->msg.flags = q->request.flags & DNS_CD;
    return DONE;
}

enum verdict query_fail_ede(struct query *q, uint16_t rcode, const char *error,
                            uint16_t ede, const char *ede_text)
{
    query_fail(q, rcode, error);
    query_set_ede(q, ede, ede_text);
    return DONE;
}

void query_set_ede(struct query *q, uint16_t ede, const char *ede_text)
{
    q->response->ede = true;
    q->response->ede_code = ede;
    q->response->ede_text = ede_text;
}

void query_set_told_ede(struct query *q, uint16_t ede, const char *ede_text)
{
    size_t len = ede_text == NULL ? 0 : strlen(ede_text);
    query_set_ede(q, ede, ede_text);
    q->response->opt_len = (uint16_t)(EDNS_OPT_LEN + 6 + len);
}

void query_count(struct query *q, uint32_t n, uint32_t cell)
{
    const struct meter ***counters = q->zone->counters;
    if (counters != NULL)
        metrics_add(&q->r->desk, counters[q->at][n], cell, 1);
}
