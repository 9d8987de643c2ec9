#include "config/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define S INT64_C(1000000)

static void durations_are_read_as_go_reads_them(void **unused)
{
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {
        {"0", 0},
        {"-0", 0},
        {"+0", 0},
        {"0s", 0},
        {"5s", 5 * S},
        {"+5s", 5 * S},
        {"-1s", -S},
        {".5s", S / 2},
        {"1.s", S},
        {"1.5h", 5400 * S},
        {"1h30m", 5400 * S},
        {"1m1h", 3660 * S}, /* any order */
        {"1s1s", 2 * S},
        {"10us", 10},
        {"10\xc2\xb5s", 10},
        {"10\xce\xbcs", 10},
        {"3ms", 3000},
        {"2500ns", 2},
        {"1ns", 1}, /* not zero */
        {"0.1ns", 0},
        {"1h2m3s4ms5us", 3723 * S + 4005},
        {"0.33333333333333333333333s", 333333},
        {"2562047h47m16.854775s", INT64_MAX / 1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t us = -7;
        assert_int_equal(duration_parse(rows[i].text, &us), DURATION_GOOD);
        assert_true(us == rows[i].us);
    }
}

static void what_is_no_duration_is_told_apart(void **unused)
{
    static const struct {
        const char *text;
        enum duration_flaw flaw;
    } rows[] = {
        {"", DURATION_INVALID},
        {"-", DURATION_INVALID},
        {".", DURATION_INVALID},
        {".s", DURATION_INVALID},
        {"s", DURATION_INVALID},
        {"often", DURATION_INVALID},
        {"1s ", DURATION_BAD_UNIT},
        {" 1s", DURATION_INVALID},
        {"--1s", DURATION_INVALID},
        {"1s-1s", DURATION_BAD_UNIT},
        {"5", DURATION_NO_UNIT},
        {"00", DURATION_NO_UNIT},
        {"1.2.3s", DURATION_NO_UNIT},
        {"1m5", DURATION_NO_UNIT},
        {"1d", DURATION_BAD_UNIT},
        {"1S", DURATION_BAD_UNIT},
        {"2562048h", DURATION_INVALID},
        {"2562047h48m", DURATION_INVALID},
        {"99999999999999999999s", DURATION_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t us;
        assert_int_equal(duration_parse(rows[i].text, &us), rows[i].flaw);
    }
}

static void durations_are_printed_as_go_prints_them(void **unused)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {1, "1us"},
        {1500, "1.5ms"},
        {500000, "500ms"},
        {S, "1s"},
        {3 * S / 2, "1.5s"},
        {60 * S, "1m0s"},
        {90 * S + 1, "1m30.000001s"},
        {25 * 3600 * S, "25h0m0s"},
        {-S, "-1s"},
        {INT64_MIN, "-2562047788h0m54.775808s"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[DURATION_TEXT_MAX];
        assert_string_equal(duration_print(rows[i].us, out), rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_as_go_reads_them),
        cmocka_unit_test(what_is_no_duration_is_told_apart),
        cmocka_unit_test(durations_are_printed_as_go_prints_them),
    };
    return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
