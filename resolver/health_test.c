/* Who is down, and how it is found out that he is back. */
#include "resolver/health.h"

#include "base/limits.h"
#include "resolver/core.h"
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
static const struct world_answer nxdomain = {.rcode = DNS_NXDOMAIN};

/* The next message is a probe of `name`, and goes there. */
static struct fake_sent *expect_probe(struct asker *a, const char *to, const char *name)
{
    struct name asked;
    struct fake_sent *s = world_expect(&a->w, to, TRANSPORT_UDP);
    assert_int_equal(name_parse(&asked, text_of(name)), 0);
    assert_true(name_equal(s->wire + DNS_HEADER_LEN, asked.wire));
    return s;
}

static void take_all(struct asker *a)
{
    while (fake_io_take(a->w.io) != NULL)
        continue;
}

/* One question that A refuses and B answers. */
static void refuse_once(struct asker *a, const char *name)
{
    world_ask(&a->w, name);
    world_lose(&a->w, world_expect(&a->w, A, TRANSPORT_UDP), ECONNREFUSED);
    world_answer(&a->w, world_expect(&a->w, B, TRANSPORT_UDP), &good);
}

/* ---- clusters ---- */

static void three_failures_in_a_row_take_a_clusters_address_down(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    for (int i = 0; i < 3; i++)
        refuse_once(&a, "www.test");
    assert_true(health_down(&a.group, a.list[0]));
    world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
    asker_close(&a);
}

static void an_answer_in_between_starts_the_count_again(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    for (int i = 0; i < 9; i++) {
        if (i % 3 != 2) {
            refuse_once(&a, "www.test");
            continue;
        }
        world_ask(&a.w, "www.test");
        world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
    }
    assert_int_equal(a.list[0]->fails, 0);
    assert_int_equal(health_failing_us(a.list[0], a.w.now_us), 0);
    asker_close(&a);
}

static void one_event_is_one_failure_however_many_questions_it_hits(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    struct fake_sent *s = NULL;
    for (int i = 0; i < 20; i++) {
        char name[24];
        snprintf(name, sizeof name, "n%d.test", i);
        world_ask(&a.w, name);
        s = world_expect(&a.w, A, TRANSPORT_UDP);
    }
    world_lose(&a.w, s, ECONNREFUSED);
    assert_int_equal(a.list[0]->fails, 1);
    for (int i = 0; i < 20; i++)
        world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
    asker_close(&a);
}

static void one_question_is_one_failure_however_often_it_is_tried(void **unused)
{
    struct asker a;
    asker_open(&a, one, &asker_cluster);
    world_ask(&a.w, "www.test");
    world_run(&a.w, 1900);
    assert_int_equal(a.list[0]->fails, 1);
    assert_false(health_down(&a.group, a.list[0]));
    asker_close(&a);
}

static void who_is_silent_while_another_answers_is_doubted(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    for (uint32_t i = 1; i <= 3; i++) {
        world_ask(&a.w, "www.test");
        world_expect(&a.w, A, TRANSPORT_UDP);
        world_run(&a.w, 60);
        asker_take_probes(&a);
        world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
        assert_int_equal(a.list[0]->fails, i);
    }
    assert_true(health_down(&a.group, a.list[0]));
    asker_close(&a);
}

/* Who was slow is waited for longer, but no longer than the others leave time for. */
static void who_was_slow_and_is_dead_is_doubted_as_well(void **unused)
{
    static const char *const four[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4",
                                       NULL};
    static const struct {
        const char *const *addresses;
        unsigned rtt_ms, wait_ms;
    } rows[] = {{two, 850, 900}, {four, 150, 450}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asker a;
        asker_open(&a, rows[i].addresses, &asker_cluster);
        for (uint32_t k = 1; k <= 3; k++) {
            a.list[0]->srtt_us = rows[i].rtt_ms * 1000;
            world_ask(&a.w, "www.test");
            world_expect(&a.w, A, TRANSPORT_UDP);
            asker_take_probes(&a);
            world_run(&a.w, rows[i].wait_ms + 10);
            asker_take_probes(&a);
            world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
            assert_int_equal(a.list[0]->fails, k);
        }
        assert_true(health_down(&a.group, a.list[0]));
        asker_close(&a);
    }
}

static void who_answers_at_the_second_try_is_not_doubted_for_the_first(void **unused)
{
    struct asker a;
    asker_open(&a, one, &asker_cluster);
    world_ask(&a.w, "www.test");
    world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 60);
    struct fake_sent *second = world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 60);
    world_answer(&a.w, second, &good);
    assert_int_equal(a.list[0]->fails, 0);
    asker_close(&a);
}

