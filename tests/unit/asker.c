#include "tests/unit/asker.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/plugin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

const struct upstream_rules asker_cluster = {
    .policy = POLICY_SEQUENTIAL,
    .max_fails = 3,
    .max_concurrent = 100,
    .deadline_us = 18 * SECOND / 10,
    .attempt_us = SECOND,
    .probe = {.interval_us = 3600 * SECOND, .type = DNS_TXT},
    .failover = UINT64_C(1) << DNS_SERVFAIL | UINT64_C(1) << DNS_REFUSED,
    .cluster = true,
};

const struct upstream_rules asker_forward = {
    .policy = POLICY_SEQUENTIAL,
    .max_fails = 2,
    .deadline_us = 5 * SECOND,
    .attempt_us = 2 * SECOND,
    .probe = {.interval_us = SECOND / 2, .type = DNS_NS, .recursion_desired = true},
};

/* The state is not const to a test: it wants to know. */
static struct asker *asker_of(const void *state)
{
    return *(struct asker *const *)state;
}

static enum verdict on_query(struct query *q, const void *state)
{
    uint8_t wire[DNS_HEADER_LEN + NAME_WIRE_MAX + 4 + 300];
    struct wr wr = wr_init(wire, sizeof wire);
    wr_u32(&wr, DNS_RD);
    wr_u16(&wr, 1);
    wr_u32(&wr, 0);
    wr_u16(&wr, 0);
    wr_bytes(&wr, q->request.name, q->request.name_len);
    wr_u16(&wr, q->request.type);
    wr_u16(&wr, q->request.class);
    wr_bytes(&wr, q->request.opt.options.at, q->request.opt.options.len);
    assert_false(wr.failed);
    struct upstream_question question = {
        .wire = {.at = wire, .len = wr.at},
        .transport = (enum transport)q->client.transport,
    };
    return upstream_ask(q, &asker_of(state)->group, &question);
}

static enum verdict on_wake(struct query *q, const void *state)
{
    struct asker *a = asker_of(state);
    const struct upstream_result *res = upstream_result(q);
    a->last = *res;
    a->wakes++;
    snprintf(a->error, sizeof a->error, "%s", res->error == NULL ? "" : res->error);
    if (res->outcome != UPSTREAM_ANSWER)
        return query_fail(q, DNS_SERVFAIL, res->error);
    *q->response = (struct response){.msg = *res->msg};
    /* As plugins above may: nobody else must see it. */
    msg_each_rr (rr, res->msg)
        msg_set_ttl(&q->response->msg, rr, rr->ttl - 1);
    return DONE;
}

static const struct plugin plugin_asker = {
    .name = "asker",
    .on_query = on_query,
    .on_wake = on_wake,
};

static void claim(struct asker *a, const char *const *addresses)
{
    struct upstream_group *g = &a->group;
    g->list = a->list;
    g->shared = upstream_claim_shared(a->w.registry, (struct span){0});
    assert_non_null(g->shared);
    for (; addresses[g->n] != NULL; g->n++) {
        struct endpoint e = {0};
        assert_true(g->n < ASKER_UPSTREAMS);
        assert_int_equal(addr_parse(&e.addr, text_of(addresses[g->n]), 53), 0);
        a->list[g->n] = upstream_claim(a->w.registry, &e, TRANSPORT_UDP, TEXT("asker"));
        assert_non_null(a->list[g->n]);
    }
}

static void make_plan(struct asker *a)
{
    struct asker **self = NULL;
    arena_init(&a->plan.arena, NULL, 0);
    self = arena_copy(&a->plan.arena, &a, sizeof(struct asker *));
    assert_non_null(self);
    a->slot = (struct slot){.plugin = &plugin_asker, .state = self};
    a->block = (struct plan_block){.chain = &a->slot, .chain_n = 1};
    a->zone = (struct plan_zone){.zone = a->root, .block = &a->block};
    assert_int_equal(
        zonetab_add(&a->server.zones, &a->plan.arena, a->root.wire, &a->zone, NULL), 0);
    a->plan.servers = &a->server;
    a->plan.servers_n = 1;
    a->plan.uses = 1;
}

void asker_open(struct asker *a, const char *const *addresses,
                const struct upstream_rules *settings)
{
    memset(a, 0, sizeof *a);
    a->rules = *settings;
    a->group = (struct upstream_group){
        .rules = &a->rules, .label = settings->cluster ? "cluster-b.local" : "forward"};
    a->root.len = 1;
    world_open(&a->w);
    a->rules.probe.name = (const uint8_t *)"\5probe\4test";
    claim(a, addresses);
    make_plan(a);
    world_adopt(&a->w, &a->plan);
}

void asker_close(struct asker *a)
{
    resolver_free(a->w.r);
    assert_int_equal(fake_io_unsettled(a->w.io), 0);
    assert_int_equal(a->group.shared->in_flight, 0);
    assert_int_equal(a->plan.uses, 1);
    for (uint32_t i = 0; i < a->group.n; i++)
        assert_false(a->list[i]->probing);
    upstream_group_release(a->w.registry, &a->group);
    arena_release(&a->plan.arena);
    a->w.r = NULL;
    world_close(&a->w);
}

static bool is_probe(const struct fake_sent *s)
{
    static const uint8_t probe[] = "\5probe\4test";
    return s->len > DNS_HEADER_LEN + sizeof probe &&
           memcmp(s->wire + DNS_HEADER_LEN, probe, sizeof probe) == 0;
}

uint32_t asker_take_probes(struct asker *a)
{
    uint32_t n = 0;
    for (struct fake_sent *s = a->w.io->sent; s != NULL; s = s->next) {
        if (!s->taken && is_probe(s)) {
            s->taken = true;
            n++;
        }
    }
    return n;
}
