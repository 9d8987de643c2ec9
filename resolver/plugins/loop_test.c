#include "resolver/plugin.h"

#include "base/log.h"
#include "resolver/edns.h"
#include "resolver/rdata.h"
#include "resolver/trail.h"
#include "resolver/wire.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define FORWARD ". {\n loop\n forward . 10.0.0.1\n}\n"

/* Sends octets as another client, which stands in the ring. */
static uint64_t send_octets(struct world *w, const uint8_t *wire, size_t len)
{
    struct client client = {.transport = TRANSPORT_UDP,
                            .handle = ++w->client,
                            .peer = {.family = 4, .port = 53, .ip = {10, 0, 0, 1}}};
    resolver_query(w->r, &client, wire, len);
    return w->client;
}

/* What a message to an upstream has in its OPT. */
static struct span options_of(const struct fake_sent *s)
{
    struct rr rr[4];
    struct msg m = {.rr = rr, .rr_cap = 4};
    assert_int_equal(wire_walk((struct span){s->wire, s->len}, &m), WIRE_OK);
    assert_true(m.opt.present);
    return m.opt.options;
}

static void expect_circle(struct world *w, uint64_t client, const char *who)
{
    char text[128], expected[128];
    snprintf(expected, sizeof expected, "%s: loop, the question came back", who);
    assert_int_equal(world_rcode(w, client), DNS_SERVFAIL);
    assert_int_equal(world_ede(w, client, text, sizeof text), EDE_OTHER);
    assert_string_equal(text, expected);
}

static void a_question_that_comes_back_is_servfail_for_all_who_asked(void **unused)
{
    struct world w;
    world_load(&w, FORWARD);
    struct world_question q = {.name = "www.test", .edns = true};
    uint64_t client = world_ask_as(&w, &q);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    uint64_t ring = send_octets(&w, s->wire, s->len);
    expect_circle(&w, ring, "10.0.0.1:53");
    world_expect_silence(&w);
    assert_int_equal(world_rcode(&w, client), -1);
    world_answer(&w, s, &(struct world_answer){.rcode = DNS_SERVFAIL});
    expect_circle(&w, client, "10.0.0.1:53");
    world_close(&w);
}

static void a_cluster_is_named(void **unused)
{
    struct world w;
    world_load(&w, ". {\n loop\n cluster cluster-b.local 10.97.0.0/16\n}\n");
    struct world_question q = {.name = "app.web.svc.cluster-b.local", .edns = true};
    uint64_t client = world_ask_as(&w, &q);
    struct fake_sent *s = world_expect(&w, "10.97.0.10:53", TRANSPORT_UDP);
    /* Another isthmus maps the name back and hands the mark on. */
    q.options = options_of(s);
    uint64_t ring = world_ask_as(&w, &q);
    expect_circle(&w, ring, "cluster-b.local");
    world_answer(&w, s, &(struct world_answer){.rcode = DNS_SERVFAIL});
    expect_circle(&w, client, "cluster-b.local");
    world_close(&w);
}

static void marks_pass_through_a_cluster_and_a_forward(void **unused)
{
    static const char *const blocks[] = {
        ". {\n forward . 10.97.0.10\n}\n",
        ". {\n cluster test 10.97.0.0/16\n}\n",
        ". {\n loop\n forward . 10.97.0.10\n}\n",
        ". {\n loop\n cluster test 10.97.0.0/16\n}\n",
    };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        uint8_t room[64], mark[TRAIL_MARK] = "somebody else's";
        struct wr wr = wr_init(room, sizeof room);
        struct world w;
        edns_put(&wr, TRAIL_CODE, (struct span){mark, sizeof mark});
        world_load(&w, blocks[i]);
        world_ask_as(&w, &(struct world_question){
                             .name = "a.test", .edns = true, .options = {room, wr.at}});
        struct fake_sent *s = world_expect(&w, "10.97.0.10:53", TRANSPORT_UDP);
        struct span options = options_of(s);
        assert_int_equal(options.len, (i < 2 ? 1 : 2) * wr.at);
        assert_memory_equal(options.at, room, wr.at);
        world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
        world_close(&w);
    }
}

