#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char *printed(const struct errors *errs)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    assert_non_null(f);
    errors_print(errs, f);
    fclose(f);
    return text;
}

static void assert_printed(const struct errors *errs, const char *expected)
{
    char *text = printed(errs);
    assert_string_equal(text, expected);
    free(text);
}

static void errors_print_with_their_place(void **unused)
{
    struct errors errs;
    struct where at = {.file = "Corefile", .line = 12}, nowhere = {0};
    errors_init(&errs);
    assert_printed(&errs, "");
    assert_int_equal(error_at(&errs, at, "unknown policy '%s'", "best"), -1);
    assert_int_equal(error_at(&errs, nowhere, "no memory"), -1);
    assert_int_equal(errs.n, 2);
    assert_printed(&errs, "Corefile:12 - unknown policy 'best'\nno memory\n");
    errors_release(&errs);
    assert_int_equal(errs.n, 0);
}

static void the_place_outlives_the_text_it_names(void **unused)
{
    struct errors errs;
    char file[] = "Corefile";
    errors_init(&errs);
    error_at(&errs, (struct where){file, 3}, "e");
    memset(file, 'x', sizeof file - 1);
    assert_printed(&errs, "Corefile:3 - e\n");
    errors_release(&errs);
}

static void long_texts_end_in_dots(void **unused)
{
    struct errors errs;
    struct where nowhere = {0};
    errors_init(&errs);
    error_at(&errs, nowhere, "%511d", 1);
    error_at(&errs, nowhere, "%512d", 1);
    assert_int_equal(strlen(errs.list[0].text), 511);
    assert_string_equal(errs.list[0].text + 508, "  1");
    assert_int_equal(strlen(errs.list[1].text), 511);
    assert_string_equal(errs.list[1].text + 508, "...");
    errors_release(&errs);
}

static void errors_beyond_the_list_are_counted(void **unused)
{
    struct errors errs;
    errors_init(&errs);
    for (uint32_t i = 1; i <= ERRORS_MAX; i++)
        error_at(&errs, (struct where){"f", i}, "e");
    char *text = printed(&errs);
    assert_null(strstr(text, "more"));
    assert_non_null(strstr(text, "f:64 - e\n"));
    free(text);
    error_at(&errs, (struct where){"f", 65}, "e");
    error_at(&errs, (struct where){"f", 66}, "e");
    assert_int_equal(errs.n, ERRORS_MAX + 2);
    text = printed(&errs);
    assert_null(strstr(text, "f:65"));
    assert_non_null(strstr(text, "f:64 - e\nand 2 more\n"));
    free(text);
    errors_release(&errs);
}

static void control_characters_do_not_reach_the_terminal(void **unused)
{
    struct errors errs;
    errors_init(&errs);
    error_at(&errs, (struct where){0}, "found '%s'", "a\n\x1b[31mb\x7f");
    assert_string_equal(errs.list[0].text, "found 'a??[31mb?'");
    errors_release(&errs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(errors_print_with_their_place),
        cmocka_unit_test(the_place_outlives_the_text_it_names),
        cmocka_unit_test(long_texts_end_in_dots),
        cmocka_unit_test(errors_beyond_the_list_are_counted),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