static void the_one_that_is_asked_last_is_not_blamed_for_being_late(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    world_ask(&a.w, "www.test");
    struct fake_sent *first = world_expect(&a.w, A, TRANSPORT_UDP);
    world_run(&a.w, 60);
    world_expect(&a.w, B, TRANSPORT_UDP);
    world_run(&a.w, 20);
    world_answer(&a.w, first, &good);
    assert_int_equal(a.list[0]->fails, 0);
    assert_int_equal(a.list[1]->fails, 0);
    asker_close(&a);
}

static void an_answer_that_comes_late_is_one_all_the_same(void **unused)
{
    struct asker a;
    struct fake_sent *late[3];
    asker_open(&a, two, &asker_cluster);
    for (int i = 0; i < 3; i++) {
        world_ask(&a.w, "www.test");
        late[i] = world_expect(&a.w, A, TRANSPORT_UDP);
        world_run(&a.w, 60);
        asker_take_probes(&a);
        world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
    }
    assert_true(health_down(&a.group, a.list[0]));
    world_answer(&a.w, late[1], &good);
    assert_int_equal(a.list[0]->fails, 0);
    world_answer(&a.w, late[1], &good); /* once is enough */
    world_run(&a.w, 2000);              /* the others are given up without harm */
    assert_int_equal(a.list[0]->fails, 0);
    asker_close(&a);
}

/* A stall of ours: the timers come first, then A's answers, which blame B for all that
 * it was asked meanwhile, then B's own. */
static void a_stall_of_our_own_takes_nobody_down(void **unused)
{
    enum { N = UPSTREAM_LATE_ANSWERS + 10 };
    struct asker a;
    struct fake_sent *sent[2][N];
    asker_open(&a, two, &asker_cluster);
    for (int i = 0; i < N; i++) {
        char name[24];
        snprintf(name, sizeof name, "n%d.test", i);
        world_ask(&a.w, name);
        sent[0][i] = world_expect(&a.w, A, TRANSPORT_UDP);
    }
    a.w.now_us += 60000;
    resolver_tick(a.w.r, a.w.now_us);
    for (int i = 0; i < N; i++)
        sent[1][i] = world_expect(&a.w, B, TRANSPORT_UDP);
    a.w.now_us += 60000;
    for (int to = 0; to < 2; to++) {
        resolver_tick(a.w.r, a.w.now_us);
        for (int i = 0; i < N; i++)
            world_answer(&a.w, sent[to][i], &good);
    }
    assert_int_equal(a.list[0]->fails, 0);
    assert_int_equal(a.list[1]->fails, 0);
    take_all(&a);
    asker_close(&a);
}

/* Both addresses down, and nothing of it left in the queue. */
static void take_both_down(struct asker *a)
{
    a->list[0]->fails = 3;
    a->list[1]->fails = 3;
    a->list[0]->last_error = ECONNREFUSED;
    a->list[0]->failing_since_us = a->w.now_us - 38000000;
}

static void all_down_is_an_answer_at_once_that_says_why(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    take_both_down(&a);
    uint64_t client = world_ask(&a.w, "www.test");
    assert_int_equal(world_rcode(&a.w, client), DNS_SERVFAIL);
    assert_int_equal(a.last.outcome, UPSTREAM_DOWN);
    assert_int_equal(a.last.error_code, ECONNREFUSED);
    assert_int_equal(a.last.silent_us, 38000000);
    assert_ptr_equal(a.last.upstream, a.list[0]);
    asker_close(&a);
}

static void all_down_is_tried_once_in_250_ms(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    take_both_down(&a);
    for (int ms = 0; ms < 1000; ms += 10) {
        world_ask(&a.w, "www.test");
        world_run(&a.w, 10);
    }
    assert_int_equal(asker_take_probes(&a), 4);
    world_expect_silence(&a.w);
    asker_close(&a);
}

static void a_trial_that_is_answered_brings_the_address_back(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    take_both_down(&a);
    world_ask(&a.w, "www.test");
    struct fake_sent *s = expect_probe(&a, A, "probe.test");
    assert_int_equal(s->wire[2] & 1, 0); /* RD as the group says */
    world_answer(&a.w, s, &good);
    world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
    asker_close(&a);
}

static void trials_take_turns_among_the_addresses(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    take_both_down(&a);
    for (int i = 0; i < 4; i++) {
        world_ask(&a.w, "www.test");
        expect_probe(&a, i % 2 == 0 ? A : B, "probe.test");
        world_run(&a.w, UPSTREAM_TRIAL_MS);
    }
    asker_close(&a);
}

