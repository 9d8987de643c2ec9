#include "resolver/pattern.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct arena arena;
static struct pattern_scratch *scratch;
static char why[PATTERN_WHY_MAX];

static int setup(void **unused)
{
    arena_init(&arena, NULL, 0);
    scratch = NULL;
    why[0] = '\0';
    return 0;
}

static int teardown(void **unused)
{
    pattern_scratch_free(scratch);
    arena_release(&arena);
    return 0;
}

static const struct pattern *compile(const char *text)
{
    const struct pattern *p = pattern_new(&arena, text, 0, why);
    if (p == NULL)
        print_error("%s: %s\n", text, why);
    assert_non_null(p);
    return p;
}

static enum pattern_result match(const struct pattern *p, const char *text,
                                 struct pattern_found *found)
{
    return pattern_match(p, &scratch, text_of(text), found);
}

static void assert_group(const struct pattern_found *found, unsigned i,
                         const char *expected)
{
    struct text group = pattern_group(found, i);
    assert_int_equal(group.len, strlen(expected));
    assert_memory_equal(group.at, expected, group.len);
}

struct row {
    const char *pattern, *text;
    const char *found; /* the whole match; NULL: none */
};

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct pattern_found found;
        enum pattern_result result =
            match(compile(rows[i].pattern), rows[i].text, &found);
        if (result != (rows[i].found != NULL ? PATTERN_MATCH : PATTERN_NONE))
            print_error("%s on %s\n", rows[i].pattern, rows[i].text);
        assert_int_equal(result, rows[i].found != NULL ? PATTERN_MATCH : PATTERN_NONE);
        if (rows[i].found != NULL)
            assert_group(&found, 0, rows[i].found);
    }
}

