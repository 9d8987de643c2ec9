#include "config/environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* The i-th error; fails when it is not there. */
static const struct error *error_of(const struct errors *errs, uint32_t i)
{
    assert_true(i < errs->n && i < errs->list_cap);
    return &errs->list[i];
}

static struct arena arena;
static struct errors errs;

static int setup(void **unused)
{
    arena_init(&arena, NULL, 0);
    errors_init(&errs);
    setenv("ISTHMUS_A", "alpha", 1);
    setenv("ISTHMUS_AA", "{$ISTHMUS_A}{$ISTHMUS_A}", 1);
    setenv("ISTHMUS_BLANK", "a b", 1);
    setenv("ISTHMUS_HALF", "{$ISTHMUS_", 1);
    setenv("ISTHMUS_SELF", "x{$ISTHMUS_SELF}", 1);
    setenv("ISTHMUS_TWICE", "{$ISTHMUS_TWICE}{$ISTHMUS_TWICE}", 1);
    setenv("ISTHMUS_PERCENT", "{%ISTHMUS_A%}", 1);
    unsetenv("ISTHMUS_UNSET");
    return 0;
}

static int teardown(void **unused)
{
    errors_release(&errs);
    arena_release(&arena);
    return 0;
}

static const char *expanded(const char *text)
{
    struct token token = {text, {"f", 9}};
    assert_int_equal(environment_expand(&arena, &token, &errs), 0);
    return token.text;
}

static void references_are_replaced_until_none_is_left(void **unused)
{
    static const char *const rows[][2] = {
        {"plain", "plain"},
        {"{", "{"},
        {"{$ISTHMUS_A}", "alpha"},
        {"{%ISTHMUS_A%}", "alpha"},
        {"x{$ISTHMUS_A}y{%ISTHMUS_A%}z", "xalphayalphaz"},
        {"{$ISTHMUS_UNSET}", ""},
        {"a{%ISTHMUS_UNSET%}b", "ab"},
        {"{$ISTHMUS_AA}", "alphaalpha"},
        {"{$ISTHMUS_BLANK}", "a b"},
        {"{$ISTHMUS_HALF}A}", "alpha"},
        {"{%ISTHMUS_PERCENT%}", "alpha"},
        {"{$ISTHMUS_PERCENT}", "{%ISTHMUS_A%}"}, /* that form had its turn */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(expanded(rows[i][0]), rows[i][1]);
    assert_int_equal(errs.n, 0);
}

static void empty_and_unclosed_references_stay(void **unused)
{
    static const char *const rows[][2] = {
        {"{$}", "{$}"},
        {"{%%}", "{%%}"},
        {"{%}", "{%}"},
        {"{$ISTHMUS_A", "{$ISTHMUS_A"},
        {"{%ISTHMUS_A}", "{%ISTHMUS_A}"},
        {"{$}{$ISTHMUS_A}", "{$}{$ISTHMUS_A}"}, /* and stop what follows */
        {"{$ISTHMUS_A}{$}", "alpha{$}"},
        {"{{ $v }}", "{{ $v }}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(expanded(rows[i][0]), rows[i][1]);
    assert_int_equal(errs.n, 0);
}

static void a_value_that_names_itself_is_an_error(void **unused)
{
    expanded("{$ISTHMUS_SELF}");
    assert_int_equal(errs.n, 1);
    assert_int_equal(error_of(&errs, 0)->at.line, 9);
    assert_non_null(
        strstr(error_of(&errs, 0)->text, "{$ISTHMUS_SELF} refers to itself"));
    expanded(
        "{$ISTHMUS_TWICE}"); /* doubles each time: ends long before the rounds do */
    assert_int_equal(errs.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_replaced_until_none_is_left),
        cmocka_unit_test(empty_and_unclosed_references_stay),
        cmocka_unit_test(a_value_that_names_itself_is_an_error),
    };
    return cmocka_run_group_tests_name("environment", tests, setup, teardown);
}
