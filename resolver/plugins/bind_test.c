#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* "127.0.0.1 ::1": what a block with these lines listens on. */
static const char *bound(const char *lines, char *out, size_t cap)
{
    struct world w;
    char corefile[300], ip[ADDR_TEXT_MAX];
    size_t len = 0;
    snprintf(corefile, sizeof corefile, ". {\n %s\n whoami\n}\n", lines);
    world_load(&w, corefile);
    out[0] = '\0';
    for (uint32_t i = 0; i < w.plan->servers_n && len < cap; i++) {
        const struct addr *addr = &w.plan->servers[i].addr;
        assert_int_equal(addr->port, 53);
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i > 0 ? " " : "",
                                addr_print_ip(addr, ip));
    }
    world_close(&w);
    return out;
}

static void addresses_of_all_lines_add_up(void **unused)
{
    char text[256];
    assert_string_equal(bound("bind 127.0.0.1 ::1", text, sizeof text),
                        "127.0.0.1 ::1");
    assert_string_equal(bound("bind 127.0.0.1\n bind 127.0.0.2", text, sizeof text),
                        "127.0.0.1 127.0.0.2");
}

static void except_takes_away_from_its_own_line(void **unused)
{
    char text[256];
    assert_string_equal(
        bound("bind 127.0.0.1 127.0.0.2 {\n except 127.0.0.1 127.0.0.9\n }", text,
              sizeof text),
        "127.0.0.2");
    assert_string_equal(bound("bind 127.0.0.1 {\n except 127.0.0.2\n except ::1\n }\n"
                              " bind 127.0.0.2",
                              text, sizeof text),
                        "127.0.0.1 127.0.0.2");
}

/* Every Linux has `lo`; it may be without addresses, where nothing is left to bind. */
static void interface_stands_for_its_addresses(void **unused)
{
    char all[1024], text[256];
    bound("bind 192.0.2.1 lo", all, sizeof all);
    assert_int_equal(strncmp(all, "192.0.2.1", 9), 0);
    assert_null(strstr(all, "lo"));
    assert_string_equal(bound("bind 192.0.2.1 lo {\n except lo\n }", text, sizeof text),
                        "192.0.2.1");
}

static void without_bind_every_address_is_served(void **unused)
{
    char text[256];
    assert_string_equal(bound("", text, sizeof text), "-");
}

static void what_is_no_address_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"bind", "at least one address or interface name is expected"},
        {"bind localhost", "not a valid IP address or interface name: \"localhost\""},
        {"bind 127.0.0.1:53", "not a valid IP address or interface name"},
        {"bind 127.0.0.0/8", "not a valid IP address or interface name"},
        {"bind 127.0.0.1 {\n except\n }", "must be given to except"},
        {"bind 127.0.0.1 {\n except nosuch0\n }", "not a valid IP address"},
        {"bind 127.0.0.1 {\n expect ::1\n }", "did you mean 'except'"},
        {"bind 127.0.0.1 {\n except 127.0.0.1\n }", "nothing to listen on"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n %s\n whoami\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_all_lines_add_up),
        cmocka_unit_test(except_takes_away_from_its_own_line),
        cmocka_unit_test(interface_stands_for_its_addresses),
        cmocka_unit_test(without_bind_every_address_is_served),
        cmocka_unit_test(what_is_no_address_is_refused),
    };
    return cmocka_run_group_tests_name("bind", tests, NULL, NULL);
}
