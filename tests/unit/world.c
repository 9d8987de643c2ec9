#include "tests/unit/world.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "resolver/edns.h"
#include "resolver/plugin.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define START_US UINT64_C(1000000000)

/* ---- life ---- */

static void start(void)
{
    assert_int_equal(hash_seed(), 0);
    assert_int_equal(rdata_start(), 0);
}

void world_open(struct world *w)
{
    *w = (struct world){.now_us = START_US};
    start();
    w->io = malloc(sizeof *w->io);
    assert_non_null(w->io);
    fake_io_init(w->io);
    w->registry = registry_new();
    w->r = resolver_new(&w->io->io, 0);
    assert_non_null(w->registry);
    assert_non_null(w->r);
    resolver_tick(w->r, w->now_us);
}

void world_adopt(struct world *w, struct plan *plan)
{
    assert_int_equal(resolver_adopt(w->r, plan, 0), 0);
    w->plan = plan;
}

static struct plan *build(struct registry *reg, const char *corefile,
                          struct errors *errs)
{
    struct plan_flags flags = {.dns_port = 53};
    struct config *config =
        config_load_text("Corefile", text_of(corefile), plugin_vocabulary(), errs);
    struct plan *plan = config == NULL ? NULL : plan_build(config, reg, &flags, errs);
    if (plan != NULL)
        corefile_forget(&plan->config->corefile); /* as the server does */
    return plan;
}

struct plan *world_plan(struct world *w, const char *corefile)
{
    struct errors errs;
    errors_init(&errs);
    struct plan *plan = build(w->registry, corefile, &errs);
    errors_print(&errs, stderr);
    errors_release(&errs);
    assert_non_null(plan);
    return plan;
}

void world_load(struct world *w, const char *corefile)
{
    world_open(w);
    world_adopt(w, world_plan(w, corefile));
    w->owned = true;
}

bool world_loads(const char *corefile, char *text, size_t cap)
{
    struct errors errs;
    errors_init(&errs);
    start();
    struct registry *reg = registry_new();
    assert_non_null(reg);
    struct plan *plan = build(reg, corefile, &errs);
    if (plan == NULL)
        snprintf(text, cap, "%s", errs.n > 0 ? errs.list[0].text : "no error");
    else
        plan_free(plan);
    registry_free(reg);
    errors_release(&errs);
    return plan != NULL;
}

void world_close(struct world *w)
{
    resolver_free(w->r);
    assert_int_equal(fake_io_unsettled(w->io), 0);
    if (w->owned)
        plan_free(w->plan);
    registry_free(w->registry);
    fake_io_release(w->io);
    free(w->io);
}

void world_run(struct world *w, uint64_t ms)
{
    uint64_t end = w->now_us + ms * 1000, next;
    while ((next = resolver_next_us(w->r)) <= end) {
        w->now_us = next > w->now_us ? next : w->now_us + 1;
        resolver_tick(w->r, w->now_us);
    }
    w->now_us = end;
    resolver_tick(w->r, w->now_us);
}

/* ---- clients ---- */

uint64_t world_ask(struct world *w, const char *name)
{
    struct world_question q = {.name = name};
    return world_ask_as(w, &q);
}

uint64_t world_ask_as(struct world *w, const struct world_question *q)
{
    struct name name;
    uint8_t wire[4096];
    assert_int_equal(name_parse(&name, text_of(q->name)), 0);
    struct wr wr = wr_init(wire, sizeof wire);
    struct client client = {.transport = (uint8_t)q->transport,
                            .handle = ++w->client,
                            .trace = q->trace,
                            .peer = {.family = 4, .port = 1024, .ip = {192, 0, 2, 99}}};
    if (q->peer != NULL)
        assert_int_equal(addr_parse(&client.peer, text_of(q->peer), 1024), 0);
    wr_u16(&wr, (uint16_t)w->client);
    wr_u16(&wr, (uint16_t)(q->flags | (q->no_rd ? 0 : DNS_RD)));
    wr_u16(&wr, 1);
    wr_u32(&wr, 0);
    wr_u16(&wr, q->edns);
    wr_bytes(&wr, name.wire, name.len);
    wr_u16(&wr, q->type == 0 ? DNS_A : q->type);
    wr_u16(&wr, q->class == 0 ? DNS_IN : q->class);
    if (q->edns)
        edns_put_opt(&wr, q->udp_size == 0 ? 1232 : q->udp_size, 0, q->dnssec_ok,
                     q->options);
    assert_false(wr.failed);
    resolver_query(w->r, &client, wire, wr.at);
    return w->client;
}

