#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void what_coredns_reads_is_accepted(void **unused)
{
    static const char *const cases[] = {
        "pprof",
        "pprof :6053",
        "pprof 127.0.0.1:6053",
        "pprof [::1]:6053",
        "pprof localhost:6053 {\n block\n}",
        "pprof {\n block 20\n}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", cases[i]);
        assert_true(world_loads(corefile, text, sizeof text));
    }
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"pprof localhost", "missing port"},
        {"pprof :1 :2", "Wrong argument count"},
        {"pprof\npprof", "once per Server Block"},
        {"pprof {\n block x\n}", "x"},
        {"pprof {\n block 1 2\n}", "Wrong argument count"},
        {"pprof {\n heap\n}", "heap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_coredns_reads_is_accepted),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("pprof", tests, NULL, NULL);
}