static void an_address_that_is_down_is_probed_ever_more_slowly(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    for (int i = 0; i < 3; i++)
        refuse_once(&a, "www.test");
    uint64_t last = a.w.now_us, pause = 0;
    for (int i = 0; i < 8; i++) {
        while (a.w.io->sent == NULL || asker_take_probes(&a) == 0)
            world_run(&a.w, 5);
        pause = a.w.now_us - last;
        last = a.w.now_us;
        assert_in_range(pause, i == 0 ? 0 : 240000, 3100000);
    }
    assert_in_range(pause, 2900000, 3100000); /* 2 s, and 1 s for the answer */
    asker_close(&a);
}

static void a_probe_that_is_answered_brings_the_address_back(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    for (int i = 0; i < 3; i++)
        refuse_once(&a, "www.test");
    world_run(&a.w, 1100);
    world_answer(&a.w, expect_probe(&a, A, "probe.test"), &good);
    assert_false(health_down(&a.group, a.list[0]));
    asker_close(&a);
}

static void probes_alone_take_nobody_down(void **unused)
{
    struct asker a;
    struct upstream_rules g = asker_cluster;
    g.probe.interval_us = 1000000;
    asker_open(&a, one, &g);
    world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
    world_run(&a.w, 30000);
    assert_in_range(asker_take_probes(&a), 12, 20); /* none is answered: 1 s each */
    assert_int_equal(a.list[0]->fails, 0);
    asker_close(&a);
}

static void an_address_is_probed_while_it_is_in_use_and_no_longer(void **unused)
{
    struct asker a;
    struct upstream_rules g = asker_cluster;
    g.probe.interval_us = 5000000;
    asker_open(&a, one, &g);
    world_run(&a.w, 20000);
    world_expect_silence(&a.w);
    world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
    uint32_t probes = 0;
    for (int s = 0; s < 200; s++) {
        world_run(&a.w, 1000);
        struct fake_sent *sent = fake_io_take(a.w.io);
        if (sent == NULL)
            continue;
        probes++;
        world_answer(&a.w, sent, &good);
    }
    assert_in_range(probes, 10, 15); /* a minute's, every 5 s +-20 % */
    assert_false(a.list[0]->probing);
    asker_close(&a);
}

static void nxdomain_to_a_probe_is_alive_and_told_once(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_cluster);
    take_both_down(&a);
    world_ask(&a.w, "www.test");
    world_answer(&a.w, expect_probe(&a, A, "probe.test"), &nxdomain);
    assert_false(health_down(&a.group, a.list[0]));
    assert_true(a.list[0]->wrong_domain);
    asker_close(&a);
}

static void max_fails_0_is_never_down_and_never_probed(void **unused)
{
    const struct upstream_rules *kinds[] = {&asker_cluster, &asker_forward};
    for (size_t i = 0; i < 2; i++) {
        struct asker a;
        struct upstream_rules g = *kinds[i];
        g.max_fails = 0;
        asker_open(&a, two, &g);
        for (int n = 0; n < 10; n++)
            refuse_once(&a, "www.test");
        world_run(&a.w, 10000);
        world_expect_silence(&a.w);
        asker_close(&a);
    }
}

/* ---- forward ---- */

static void an_error_starts_one_loop_of_probes_until_one_succeeds(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_forward);
    refuse_once(&a, "www.test");
    refuse_once(&a, "www.test");
    world_run(&a.w, 5);
    struct fake_sent *s = expect_probe(&a, A, "probe.test");
    assert_int_equal(s->wire[2] & 1, 1);
    world_expect_silence(&a.w);
    world_lose(&a.w, s, ECONNREFUSED);
    assert_int_equal(a.list[0]->fails, 1);
    world_run(&a.w, 490);
    world_expect_silence(&a.w);
    world_run(&a.w, 15);
    s = expect_probe(&a, A, "probe.test");
    world_run(&a.w, 1010); /* silence is failure after a second */
    assert_int_equal(a.list[0]->fails, 2);
    world_run(&a.w, 500);
    world_answer(&a.w, expect_probe(&a, A, "probe.test"),
                 &(struct world_answer){.rcode = DNS_REFUSED});
    assert_int_equal(a.list[0]->fails, 0);
    world_run(&a.w, 10000);
    world_expect_silence(&a.w);
    asker_close(&a);
}

static void more_failed_probes_than_max_fails_are_down(void **unused)
{
    struct asker a;
    asker_open(&a, two, &asker_forward);
    a.list[0]->fails = 2;
    world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, A, TRANSPORT_UDP), &good);
    assert_int_equal(a.list[0]->fails, 2);
    a.list[0]->fails = 3;
    world_ask(&a.w, "www.test");
    world_answer(&a.w, world_expect(&a.w, B, TRANSPORT_UDP), &good);
    assert_int_equal(a.list[0]->fails, 3);
    world_run(&a.w, 5);
    world_answer(&a.w, expect_probe(&a, A, "probe.test"), &good);
    assert_int_equal(a.list[0]->fails, 0);
    asker_close(&a);
}

