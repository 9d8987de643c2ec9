#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define ROW(name, value, unit, reason) {#name, value, unit, reason},
static const struct {
    const char *name;
    long value;
    const char *unit, *reason;
} rows[] = {LIMITS(ROW)};

static void every_limit_has_value_unit_and_reason(void **unused)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(rows[i].value > 0);
        assert_true(strlen(rows[i].unit) > 0);
        assert_true(strlen(rows[i].reason) > 10);
    }
}

static void limits_agree_with_each_other(void **unused)
{
    assert_true(UDP_SIZE_OURS <= UDP_ANSWER_MAX && UDP_ANSWER_MAX <= ANSWER_MAX);
    assert_true(EDNS_OPTIONS_MAX + 255 + 12 + 4 + 11 <= UDP_SIZE_OURS);
    assert_true(TCP_WRITE_QUEUE_MAX >= 2 + ANSWER_MAX);
    assert_true(TCP_CLIENTS_PER_ADDRESS <= TCP_CLIENTS_MAX);
    assert_true(CLUSTER_IN_FLIGHT < QUERIES_IN_FLIGHT_MAX);
    assert_true(UPSTREAM_SOCKET_IDLE_S <= UPSTREAM_SOCKET_LIFE_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_limit_has_value_unit_and_reason),
        cmocka_unit_test(limits_agree_with_each_other),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
