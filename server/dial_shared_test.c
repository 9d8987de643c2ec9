/* Who may share a socket. How they do is in dial_udp_test.c. */
#include "server/dial_udp_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void who_answers_as_another_does_not_share(void **unused)
{
    static const struct {
        const char *address;
        bool may;
    } rows[] = {
        {"192.0.2.1", true}, {"2001:db8::1", true},    {"0.0.0.0", false},
        {"::", false},       {"2001:db8::1%1", false}, {"::ffff:192.0.2.1", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct endpoint e = {0};
        assert_int_equal(addr_parse(&e.addr, text_of(rows[i].address), 53), 0);
        assert_int_equal(dial_shared_may(&e), rows[i].may);
    }
}

static void who_is_asked_from_a_certain_address_does_not_share(void **unused)
{
    struct endpoint e = {.source = {.family = 4, .ip = {192, 0, 2, 2}}};
    assert_int_equal(addr_parse(&e.addr, TEXT("192.0.2.1"), 53), 0);
    assert_false(dial_shared_may(&e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_answers_as_another_does_not_share),
        cmocka_unit_test(who_is_asked_from_a_certain_address_does_not_share),
    };
    return cmocka_run_group_tests_name("dial_shared", tests, NULL, NULL);
}
