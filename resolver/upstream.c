#include "resolver/upstream.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/dnstap.h"
#include "resolver/foresight.h"
#include "resolver/health.h"
#include "resolver/inquiry.h"
#include "resolver/plan.h"
#include "resolver/trace.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

const char *const upstream_policy_words[] = {"random", "round_robin", "sequential",
                                             NULL};

/* ---- claims ---- */

static const struct registry_kind upstream_kind = {
    .name = "upstream",
    .size = sizeof(struct upstream),
};

static const struct registry_kind shared_kind = {
    .name = "upstream_shared",
    .size = sizeof(struct upstream_shared),
};

static const struct registry_kind budget_kind = {
    .name = "probe_budget",
    .size = sizeof(struct probe_budget),
};

static void put_addr(struct wr *wr, const struct addr *a)
{
    wr_u8(wr, a->family);
    wr_u16(wr, a->port);
    wr_u32(wr, a->scope);
    wr_bytes(wr, a->ip, sizeof a->ip);
}

/* All that makes an endpoint what it is: settings that changed are another upstream. */
static void put_key(struct wr *wr, const struct endpoint *e, uint8_t transport)
{
    put_addr(wr, &e->addr);
    put_addr(wr, &e->source);
    wr_bytes(wr, &e->tls, sizeof e->tls);
    wr_bytes(wr, &e->idle_us, sizeof e->idle_us);
    wr_bytes(wr, &e->life_us, sizeof e->life_us);
    wr_u32(wr, e->streams_idle_max);
    wr_u8(wr, e->https);
    wr_u8(wr, transport);
}

#define KEY_MAX (128 + NAME_TEXT_MAX) /* group keys are names */

static struct upstream *claim(struct registry *reg, const struct endpoint *e,
                              uint8_t transport, struct span key)
{
    uint32_t id;
    struct upstream *up = registry_claim(reg, &upstream_kind, key, NULL, &id);
    if (up != NULL && up->text[0] == '\0') {
        up->endpoint = *e;
        up->endpoint.id = id;
        up->transport = transport;
        addr_print(&e->addr, up->text);
    }
    return up;
}

struct upstream *upstream_claim(struct registry *reg, const struct endpoint *e,
                                uint8_t transport, struct text group_key)
{
    uint8_t room[KEY_MAX];
    struct wr wr = wr_init(room, sizeof room);
    put_key(&wr, e, transport);
    wr_bytes(&wr, group_key.at, group_key.len);
    assert(!wr.failed);
    registry_enter(reg);
    struct upstream *up =
        claim(reg, e, transport, (struct span){.at = room, .len = wr.at});
    registry_leave(reg);
    return up;
}

bool upstream_is_claimed(struct registry *reg, const struct endpoint *e,
                         uint8_t transport, struct text group_key)
{
    uint8_t room[KEY_MAX];
    struct wr wr = wr_init(room, sizeof room);
    put_key(&wr, e, transport);
    wr_bytes(&wr, group_key.at, group_key.len);
    return registry_has(reg, &upstream_kind, (struct span){.at = room, .len = wr.at});
}

static struct upstream_shared *claim_shared(struct registry *reg, struct span key)
{
    struct upstream_shared *shared = registry_claim(reg, &shared_kind, key, NULL, NULL);
    if (shared == NULL)
        return NULL;
    struct probe_budget *budget =
        registry_claim(reg, &budget_kind, (struct span){0}, NULL, NULL);
    if (budget == NULL) {
        registry_drop(reg, shared);
        return NULL;
    }
    if (shared->budget ==
        NULL) /* workers read it: not even the same is written again */
        shared->budget = budget;
    return shared;
}

struct upstream_shared *upstream_claim_shared(struct registry *reg, struct span key)
{
    registry_enter(reg);
    struct upstream_shared *shared = claim_shared(reg, key);
    registry_leave(reg);
    return shared;
}

void upstream_group_release(struct registry *reg, struct upstream_group *g)
{
    for (uint32_t i = 0; i < g->n; i++)
        registry_drop(reg, g->list[i]);
    g->n = 0;
    free(g->meters);
    g->meters = NULL;
    if (g->shared == NULL)
        return;
    registry_drop(reg, g->shared->budget);
    registry_drop(reg, g->shared);
    g->shared = NULL;
}

const struct meter *upstream_meter(const struct upstream_group *g,
                                   const struct upstream *up)
{
    for (uint32_t i = 0; g->meters != NULL && i < g->n; i++) {
        if (g->list[i] == up)
            return g->meters[i];
    }
    return NULL;
}

