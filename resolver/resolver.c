#include "resolver/resolver.h"

#include "base/limits.h"
#include "resolver/accept.h"
#include "resolver/core.h"
#include "resolver/foresight.h"
#include "resolver/pattern.h"
#include "resolver/plan.h"
#include "resolver/respond.h"
#include "resolver/trace.h"
#include "resolver/upstream.h"

#include <stdlib.h>

/* ---- beginnings ---- */

/* Others that a first question leads to may have been started together with us. */
#define START_AFTER_US 500000

/* The first server that asks the block; false when none does. */
static bool server_with(const struct plan *p, const struct plan_block *b, uint16_t *out)
{
    for (uint32_t i = 0; i < p->servers_n; i++) {
        const struct zonetab *zones = &p->servers[i].zones;
        for (uint32_t z = 0; z < zones->n; z++) {
            const struct plan_zone *zone = zones->entries[z].value;
            *out = (uint16_t)i;
            for (; zone != NULL; zone = zone->next) {
                if (zone->block == b)
                    return true;
            }
        }
    }
    return false;
}

static void start_plan(struct timer *t, void *context)
{
    struct resolver *r = context;
    const struct plan *p = r->hold->plan;
    uint16_t server;
    for (uint32_t i = 0; i < p->blocks_n; i++) {
        const struct plan_block *b = &p->blocks[i];
        for (uint16_t n = 0; n < b->chain_n; n++) {
            const struct slot *slot = &b->chain[n];
            if (slot->plugin->on_start != NULL && server_with(p, b, &server))
                slot->plugin->on_start(r, server, slot->state);
        }
    }
}

static bool has_starts(const struct plan *p)
{
    for (uint32_t i = 0; i < p->blocks_n; i++) {
        const struct plan_block *b = &p->blocks[i];
        for (uint16_t n = 0; n < b->chain_n; n++) {
            if (b->chain[n].plugin->on_start != NULL)
                return true;
        }
    }
    return false;
}

/* ---- life ---- */

struct resolver *resolver_new(struct io *io, unsigned worker)
{
    struct resolver *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->io = io;
    r->worker = worker;
    r->ready_tail = &r->ready;
    timers_init(&r->timers, r, 0);
    r->starter.fire = start_plan;
    r->encoder = encoder_new();
    r->answer_rr = calloc(WIRE_RR_MAX, sizeof *r->answer_rr);
    r->edit_rr = calloc(WIRE_RR_MAX, sizeof *r->edit_rr);
    r->buffer = malloc(ANSWER_MAX);
    r->spare_rr = calloc(WIRE_RR_MAX, sizeof *r->spare_rr);
    r->spare = malloc(ANSWER_MAX);
    if (query_pool_init(&r->pool) < 0 || r->encoder == NULL || r->answer_rr == NULL ||
        r->edit_rr == NULL || r->buffer == NULL || r->spare_rr == NULL ||
        r->spare == NULL || (r->upstreams = upstreams_new(r)) == NULL) {
        resolver_free(r);
        return NULL;
    }
    return r;
}

/* ---- plans ---- */

/* Tells the control thread what it need not keep on our account. */
static void note_oldest(struct resolver *r)
{
    uint64_t oldest = 0;
    for (const struct plan_hold *hold = r->hold; hold != NULL; hold = hold->next)
        oldest = hold->epoch;
    atomic_store_explicit(&r->oldest_epoch, oldest, memory_order_release);
}

/* Lets go of plans that no query of this worker uses any more. */
static void drop_holds(struct resolver *r, bool all)
{
    struct plan_hold **at = &r->hold;
    if (!all && r->hold != NULL)
        at = &r->hold->next;
    while (*at != NULL) {
        struct plan_hold *hold = *at;
        if (!all && hold->queries > 0) {
            at = &hold->next;
            continue;
        }
        *at = hold->next;
        plan_done(hold->plan);
        free(hold);
    }
    r->holds_idle = false;
    note_oldest(r);
}

static int begin_hold(struct resolver *r, struct plan *plan, uint64_t epoch)
{
    struct plan_hold *hold = calloc(1, sizeof *hold);
    if (hold == NULL)
        return -1;
    plan_use(plan);
    *hold = (struct plan_hold){.plan = plan, .epoch = epoch, .next = r->hold};
    r->hold = hold;
    drop_holds(r, false);
    return 0;
}

/* The same plan, from which clusters have gone: queries in flight know them, those that
 * come do not. Without memory for the difference the old epoch goes on. */
