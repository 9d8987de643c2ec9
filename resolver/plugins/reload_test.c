#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void interval_and_jitter_have_coredns_s_defaults(void **unused)
{
    static const struct {
        const char *words;
        int64_t interval_s, jitter_s;
    } cases[] = {
        {"reload", 30, 15},       {"reload 2s", 2, 1},     {"reload 10s", 10, 5},
        {"reload 1m", 60, 15},    {"reload 2s 0s", 2, 0},  {"reload 10s 2s", 10, 2},
        {"reload 10s 9s", 10, 5}, {"reload 1m 1s", 60, 1}, {"root /", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        char corefile[200];
        snprintf(corefile, sizeof corefile, ". {\n %s\n whoami\n}\n", cases[i].words);
        world_load(&w, corefile);
        assert_int_equal(w.plan->reload.interval_us, cases[i].interval_s * 1000000);
        assert_int_equal(w.plan->reload.jitter_us, cases[i].jitter_s * 1000000);
        world_close(&w);
    }
}

static void last_block_that_has_it_counts(void **unused)
{
    struct world w;
    world_load(&w, "a {\n reload 4s\n whoami\n}\nb {\n reload 6s\n whoami\n}\n"
                   "c {\n whoami\n}\n");
    assert_int_equal(w.plan->reload.interval_us, 6000000);
    world_close(&w);
}

static void first_line_of_a_block_counts(void **unused)
{
    struct world w;
    world_load(&w, ". {\n reload 4s\n reload 6s\n whoami\n}\n");
    assert_int_equal(w.plan->reload.interval_us, 4000000);
    world_close(&w);
}

static void what_is_too_short_or_too_much_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"reload often", "invalid duration"},
        {"reload 1s", "interval value must be greater or equal to 2s: 1s"},
        {"reload 0", "interval value must be greater or equal to 2s"},
        {"reload 10s 500ms",
         "jitter value must be 0, or greater or equal to 1s: 500ms"},
        {"reload 10s -1s", "jitter value"},
        {"reload 10s 1s 1s", "Wrong argument count"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n %s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, "plugin/reload: "));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interval_and_jitter_have_coredns_s_defaults),
        cmocka_unit_test(last_block_that_has_it_counts),
        cmocka_unit_test(first_line_of_a_block_counts),
        cmocka_unit_test(what_is_too_short_or_too_much_is_refused),
    };
    return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
