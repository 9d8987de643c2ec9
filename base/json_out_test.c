#include "base/json_out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(struct json_out *j, const char *wanted)
{
    char *text = sheet_take(&j->sheet, NULL);
    if (text != NULL) /* there was memory */
        assert_string_equal(text, wanted);
    free(text);
}

static void objects_lists_and_values_are_written_as_they_come(void **unused)
{
    struct json_out j = {0};
    json_open(&j, NULL, '{');
    json_text(&j, "zone", "b.lan");
    json_open(&j, "list", '[');
    json_number(&j, NULL, -7);
    json_bool(&j, NULL, true);
    json_open(&j, NULL, '{');
    json_close(&j, '}');
    json_text(&j, NULL, NULL);
    json_close(&j, ']');
    json_decimal(&j, "ms", 1.5);
    json_print(&j, "at", "%s:%u", "Core\"file", 7u);
    json_close(&j, '}');
    expect(&j, "{\"zone\":\"b.lan\",\"list\":[-7,true,{},null],\"ms\":1.500,"
               "\"at\":\"Core\\\"file:7\"}");
}

static void any_octets_make_a_string(void **unused)
{
    static const char *const rows[][2] = {
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\x01\n\x7f", "\"\\u0001\\n\x7f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
         "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xff x", "\"\\ufffd x\""},                              /* no such octet */
        {"\xc3", "\"\\ufffd\""},                                  /* cut short */
        {"\xc0\xaf", "\"\\ufffd\\ufffd\""},                       /* overlong */
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},            /* half a surrogate */
        {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* beyond the last */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_out j = {0};
        json_text(&j, NULL, rows[i][0]);
        expect(&j, rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_lists_and_values_are_written_as_they_come),
        cmocka_unit_test(any_octets_make_a_string),
    };
    return cmocka_run_group_tests_name("json_out", tests, NULL, NULL);
}