/* ---- inquiries: a pool ---- */

#define SLAB_INQUIRIES 64

struct inquiry_slab {
    struct inquiry_slab *next;
    struct inquiry inquiry[SLAB_INQUIRIES];
};

static bool add_slab(struct upstreams *u)
{
    struct inquiry_slab *slab = calloc(1, sizeof *slab);
    if (slab == NULL)
        return false;
    slab->next = u->slabs;
    u->slabs = slab;
    for (unsigned i = SLAB_INQUIRIES; i > 0; i--) {
        slab->inquiry[i - 1].free_next = u->free_list;
        u->free_list = &slab->inquiry[i - 1];
    }
    return true;
}

/* NULL when memory is short, or when there are as many as queries can be. */
static struct inquiry *inquiry_take(struct upstreams *u)
{
    if (u->inquiries_n >= QUERIES_IN_FLIGHT_MAX ||
        (u->free_list == NULL && !add_slab(u)))
        return NULL;
    struct inquiry *in = u->free_list;
    u->free_list = in->free_next;
    memset(in, 0, sizeof *in);
    in->owner = u;
    u->serial += u->serial == UINT32_MAX ? 2 : 1; /* never 0 */
    in->serial = u->serial;
    u->inquiries_n++;
    return in;
}

static void inquiry_give(struct inquiry *in)
{
    struct upstreams *u = in->owner;
    struct resolver *r = u->r;
    inquiry_discard(in);
    in->hold->queries--;
    if (in->hold != r->hold && in->hold->queries == 0)
        r->holds_idle = true;
    in->serial = 0;
    in->free_next = u->free_list;
    u->free_list = in;
    u->inquiries_n--;
}

/* ---- who waits ---- */

/* Room for one more; NULL: no memory. */
static struct ticket *waiter_room(struct inquiry *in)
{
    struct inquiry_waiters *more = in->more_waiters;
    uint32_t cap = more == NULL ? 0 : more->cap;
    if (in->waiters_n == 0)
        return &in->first_waiter;
    if (in->waiters_n - 1 == cap) {
        cap = cap == 0 ? 4 : cap * 2;
        more = realloc(more, sizeof *more + cap * sizeof *more->list);
        if (more == NULL)
            return NULL;
        more->cap = cap;
        in->more_waiters = more;
    }
    return &in->more_waiters->list[in->waiters_n - 1];
}

static int add_waiter(struct inquiry *in, struct query *q)
{
    struct ticket *room = waiter_room(in);
    if (room == NULL)
        return -1;
    *room = query_ticket(q);
    in->waiters_n++;
    in->traced = in->traced || q->client.trace != NULL;
    q->asked_serial = in->serial;
    q->asked_at = q->at;
    q->asked_direction = q->direction;
    return 0;
}

/* A failure, which is looked at some time after; an answer never waits. */
static void keep_result(struct query *q, const struct upstream_result *res)
{
    struct upstream_result *kept = query_frame(q, q->r->upstreams, sizeof *kept);
    if (kept != NULL)
        *kept = *res;
}

static void tell(const struct inquiry *in, uint32_t i,
                 const struct upstream_result *res, struct span answer)
{
    struct upstreams *u = in->owner;
    struct ticket t = inquiry_waiter(in, i);
    struct query *q = query_of(u->r, t);
    if (q == NULL || q->asked_serial != in->serial || q->asked_at != q->at ||
        q->asked_direction != q->direction)
        return;
    q->asked_upstream = res->upstream;
    if (q->block->taps != NULL)
        dnstap_forwarded(q, in, res, answer);
    query_wake(u->r, t);
    if (answer.len == 0) {
        keep_result(q, res);
        return;
    }
    u->result = *res;
    u->result_of = t;
    query_run_ready(u->r);
    u->result_of = (struct ticket){0};
}

static void withdraw(struct inquiry *in)
{
    if (in->joinable)
        table_del(&in->owner->joinable, in->hash, in);
    in->joinable = false;
}

/* The answer for the next who waits: the last may have edited its index. */
static void index_again(const struct inquiry *in, struct span answer)
{
    bool walked = upstreams_walk(in->owner, answer);
    assert(walked); /* as it was the first time */
    if (walked && in->oversize)
        upstreams_cut(in->owner);
}

/* With an answer the waiters run one by one, here: each may edit the index of the
 * message, and the message itself is gone when we return. */
