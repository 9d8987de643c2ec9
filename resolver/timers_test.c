#include "resolver/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#define TIMERS 5000

struct clock {
    struct timers wheel;
    uint32_t fired;
    uint64_t last_us;
};

struct alarm {
    struct timer timer;
    struct alarm *other; /* disarmed when this fires */
    uint64_t again_us;   /* armed again for then, 0 = not */
    uint64_t fired_us;
    uint32_t fired;
};

static void ring(struct timer *t, void *context)
{
    struct clock *c = context;
    struct alarm *a = (struct alarm *)(void *)t;
    assert_null(t->prev);
    assert_true(t->due_us <= c->wheel.now_us);
    a->fired++;
    a->fired_us = c->wheel.now_us;
    c->fired++;
    if (a->other != NULL)
        timers_disarm(&c->wheel, &a->other->timer);
    if (a->again_us != 0)
        timers_arm(&c->wheel, t, a->again_us);
}

static struct clock *clock_new(uint64_t now_us)
{
    struct clock *c = calloc(1, sizeof *c);
    if (c == NULL)
        abort();
    timers_init(&c->wheel, c, now_us);
    return c;
}

static void a_deadline_fires_at_its_time_and_not_before(void **unused)
{
    static const uint64_t delays[] = {0,     1,       1999,    2000,    2001,
                                      50000, 8191999, 8192000, 8192001, 30000000};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        struct clock *c = clock_new(123456789);
        struct alarm a = {.timer.fire = ring};
        uint64_t due = c->wheel.now_us + delays[i];
        timers_arm(&c->wheel, &a.timer, due);
        if (delays[i] > 0)
            timers_run(&c->wheel, due - 1);
        assert_int_equal(a.fired, 0);
        timers_run(&c->wheel, due);
        assert_int_equal(a.fired, 1);
        assert_int_equal(timers_next_us(&c->wheel), UINT64_MAX);
        free(c);
    }
}

static void who_sleeps_until_next_is_at_most_a_slot_late(void **unused)
{
    struct clock *c = clock_new(1000);
    struct alarm *all = calloc(TIMERS, sizeof *all);
    uint32_t seed = 1;
    for (uint32_t i = 0; i < TIMERS; i++) {
        seed = seed * 1664525 + 1013904223;
        all[i].timer.fire = ring;
        timers_arm(&c->wheel, &all[i].timer, 1000 + seed % 20000000);
    }
    uint64_t next;
    while ((next = timers_next_us(&c->wheel)) != UINT64_MAX) {
        assert_true(next > c->wheel.now_us);
        timers_run(&c->wheel, next);
    }
    assert_int_equal(c->fired, TIMERS);
    for (uint32_t i = 0; i < TIMERS; i++) {
        assert_int_equal(all[i].fired, 1);
        assert_in_range(all[i].fired_us - all[i].timer.due_us, 0, TIMERS_SLOT_US);
    }
    free(all);
    free(c);
}

static void a_disarmed_timer_never_fires(void **unused)
{
    struct clock *c = clock_new(0);
    struct alarm a = {.timer.fire = ring}, b = {.timer.fire = ring};
    timers_disarm(&c->wheel, &a.timer);
    timers_arm(&c->wheel, &a.timer, 5000);
    timers_arm(&c->wheel, &b.timer, 5000);
    timers_disarm(&c->wheel, &a.timer);
    timers_run(&c->wheel, 100000);
    assert_int_equal(a.fired, 0);
    assert_int_equal(b.fired, 1);
    assert_int_equal(c->wheel.armed, 0);
    free(c);
}

static void a_timer_disarmed_leaves_no_moment_to_wake_for(void **unused)
{
    struct clock *c = clock_new(0);
    struct alarm a = {.timer.fire = ring}, b = {.timer.fire = ring};
    timers_arm(&c->wheel, &a.timer, 5000);
    timers_arm(&c->wheel, &b.timer, 90000);
    timers_disarm(&c->wheel, &a.timer);
    assert_in_range(timers_next_us(&c->wheel), 90000, 92000);
    free(c);
}

static void arming_again_moves_the_deadline(void **unused)
{
    struct clock *c = clock_new(0);
    struct alarm a = {.timer.fire = ring};
    timers_arm(&c->wheel, &a.timer, 5000);
    timers_arm(&c->wheel, &a.timer, 50000);
    assert_int_equal(c->wheel.armed, 1);
    timers_run(&c->wheel, 49000);
    assert_int_equal(a.fired, 0);
    timers_run(&c->wheel, 51000);
    assert_int_equal(a.fired, 1);
    free(c);
}

static void one_that_arms_itself_for_the_past_fires_once_a_run(void **unused)
{
    struct clock *c = clock_new(10000);
    struct alarm a = {.timer.fire = ring, .again_us = 1};
    timers_arm(&c->wheel, &a.timer, 1);
    for (uint32_t i = 1; i < 5; i++) {
        timers_run(&c->wheel, 10000 + i);
        assert_int_equal(a.fired, i);
    }
    free(c);
}

static void one_that_fires_may_disarm_another_of_the_same_slot(void **unused)
{
    for (int order = 0; order < 2; order++) {
        struct clock *c = clock_new(0);
        struct alarm a = {.timer.fire = ring}, b = {.timer.fire = ring};
        a.other = &b;
        b.other = &a;
        timers_arm(&c->wheel, order == 0 ? &a.timer : &b.timer, 3000);
        timers_arm(&c->wheel, order == 0 ? &b.timer : &a.timer, 3001);
        timers_run(&c->wheel, 9000);
        assert_int_equal(a.fired + b.fired, 1);
        assert_int_equal(c->wheel.armed, 0);
        free(c);
    }
}

static void a_long_sleep_fires_all_that_is_due_once(void **unused)
{
    struct clock *c = clock_new(0);
    struct alarm *all = calloc(TIMERS, sizeof *all);
    for (uint32_t i = 0; i < TIMERS; i++) {
        all[i].timer.fire = ring;
        timers_arm(&c->wheel, &all[i].timer, i * UINT64_C(3000));
    }
    timers_run(&c->wheel, UINT64_C(3600000000));
    assert_int_equal(c->fired, TIMERS);
    free(all);
    free(c);
}

static void time_that_goes_back_changes_nothing(void **unused)
{
    struct clock *c = clock_new(10000);
    struct alarm a = {.timer.fire = ring};
    timers_arm(&c->wheel, &a.timer, 10000);
    timers_run(&c->wheel, 5000);
    assert_int_equal(a.fired, 0);
    assert_int_equal(c->wheel.now_us, 10000);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_fires_at_its_time_and_not_before),
        cmocka_unit_test(who_sleeps_until_next_is_at_most_a_slot_late),
        cmocka_unit_test(a_disarmed_timer_never_fires),
        cmocka_unit_test(a_timer_disarmed_leaves_no_moment_to_wake_for),
        cmocka_unit_test(arming_again_moves_the_deadline),
        cmocka_unit_test(one_that_arms_itself_for_the_past_fires_once_a_run),
        cmocka_unit_test(one_that_fires_may_disarm_another_of_the_same_slot),
        cmocka_unit_test(a_long_sleep_fires_all_that_is_due_once),
        cmocka_unit_test(time_that_goes_back_changes_nothing),
    };
    return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
