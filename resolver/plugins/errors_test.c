#include "tests/unit/capture.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void failure_has_a_line_with_code_name_and_type(void **unused)
{
    struct world w;
    struct capture c;
    world_load(&w, "test {\n errors\n}\n");
    capture_start(&c);
    uint64_t client = world_ask(&w, "WWW.test");
    assert_string_equal(capture_stop(&c), "[ERROR] plugin/errors: 2 www.test. A: "
                                          "plugin/errors: no next plugin found\n");
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    world_close(&w);
}

static void answers_and_failures_without_a_reason_have_no_line(void **unused)
{
    struct world w;
    struct capture c;
    world_load(&w, ". {\n errors stdout\n whoami\n}\n"
                   "missing.test {\n errors\n file /nonexistent/zone\n}\n");
    capture_start(&c);
    world_ask(&w, "www.test");
    world_ask(&w, "www.missing.test");
    assert_string_equal(capture_stop(&c), "");
    world_close(&w);
}

static void what_it_cannot_do_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"errors\n errors", "this plugin can only be used once per Server Block"},
        {"errors /var/log/x", "invalid log file: /var/log/x"},
        {"errors stdout stdout", "Wrong argument count"},
        {"errors {\n consolidate 5m .*\n }", "'consolidate' is not supported"},
        {"errors {\n stacktrace yes\n }", "Wrong argument count"},
        {"errors {\n stacktraces\n }", "did you mean 'stacktrace'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n %s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, "plugin/errors: "));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

static void stacktrace_is_accepted_with_a_warning(void **unused)
{
    struct capture c;
    char text[256];
    capture_start(&c);
    bool loads = world_loads(". {\n errors {\n stacktrace\n }\n}\n", text, sizeof text);
    assert_non_null(strstr(capture_stop(&c), "[WARNING] Corefile:2: plugin/errors: "
                                             "stacktrace changes nothing"));
    assert_true(loads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failure_has_a_line_with_code_name_and_type),
        cmocka_unit_test(answers_and_failures_without_a_reason_have_no_line),
        cmocka_unit_test(what_it_cannot_do_is_refused),
        cmocka_unit_test(stacktrace_is_accepted_with_a_warning),
    };
    return cmocka_run_group_tests_name("errors", tests, NULL, NULL);
}