void upstreams_settle(struct inquiry *in, const struct upstream_result *res,
                      struct span answer)
{
    struct upstreams *u = in->owner;
    withdraw(in);
    timers_disarm(&u->r->timers, &in->timer);
    atomic_fetch_sub_explicit(&in->group->shared->in_flight, in->waiters_n,
                              memory_order_relaxed);
    for (uint32_t i = 0; i < in->waiters_n; i++) {
        if (answer.len > 0 && i > 0)
            index_again(in, answer);
        tell(in, i, res, answer);
    }
    inquiry_give(in);
}

const struct upstream_result *upstream_result(struct query *q)
{
    static const struct upstream_result no_memory = {
        .outcome = UPSTREAM_BUSY, .error = "out of memory", .error_code = ENOMEM};
    const struct upstreams *u = q->r->upstreams;
    struct ticket t = query_ticket(q);
    if (u->result_of.slot == t.slot && u->result_of.generation == t.generation)
        return &u->result;
    const struct upstream_result *kept = query_frame(q, u, sizeof *kept);
    return kept == NULL || kept->outcome == UPSTREAM_ANSWER ? &no_memory : kept;
}

const struct upstream *upstream_asked(struct query *q)
{
    return q->asked_upstream;
}

/* ---- joining ---- */

struct wanted {
    const struct upstream_group *group;
    struct span wire;
    uint8_t transport;
    uint32_t *alike; /* counts those that ask for the same and yet differ */
};

static const uint8_t *question_of(struct span wire)
{
    return wire.at + DNS_HEADER_LEN;
}

/* Name, letters alike, type and class. */
static bool asks_alike(const struct inquiry *in, const struct wanted *w)
{
    const uint8_t *a = in->wire + DNS_HEADER_LEN, *b = question_of(w->wire);
    size_t len = name_len(b);
    return name_equal(a, b) && memcmp(a + len, b + len, 4) == 0;
}

static bool is_same(const void *entry, const void *key)
{
    const struct inquiry *in = entry;
    const struct wanted *w = key;
    if (in->group != w->group || in->transport != w->transport)
        return false;
    if (in->wire_len == w->wire.len &&
        memcmp(in->wire + 2, w->wire.at + 2, w->wire.len - 2) == 0)
        return true;
    *w->alike += asks_alike(in, w);
    return false;
}

/* The same for all that ask alike. */
static uint32_t hash_of(const struct wanted *w)
{
    uint8_t lower[NAME_WIRE_MAX];
    const uint8_t *name = question_of(w->wire);
    size_t len = name_len(name);
    uint64_t where = (uint64_t)(uintptr_t)w->group ^ w->transport;
    name_lower(lower, name, len);
    return (uint32_t)hash_mix(hash_bytes(lower, len), where ^ load_u16(name + len));
}

/* ---- asking ---- */

static bool is_coprime(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a == 1;
}

/* The order of addresses, as CoreDNS's policies have it. A random order is a random
 * start and a random stride, so that what a dead server leaves goes to several others.
 */
static void choose_order(struct inquiry *in)
{
    const struct upstream_group *g = in->group;
    struct io *io = in->owner->r->io;
    uint32_t draw[2];
    in->first = 0;
    in->stride = 1;
    if (g->n < 2 || g->rules->policy == POLICY_SEQUENTIAL)
        return;
    if (g->rules->policy == POLICY_ROUND_ROBIN) {
        /* Counted before it is used: the first question goes to the second server. */
        in->first =
            (atomic_fetch_add_explicit(&g->shared->turn, 1, memory_order_relaxed) + 1) %
            g->n;
        return;
    }
    io->random(io, draw, sizeof draw);
    in->first = draw[0] % g->n;
    in->stride = 1 + draw[1] % (g->n - 1);
    while (!is_coprime(g->n, in->stride))
        in->stride++;
}

static int copy_wire(struct inquiry *in, struct span wire)
{
    in->wire = wire.len <= sizeof in->room ? in->room : malloc(wire.len);
    if (in->wire == NULL) {
        in->wire = in->room;
        return -1;
    }
    memcpy(in->wire, wire.at, wire.len);
    in->wire_len = (uint16_t)wire.len;
    return 0;
}

static struct inquiry *inquiry_new(struct query *q, const struct wanted *w)
{
    struct inquiry *in = inquiry_take(q->r->upstreams);
    if (in == NULL)
        return NULL;
    in->group = w->group;
    in->transport = w->transport;
    in->hold = q->hold;
    in->hold->queries++;
    in->wire = in->room;
    if (copy_wire(in, w->wire) < 0) {
        inquiry_give(in);
        return NULL;
    }
    choose_order(in);
    return in;
}

/* Over UDP or over a stream; what an upstream speaks by itself (TLS) is chosen with it.
 */
