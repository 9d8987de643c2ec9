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

/* As CoreDNS: what the failing plugin saw, and 0 where `rewrite` writes the answer. */
static void rewritten_questions_are_told_as_they_became(void **unused)
{
    struct world w;
    struct capture c;
    world_load(&w, "test {\n errors\n rewrite name a.test b.test\n"
                   " rewrite continue type A MX\n}\n");
    capture_start(&c);
    world_ask(&w, "A.test");
    world_ask(&w, "c.test");
    assert_string_equal(
        capture_stop(&c),
        "[ERROR] plugin/errors: 0 b.test. A: plugin/rewrite: no next plugin found\n"
        "[ERROR] plugin/errors: 2 c.test. MX: plugin/rewrite: no next plugin found\n");
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
        {"errors {\n consolidate 5m\n }", "Wrong argument count"},
        {"errors {\n consolidate 0s .*\n }", "needs a period above 0: 0s"},
        {"errors {\n consolidate soon .*\n }", "invalid duration"},
        {"errors {\n consolidate 5m (a\n }", "invalid pattern '(a'"},
        {"errors {\n consolidate 5m a show_first warning\n }",
         "unknown option 'warning' in consolidate"},
        {"errors {\n consolidate 5m a loud\n }", "unknown option 'loud'"},
        {"errors {\n consolidate 5m a info show_first b\n }", "Wrong argument count"},
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

/* Loads, asks `n` times, lets the period pass, and gives what was logged. */
static const char *told(const char *corefile, unsigned n, struct capture *c)
{
    struct world w;
    world_load(&w, corefile);
    assert_true(feeds_due_us(&w.plan->feeds, w.now_us) != UINT64_MAX);
    capture_start(c);
    for (unsigned i = 0; i < n; i++)
        world_ask(&w, "www.test");
    feeds_refresh(&w.plan->feeds, w.now_us + 60 * UINT64_C(1000000));
    const char *text = capture_stop(c);
    world_close(&w);
    return text;
}

static void alike_errors_are_counted_and_told_each_period(void **unused)
{
    struct capture c;
    assert_string_equal(
        told("test {\n errors {\n consolidate 1m \"no next plugin\"\n }\n}\n", 3, &c),
        "[ERROR] plugin/errors: 3 errors like 'no next plugin' occurred in last 1m0s\n");
    assert_string_equal(
        told("test {\n errors {\n consolidate 1m \"no next plugin\"\n }\n}\n", 0, &c),
        "");
    assert_string_equal(
        told("test {\n errors {\n consolidate 1m ^never\n consolidate 1m plugin$\n "
             "}\n}\n",
             1, &c),
        "[ERROR] plugin/errors: 2 www.test. A: plugin/errors: no next plugin found\n");
}

static void first_pattern_that_matches_counts(void **unused)
{
    struct capture c;
    assert_string_equal(
        told("test {\n errors {\n consolidate 1m next warning\n consolidate 1m found\n "
             "}\n}\n",
             2, &c),
        "[WARNING] plugin/errors: 2 errors like 'next' occurred in last 1m0s\n");
}

static void first_of_them_can_have_its_line(void **unused)
{
    struct capture c;
    static const char corefile[] =
        "test {\n errors {\n consolidate 1m next info show_first\n }\n}\n";
    static const char line[] =
        "[INFO] plugin/errors: 2 www.test. A: plugin/errors: no next plugin found\n";
    char both[400];
    assert_string_equal(told(corefile, 1, &c), line);
    snprintf(both, sizeof both,
             "%s[INFO] plugin/errors: 3 errors like 'next' occurred in last 1m0s\n",
             line);
    assert_string_equal(told(corefile, 3, &c), both);
}

static void what_was_counted_is_told_when_the_plan_ends(void **unused)
{
    struct world w;
    struct capture c;
    world_load(&w, "test {\n errors {\n consolidate 1h next\n }\n}\n");
    capture_start(&c);
    world_ask(&w, "www.test");
    world_close(&w);
    assert_string_equal(
        capture_stop(&c),
        "[ERROR] plugin/errors: 1 errors like 'next' occurred in last 1h0m0s\n");
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
        cmocka_unit_test(rewritten_questions_are_told_as_they_became),
        cmocka_unit_test(answers_and_failures_without_a_reason_have_no_line),
        cmocka_unit_test(what_it_cannot_do_is_refused),
        cmocka_unit_test(alike_errors_are_counted_and_told_each_period),
        cmocka_unit_test(first_pattern_that_matches_counts),
        cmocka_unit_test(first_of_them_can_have_its_line),
        cmocka_unit_test(what_was_counted_is_told_when_the_plan_ends),
        cmocka_unit_test(stacktrace_is_accepted_with_a_warning),
    };
    return cmocka_run_group_tests_name("errors", tests, NULL, NULL);
}