static void matches_anywhere_and_minds_the_case(void **unused)
{
    static const struct row rows[] = {
        {"part", "a.parting.test.", "part"},
        {"^part", "a.parting.test.", NULL},
        {"PART", "a.parting.test.", NULL},
        {"(?i)PART", "a.parting.", "part"},
        {"", "a.", ""},
        {"b$", "a.b", "b"},
        {"b$", "b\n", NULL},
        {"(?m)b$", "b\nc", "b"},
        {"b\\z", "a.b", "b"},
        {"\\Ab", "a.b", NULL},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void classes_mean_what_re2_means(void **unused)
{
    static const struct row rows[] = {
        {"\\s", "\v", NULL},
        {"\\S", "\v", "\v"},
        {"[\\s]", "\v", NULL},
        {"[^\\S]", "\v", NULL},
        {"[\\S]+", "ab c", "ab"},
        {"[[:alpha:]]+", "1ab2", "ab"},
        {"[[:^alpha:]]", "a1", "1"},
        {"[]a]+", "]a", "]a"},
        {"[^]a]", "]ab", "b"},
        {"[a-]+", "b-a", "-a"},
        {"[\\d-z]+", "5-z", "5-z"},
        {"[a-c-e]+", "d-e", "-e"},
        {"[[.]+", "[.", "[."},
        {"[\\x2e\\.]+", "a..", ".."},
        {"\\pL+", "1ab", "ab"},
        {"\\p{Lu}", "aB", "B"},
        {"[\\p{^L}]", "a1", "1"},
        {"[^\xc3\xa9]", "\xc3\xa9z", "z"},
        {"[\xc3\xa0-\xc3\xa9]", "\xc3\xa8", "\xc3\xa8"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void escapes_mean_what_re2_means(void **unused)
{
    static const struct row rows[] = {
        {"\\x41\\x{42}\\103", "ABC", "ABC"},
        {"\\0a", "\0", NULL},
        {"\\Qa.b\\E+", "a.bb", "a.bb"},
        {"\\Qa.", "xa.", "a."},
        {"\\.\\-\\_\\/", ".-_/", ".-_/"},
        {"\\v", "\v", "\v"},
        {"a{,2}", "a{,2}", "a{,2}"},
        {"a{x", "a{x", "a{x"},
        {"a{02}", "a{02}", "a{02}"},
        {"a{2}", "aaa", "aa"},
        {"a{1,}?", "aaa", "a"},
        {"a{2,3}", "aaaa", "aaa"},
        {"(?U)a+", "aaa", "a"},
        {"(?s:.)(?-s:.)", "\n\n", NULL},
        {"#", "a#", "#"},
        {"a b", "a b", "a b"},
        {"\xc3\xa9+", "\xc3\xa9\xc3\xa9", "\xc3\xa9\xc3\xa9"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void groups_are_found_by_number_and_name(void **unused)
{
    struct pattern_found found;
    const struct pattern *p = compile("(?P<host>[^.]+)\\.(?<zone>x)?(y)");
    assert_int_equal(pattern_groups_n(p), 3);
    assert_int_equal(pattern_group_named(p, "host"), 1);
    assert_int_equal(pattern_group_named(p, "zone"), 2);
    assert_int_equal(pattern_group_named(p, "nosuch"), 0);
    assert_int_equal(match(p, "www.y", &found), PATTERN_MATCH);
    assert_group(&found, 0, "www.y");
    assert_group(&found, 1, "www");
    assert_group(&found, 2, "");
    assert_group(&found, 3, "y");
    assert_group(&found, 4, "");
}

static void groups_at_the_end_that_took_no_part_are_empty(void **unused)
{
    struct pattern_found found;
    const struct pattern *first = compile("(.*)-(.*)");
    assert_int_equal(match(first, "a-b", &found), PATTERN_MATCH);
    assert_int_equal(match(compile("(a)(b)?"), "a", &found), PATTERN_MATCH);
    assert_group(&found, 2, "");
}

static void what_re2_has_not_is_refused_with_a_reason(void **unused)
{
    static const struct {
        const char *pattern, *reason;
    } rows[] = {
        {"(a)\\1", "back references"},
        {"(?P<n>a)(?P=n)", "back references"},
        {"\\k<n>", "\\k is not"},
        {"\\g1", "\\g is not"},
        {"a(?=b)", "look-ahead"},
        {"a(?!b)", "look-ahead"},
        {"(?<=a)b", "look-behind"},
        {"(?<!a)b", "look-behind"},
        {"(?>a)", "atomic"},
        {"a*+", "possessive"},
        {"a++", "possessive"},
        {"a?+", "possessive"},
        {"a{2}+", "possessive"},
        {"a**", "repetition of a repetition"},
        {"(?(1)a|b)", "conditions"},
        {"(?R)", "recursion"},
        {"(?1)", "recursion"},
        {"(?&n)", "recursion"},
        {"(?P>n)", "recursion"},
        {"(?#c)", "comments"},
        {"(?|a|b)", "branch resets"},
        {"(?C1)", "callouts"},
        {"(?x)a", "kind of group"},
        {"(?'n'a)", "kind of group"},
        {"(?i-)a", "kind of group"},
        {"(*UTF)a", "nothing to repeat"},
        {"\\C", "\\C is not"},
        {"\\R", "\\R is not"},
        {"\\Z", "\\Z is not"},
        {"\\K", "\\K is not"},
        {"\\G", "\\G is not"},
        {"\\h", "\\h is not"},
        {"[\\b]", "\\b is not"},
        {"[a-\\d]", "\\d is not"},
        {"\\x1", "two digits"},
        {"\\x{}", "\\x{10FFFF}"},
        {"\\", "backslash"},
        {"[a", "missing closing ]"},
        {"[]", "missing closing ]"},
        {"[[:foo:]]", "[:alpha:]"},
        {"a{1001}", "repeat count"},
        {"a{2,1}", "repeat count"},
        {"\\p{", "\\p{Greek}"},
        {"\\p{Foo}", "property"},
        {"(", "parenthesis"},
        {"a)", "parenthesis"},
        {"*.x.", "quantifier"},
        {"[b-a]", "range out of order"},
        {"\xff", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct pattern *p = pattern_new(&arena, rows[i].pattern, 0, why);
        if (p != NULL || strstr(why, rows[i].reason) == NULL)
            print_error("%s: %s\n", rows[i].pattern, why);
        assert_null(p);
        assert_non_null(strstr(why, rows[i].reason));
    }
}

static void length_is_limited(void **unused)
{
    char text[PATTERN_LEN_MAX + 2];
    memset(text, 'a', sizeof text);
    text[PATTERN_LEN_MAX] = '\0';
    assert_non_null(pattern_new(&arena, text, 0, why));
    text[PATTERN_LEN_MAX] = 'a';
    text[PATTERN_LEN_MAX + 1] = '\0';
    assert_null(pattern_new(&arena, text, 0, why));
    assert_string_equal(why, "regex pattern too long: 10001 > 10000");
}

static void growth_of_the_worst_pattern_fits(void **unused)
{
    char text[PATTERN_LEN_MAX + 1] = "[";
    for (size_t i = 1; i < PATTERN_LEN_MAX - 2; i += 2)
        memcpy(text + i, "\\S", 2);
    text[PATTERN_LEN_MAX - 1] = ']';
    pattern_new(&arena, text, 0, why); /* too large for PCRE2 or not: no overflow */
    assert_true(strlen(text) == PATTERN_LEN_MAX);
}

static void a_match_over_budget_is_no_mismatch(void **unused)
{
    struct pattern_found found;
    char text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0";
    const struct pattern *p = compile("^(([a-z])+)+$");
    assert_int_equal(match(p, text, &found), PATTERN_GAVE_UP);
    assert_int_equal(match(p, "abc", &found), PATTERN_MATCH);
    assert_int_equal(match(p, "a1", &found), PATTERN_NONE);
}

static void text_that_is_no_utf8_is_no_mismatch(void **unused)
{
    struct pattern_found found;
    assert_int_equal(match(compile("a"), "\xff", &found), PATTERN_GAVE_UP);
}

static void caseless_is_an_option(void **unused)
{
    struct pattern_found found;
    const struct pattern *p =
        pattern_new(&arena, "^(.*\\.)?cluster\\.local\\.$", PATTERN_CASELESS, why);
    assert_non_null(p);
    assert_int_equal(match(p, "Web.CLUSTER.local.", &found), PATTERN_MATCH);
    assert_group(&found, 1, "Web.");
}

static void scratch_grows_with_the_groups(void **unused)
{
    struct pattern_found found;
    char text[4 * 40 + 1] = "";
    for (size_t i = 0; i < 40; i++)
        memcpy(text + 4 * i, "(a?)", 5);
    assert_int_equal(match(compile("a"), "a", &found), PATTERN_MATCH);
    assert_int_equal(match(compile(text), "aab", &found), PATTERN_MATCH);
    assert_int_equal(found.n, 41);
    assert_group(&found, 2, "a");
    assert_group(&found, 40, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_anywhere_and_minds_the_case),
        cmocka_unit_test(classes_mean_what_re2_means),
        cmocka_unit_test(escapes_mean_what_re2_means),
        cmocka_unit_test(groups_are_found_by_number_and_name),
        cmocka_unit_test(groups_at_the_end_that_took_no_part_are_empty),
        cmocka_unit_test(what_re2_has_not_is_refused_with_a_reason),
        cmocka_unit_test(length_is_limited),
        cmocka_unit_test(growth_of_the_worst_pattern_fits),
        cmocka_unit_test(a_match_over_budget_is_no_mismatch),
        cmocka_unit_test(text_that_is_no_utf8_is_no_mismatch),
        cmocka_unit_test(caseless_is_an_option),
        cmocka_unit_test(scratch_grows_with_the_groups),
    };
    return cmocka_run_group_tests_name("pattern", tests, setup, teardown);
}