static uint8_t transport_of(const struct upstream_group *g, enum transport client)
{
    if (g->rules->force_tcp)
        return TRANSPORT_TCP;
    if (g->rules->prefer_udp || client == TRANSPORT_UDP)
        return TRANSPORT_UDP;
    return TRANSPORT_TCP;
}

/* The answer is known at once, and comes as a wake like any other. */
static enum verdict wake_with(struct query *q, const struct upstream_result *res)
{
    q->asked_serial = 0;
    q->asked_upstream = res->upstream;
    keep_result(q, res);
    query_wake(q->r, query_ticket(q));
    return WAIT;
}

static bool take_place(const struct upstream_group *g)
{
    struct upstream_shared *s = g->shared;
    uint32_t before = atomic_fetch_add_explicit(&s->in_flight, 1, memory_order_relaxed);
    if (g->rules->max_concurrent == 0 || before < g->rules->max_concurrent)
        return true;
    atomic_fetch_sub_explicit(&s->in_flight, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->rejected, 1, memory_order_relaxed);
    return false;
}

static enum verdict too_many(struct query *q, int error)
{
    struct upstream_result res = {
        .outcome = UPSTREAM_BUSY,
        .error = error == 0 ? "too many questions in flight" : attempt_error(error),
        .error_code = error,
    };
    return wake_with(q, &res);
}

/* Joins an identical question, or starts an inquiry. Who asks for one name with ever
 * other options or letters has many questions for it out, and an answer that is forged
 * needs to fit one of them only (CVE-2025-5994): beyond a few they go over TCP, where
 * nothing can be forged. */
static int join_or_start(struct query *q, struct wanted *w)
{
    struct upstreams *u = q->r->upstreams;
    uint32_t hash = hash_of(w), alike = 0;
    w->alike = &alike;
    struct inquiry *in = table_get(&u->joinable, hash, is_same, w);
    if (in != NULL) {
        if (q->client.trace != NULL)
            trace_note(q, "joins", "an equal question that is out already");
        return add_waiter(in, q);
    }
    bool crowded = alike >= UPSTREAM_ALIKE;
    if (crowded)
        w->transport = TRANSPORT_TCP;
    in = inquiry_new(q, w);
    if (in == NULL)
        return -1;
    add_waiter(in, q); /* the first needs no memory */
    in->hash = hash;
    in->crowded = crowded;
    in->joinable = !crowded && table_put(&u->joinable, hash, in) == 0;
    inquiry_start(in);
    return 0;
}

enum verdict upstream_ask(struct query *q, const struct upstream_group *g,
                          const struct upstream_question *question)
{
    struct wanted w = {.group = g,
                       .wire = question->wire,
                       .transport = transport_of(g, question->transport)};
    if (g->rules->cluster && health_all_down(g)) {
        struct health_of of = {.u = q->r->upstreams, .group = g, .hold = q->hold};
        struct upstream_result res = health_down_result(g, q->r->now_us);
        health_trial(&of);
        if (q->client.trace != NULL)
            trace_note(q, "down", "%s: nobody is asked, every address is down",
                       g->label);
        return wake_with(q, &res);
    }
    if (!take_place(g)) {
        if (!g->rules->cluster)
            metrics_add(&q->r->desk, g->meter, FORWARD_REJECTS, 1);
        return too_many(q, 0);
    }
    if (join_or_start(q, &w) < 0) {
        atomic_fetch_sub_explicit(&g->shared->in_flight, 1, memory_order_relaxed);
        return too_many(q, ENOMEM);
    }
    return WAIT;
}

/* ---- one worker ---- */

/* So many questions are in flight that the processor's caches do not hold them. */
#define FORESEE_LEAST 512

struct upstreams *upstreams_new(struct resolver *r)
{
    struct upstreams *u = calloc(1, sizeof *u);
    if (u == NULL)
        return NULL;
    u->r = r;
    if (exchanges_init(&u->exchanges) < 0) {
        free(u);
        return NULL;
    }
    return u;
}

void upstreams_free(struct upstreams *u)
{
    for (struct inquiry_slab *slab; (slab = u->slabs) != NULL;) {
        u->slabs = slab->next;
        for (unsigned i = 0; i < SLAB_INQUIRIES; i++) {
            struct inquiry *in = &slab->inquiry[i];
            if (in->serial == 0)
                continue;
            atomic_fetch_sub_explicit(&in->group->shared->in_flight, in->waiters_n,
                                      memory_order_relaxed);
            inquiry_discard(in);
        }
        free(slab);
    }
    health_stop(u);
    table_release(&u->joinable);
    exchanges_release(&u->exchanges);
    free(u);
}

