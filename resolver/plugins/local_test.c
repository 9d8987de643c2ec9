#include "resolver/msg.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SOA(zone)                                                                      \
    "NS " zone " 604800 IN SOA localhost. root.localhost. 1 0 0 0 604800\n"
#define NEXT "SERVFAIL\n" /* nothing stands behind */

struct question {
    const char *name;
    uint16_t type;
    const char *reply;
};

static void expect(const char *lines, const struct question *list, size_t n)
{
    struct world w;
    char text[SHOW_MAX], corefile[200];
    snprintf(corefile, sizeof corefile, ". {\n%s\n}\n", lines);
    world_load(&w, corefile);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(show_asked(&w, list[i].name, list[i].type, text),
                            list[i].reply);
    world_close(&w);
}
#define EXPECT(lines, list) expect(lines, list, sizeof(list) / sizeof *(list))

static void localhost_and_what_is_below_or_begins_with_it_is_loopback(void **unused)
{
    static const struct question list[] = {
        {"localhost", DNS_A, "NOERROR\nAN localhost. 604800 IN A 127.0.0.1\n"},
        {"X.LocalHost", DNS_AAAA, "NOERROR\nAN X.LocalHost. 604800 IN AAAA ::1\n"},
        {"localhost.corp.test", DNS_A,
         "NOERROR\nAN localhost.corp.test. 604800 IN A 127.0.0.1\n"},
        {"x.localhost", DNS_MX, "NOERROR\n" SOA("x.localhost.")},
        {"localhost.corp.test", DNS_TXT, "NOERROR\n" SOA("localhost.corp.test.")},
        {"localhost", DNS_NS, "NOERROR\nAN localhost. 604800 IN NS localhost.\n"},
        {"localhos", DNS_A, NEXT},
        {"localhosts", DNS_A, NEXT},
        {"x.localhost.test", DNS_A, NEXT},
        {"local", DNS_A, NEXT},
        {".", DNS_A, NEXT},
    };
    EXPECT("local", list);
}

static void reverse_zones_that_mean_this_host_do_not_leave_it(void **unused)
{
    static const struct question list[] = {
        {"1.0.0.127.in-addr.arpa", DNS_PTR,
         "NOERROR\nAN 1.0.0.127.in-addr.arpa. 604800 IN PTR localhost.\n"},
        {"1.0.0.127.in-addr.arpa", DNS_A, "NOERROR\n" SOA("127.in-addr.arpa.")},
        {"2.0.0.127.in-addr.arpa", DNS_PTR, "NXDOMAIN\n" SOA("127.in-addr.arpa.")},
        {"x.0.in-addr.arpa", DNS_PTR, "NXDOMAIN\n" SOA("0.in-addr.arpa.")},
        {"255.in-addr.arpa", DNS_A, "NOERROR\n" SOA("255.in-addr.arpa.")},
        {"1127.in-addr.arpa", DNS_PTR, NEXT},
        {"126.in-addr.arpa", DNS_PTR, NEXT},
    };
    EXPECT("local", list);
}

static void the_prefix_can_be_left_to_others(void **unused)
{
    static const struct question off[] = {
        {"localhost.corp.test", DNS_A, NEXT},
        {"x.localhost", DNS_A, "NOERROR\nAN x.localhost. 604800 IN A 127.0.0.1\n"}};
    static const struct question on[] = {
        {"localhost.test", DNS_A,
         "NOERROR\nAN localhost.test. 604800 IN A 127.0.0.1\n"}};
    EXPECT("local {\n localhost_prefix off\n}", off);
    EXPECT("local {\n localhost_prefix on\n}", on);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"local x", "Wrong argument count"},
        {"local {\n localhost_prefix maybe\n}", "expected on or off"},
        {"local {\n localhost_prefix\n}", "Wrong argument count"},
        {"local {\n prefix on\n}", "prefix"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(localhost_and_what_is_below_or_begins_with_it_is_loopback),
        cmocka_unit_test(reverse_zones_that_mean_this_host_do_not_leave_it),
        cmocka_unit_test(the_prefix_can_be_left_to_others),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("local", tests, NULL, NULL);
}
