#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct plan_proxy proxy_of(const char *corefile)
{
    struct world w;
    world_load(&w, corefile);
    assert_int_equal(w.plan->servers_n, 1);
    assert_non_null(w.plan->servers[0].proxy);
    struct plan_proxy p = *w.plan->servers[0].proxy;
    world_close(&w);
    return p;
}

static void without_options_everybody_is_believed(void **unused)
{
    struct plan_proxy p = proxy_of(". {\n proxyproto\n whoami\n}\n");
    assert_int_equal(p.others, PROXY_USE);
    assert_int_equal(p.allow_n, 0);
    assert_int_equal(p.session_us, 0);
}

static void those_not_allowed_are_ignored_unless_it_is_said(void **unused)
{
    struct plan_proxy p =
        proxy_of(". {\n proxyproto {\n allow 192.0.2.0/24 10.0.0.1/32\n"
                 " allow 2001:db8::/32\n }\n whoami\n}\n");
    assert_int_equal(p.allow_n, 3);
    assert_int_equal(p.others, PROXY_IGNORE);
    p = proxy_of(". {\n proxyproto {\n allow 192.0.2.0/24\n default Reject\n }\n"
                 " whoami\n}\n");
    assert_int_equal(p.others, PROXY_REJECT);
    p = proxy_of(". {\n proxyproto {\n default skip\n }\n whoami\n}\n");
    assert_int_equal(p.others, PROXY_SKIP);
}

static void sessions_have_a_time_and_a_number(void **unused)
{
    struct plan_proxy p =
        proxy_of(". {\n proxyproto {\n udp_session_tracking 28s\n }\n whoami\n}\n");
    assert_int_equal(p.session_us, 28000000);
    assert_int_equal(p.sessions_max, 10240);
    p = proxy_of(". {\n proxyproto {\n udp_session_tracking 1m 7\n }\n whoami\n}\n");
    assert_int_equal(p.sessions_max, 7);
}

static void the_last_block_of_a_listener_speaks_for_it(void **unused)
{
    struct plan_proxy p =
        proxy_of("a.test {\n proxyproto {\n default skip\n }\n whoami\n}\n"
                 "b.test {\n proxyproto {\n default reject\n }\n whoami\n}\n"
                 "c.test {\n whoami\n}\n");
    assert_int_equal(p.others, PROXY_REJECT);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"proxyproto 10.0.0.0/8", "Wrong argument count"},
        {"proxyproto {\n allow 10.0.0.1\n}", "10.0.0.1: invalid CIDR address"},
        {"proxyproto {\n default\n}", "Wrong argument count"},
        {"proxyproto {\n default maybe\n}", "expected use, ignore, reject or skip"},
        {"proxyproto {\n udp_session_tracking\n}", "Wrong argument count"},
        {"proxyproto {\n udp_session_tracking soon\n}", "soon"},
        {"proxyproto {\n udp_session_tracking 1s 0\n}", "'0'"},
        {"proxyproto {\n udp_session_tracking 1s 1 1\n}", "Wrong argument count"},
        {"proxyproto {\n alow 10.0.0.0/8\n}", "allow"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[256], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\n whoami\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        if (strstr(text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_everybody_is_believed),
        cmocka_unit_test(those_not_allowed_are_ignored_unless_it_is_said),
        cmocka_unit_test(sessions_have_a_time_and_a_number),
        cmocka_unit_test(the_last_block_of_a_listener_speaks_for_it),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("proxyproto", tests, NULL, NULL);
}