static void begin_epoch(struct resolver *r, uint64_t epoch)
{
    if (epoch <= r->hold->epoch)
        return;
    if (r->hold->queries > 0) {
        (void)begin_hold(r, r->hold->plan, epoch);
        return;
    }
    r->hold->epoch = epoch;
    note_oldest(r);
}

int resolver_adopt(struct resolver *r, struct plan *plan, uint64_t epoch)
{
    if (r->hold != NULL && r->hold->plan == plan) {
        begin_epoch(r, epoch);
        return 0;
    }
    if (metrics_attach(&r->desk, plan, r->worker) < 0 || begin_hold(r, plan, epoch) < 0)
        return -1;
    timers_disarm(&r->timers, &r->starter);
    if (r->worker == 0 && has_starts(plan))
        timers_arm(&r->timers, &r->starter, r->now_us + START_AFTER_US);
    return 0;
}

static void end_all(struct resolver *r)
{
    for (uint32_t slot = 0; slot < r->pool.slabs_n * QUERY_SLAB; slot++) {
        struct query *q = query_slot(&r->pool, slot);
        if (q->generation % 2 != 0)
            query_end(q);
    }
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    if (r->upstreams != NULL)
        upstreams_free(r->upstreams);
    end_all(r);
    drop_holds(r, true);
    query_pool_release(&r->pool);
    encoder_free(r->encoder);
    free(r->answer_rr);
    free(r->edit_rr);
    free(r->buffer);
    free(r->spare_rr);
    free(r->spare);
    free(r->foresight);
    pattern_scratch_free(r->patterns);
    metrics_desk_release(&r->desk);
    free(r);
}

/* ---- what comes in ---- */

static const struct plan_server *server_of(const struct query *q)
{
    const struct plan *plan = q->hold->plan;
    return q->client.server < plan->servers_n ? &plan->servers[q->client.server] : NULL;
}

/* Such questions have no zone: CoreDNS shows them as of zone "dropped". */
static void count_refused(const struct resolver *r, const struct plan_server *server,
                          uint16_t rcode)
{
    if (server != NULL)
        metrics_add(&r->desk, server->refused, SERVED_RESPONSES + metrics_rcode(rcode),
                    1);
}

/* The answer that the driver would have given. */
static void refuse_as(struct query *q, uint16_t ede, const char *why)
{
    struct resolver *r = q->r;
    r->counters.refused++;
    count_refused(r, server_of(q), DNS_REFUSED);
    query_fail_ede(q, DNS_REFUSED, NULL, ede, why);
    query_finish(q);
}

/* No block took the question. */
static void refuse(struct query *q, const char *why)
{
    refuse_as(q, EDE_NOT_AUTHORITATIVE, why);
}

/* A forwarder has no zone to be told of, and relays no news. */
static void refuse_notify(struct query *q)
{
    struct resolver *r = q->r;
    count_refused(r, server_of(q), DNS_NOTIMP);
    respond_error(&q->client, q->request.wire, NULL, DNS_NOTIMP, r->io);
    query_end(q);
}

static bool is_transfer(const struct query *q)
{
    return q->request.type == DNS_AXFR || q->request.type == DNS_IXFR;
}

void resolver_start(struct query *q)
{
    const struct plan_server *server = server_of(q);
    q->started = true;
    query_take_room(q);
    if (server == NULL) {
        refuse(q, "no longer served here");
        return;
    }
    if (q->request.class != DNS_IN && !server->any_class) {
        refuse(q, "class not served here");
        return;
    }
    q->zone = plan_find(server, q);
    q->block = q->zone == NULL ? NULL : q->zone->block;
    if (q->client.trace != NULL)
        trace_block(q);
    if (q->block == NULL || q->block->chain_n == 0) {
        refuse(q, "no server block for this name");
        return;
    }
    if (query_is_notify(q) && !q->block->hears_notify)
        refuse_notify(q);
    else if (q->request.signature != 0 && !q->block->checks_tsig)
        /* Its signature covers the ID we change, and stripping it is not ours to do
         * (RFC 5625 section 4.6). */
        refuse_as(q, EDE_PROHIBITED, "signed questions are not taken here");
    else if (is_transfer(q) && q->block->transfer == NULL)
        refuse_as(q, EDE_PROHIBITED, "no zone transfers here");
    else
        query_run(q);
}

static void take_key(struct query *q)
{
    struct resolver *r = q->r;
    const struct request *req = &q->request;
    const struct name_key *key =
        foresight_key(r->foresight, req->wire.at, req->name_len);
    if (key == NULL) {
        name_lower(r->key_name, req->name, req->name_len);
        q->request.lower = r->key_name;
        return;
    }
    q->request.lower = key->lower;
    r->key_of = q;
    r->key_now = key;
}

