/* Joining questions, waking who waits, caps, claims. */
#include "resolver/upstream.h"

#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/health.h"
#include "tests/unit/asker.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define A "10.0.0.1:53"
#define B "10.0.0.2:53"

static const char *const one[] = {"10.0.0.1", NULL};
static const char *const two[] = {"10.0.0.1", "10.0.0.2", NULL};

static const struct world_answer good = {.address = "192.0.2.7"};

/* ---- joining ---- */

static void identical_questions_in_flight_are_asked_once(void **unused)
{
    enum { CLIENTS = 50 };
    struct asker a;
    uint64_t client[CLIENTS];
    char text[ADDR_TEXT_MAX];
    asker_open(&a, one, &asker_cluster);
    for (int i = 0; i < CLIENTS; i++)
        client[i] = world_ask(&a.w, "www.test");
    struct fake_sent *s = world_expect(&a.w, A, TRANSPORT_UDP);
    world_expect_silence(&a.w);
    assert_int_equal(a.group.shared->in_flight, CLIENTS);
    world_answer(&a.w, s, &good);
    for (int i = 0; i < CLIENTS; i++) {
        const struct fake_reply *r = fake_io_reply(a.w.io, client[i]);
        assert_string_equal(world_address(&a.w, client[i], text), "192.0.2.7");
        assert_int_equal(r->wire[0] << 8 | r->wire[1], client[i]);
        /* Each lowered the TTL by one, in an index of its own. */
        assert_int_equal(r->wire[r->len - 7], 59);
    }
    assert_int_equal(a.group.shared->in_flight, 0);
    asker_close(&a);
}

static void a_joined_answer_that_is_oversize_is_cut_for_everyone(void **unused)
{
    static const uint8_t options[600] = {0xfd, 0xe9, (600 - 4) >> 8, (600 - 4) & 0xff};
    struct world_answer answer = {.address = "192.0.2.7"};
    struct asker a;
    uint64_t client[2];
    answer.options = (struct span){.at = options, .len = sizeof options};
    asker_open(&a, one, &asker_forward);
    for (int i = 0; i < 2; i++)
        client[i] = world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &answer);
    for (int i = 0; i < 2; i++)
        assert_true((world_flags(&a.w, client[i]) & DNS_TC) != 0);
    asker_close(&a);
}

static void what_differs_is_asked_for_itself(void **unused)
{
    static const uint8_t option[] = {0xfd, 0xe9, 0, 0};
    const struct world_question all[] = {
        {.name = "www.test"},
        {.name = "www2.test"},
        {.name = "www.test", .type = DNS_AAAA},
        {.name = "www.test", .transport = TRANSPORT_TCP},
        {.name = "WWW.test"},
        {.name = "www.test",
         .edns = true,
         .options = {.at = option, .len = sizeof option}},
    };
    struct asker a;
    asker_open(&a, one, &asker_cluster);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        world_ask_as(&a.w, &all[i]);
        assert_non_null(fake_io_take(a.w.io));
        world_expect_silence(&a.w);
    }
    asker_close(&a);
}

static struct fake_sent *ask_with_option(struct asker *a, const char *name, uint8_t n)
{
    const uint8_t option[] = {0xfd, 0xe9, 0, 1, n};
    const struct world_question question = {
        .name = name, .edns = true, .options = {.at = option, .len = sizeof option}};
    world_ask_as(&a->w, &question);
    return fake_io_take(a->w.io);
}

