#include "resolver/msg.h"
#include "tests/unit/build.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static int teardown(void **unused)
{
    build_release();
    return 0;
}

static void expect(const char *answer, const char *reply)
{
    struct world w;
    char text[SHOW_MAX];
    struct world_question q = {.name = "a.test", .type = DNS_MX};
    world_load(&w, ". {\n minimal\n forward . 10.0.0.1\n}\n");
    assert_string_equal(show_through(&w, &q, answer, text), reply);
    world_close(&w);
}

static void a_positive_answer_leaves_with_its_answers_only(void **unused)
{
    expect("! -ra aa\na.test MX\na.test 5 MX 1 b.test\na.test 5 MX 2 c.test\n"
           "authority\ntest 5 NS ns.test\nadditional\nb.test 5 A 192.0.2.1\n",
           "NOERROR aa\nAN a.test. 5 IN MX 1 b.test.\nAN a.test. 5 IN MX 2 c.test.\n");
    expect("! -ra\na.test MX\na.test 5 CNAME b.test\nauthority\ntest 5 NS ns.test\n",
           "NOERROR\nAN a.test. 5 IN CNAME b.test.\n");
}

static void what_makes_an_answer_negative_or_a_delegation_stays(void **unused)
{
#define SOA "test. 5 IN SOA ns.test. h.test. 1 2 3 4 5\n"
    expect("! -ra\na.test MX\nauthority\n" SOA, "NOERROR\nNS " SOA);
    expect("! -ra NXDOMAIN\na.test MX\nauthority\n" SOA, "NXDOMAIN\nNS " SOA);
    expect("! -ra NXDOMAIN\na.test MX\na.test 5 CNAME b.test\nauthority\n" SOA,
           "NXDOMAIN\nAN a.test. 5 IN CNAME b.test.\nNS " SOA);
    expect("! -ra\na.test MX\nauthority\ntest 5 NS n.test\nadditional\n"
           "n.test 5 A 192.0.2.1\n",
           "NOERROR\nNS test. 5 IN NS n.test.\nAR n.test. 5 IN A 192.0.2.1\n");
    expect("! -ra REFUSED\na.test MX\nadditional\nn.test 5 A 192.0.2.1\n",
           "REFUSED\nAR n.test. 5 IN A 192.0.2.1\n");
}

static void without_any_record_that_counts_nothing_is_left(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    struct world_question q = {.name = "a.test", .type = DNS_A};
    expect("! -ra\na.test MX\nadditional\nn.test 5 A 192.0.2.1\n", "NOERROR\n");
    world_load(&w, ". {\n minimal\n whoami\n}\n");
    assert_string_equal(show_through(&w, &q, NULL, text), "NOERROR aa\n");
    world_close(&w);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"minimal x", "Wrong argument count"},
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
        cmocka_unit_test_teardown(a_positive_answer_leaves_with_its_answers_only,
                                  teardown),
        cmocka_unit_test_teardown(what_makes_an_answer_negative_or_a_delegation_stays,
                                  teardown),
        cmocka_unit_test_teardown(without_any_record_that_counts_nothing_is_left,
                                  teardown),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("minimal", tests, NULL, NULL);
}
