/* What the five modes match, and what they make of a name. */
#include "resolver/plugins/rewrite/rewrite_match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct arena arena;
static struct pattern_scratch *scratch;

static int setup(void **unused)
{
    arena_init(&arena, NULL, 0);
    return 0;
}

static int teardown(void **unused)
{
    pattern_scratch_free(scratch);
    arena_release(&arena);
    return 0;
}

static void init(struct rewrite_match *m, enum rewrite_mode mode, const char *from,
                 const char *to)
{
    struct rewrite_words words = {.from = from, .to = to, .dotted = true};
    memset(m, 0, sizeof *m);
    if (rewrite_match_init(m, mode, &words, &arena) < 0)
        fail_msg("%s: %s", from, words.why);
}

static void parse(struct name *out, const char *text)
{
    assert_int_equal(name_parse(out, text_of(text)), 0);
    name_lower(out->wire, out->wire, out->len);
}

/* What becomes of `text`: the new name, or "-", "long", "over". */
static const char *change(const struct rewrite_match *m, const char *text)
{
    static char out[NAME_TEXT_MAX];
    struct rewrite_subject s;
    struct name name, changed;
    parse(&name, text);
    rewrite_subject_init(&s, name.wire, &scratch);
    switch (rewrite_match_change(m, &s, &changed)) {
    case REWRITE_NO:
        return "-";
    case REWRITE_LONG:
        return "long";
    case REWRITE_OVER:
        return "over";
    case REWRITE_NO_MEMORY:
        return "no memory";
    case REWRITE_YES:
        break;
    }
    assert_int_equal(changed.len, name_len(changed.wire));
    name_print(changed.wire, out);
    return out;
}

struct row {
    enum rewrite_mode mode;
    const char *from, *to, *name, *changed;
};

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct rewrite_match m;
        init(&m, rows[i].mode, rows[i].from, rows[i].to);
        const char *found = change(&m, rows[i].name);
        if (strcmp(found, rows[i].changed) != 0)
            fail_msg("%s %s %s: %s becomes %s, not %s",
                     rewrite_mode_words[rows[i].mode], rows[i].from, rows[i].to,
                     rows[i].name, found, rows[i].changed);
    }
}

