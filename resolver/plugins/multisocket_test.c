#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static uint32_t workers_of(const char *corefile)
{
    struct world w;
    world_load(&w, corefile);
    uint32_t n = w.plan->workers;
    world_close(&w);
    return n;
}

static void number_of_workers_is_what_was_said(void **unused)
{
    assert_int_equal(workers_of(". {\n multisocket 1\n whoami\n}\n"), 1);
    assert_int_equal(workers_of(". {\n multisocket 1024\n whoami\n}\n"), 1024);
    assert_int_equal(workers_of(". {\n whoami\n}\n"), 0);
    assert_int_equal(workers_of("a {\n multisocket 3\n whoami\n}\n"
                                "b {\n multisocket 2\n whoami\n}\n"),
                     3);
}

static void without_a_number_there_is_one_for_each_processor(void **unused)
{
    uint32_t n = workers_of(". {\n multisocket\n whoami\n}\n");
    assert_in_range(n, 1, sysconf(_SC_NPROCESSORS_ONLN));
}

static void other_numbers_are_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"0", "num sockets can not be zero or negative: 0"},
        {"-3", "num sockets can not be zero or negative: -3"},
        {"1025", "num sockets exceeds maximum (1024): 1025"},
        {"two", "invalid num sockets: 'two'"},
        {"99999999999999999999", "invalid num sockets"},
        {"2 2", "Wrong argument count"},
        {"2\n multisocket 2", "Wrong argument count"},
        {"{\n }", "expecting argument"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n multisocket %s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, "plugin/multisocket: "));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_of_workers_is_what_was_said),
        cmocka_unit_test(without_a_number_there_is_one_for_each_processor),
        cmocka_unit_test(other_numbers_are_refused),
    };
    return cmocka_run_group_tests_name("multisocket", tests, NULL, NULL);
}