void resolver_foresee_questions(struct resolver *r, uint16_t server,
                                const struct span *wires, unsigned n)
{
    const struct plan *plan = r->hold->plan;
    if (server < plan->servers_n)
        foresight_questions(&r->foresight, &plan->servers[server], wires, n);
}

void resolver_query(struct resolver *r, const struct client *c, const uint8_t *wire,
                    size_t len)
{
    struct span packet = {.at = wire, .len = len};
    struct query *q = query_begin(r, c);
    r->counters.queries++;
    if (q == NULL) {
        r->counters.busy++;
        if (len < DNS_HEADER_LEN || (wire[2] & 0x80) != 0)
            r->io->reply(r->io, c, 0);
        else
            respond_error(c, packet, NULL, DNS_SERVFAIL, r->io);
        return;
    }
    struct rr few[4];
    struct msg scratch = {.rr = few, .rr_cap = 4};
    uint16_t rcode;
    bool question;
    switch (accept_query(q, packet, &scratch, &rcode, &question)) {
    case ACCEPT_SILENT:
        r->counters.dropped++;
        r->io->reply(r->io, c, 0);
        query_end(q);
        return;
    case ACCEPT_ERROR:
        r->counters.formerr++;
        count_refused(r, server_of(q), rcode);
        respond_error(c, packet, question ? &q->request : NULL, rcode, r->io);
        query_end(q);
        return;
    case ACCEPT_QUERY:
        break;
    }
    take_key(q);
    q->deadline_us = r->now_us + (uint64_t)QUERY_DEADLINE_MS * 1000;
    resolver_start(q);
    query_run_ready(r);
}

void resolver_datagram(struct resolver *r, uint32_t conn, const uint8_t *wire,
                       size_t len)
{
    struct span answer = {.at = wire, .len = len};
    upstreams_datagram(r->upstreams, conn, NULL, answer);
    query_run_ready(r);
}

bool resolver_datagram_from(struct resolver *r, uint32_t conn, const struct addr *from,
                            struct span wire)
{
    bool good = upstreams_datagram(r->upstreams, conn, from, wire);
    query_run_ready(r);
    return good;
}

void resolver_foresee(struct resolver *r, const struct span *wires, unsigned n)
{
    upstreams_foresee(r->upstreams, wires, n);
}

void resolver_lost(struct resolver *r, uint32_t conn, int error)
{
    upstreams_lost(r->upstreams, conn, error);
    query_run_ready(r);
}

void resolver_lost_one(struct resolver *r, uint32_t conn, const struct addr *peer,
                       struct span sent, int error)
{
    upstreams_lost_one(r->upstreams, conn, peer, sent, error);
    query_run_ready(r);
}

bool resolver_awaits(const struct resolver *r, uint32_t conn, const struct addr *peer,
                     struct span sent)
{
    return upstreams_await(r->upstreams, conn, peer, sent);
}

void resolver_tick(struct resolver *r, uint64_t now_us)
{
    r->now_us = now_us;
    timers_run(&r->timers, now_us);
    query_run_ready(r);
    if (r->holds_idle)
        drop_holds(r, false);
}

void resolver_count(struct resolver *r, const struct meter *m, uint32_t cell,
                    uint64_t n)
{
    metrics_add(&r->desk, m, cell, n);
}

/* Also who waits for its turn sees that the client takes something. */
bool resolver_writable(struct resolver *r, uint64_t handle)
{
    struct query *oldest = NULL;
    bool others = false;
    for (struct query *q = r->writers; q != NULL; q = q->writer_next) {
        if (q->client.handle != handle)
            continue;
        q->deadline_us = r->now_us + (uint64_t)TRANSFER_STALL_MS * 1000;
        timers_arm(&r->timers, &q->timer, q->deadline_us);
        others = oldest != NULL;
        oldest = q; /* the last to join stands first */
    }
    if (oldest != NULL) {
        query_leave_writers(oldest);
        query_wake(r, query_ticket(oldest));
    }
    query_run_ready(r);
    return others;
}

uint64_t resolver_oldest_epoch(const struct resolver *r)
{
    return atomic_load_explicit(&r->oldest_epoch, memory_order_acquire);
}

uint64_t resolver_next_us(const struct resolver *r)
{
    return timers_next_us(&r->timers);
}

uint32_t resolver_in_flight(const struct resolver *r)
{
    return r->pool.in_flight;
}
