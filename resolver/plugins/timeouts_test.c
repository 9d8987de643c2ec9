#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

static struct plan_timeouts timeouts_of(const char *corefile)
{
    struct world w;
    world_load(&w, corefile);
    assert_int_equal(w.plan->servers_n, 1);
    struct plan_timeouts t = w.plan->servers[0].timeouts;
    world_close(&w);
    return t;
}

static void a_listener_has_what_its_block_says(void **unused)
{
    struct plan_timeouts t =
        timeouts_of(". {\n timeouts {\n read 90\n write 1h\n"
                    " idle 1s\n maxtcpqueries 7\n }\n whoami\n}\n");
    assert_int_equal(t.read_us, 90 * SECOND);
    assert_int_equal(t.write_us, 3600 * SECOND);
    assert_int_equal(t.idle_us, SECOND);
    assert_int_equal(t.queries_max, 7);
    t = timeouts_of(". {\n whoami\n}\n");
    assert_int_equal(t.read_us + t.write_us + t.idle_us + t.queries_max, 0);
}

static void the_last_block_that_says_a_value_wins_for_the_listener(void **unused)
{
    struct plan_timeouts t = timeouts_of(
        "a.test {\n timeouts {\n read 1s\n idle 2s\n maxtcpqueries 5\n }\n"
        " whoami\n}\n"
        "b.test {\n timeouts {\n read 3s\n maxtcpqueries -1\n }\n whoami\n}\n"
        "c.test {\n whoami\n}\n");
    assert_int_equal(t.read_us, 3 * SECOND);
    assert_int_equal(t.idle_us, 2 * SECOND);
    assert_int_equal(t.queries_max, 0);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"timeouts", "no timeouts specified"},
        {"timeouts {\n }", "no timeouts specified"},
        {"timeouts 5s", "Wrong argument count"},
        {"timeouts {\n read\n}", "Wrong argument count"},
        {"timeouts {\n read 1s 2s\n}", "Wrong argument count"},
        {"timeouts {\n read 25h\n}", "timeout provided '25h0m0s' needs to be between"},
        {"timeouts {\n write 0\n}", "timeout provided '0s' needs to be between"},
        {"timeouts {\n idle 999ms\n}", "timeout provided '999ms' needs to be between"},
        {"timeouts {\n idle -5s\n}", "between 1 second and 24 hours"},
        {"timeouts {\n idle soon\n}", "soon"},
        {"timeouts {\n maxtcpqueries 0\n}", "'0'"},
        {"timeouts {\n maxtcpqueries -2\n}", "'-2'"},
        {"timeouts {\n maxtcpqueries many\n}", "'many'"},
        {"timeouts {\n max_queries 5\n}", "max_queries"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        if (strstr(text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_has_what_its_block_says),
        cmocka_unit_test(the_last_block_that_says_a_value_wins_for_the_listener),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("timeouts", tests, NULL, NULL);
}