static void exact_is_the_whole_name(void **unused)
{
    static const struct row rows[] = {
        {REWRITE_EXACT, "a.test", "b.Test", "A.test.", "b.test."},
        {REWRITE_EXACT, "a.test.", "b.test.", "a.test", "b.test."},
        {REWRITE_EXACT, "a.test", "b.test", "x.a.test", "-"},
        {REWRITE_EXACT, "a.test", "", "a.test", "."},
        {REWRITE_EXACT, "a..test", "b", "a.test", "-"},
        {REWRITE_EXACT, "a.test", "b..test", "a.test", "long"},
        {REWRITE_EXACT, "a.test", "b..test", "b.test", "-"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void prefix_ends_with_a_label(void **unused)
{
    static const struct row rows[] = {
        {REWRITE_PREFIX, "old", "www", "old.test", "www.test."},
        {REWRITE_PREFIX, "old", "www", "older.test", "-"},
        {REWRITE_PREFIX, "old", "www", "x.old.test", "-"},
        {REWRITE_PREFIX, "pre.fix", "a", "pre.fix.test", "a.test."},
        {REWRITE_PREFIX, "old", "www", "OLD.", "www."},
        {REWRITE_PREFIX, "old", "www", "old\\.x.test", "-"},
        {REWRITE_PREFIX, "old", ".www", "old.test", "long"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void suffix_goes_by_labels(void **unused)
{
    static const struct row rows[] = {
        {REWRITE_SUFFIX, ".a.test", ".b.test", "www.a.test", "www.b.test."},
        {REWRITE_SUFFIX, ".a.test", ".b.test", "WWW.X.A.test", "www.x.b.test."},
        {REWRITE_SUFFIX, ".a.test", ".b.test", "a.test", "-"},
        {REWRITE_SUFFIX, ".a.test", ".b.test", "xa.test", "-"},
        {REWRITE_SUFFIX, ".a.test", ".b.test", "x\\.a.test", "-"},
        {REWRITE_SUFFIX, ".a.test", ".", "www.a.test", "www."},
        {REWRITE_SUFFIX, ".", ".b.test", "www.a", "www.a.b.test."},
        {REWRITE_SUFFIX, "a.test", "b.test", "a.test", "b.test."},
        {REWRITE_SUFFIX, "a.test", "b.test", "x.a.test", "x.b.test."},
        {REWRITE_SUFFIX, "a.test", "b.test", "xa.test", "xb.test."},
        {REWRITE_SUFFIX, "a.test", "b.test", "x\\.a.test", "x\\.b.test."},
        {REWRITE_SUFFIX, "a.test", "b.test", "x.test", "-"},
        {REWRITE_SUFFIX, "a.test", ".b.test", "xa.test", "x.b.test."},
        {REWRITE_SUFFIX, "a.test", ".b.test", "a.test", "long"},
        {REWRITE_SUFFIX, "a.test", ".b.test", "x.a.test", "long"},
        {REWRITE_SUFFIX, ".a.test", "b.test", "x.a.test", "xb.test."},
        {REWRITE_SUFFIX, ".", "c", "a.b", "a.bc."},
        {REWRITE_SUFFIX, ".a..test", ".b", "x.a.test", "-"},
        {REWRITE_SUFFIX, ".a.test", ".b..c", "x.a.test", "long"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void substring_changes_every_place(void **unused)
{
    static const struct row rows[] = {
        {REWRITE_SUBSTRING, "foo.bar", "ex", "www.foo.bar.org", "www.ex.org."},
        {REWRITE_SUBSTRING, "foo.bar", "ex", "www.foo.barx.org", "-"},
        {REWRITE_SUBSTRING, "a", "b", "xa.a.ya.org", "xb.b.yb.org."},
        {REWRITE_SUBSTRING, "a", ".", "x.a.org", "long"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

static void regex_makes_the_whole_name(void **unused)
{
    static const struct row rows[] = {
        {REWRITE_REGEX, "(.*)-(.*)\\.a\\.$", "{2}.{1}.B", "x-y.a", "y.x.b."},
        {REWRITE_REGEX, "part", "www.test", "a.parting.test", "www.test."},
        {REWRITE_REGEX, "UP", "x", "up.test", "-"},
        {REWRITE_REGEX, "(a)(z)?", "{1}{2}.test", "a.", "a.test."},
        {REWRITE_REGEX, "(a)", "{9}.{1}", "a.", "{9}.a."},
        {REWRITE_REGEX, "(.*)\\.(.*)\\.$", "{1}-{2}", "{2}.x", "x-x."},
        {REWRITE_REGEX, "(.*)", "{1}{1}.x", "a.", "long"},
        {REWRITE_REGEX, "^(([a-z])+.)+$", "x",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.0", "over"},
    };
    assert_rows(rows, sizeof rows / sizeof *rows);
}

/* Labels of 60 letters, so that 255 octets are reached with a few. */
#define L60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void a_new_name_has_at_most_255_octets(void **unused)
{
    /* 4 * 61 octets, then one label and the root. */
    static const char under[] = L60 "." L60 "." L60 "." L60 ".a.";
    static const char up[] = L60 "." L60 "." L60 "." L60 ".";
    char same[300], more[300];
    struct rewrite_match m;
    snprintf(same, sizeof same, "%s123456789.", up);
    snprintf(more, sizeof more, "%s1234567890.", up);
    init(&m, REWRITE_SUFFIX, ".a", ".123456789");
    assert_string_equal(change(&m, under), same);
    init(&m, REWRITE_SUFFIX, ".a", ".1234567890");
    assert_string_equal(change(&m, under), "long");
    init(&m, REWRITE_REGEX, "(.*)a\\.$", "{1}123456789");
    assert_string_equal(change(&m, under), same);
    init(&m, REWRITE_REGEX, "(.*)a\\.$", "{1}1234567890");
    assert_string_equal(change(&m, under), "long");
    init(&m, REWRITE_SUBSTRING, "a", "1234567890");
    assert_string_equal(change(&m, under), "long");
    init(&m, REWRITE_SUFFIX, "a", "1234"); /* 64 letters in one label */
    assert_string_equal(change(&m, L60 "a"), "long");
    assert_string_equal(change(&m, "a"), "1234.");
}

static void the_apex_belongs_to_a_zone(void **unused)
{
    struct rewrite_match m;
    struct name name, out;
    init(&m, REWRITE_SUFFIX, ".a.test", ".b.test");
    assert_true(rewrite_is_dotted(&m));
    parse(&name, "a.test");
    assert_int_equal(
        rewrite_suffix_change(&m.from_end, &m.to_end, true, name.wire, &out),
        REWRITE_YES);
    parse(&name, "b.test");
    assert_true(name_equal(out.wire, name.wire));
}

static void only_two_dotted_suffixes_are_zones(void **unused)
{
    static const struct row rows[] = {
        {REWRITE_SUFFIX, ".a", "b", "", ""},    {REWRITE_SUFFIX, "a", ".b", "", ""},
        {REWRITE_SUFFIX, "a", "b", "", ""},     {REWRITE_SUFFIX, ".a..b", ".b", "", ""},
        {REWRITE_SUFFIX, ".a", ".b..", "", ""}, {REWRITE_EXACT, ".a", ".b", "", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rewrite_match m;
        init(&m, rows[i].mode, rows[i].from, rows[i].to);
        assert_false(rewrite_is_dotted(&m));
    }
}

static void words_get_a_final_dot_that_is_no_escaped_one(void **unused)
{
    static const char *const rows[][2] = {
        {"A", "a."}, {"a.", "a."},      {"", "."},
        {".", "."},  {"a\\.", "a\\.."}, {"a\\\\.", "a\\\\."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(rewrite_normalize(rows[i][0], true, &arena), rows[i][1]);
    assert_string_equal(rewrite_normalize("A", false, &arena), "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_is_the_whole_name),
        cmocka_unit_test(prefix_ends_with_a_label),
        cmocka_unit_test(suffix_goes_by_labels),
        cmocka_unit_test(substring_changes_every_place),
        cmocka_unit_test(regex_makes_the_whole_name),
        cmocka_unit_test(a_new_name_has_at_most_255_octets),
        cmocka_unit_test(the_apex_belongs_to_a_zone),
        cmocka_unit_test(only_two_dotted_suffixes_are_zones),
        cmocka_unit_test(words_get_a_final_dot_that_is_no_escaped_one),
    };
    return cmocka_run_group_tests_name("rewrite_match", tests, setup, teardown);
}