static void many_that_ask_alike_go_over_tcp(void **unused)
{
    static const char *const spelled[] = {"www.test", "wWW.test", "WWW.TEST"};
    struct asker a;
    struct fake_sent *s = NULL;
    asker_open(&a, one, &asker_cluster);
    for (uint8_t i = 0; i < UPSTREAM_ALIKE; i++) {
        s = ask_with_option(&a, spelled[i % 3], i);
        assert_int_equal(s->transport, TRANSPORT_UDP);
    }
    struct fake_sent *more = ask_with_option(&a, "www.test", 200);
    assert_int_equal(more->transport, TRANSPORT_TCP);
    assert_int_equal(ask_with_option(&a, "www2.test", 0)->transport, TRANSPORT_UDP);
    /* That TCP is refused is no news of the server. */
    resolver_lost(a.w.r, more->conn, ECONNREFUSED);
    assert_int_equal(a.list[0]->fails, 0);
    assert_int_equal(fake_io_take(a.w.io)->transport, TRANSPORT_TCP); /* once more */
    world_answer(&a.w, s, &good);
    assert_int_equal(ask_with_option(&a, "www.test", 201)->transport, TRANSPORT_UDP);
    asker_close(&a);
}

static void who_asks_after_the_answer_is_asked_for_again(void **unused)
{
    struct asker a;
    asker_open(&a, one, &asker_cluster);
    for (int i = 0; i < 3; i++) {
        uint64_t client = world_ask(&a.w, "www.test");
        world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
        assert_int_equal(world_rcode(&a.w, client), DNS_NOERROR);
    }
    asker_close(&a);
}

static void a_joiner_does_not_restart_the_clock(void **unused)
{
    struct asker a;
    asker_open(&a, one, &asker_cluster);
    world_ask(&a.w, "www.test");
    world_run(&a.w, 1500);
    uint64_t late = world_ask(&a.w, "www.test");
    world_run(&a.w, 310);
    assert_int_equal(world_rcode(&a.w, late), DNS_SERVFAIL);
    asker_close(&a);
}

static void long_questions_are_sent_whole(void **unused)
{
    enum { LEN = 300 };
    uint8_t options[LEN] = {0xfd, 0xe9, (LEN - 4) >> 8, (LEN - 4) & 0xff};
    struct asker a;
    struct world_question q = {.name = "www.test", .edns = true};
    asker_open(&a, one, &asker_cluster);
    q.options = (struct span){.at = options, .len = LEN};
    uint64_t client = world_ask_as(&a.w, &q);
    struct fake_sent *s = world_expect(&a.w, A, TRANSPORT_UDP);
    assert_int_equal(s->len, DNS_HEADER_LEN + 10 + 4 + LEN);
    world_answer(&a.w, s, &good);
    assert_int_equal(world_rcode(&a.w, client), DNS_NOERROR);
    asker_close(&a);
}

/* ---- waking ---- */

static void a_query_that_ended_before_its_answer_is_passed_over(void **unused)
{
    struct asker a;
    struct upstream_rules g = asker_forward;
    g.deadline_us = 30000000; /* the query's own fuse comes first */
    g.max_fails = 0;
    asker_open(&a, one, &g);
    uint64_t client = world_ask(&a.w, "www.test");
    struct fake_sent *s = world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, QUERY_DEADLINE_MS + 10);
    assert_int_equal(world_rcode(&a.w, client), DNS_SERVFAIL);
    assert_int_equal(resolver_in_flight(a.w.r), 0);
    uint64_t next = world_ask(&a.w, "www.test"); /* joins what is still under way */
    world_answer(&a.w, s, &good);
    assert_int_equal(world_rcode(&a.w, next), DNS_NOERROR);
    assert_int_equal(a.wakes, 1);
    asker_close(&a);
}

static void a_resolver_may_end_with_questions_out(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    world_ask(&a.w, "www.test");
    world_ask(&a.w, "www2.test");
    world_run(&a.w, 60);
    asker_close(&a); /* checks what is settled and counted */
}

/* ---- caps ---- */