/* Indexes the reply in `rr`, which has room for eight. */
static bool reply_msg(const struct world *w, uint64_t client, struct msg *m,
                      struct rr *rr)
{
    const struct fake_reply *reply = fake_io_reply(w->io, client);
    if (reply == NULL || reply->len == 0)
        return false;
    *m = (struct msg){.rr = rr, .rr_cap = 8};
    struct span wire = {.at = reply->wire, .len = reply->len};
    assert_int_equal(wire_walk(wire, m), WIRE_OK);
    assert_int_equal(m->len, reply->len);
    return true;
}

int world_rcode(const struct world *w, uint64_t client)
{
    struct msg m;
    struct rr rr[8];
    return reply_msg(w, client, &m, rr) ? m.rcode : -1;
}

uint16_t world_flags(const struct world *w, uint64_t client)
{
    struct msg m;
    struct rr rr[8];
    assert_true(reply_msg(w, client, &m, rr));
    return m.flags;
}

const char *world_address(const struct world *w, uint64_t client, char *text)
{
    struct msg m;
    struct rr all[8];
    struct addr addr = {.family = 4};
    text[0] = '\0';
    if (!reply_msg(w, client, &m, all))
        return text;
    msg_each_rr (rr, &m) {
        if (rr->type != DNS_A || text[0] != '\0')
            continue;
        memcpy(addr.ip, rr->base + rr->rdata, 4);
        addr_print_ip(&addr, text);
    }
    return text;
}

int world_ede(const struct world *w, uint64_t client, char *text, size_t cap)
{
    struct msg m;
    struct rr rr[8];
    struct edns_option o;
    text[0] = '\0';
    if (!reply_msg(w, client, &m, rr) || !edns_find(m.opt.options, EDNS_EDE, &o))
        return -1;
    snprintf(text, cap, "%.*s", (int)(o.data.len - 2), (const char *)o.data.at + 2);
    return load_u16(o.data.at);
}

/* ---- upstreams ---- */

struct fake_sent *world_expect(struct world *w, const char *to, enum transport t)
{
    char text[ADDR_TEXT_MAX];
    struct fake_sent *s = fake_io_take(w->io);
    assert_non_null(s);
    assert_string_equal(addr_print(&s->to, text), to);
    assert_int_equal(s->transport, t);
    return s;
}

void world_expect_silence(struct world *w)
{
    assert_null(fake_io_take(w->io));
}

static void answer_with(struct world *w, const struct fake_sent *s, struct span message)
{
    uint8_t *wire = malloc(message.len);
    assert_non_null(wire);
    memcpy(wire, message.at, message.len);
    memcpy(wire, s->wire, 2);
    resolver_datagram(w->r, s->conn, wire, message.len);
    free(wire);
}

void world_answer(struct world *w, const struct fake_sent *s,
                  const struct world_answer *answer)
{
    if (answer->message.at != NULL) {
        answer_with(w, s, answer->message);
        return;
    }
    uint8_t wire[1024];
    struct wr wr = wr_init(wire, sizeof wire);
    size_t question = name_len(s->wire + DNS_HEADER_LEN) + 4;
    struct addr addr = {0};
    wr_bytes(&wr, s->wire, 2);
    wr_u16(&wr, (uint16_t)(DNS_QR | answer->flags | answer->rcode));
    wr_u16(&wr, 1);
    wr_u16(&wr, answer->address != NULL || answer->garbage);
    wr_u16(&wr, 0);
    wr_u16(&wr, answer->options.at != NULL);
    wr_bytes(&wr, s->wire + DNS_HEADER_LEN, question);
    if (answer->address != NULL) {
        assert_int_equal(addr_parse_ip(&addr, text_of(answer->address)), 0);
        wr_u16(&wr, 0xc00c);
        wr_u16(&wr, DNS_A);
        wr_u16(&wr, DNS_IN);
        wr_u32(&wr, 60);
        wr_u16(&wr, 4);
        wr_bytes(&wr, addr.ip, 4);
    }
    if (answer->options.at != NULL)
        edns_put_opt(&wr, 1232, 0, false, answer->options);
    if (answer->other_id)
        wire[0] ^= 0xff;
    if (answer->other_name)
        wire[DNS_HEADER_LEN + 1] ^= 1;
    assert_false(wr.failed);
    resolver_datagram(w->r, s->conn, wire, wr.at);
}

void world_lose(struct world *w, const struct fake_sent *s, int error)
{
    if (s->transport != TRANSPORT_UDP)
        fake_io_close(w->io, s->conn);
    resolver_lost(w->r, s->conn, error);
}
