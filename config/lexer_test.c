#include "config/lexer.h"

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

static int setup(void **unused)
{
    arena_init(&arena, NULL, 0);
    return 0;
}

static int teardown(void **unused)
{
    arena_release(&arena);
    return 0;
}

static struct tokens run(struct text text)
{
    struct tokens tokens = {0};
    struct errors errs;
    errors_init(&errs);
    assert_int_equal(lexer_run(&arena, (struct source){"f", text}, &tokens, &errs), 0);
    assert_int_equal(errs.n, 0);
    return tokens;
}

/* Tokens as `text@line`, with blanks between. */
static const char *tokens_of(const char *text)
{
    struct tokens tokens = run(text_of(text));
    const char *out = "";
    for (uint32_t i = 0; i < tokens.n && out != NULL; i++)
        out = arena_printf(&arena, "%s%s%s@%u", out, i > 0 ? " " : "",
                           tokens.list[i].text, tokens.list[i].at.line);
    assert_non_null(out);
    return out;
}

struct row {
    const char *text, *tokens;
};

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_string_equal(tokens_of(rows[i].text), rows[i].tokens);
}

static void white_space_separates(void **unused)
{
    static const struct row rows[] = {
        {"", ""},
        {" \t\v\f\n", ""},
        {"a b\n\tc", "a@1 b@1 c@2"},
        {"a\xc2\xa0"
         "b\xc2\x85"
         "c",
         "a@1 b@1 c@1"},
        {"a\xe2\x80\x83"
         "b\xe3\x80\x80"
         "c\xe1\x9a\x80"
         "d",
         "a@1 b@1 c@1 d@1"},
        {"b\xc3\xbc"
         "cher\xe2\x82\xac",
         "b\xc3\xbc"
         "cher\xe2\x82\xac@1"},
        {"a\xe2\x80", "a\xe2\x80@1"}, /* cut off: an octet like others */
        {"a{ }", "a{@1 }@1"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void carriage_returns_vanish_outside_quotes(void **unused)
{
    static const struct row rows[] = {
        {"a\r\nb", "a@1 b@2"},
        {"a\rb c", "ab@1 c@1"},
        {"\r\r", ""},
        {"\"a\rb\"", "a\rb@1"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void quotes_count_only_where_a_token_begins(void **unused)
{
    static const struct row rows[] = {
        {"\"a b\" c", "a b@1 c@1"},
        {"a\"b c\"", "a\"b@1 c\"@1"},
        {"\"a\"b", "a@1 b@1"},
        {"\"\" x", "@1 x@1"},
        {"\"\"", "@1"},
        {"\"# no comment\"", "# no comment@1"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void only_an_escaped_quote_loses_its_backslash(void **unused)
{
    static const struct row rows[] = {
        {"\"\\\"\"", "\"@1"},           {"\"\\d\\\\x\"", "\\d\\\\x@1"},
        {"\"a\\\\\" b", "a\\\\@1 b@1"}, {"a\\\nb", "a\\@1 b@2"}, /* no line goes on */
        {"\\\"a", "\\\"a@1"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void newlines_inside_quotes_stay_and_count(void **unused)
{
    static const struct row rows[] = {
        {"\"a\nb\" c\nd", "a\nb@1 c@2 d@3"},
        {"\"a\\\nb\" c", "a\\\nb@1 c@2"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void an_open_quote_ends_with_the_text(void **unused)
{
    static const struct row rows[] = {
        {"a \"b c", "a@1 b c@1"},
        {"a \"", "a@1"},
        {"a \"\\", "a@1"},
        {"\"a\\", "a@1"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void comments_end_with_the_line_or_with_the_token(void **unused)
{
    static const struct row rows[] = {
        {"a #b c\nd", "a@1 d@2"},
        {"abc#def ghi", "abc@1 ghi@1"},
        {"abc#def\nghi", "abc@1 ghi@2"},
        {"# a \"b\nc", "c@2"},
        {"#", ""},
        {"a#", "a@1"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void one_byte_order_mark_is_dropped(void **unused)
{
    static const struct row rows[] = {
        {"\xef\xbb\xbf"
         "a",
         "a@1"},
        {"\xef\xbb\xbf\xef\xbb\xbf", "\xef\xbb\xbf@1"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void a_nul_octet_is_an_error_with_its_line(void **unused)
{
    struct source source = {"f", TEXT("a\nb\0c")};
    struct tokens tokens = {0};
    struct errors errs;
    errors_init(&errs);
    assert_int_equal(lexer_run(&arena, source, &tokens, &errs), -1);
    assert_int_equal(errs.n, 1);
    assert_int_equal(error_of(&errs, 0)->at.line, 2);
    errors_release(&errs);
}

static void an_argument_starts_where_the_token_before_ends(void **unused)
{
    struct tokens t = run(text_of("a \"b\nc\" d\ne"));
    struct token elsewhere = {"x", {"other", 2}};
    assert_true(token_same_line(&t.list[0], &t.list[1]));
    assert_true(token_same_line(&t.list[1], &t.list[2]));
    assert_false(token_same_line(&t.list[2], &t.list[3]));
    assert_true(token_new_line(&t.list[2], &t.list[3]));
    assert_false(token_new_line(&t.list[1], &t.list[2]));
    assert_false(token_same_line(&t.list[2], &elsewhere));
    assert_true(token_new_line(&t.list[2], &elsewhere));
    /* Further up in the same file: neither. */
    assert_false(token_same_line(&t.list[3], &t.list[0]));
    assert_false(token_new_line(&t.list[3], &t.list[0]));
}

static void many_tokens_keep_their_order(void **unused)
{
    struct tokens tokens = {0};
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(tokens_push(&arena, &tokens, (struct token){"x", {"f", i}}),
                         0);
    assert_int_equal(tokens.n, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(tokens.list[i].at.line, i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_space_separates),
        cmocka_unit_test(carriage_returns_vanish_outside_quotes),
        cmocka_unit_test(quotes_count_only_where_a_token_begins),
        cmocka_unit_test(only_an_escaped_quote_loses_its_backslash),
        cmocka_unit_test(newlines_inside_quotes_stay_and_count),
        cmocka_unit_test(an_open_quote_ends_with_the_text),
        cmocka_unit_test(comments_end_with_the_line_or_with_the_token),
        cmocka_unit_test(one_byte_order_mark_is_dropped),
        cmocka_unit_test(a_nul_octet_is_an_error_with_its_line),
        cmocka_unit_test(an_argument_starts_where_the_token_before_ends),
        cmocka_unit_test(many_tokens_keep_their_order),
    };
    return cmocka_run_group_tests_name("lexer", tests, setup, teardown);
}