/* An answer cut in the middle of a record: what counts is that it says so. */
static bool walk_head(struct upstreams *u, struct span wire)
{
    size_t len = DNS_HEADER_LEN + name_len(wire.at + DNS_HEADER_LEN) + 4;
    memcpy(u->cut, wire.at, len);
    store_u32(u->cut + 6, 0);
    store_u16(u->cut + 10, 0);
    return wire_walk((struct span){.at = u->cut, .len = len}, &u->msg) == WIRE_OK;
}

bool upstreams_walk(struct upstreams *u, struct span wire)
{
    u->msg = (struct msg){.rr = u->r->answer_rr, .rr_cap = WIRE_RR_MAX};
    if (wire_walk(wire, &u->msg) == WIRE_OK)
        return true;
    if ((load_u16(wire.at + 2) & DNS_TC) == 0)
        return false;
    u->msg = (struct msg){.rr = u->r->answer_rr, .rr_cap = WIRE_RR_MAX};
    return walk_head(u, wire);
}

void upstreams_cut(struct upstreams *u)
{
    u->msg.flags |= DNS_TC;
    u->msg.rr_n = 0;
    u->msg.edited = true;
}

static void hand_over(struct exchange *e, struct span wire)
{
    struct attempt *a = (struct attempt *)(void *)e;
    if (a->inquiry == NULL)
        health_answered(a, wire);
    else
        inquiry_answered(a, wire);
}

bool upstreams_datagram(struct upstreams *u, uint32_t conn, const struct addr *from,
                        struct span wire)
{
    struct exchange *e = exchange_match(&u->exchanges, conn, from, wire);
    u->r->counters.mismatched = u->exchanges.mismatched;
    if (e != NULL)
        hand_over(e, wire);
    return e != NULL;
}

static void hand_loss(struct exchange *e, int error, bool first)
{
    struct attempt *a = (struct attempt *)(void *)e;
    if (a->inquiry == NULL)
        health_lost(a, error);
    else
        inquiry_lost(a, error, first);
}

void upstreams_lost(struct upstreams *u, uint32_t conn, int error)
{
    uint32_t until = u->exchanges.serial;
    bool first = true; /* one event is one failure, however many questions it hits */
    struct exchange *e;
    while ((e = exchange_on(&u->exchanges, conn, until)) != NULL) {
        bool counts = ((struct attempt *)(void *)e)->inquiry != NULL;
        hand_loss(e, error, first);
        first = first && !counts;
    }
}

void upstreams_lost_one(struct upstreams *u, uint32_t conn, const struct addr *peer,
                        struct span sent, int error)
{
    struct exchange *e = exchange_sent(&u->exchanges, conn, peer, sent);
    if (e != NULL)
        hand_loss(e, error, true);
}

bool upstreams_await(const struct upstreams *u, uint32_t conn, const struct addr *peer,
                     struct span sent)
{
    return exchange_sent(&u->exchanges, conn, peer, sent) != NULL;
}

/* ---- foresight ---- */

/* Nearly always an exchange is of the first attempt of an inquiry; if not, nothing is
 * lost. */
static const struct inquiry *foresee_inquiry(const struct upstreams *u,
                                             struct span wire)
{
    const struct exchange *e = exchange_foreseen(&u->exchanges, wire);
    if (e == NULL)
        return NULL;
    const struct inquiry *in =
        (const void *)((const uint8_t *)e - offsetof(struct inquiry, attempt));
    foresee(in, sizeof *in);
    return in;
}

static void foresee_waiter(struct upstreams *u, const struct inquiry *in)
{
    if (in->attempt.inquiry != in)
        return;
    const struct query *q = query_place(&u->r->pool, in->first_waiter);
    table_foresee(&u->joinable, in->hash);
    foresee(in->attempt.up, offsetof(struct upstream, text));
    if (q != NULL)
        foresee(q, QUERY_SLOT_LEN);
}

void upstreams_foresee(struct upstreams *u, const struct span *wires, unsigned n)
{
    const struct inquiry *found[UDP_BATCH];
    if (u->inquiries_n < FORESEE_LEAST)
        return;
    for (unsigned i = 0; i < n; i++)
        exchange_foresee(&u->exchanges, wires[i]);
    for (unsigned i = 0; i < n; i++)
        found[i] = foresee_inquiry(u, wires[i]);
    for (unsigned i = 0; i < n; i++) {
        if (found[i] != NULL)
            foresee_waiter(u, found[i]);
    }
}
