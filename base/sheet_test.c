#include "base/sheet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void what_is_put_stands_behind_what_was(void **unused)
{
    struct sheet s = {0};
    size_t len;
    sheet_text(&s, "one");
    sheet_put(&s, ", two and more", 5);
    sheet_put(&s, NULL, 0);
    sheet_print(&s, ", %d", 3);
    char *text = sheet_take(&s, &len);
    if (text == NULL) /* no memory */
        return;
    assert_string_equal(text, "one, two, 3");
    assert_int_equal(len, 11);
    free(text);
}

static void of_any_length(void **unused)
{
    struct sheet s = {0};
    for (unsigned i = 0; i < 3000; i++) {
        sheet_print(&s, "%0*u", (int)(i % 700) + 1, i % 10);
        assert_true(s.failed || s.text[s.len] == '\0');
        assert_true(s.failed || s.text[s.len - 1] == (char)('0' + i % 10));
    }
    size_t len;
    char *text = sheet_take(&s, &len);
    assert_true(text == NULL || strlen(text) == len);
    free(text);
}

static void nothing_put_is_nothing_to_take(void **unused)
{
    struct sheet s = {0};
    size_t len = 7;
    assert_null(sheet_take(&s, &len));
    assert_int_equal(len, 0);
}

static void a_failure_sticks_and_frees(void **unused)
{
    struct sheet s = {0};
    sheet_text(&s, "some");
    s.failed = true;
    sheet_text(&s, "more");
    sheet_print(&s, "%d", 1);
    assert_null(sheet_take(&s, NULL));
    assert_false(s.failed);
    sheet_text(&s, "again");
    sheet_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_stands_behind_what_was),
        cmocka_unit_test(of_any_length),
        cmocka_unit_test(nothing_put_is_nothing_to_take),
        cmocka_unit_test(a_failure_sticks_and_frees),
    };
    return cmocka_run_group_tests_name("sheet", tests, NULL, NULL);
}