static void the_same_marks_with_another_name_are_no_circle(void **unused)
{
    struct world w;
    world_load(&w, FORWARD);
    struct world_question q = {.name = "www.test", .edns = true};
    world_ask_as(&w, &q);
    struct fake_sent *first = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    struct world_question again = {
        .name = "other.test", .edns = true, .options = options_of(first)};
    uint64_t ring = world_ask_as(&w, &again);
    struct fake_sent *second = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, second, &(struct world_answer){.address = "192.0.2.1"});
    assert_int_equal(world_rcode(&w, ring), DNS_NOERROR);
    world_answer(&w, first, &(struct world_answer){.address = "192.0.2.1"});
    world_close(&w);
}

static void more_marks_than_there_are_forwarders_are_a_circle(void **unused)
{
    for (unsigned n = TRAIL_MARKS_MAX - 1; n <= TRAIL_MARKS_MAX; n++) {
        uint8_t room[TRAIL_OPTIONS_MAX];
        struct wr wr = wr_init(room, sizeof room);
        struct world w;
        for (unsigned i = 0; i < n; i++) {
            uint8_t mark[TRAIL_MARK] = {(uint8_t)i, 1};
            edns_put(&wr, TRAIL_CODE, (struct span){mark, sizeof mark});
        }
        world_load(&w, FORWARD);
        uint64_t client = world_ask_as(
            &w, &(struct world_question){
                    .name = "a.test", .edns = true, .options = {room, wr.at}});
        if (n < TRAIL_MARKS_MAX) {
            struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
            world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
            assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
        } else {
            assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
        }
        world_close(&w);
    }
}

static void a_client_without_edns_sees_none(void **unused)
{
    struct world w;
    world_load(&w, FORWARD);
    uint64_t client = world_ask(&w, "www.test");
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    assert_int_equal(options_of(s).len, 4 + TRAIL_MARK);
    world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
    const struct fake_reply *reply = fake_io_reply(w.io, client);
    assert_int_equal(load_u16(reply->wire + 10), 0); /* nothing additional */
    world_close(&w);
}

static void an_ordinary_servfail_is_not_named_a_loop(void **unused)
{
    struct world w;
    char text[128];
    world_load(&w, FORWARD);
    uint64_t client =
        world_ask_as(&w, &(struct world_question){.name = "www.test", .edns = true});
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, s, &(struct world_answer){.rcode = DNS_SERVFAIL});
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    assert_int_equal(world_ede(&w, client, text, sizeof text), -1);
    world_close(&w);
}

/* The name of a question, its length the end of the question. */
static size_t question_of(const struct fake_sent *s, struct name *name)
{
    size_t end = wire_name((struct span){s->wire, s->len}, DNS_HEADER_LEN, name);
    assert_true(end > 0 && end + 4 <= s->len);
    assert_int_equal(load_u16(s->wire + end), DNS_HINFO);
    return end + 4;
}

/* A member of the ring that drops options asks what it was asked. */
static uint64_t ask_again(struct world *w, const struct fake_sent *s)
{
    uint8_t wire[512];
    struct name name;
    size_t len = wire_name((struct span){s->wire, s->len}, DNS_HEADER_LEN, &name) + 4;
    memcpy(wire, s->wire, len);
    store_u16(wire + 10, 0);
    return send_octets(w, wire, len);
}

static void a_secret_question_is_asked_once_and_fails_where_it_comes_back(void **unused)
{
    struct world w;
    struct name name, zone;
    world_load(&w, "zone.test:53 {\n loop\n forward . 10.0.0.1\n}\n");
    world_run(&w, 400);
    world_expect_silence(&w);
    world_run(&w, 200);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    question_of(s, &name);
    assert_int_equal(name_parse(&zone, text_of("zone.test")), 0);
    assert_true(name_under(name.wire, zone.wire, NULL));
    assert_int_equal(name_labels(name.wire), 4);
    assert_int_equal(world_rcode(&w, ask_again(&w, s)), DNS_SERVFAIL);
    world_expect_silence(&w);
    world_answer(&w, s, &(struct world_answer){.rcode = DNS_SERVFAIL});
    /* Life goes on. */
    uint64_t client = world_ask(&w, "www.zone.test");
    s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    world_run(&w, 40000);
    world_expect_silence(&w);
    world_close(&w);
}

