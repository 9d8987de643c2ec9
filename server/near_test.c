#include "server/near.h"

#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define COREFILE                                                                       \
    ". {\n cluster cluster-a.local a2.lan 10.9.0.0/16 {\n  dns 10.0.0.1\n }\n}\n"      \
    "example.org blue.test {\n cluster blue.example.org {\n  dns 10.0.0.3\n }\n"       \
    " cluster green-1.example.org {\n  dns 10.0.0.4\n }\n"                             \
    " cluster green-2.example.org {\n  dns 10.0.0.5\n }\n"                             \
    " cluster green-3.example.org {\n  dns 10.0.0.6\n }\n"                             \
    " cluster blue.test {\n  dns 10.0.0.7\n }\n}\n"

static struct world w;

static int set_up(void **state)
{
    world_load(&w, COREFILE);
    return 0;
}

static int tear_down(void **state)
{
    world_close(&w);
    return 0;
}

static void a_name_is_of_the_cluster_that_is_asked(void **unused)
{
    static const char *const rows[][2] = {
        {"app.web.svc.cluster-a.local.", "cluster-a.local"},
        {"x.a2.lan.", "cluster-a.local"},
        {"1.0.9.10.in-addr.arpa.", "cluster-a.local"},
        {"blue.example.org.", "blue.example.org"},
        {"example.org.", ""},
        {"1.0.8.10.in-addr.arpa.", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct name name;
        char text[NAME_TEXT_MAX];
        assert_int_equal(name_parse(&name, text_of(rows[i][0])), 0);
        const struct cluster *c = cluster_of_name(w.plan, &name);
        assert_string_equal(c == NULL ? "" : cluster_label(c, text), rows[i][1]);
    }
}

static void a_name_of_none_is_near_one_by_its_end(void **unused)
{
    static const char *const rows[][2] = {
        {"app.web.svc.clustr-a.local", "cluster-a.local"},
        {"app.web.svc.Cluster-A.locla.", "cluster-a.local"},
        {"app.web.svc.cluster-a", "cluster-a.local"},
        {"blue", "blue.example.org or blue.test"}, /* as well */
        {"web.green-4.example.org",
         "green-1.example.org, green-2.example.org or 1 more"},
        {"green-11.example.org", "green-1.example.org"},
        {"app.web.svc.blu.example.org", "blue.example.org"},
        {"www.example.com", ""},
        {"local", ""},
        {"app.web.svc", ""},
        {".", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[CLUSTER_NEAR_MAX];
        const char *label = cluster_near(w.plan, rows[i][0], text);
        assert_string_equal(label == NULL ? "" : label, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_is_of_the_cluster_that_is_asked, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_name_of_none_is_near_one_by_its_end, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
