#include "resolver/trail.h"

#include "resolver/edns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const uint8_t me[TRAIL_SETTER] = "setter1", other[TRAIL_SETTER] = "setter2";

static struct request ask(const char *lower, uint16_t type)
{
    const uint8_t *name = (const uint8_t *)lower;
    return (struct request){.name = name,
                            .lower = name,
                            .name_len = (uint8_t)name_len(name),
                            .type = type,
                            .class = DNS_IN};
}

static void a_mark_is_of_setter_name_and_type(void **unused)
{
    struct request a = ask("\1a\4test", DNS_A), b = ask("\1b\4test", DNS_A);
    struct request mx = ask("\1a\4test", DNS_MX);
    uint8_t first[TRAIL_MARK], second[TRAIL_MARK];
    trail_mark(&a, me, first);
    trail_mark(&a, me, second);
    assert_memory_equal(first, second, TRAIL_MARK);
    trail_mark(&b, me, second);
    assert_memory_not_equal(first, second, TRAIL_MARK);
    trail_mark(&mx, me, second);
    assert_memory_not_equal(first, second, TRAIL_MARK);
    trail_mark(&a, other, second);
    assert_memory_not_equal(first, second, TRAIL_MARK);
}

static void only_the_same_mark_among_all_options_is_a_circle(void **unused)
{
    uint8_t room[256], mark[TRAIL_MARK], foreign[TRAIL_MARK];
    struct request a = ask("\1a\4test", DNS_A);
    struct wr wr = wr_init(room, sizeof room);
    trail_mark(&a, me, mark);
    trail_mark(&a, other, foreign);
    edns_put(&wr, EDNS_COOKIE, (struct span){mark, 8});
    edns_put(&wr, EDNS_COOKIE, (struct span){mark, TRAIL_MARK});
    edns_put(&wr, TRAIL_CODE, (struct span){mark, TRAIL_MARK - 1});
    edns_put(&wr, TRAIL_CODE, (struct span){foreign, TRAIL_MARK});
    assert_false(trail_is_circle((struct span){room, wr.at}, mark));
    edns_put(&wr, TRAIL_CODE, (struct span){mark, TRAIL_MARK});
    assert_true(trail_is_circle((struct span){room, wr.at}, mark));
    assert_false(trail_is_circle((struct span){0}, mark));
}

static void marks_that_came_are_passed_on_and_ours_stands_last(void **unused)
{
    uint8_t came[256], room[256], mark[TRAIL_MARK], foreign[TRAIL_MARK];
    struct request a = ask("\1a\4test", DNS_A);
    struct wr in = wr_init(came, sizeof came), out = wr_init(room, sizeof room);
    struct edns_option o;
    size_t at = 0;
    trail_mark(&a, me, mark);
    trail_mark(&a, other, foreign);
    edns_put(&in, EDNS_NSID, (struct span){0});
    edns_put(&in, TRAIL_CODE, (struct span){foreign, TRAIL_MARK});
    a.opt = (struct opt){.present = true, .options = {came, in.at}};
    a.mark = mark;
    trail_put_all(&out, &a);
    struct span options = {room, out.at};
    assert_true(edns_next(options, &at, &o));
    assert_int_equal(o.code, TRAIL_CODE);
    assert_memory_equal(o.data.at, foreign, TRAIL_MARK);
    assert_true(edns_next(options, &at, &o));
    assert_memory_equal(o.data.at, mark, TRAIL_MARK);
    assert_false(edns_next(options, &at, &o));
}

static void a_mark_that_does_not_fit_is_left_out_whole(void **unused)
{
    uint8_t room[4 + TRAIL_MARK], mark[TRAIL_MARK] = {1};
    struct request a = ask("\1a\4test", DNS_A);
    a.mark = mark;
    for (size_t cap = 0; cap <= sizeof room; cap++) {
        struct wr wr = wr_init(room, cap);
        trail_put_own(&wr, &a);
        assert_false(wr.failed);
        assert_int_equal(wr.at, cap == sizeof room ? cap : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_is_of_setter_name_and_type),
        cmocka_unit_test(only_the_same_mark_among_all_options_is_a_circle),
        cmocka_unit_test(marks_that_came_are_passed_on_and_ours_stands_last),
        cmocka_unit_test(a_mark_that_does_not_fit_is_left_out_whole),
    };
    return cmocka_run_group_tests_name("trail", tests, NULL, NULL);
}