static void when_all_are_down_one_is_tried_and_an_error_there_is_the_end(void **unused)
{
    struct asker a;
    struct upstream_rules g = asker_forward;
    g.attempts_max = 4;
    asker_open(&a, two, &g);
    a.list[0]->fails = 3;
    a.list[1]->fails = 3;
    uint64_t client = world_ask(&a.w, "www.test");
    struct fake_sent *s = fake_io_take(a.w.io);
    assert_non_null(s);
    world_lose(&a.w, s, ECONNREFUSED);
    assert_int_equal(world_rcode(&a.w, client), DNS_SERVFAIL);
    client = world_ask(&a.w, "www.test");
    s = fake_io_take(a.w.io);
    assert_non_null(s);
    world_answer(&a.w, s, &good);
    assert_int_equal(world_rcode(&a.w, client), DNS_NOERROR);
    take_all(&a);
    asker_close(&a);
}

static void health_check_0_does_not_spin(void **unused)
{
    struct asker a;
    struct upstream_rules g = asker_forward;
    g.probe.interval_us = 0;
    asker_open(&a, two, &g);
    refuse_once(&a, "www.test");
    for (int i = 0; i < 1000; i++) {
        struct fake_sent *s = fake_io_take(a.w.io);
        if (s != NULL)
            world_lose(&a.w, s, ECONNREFUSED);
        world_run(&a.w, 1);
    }
    assert_in_range(a.list[0]->fails, 5, 11);
    asker_close(&a);
}

/* ---- lifetimes ---- */

static void a_watch_ends_when_another_plan_takes_over(void **unused)
{
    struct asker a;
    struct plan other = {.uses = 1};
    asker_open(&a, two, &asker_forward);
    refuse_once(&a, "www.test");
    assert_int_equal(a.plan.uses, 2);
    world_adopt(&a.w, &other);
    world_run(&a.w, 5000);
    assert_false(a.list[0]->probing);
    assert_int_equal(a.plan.uses, 1); /* nothing holds the old one */
    take_all(&a);
    asker_close(&a);
}

static void the_whole_process_keeps_to_its_allowance_of_probes(void **unused)
{
    struct probe_budget b = {0};
    uint32_t taken = 0;
    uint64_t next = 0;
    for (uint64_t now = 5000000; now < 15000000; now += 100)
        taken += health_budget_take(&b, now, &next);
    assert_in_range(taken, 10 * PROBES_PER_S - 1, 10 * PROBES_PER_S + 1);
    assert_false(health_budget_take(&b, next - 1, &next));
    assert_true(health_budget_take(&b, next, &next));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_failures_in_a_row_take_a_clusters_address_down),
        cmocka_unit_test(an_answer_in_between_starts_the_count_again),
        cmocka_unit_test(one_event_is_one_failure_however_many_questions_it_hits),
        cmocka_unit_test(one_question_is_one_failure_however_often_it_is_tried),
        cmocka_unit_test(who_is_silent_while_another_answers_is_doubted),
        cmocka_unit_test(who_answers_at_the_second_try_is_not_doubted_for_the_first),
        cmocka_unit_test(who_was_slow_and_is_dead_is_doubted_as_well),
        cmocka_unit_test(the_one_that_is_asked_last_is_not_blamed_for_being_late),
        cmocka_unit_test(an_answer_that_comes_late_is_one_all_the_same),
        cmocka_unit_test(a_stall_of_our_own_takes_nobody_down),
        cmocka_unit_test(all_down_is_an_answer_at_once_that_says_why),
        cmocka_unit_test(all_down_is_tried_once_in_250_ms),
        cmocka_unit_test(a_trial_that_is_answered_brings_the_address_back),
        cmocka_unit_test(trials_take_turns_among_the_addresses),
        cmocka_unit_test(an_address_that_is_down_is_probed_ever_more_slowly),
        cmocka_unit_test(a_probe_that_is_answered_brings_the_address_back),
        cmocka_unit_test(probes_alone_take_nobody_down),
        cmocka_unit_test(an_address_is_probed_while_it_is_in_use_and_no_longer),
        cmocka_unit_test(nxdomain_to_a_probe_is_alive_and_told_once),
        cmocka_unit_test(max_fails_0_is_never_down_and_never_probed),
        cmocka_unit_test(an_error_starts_one_loop_of_probes_until_one_succeeds),
        cmocka_unit_test(more_failed_probes_than_max_fails_are_down),
        cmocka_unit_test(when_all_are_down_one_is_tried_and_an_error_there_is_the_end),
        cmocka_unit_test(health_check_0_does_not_spin),
        cmocka_unit_test(a_watch_ends_when_another_plan_takes_over),
        cmocka_unit_test(the_whole_process_keeps_to_its_allowance_of_probes),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
