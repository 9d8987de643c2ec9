/* Which address is asked when. */
#include "resolver/inquiry.h"

#include "base/limits.h"
#include "tests/unit/asker.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define A       "10.0.0.1:53"
#define B       "10.0.0.2:53"
#define C       "10.0.0.3:53"
#define SLOT_MS (TIMERS_SLOT_US / 1000) /* a timer may be as late */

static const char *const two[] = {"10.0.0.1", "10.0.0.2", NULL};
static const char *const three[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", NULL};

static const struct world_answer good = {.address = "192.0.2.7"};
static const struct world_answer refused = {.rcode = DNS_REFUSED};

static const struct upstream_rules *const kinds[] = {&asker_cluster, &asker_forward};

static void assert_answered(struct asker *a, uint64_t client)
{
    char text[ADDR_TEXT_MAX];
    assert_string_equal(world_address(&a->w, client, text), "192.0.2.7");
}

/* ---- those that are down ---- */

static void who_is_down_is_asked_when_those_up_are_silent(void **unused)
{
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        asker_open(&a, two, kinds[i]);
        a.list[0]->fails = 3;
        uint64_t client = world_ask(&a.w, "www.test");
        world_expect(&a.w, B, TRANSPORT_UDP);
        world_run(&a.w, 50 + SLOT_MS);
        asker_take_probes(&a);
        world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
        assert_answered(&a, client);
        assert_int_equal(a.list[0]->fails, 0); /* any answer brings it back */
        asker_close(&a);
    }
}

static void who_is_down_is_asked_last(void **unused)
{
    struct asker a;
    asker_open(&a, three, &asker_cluster);
    a.list[0]->fails = 3;
    world_ask(&a.w, "www.test");
    world_expect(&a.w, B, TRANSPORT_UDP);
    world_run(&a.w, 50 + SLOT_MS);
    world_expect(&a.w, C, TRANSPORT_UDP);
    world_run(&a.w, 100 + SLOT_MS);
    asker_take_probes(&a);
    world_expect(&a.w, A, TRANSPORT_UDP);
    asker_close(&a);
}

static void who_is_down_is_not_waited_for_with_an_rcode_in_hand(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    a.list[0]->fails = 3;
    uint64_t client = world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &refused);
    assert_int_equal(world_rcode(&a.w, client), DNS_REFUSED);
    asker_close(&a);
}

/* ---- those that are drained ---- */

static void who_is_drained_is_asked_when_those_up_are_silent(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    a.list[0]->drained = true;
    uint64_t client = world_ask(&a.w, "www.test");
    world_expect(&a.w, B, TRANSPORT_UDP);
    world_expect_silence(&a.w);
    world_run(&a.w, 50 + SLOT_MS);
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
    assert_answered(&a, client);
    asker_close(&a);
}

static void who_is_drained_is_asked_when_the_others_refuse(void **unused)
{
    struct asker a;
    asker_open(&a, three, &asker_cluster);
    a.list[0]->drained = true;
    a.list[1]->fails = 3;
    uint64_t client = world_ask(&a.w, "www.test");
    asker_take_probes(&a);
    world_answer(&a.w, world_expect(&a.w, C, TRANSPORT_UDP), &refused);
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
    assert_answered(&a, client);
    asker_close(&a);
}

static void who_is_drained_is_asked_when_there_is_nobody_else(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    a.list[0]->drained = true;
    a.list[1]->fails = 3;
    uint64_t client = world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
    assert_answered(&a, client);
    a.list[1]->drained = true; /* the whole cluster */
    a.list[1]->fails = 0;
    client = world_ask(&a.w, "www2.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
    assert_answered(&a, client);
    asker_close(&a);
}

static void every_address_is_asked_before_the_deadline(void **unused)
{
    static const char *const eight[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3",
                                        "10.0.0.4", "10.0.0.5", "10.0.0.6",
                                        "10.0.0.7", "10.0.0.8", NULL};
    for (unsigned down = 0; down < 8; down++) {
        struct asker a;
        unsigned seen = 0;
        asker_open(&a, eight, &asker_cluster);
        for (unsigned i = 0; i < down; i++)
            a.list[i]->fails = 3;
        uint64_t client = world_ask(&a.w, "www.test");
        world_run(&a.w, 1700);
        asker_take_probes(&a);
        struct fake_sent *s, *last = NULL;
        while ((s = fake_io_take(a.w.io)) != NULL) {
            seen |= 1u << s->to.ip[3];
            last = s;
        }
        assert_int_equal(seen, 0x1fe);
        world_answer(&a.w, last, &good);
        assert_answered(&a, client);
        asker_close(&a);
    }
}

/* ---- policies ---- */

static void who_is_asked_first(void **unused)
{
    static const struct {
        enum upstream_policy policy;
        const char *order[6];
    } rows[] = {
        {POLICY_SEQUENTIAL, {A, A, A, A, A, A}},
        {POLICY_ROUND_ROBIN, {B, C, A, B, C, A}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asker a;
        struct upstream_rules g = asker_forward;
        g.policy = rows[i].policy;
        asker_open(&a, three, &g);
        for (size_t n = 0; n < 6; n++) {
            world_ask(&a.w, "www.test");
            world_answer(&a.w, world_expect(&a.w, rows[i].order[n], TRANSPORT_UDP),
                         &good);
        }
        asker_close(&a);
    }
}

static void random_starts_anywhere_and_asks_each_once_before_any_twice(void **unused)
{
    struct asker a;
    struct upstream_rules g = asker_forward;
    unsigned first[3] = {0};
    g.attempts_max = 6; /* CoreDNS: twice as many */
    g.policy = POLICY_RANDOM;
    g.max_fails = 0;
    asker_open(&a, three, &g);
    for (unsigned n = 0; n < 90; n++) {
        unsigned seen = 0;
        world_ask(&a.w, "www.test");
        for (unsigned i = 0; i < 3; i++) {
            struct fake_sent *s = fake_io_take(a.w.io);
            assert_non_null(s);
            unsigned which = s->to.ip[3] - 1u;
            first[which] += i == 0;
            seen |= 1u << which;
            world_lose(&a.w, s, ECONNREFUSED);
        }
        assert_int_equal(seen, 7);
        while (fake_io_take(a.w.io) != NULL)
            ;
        world_run(&a.w, 6000);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(first[i], 15, 45);
    asker_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_down_is_asked_when_those_up_are_silent),
        cmocka_unit_test(who_is_down_is_asked_last),
        cmocka_unit_test(who_is_down_is_not_waited_for_with_an_rcode_in_hand),
        cmocka_unit_test(who_is_drained_is_asked_when_those_up_are_silent),
        cmocka_unit_test(who_is_drained_is_asked_when_the_others_refuse),
        cmocka_unit_test(who_is_drained_is_asked_when_there_is_nobody_else),
        cmocka_unit_test(every_address_is_asked_before_the_deadline),
        cmocka_unit_test(who_is_asked_first),
        cmocka_unit_test(random_starts_anywhere_and_asks_each_once_before_any_twice),
    };
    return cmocka_run_group_tests_name("inquiry_order", tests, NULL, NULL);
}