static void a_known_ring_that_drops_marks_is_closed_by_its_last_member(void **unused)
{
    struct world w;
    world_load(&w, FORWARD);
    world_run(&w, 600);
    struct fake_sent *probe = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    ask_again(&w, probe);
    world_answer(&w, probe, &(struct world_answer){.rcode = DNS_SERVFAIL});
    struct world_question q = {.name = "www.test", .edns = true};
    uint64_t client = world_ask_as(&w, &q);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    assert_int_equal(world_rcode(&w, ask_again(&w, s)), DNS_SERVFAIL);
    world_expect_silence(&w);
    world_answer(&w, s, &(struct world_answer){.rcode = DNS_SERVFAIL});
    expect_circle(&w, client, "10.0.0.1:53");
    /* Once it is answered, who stands there may ask it like anyone. */
    uint64_t later = ask_again(&w, s);
    s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
    assert_int_equal(world_rcode(&w, later), DNS_NOERROR);
    world_close(&w);
}

static void without_a_known_ring_equal_questions_are_no_circle(void **unused)
{
    struct world w;
    world_load(&w, FORWARD);
    uint64_t client = world_ask(&w, "www.test");
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    uint64_t other = ask_again(&w, s);
    world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    assert_int_equal(world_rcode(&w, other), DNS_NOERROR);
    world_close(&w);
}

static void a_question_that_fails_slowly_has_the_ring_looked_for(void **unused)
{
    struct world w;
    struct name name;
    world_load(&w, FORWARD);
    world_run(&w, 600);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, s, &(struct world_answer){.rcode = DNS_NXDOMAIN});
    world_run(&w, 20000);
    uint64_t client = world_ask(&w, "www.test");
    while (world_rcode(&w, client) < 0)
        world_run(&w, 100);
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    unsigned probes = 0;
    while ((s = fake_io_take(w.io)) != NULL) {
        size_t end = wire_name((struct span){s->wire, s->len}, DNS_HEADER_LEN, &name);
        probes += load_u16(s->wire + end) == DNS_HINFO;
    }
    assert_int_equal(probes, 1);
    world_close(&w);
}

static void it_takes_no_argument_and_stands_once_in_a_block(void **unused)
{
    char text[ERROR_TEXT_MAX];
    assert_false(world_loads(". {\n loop yes\n}\n", text, sizeof text));
    assert_string_equal(text, "plugin/loop: Wrong argument count or unexpected line "
                              "ending after 'yes': 'loop' takes no argument");
    assert_false(world_loads(". {\n loop\n loop\n}\n", text, sizeof text));
    assert_string_equal(
        text, "plugin/loop: this plugin can only be used once per Server Block");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_that_comes_back_is_servfail_for_all_who_asked),
        cmocka_unit_test(a_cluster_is_named),
        cmocka_unit_test(marks_pass_through_a_cluster_and_a_forward),
        cmocka_unit_test(the_same_marks_with_another_name_are_no_circle),
        cmocka_unit_test(more_marks_than_there_are_forwarders_are_a_circle),
        cmocka_unit_test(a_client_without_edns_sees_none),
        cmocka_unit_test(an_ordinary_servfail_is_not_named_a_loop),
        cmocka_unit_test(a_secret_question_is_asked_once_and_fails_where_it_comes_back),
        cmocka_unit_test(a_known_ring_that_drops_marks_is_closed_by_its_last_member),
        cmocka_unit_test(without_a_known_ring_equal_questions_are_no_circle),
        cmocka_unit_test(a_question_that_fails_slowly_has_the_ring_looked_for),
        cmocka_unit_test(it_takes_no_argument_and_stands_once_in_a_block),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