static void beyond_max_concurrent_nothing_is_sent(void **unused)
{
    struct asker a;
    struct upstream_rules g = asker_cluster;
    g.max_concurrent = 2;
    asker_open(&a, one, &g);
    world_ask(&a.w, "a.test");
    world_ask(&a.w, "b.test");
    struct fake_sent *s = world_expect(&a.w, A, TRANSPORT_UDP);
    world_expect(&a.w, A, TRANSPORT_UDP);
    uint64_t third = world_ask(&a.w, "c.test");
    assert_int_equal(world_rcode(&a.w, third), DNS_SERVFAIL);
    assert_int_equal(a.last.outcome, UPSTREAM_BUSY);
    assert_int_equal(a.last.error_code, 0);
    assert_int_equal(a.group.shared->rejected, 1);
    world_answer(&a.w, s, &good);
    world_ask(&a.w, "c.test");
    world_expect(&a.w, A, TRANSPORT_UDP);
    asker_close(&a);
}

static void a_dead_group_does_not_hold_up_another(void **unused)
{
    struct asker a, b;
    asker_open(&a, one, &asker_cluster);
    asker_open(&b, two, &asker_cluster);
    for (uint32_t i = 0; i < a.rules.max_concurrent + 5; i++) {
        char name[24];
        snprintf(name, sizeof name, "n%u.test", i);
        world_ask(&a.w, name);
    }
    assert_int_equal(a.group.shared->rejected, 5);
    assert_int_equal(b.group.shared->in_flight, 0);
    asker_close(&a);
    asker_close(&b);
}

/* ---- claims ---- */

static struct endpoint endpoint(const char *text)
{
    struct endpoint e = {0};
    assert_int_equal(addr_parse(&e.addr, text_of(text), 53), 0);
    return e;
}

static void an_upstream_is_known_by_address_settings_and_key(void **unused)
{
    struct world w;
    world_open(&w);
    struct endpoint a = endpoint("10.0.0.1"), b = endpoint("10.0.0.1:54");
    struct endpoint idle = a;
    idle.idle_us = 1;
    struct upstream *up = upstream_claim(w.registry, &a, TRANSPORT_UDP, TEXT("x"));
    struct upstream *all[] = {
        upstream_claim(w.registry, &a, TRANSPORT_UDP, TEXT("y")),
        upstream_claim(w.registry, &a, TRANSPORT_TLS, TEXT("x")),
        upstream_claim(w.registry, &b, TRANSPORT_UDP, TEXT("x")),
        upstream_claim(w.registry, &idle, TRANSPORT_UDP, TEXT("x")),
    };
    assert_string_equal(up->text, A);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_ptr_not_equal(all[i], up);
        assert_int_not_equal(all[i]->endpoint.id, up->endpoint.id);
    }
    up->fails = 7;
    assert_ptr_equal(upstream_claim(w.registry, &a, TRANSPORT_UDP, TEXT("x")), up);
    assert_int_equal(up->fails, 7); /* a reload forgets nothing */
    world_close(&w);
}

static void a_group_built_in_part_can_be_released(void **unused)
{
    struct world w;
    struct upstream_group g = {0};
    world_open(&w);
    upstream_group_release(w.registry, &g);
    g.shared = upstream_claim_shared(w.registry, (struct span){0});
    upstream_group_release(w.registry, &g);
    assert_null(g.shared);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identical_questions_in_flight_are_asked_once),
        cmocka_unit_test(a_joined_answer_that_is_oversize_is_cut_for_everyone),
        cmocka_unit_test(what_differs_is_asked_for_itself),
        cmocka_unit_test(many_that_ask_alike_go_over_tcp),
        cmocka_unit_test(who_asks_after_the_answer_is_asked_for_again),
        cmocka_unit_test(a_joiner_does_not_restart_the_clock),
        cmocka_unit_test(long_questions_are_sent_whole),
        cmocka_unit_test(a_query_that_ended_before_its_answer_is_passed_over),
        cmocka_unit_test(a_resolver_may_end_with_questions_out),
        cmocka_unit_test(beyond_max_concurrent_nothing_is_sent),
        cmocka_unit_test(a_dead_group_does_not_hold_up_another),
        cmocka_unit_test(an_upstream_is_known_by_address_settings_and_key),
        cmocka_unit_test(a_group_built_in_part_can_be_released),
    };
    return cmocka_run_group_tests_name("upstream", tests, NULL, NULL);
}
