#include "config/corefile.h"

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

static const char *const WORDS[] = {"cache",    "cluster", "errors", "file",
                                    "forward",  "loop",    "log",    "rewrite",
                                    "template", "whoami"};

static const char *refused(const char *word, const struct directive *d, struct arena *a)
{
    if (strcmp(word, "kubernetes") != 0)
        return NULL;
    return arena_printf(a, "write: cluster %s",
                        d->tokens_n > 1 ? d->tokens[1].text : "ZONE");
}

static const struct vocabulary words = {
    .words = WORDS, .words_n = sizeof WORDS / sizeof *WORDS, .refused = refused};

static struct arena arena;
static struct errors errs;
static struct corefile corefile;

static int setup(void **unused)
{
    arena_init(&arena, NULL, 0);
    errors_init(&errs);
    return 0;
}

static int teardown(void **unused)
{
    errors_release(&errs);
    corefile_forget(&corefile);
    arena_release(&arena);
    return 0;
}

static int parse(const char *text)
{
    errors_release(&errs);
    errors_init(&errs);
    corefile_forget(&corefile);
    return corefile_parse(&arena, (struct source){"f", text_of(text)}, &words,
                          &corefile, &errs);
}

static const char *add_tokens(const char *out, const struct token *list, uint32_t n)
{
    for (uint32_t i = 0; i < n && out != NULL; i++) {
        bool argument = i > 0 && token_same_line(&list[i - 1], &list[i]);
        out = arena_printf(&arena, "%s%s%s", out,
                           argument ? " "
                           : i > 0  ? " / "
                                    : "",
                           list[i].text);
    }
    return out;
}

/* `KEY KEY: DIRECTIVE; DIRECTIVE | ...`, with a stroke where a line begins. */
static const char *printed(void)
{
    const char *out = "";
    for (uint32_t i = 0; i < corefile.blocks_n && out != NULL; i++) {
        const struct block *b = &corefile.blocks[i];
        if (i > 0)
            out = arena_printf(&arena, "%s | ", out);
        out = add_tokens(out, b->keys, b->keys_n);
        for (uint32_t k = 0; k < b->directives_n && out != NULL; k++) {
            out = arena_printf(&arena, "%s%s", out, k > 0 ? "; " : ": ");
            out = add_tokens(out, b->directives[k].tokens, b->directives[k].tokens_n);
        }
    }
    assert_non_null(out);
    return out;
}

struct row {
    const char *text, *expected;
};

static void assert_parsed(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (parse(rows[i].text) < 0)
            errors_print(&errs, stderr);
        assert_int_equal(errs.n, 0);
        assert_string_equal(printed(), rows[i].expected);
    }
}

/* All errors as `LINE - TEXT` lines. */
static const char *errors_text(void)
{
    const char *out = "";
    for (uint32_t i = 0; i < errs.n && out != NULL; i++)
        out = arena_printf(&arena, "%s%u - %s\n", out, error_of(&errs, i)->at.line,
                           error_of(&errs, i)->text);
    assert_non_null(out);
    return out;
}

/* The first error begins as expected, and it is the only one. */
static void assert_refused(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(parse(rows[i].text), -1);
        const char *text = errors_text();
        if (errs.n != 1 ||
            strncmp(text, rows[i].expected, strlen(rows[i].expected)) != 0)
            assert_string_equal(text, rows[i].expected);
    }
}

#define ASSERT_PARSED(rows)  assert_parsed(rows, sizeof(rows) / sizeof *(rows))
#define ASSERT_REFUSED(rows) assert_refused(rows, sizeof(rows) / sizeof *(rows))

static void a_block_has_keys_and_directives(void **unused)
{
    static const struct row rows[] = {
        {"", ""},
        {"# nothing\n", ""},
        {".:53 {\n whoami\n}", ".:53: whoami"},
        {". { }", "."},
        {". {\n}\n", "."},
        {". {\n forward . 1.1.1.1 {\n  max_fails 1\n }\n log\n}\n",
         ".: forward . 1.1.1.1 { / max_fails 1 / }; log"},
        {". {\n forward . 1.1.1.1 { max_fails 1 }\n}\n",
         ".: forward . 1.1.1.1 { max_fails 1 }"},
        {"a {\n log\n}\nb {\n errors\n}\n", "a: log | b: errors"},
        {"a { \n log\n} b {\n errors\n}\n", "a: log | b: errors"},
        {". {\n log \"a\nb\" c\n errors\n}", ".: log a\nb c; errors"},
    };
    ASSERT_PARSED(rows);
}

static void keys_go_on_after_a_comma(void **unused)
{
    static const struct row rows[] = {
        {"a b {\n}", "a b"}, {"a, b {\n}", "a b"}, {"a,\nb,\n\nc {\n}", "a / b / c"},
        {"a,b {\n}", "a,b"}, {"\"\" a {\n}", "a"}, {"a\n{\n log\n}", "a: log"},
        {"a", "a"},
    };
    ASSERT_PARSED(rows);
}

static void one_block_needs_no_braces(void **unused)
{
    static const struct row rows[] = {
        {".:53\nlog\nforward . 1.1.1.1 {\n max_fails 1\n}\nerrors\n",
         ".:53: log; forward . 1.1.1.1 { / max_fails 1 / }; errors"},
        {".\nlog\n}\nb {\n errors\n}", ".: log | b: errors"}, /* a lone brace ends it */
    };
    ASSERT_PARSED(rows);
}

static void braces_that_balance_somehow_are_accepted(void **unused)
{
    static const struct row rows[] = {
        {". {\n whoami\n}\n}\n", ".: whoami"},
        {". {\n whoami\n}\n}\n}\n}\n", ".: whoami"},
        {". {\n whoami\n }\n}\n log\n errors\n}\na {\n log\n}",
         ".: whoami | }: log; errors | a: log"},
        {". {\n forward . 1.1.1.1 {\n  max_fails 1\n}\n",
         ".: forward . 1.1.1.1 { / max_fails 1 / }"},
        {"a {\n log\n}\nlog\nerrors\n", "a: log | log: errors"},
        {"example.org{\nwhoami\n}\n", "example.org{: whoami"},
    };
    ASSERT_PARSED(rows);
}

static void a_directive_that_stands_twice_is_joined(void **unused)
{
    static const struct row rows[] = {
        {". {\n rewrite a b\n log\n rewrite c d\n}",
         ".: rewrite a b / rewrite c d; log"},
        {"a {\n log\n}\nb {\n log x\n}", "a: log | b: log x"},
    };
    ASSERT_PARSED(rows);
    const struct directive *d = &corefile.blocks[1].directives[0];
    assert_string_equal(d->name, "log");
    assert_int_equal(d->at.line, 5);
    assert_string_equal(d->at.file, "f");
    assert_int_equal(corefile.blocks[1].at.line, 4);
}

static void variables_are_expanded_everywhere(void **unused)
{
    static const struct row rows[] = {
        {"{$ISTHMUS_T_ZONE}:53 {\n {$ISTHMUS_T_WORD} x{%ISTHMUS_T_ZONE%}\n}",
         "env.test:53: log xenv.test"},
        {"(s) {\n log {$ISTHMUS_T_ZONE}\n}\n. {\n import {$ISTHMUS_T_S}\n}",
         ".: log env.test"},
        {"{$ISTHMUS_T_UNSET} . {\n log \"{$ISTHMUS_T_UNSET}\"\n}", ".: log "},
    };
    setenv("ISTHMUS_T_ZONE", "env.test", 1);
    setenv("ISTHMUS_T_WORD", "log", 1);
    setenv("ISTHMUS_T_S", "s", 1);
    unsetenv("ISTHMUS_T_UNSET");
    ASSERT_PARSED(rows);
}

static void snippets_are_spliced_in(void **unused)
{
    static const struct row rows[] = {
        {"(s) {\n log\n}", ""},
        {"(s) {\n log\n errors\n}\n. {\n import s\n whoami\n}\n",
         ".: log; errors; whoami"},
        {"(s) {\n max_fails 1\n}\n. {\n forward . x {\n  import s\n  expire 1s\n }\n}\n",
         ".: forward . x { / max_fails 1 / expire 1s / }"},
        {"(s) {\n}\n. {\n import s\n log\n}", ".: log"},
        {"(a) {\n log\n}\n(b) {\n import a\n errors\n}\n. {\n import b\n}",
         ".: log; errors"},
        {"(k) {\n a b {\n  log\n }\n}\nimport k\nc {\n errors\n}",
         "a b: log | c: errors"},
        {". {\n log import x\n}", ".: log import x"}, /* an argument like others */
        {"(s) {\n}\n(s x) {\n}", "(s x)"},
    };
    ASSERT_PARSED(rows);
}

static void a_snippet_line_imported_twice_reads_as_one(void **unused)
{
    /* CoreDNS's: both occurrences share file and line. */
    assert_int_equal(parse("(s) {\n log x\n}\n. {\n import s\n import s\n}"), 0);
    assert_string_equal(printed(), ".: log x log x");
}

static void unknown_directives_are_told_with_what_may_be_meant(void **unused)
{
    static const struct row rows[] = {
        {". {\n foo bar\n}",
         "2 - Error during parsing: Unknown directive 'foo': expected"},
        {". {\n fowrard . x\n}",
         "2 - Error during parsing: Unknown directive 'fowrard', did you mean 'forward'?"},
        {". {\n Whoami\n}",
         "2 - Error during parsing: Unknown directive 'Whoami', did you mean 'whoami'?"},
        {". {\n kubernetes cluster.local {\n  pods insecure\n }\n}",
         "2 - Error during parsing: directive 'kubernetes' is not supported: write: "
         "cluster cluster.local"},
        {". {\n log\n b.test:53 {\n  errors\n }\n}",
         "3 - Error during parsing: Unknown directive 'b.test:53': it looks like a server "
         "block inside the block of line 1"},
        {"a {\n log\n}\n}\nb {\n log\n}",
         "5 - Error during parsing: Unknown directive 'b': the '}' of line 4"},
    };
    ASSERT_REFUSED(rows);
}

static void wrong_braces_are_told_with_a_mend(void **unused)
{
    static const struct row rows[] = {
        {". { whoami }",
         "1 - Error during parsing: Unexpected '}' because no matching opening brace"},
        {". {\n whoami\n",
         "2 - Syntax error: Unexpected token 'whoami', expecting '}': the block that line 1"},
        {". {\n forward . x {\n  max_fails 1\n",
         "3 - Error during parsing: Unexpected EOF: the '{' of line 2"},
        {". {\n forward . x\n {\n  max_fails 1\n }\n log\n}",
         "3 - Error during parsing: Unexpected '{' on a line of its own: put it at the end "
         "of the line of 'forward' (line 2)"},
        {"a, {\n whoami\n}",
         "1 - Error during parsing: Expected another address but had '{'"},
        {"a,\n", "1 - Error during parsing: Unexpected EOF: expected another zone"},
        {". {", "1 - Syntax error: Unexpected token '{', expecting '}'"},
        {"(s)\nlog\n", "2 - Syntax error: Unexpected token 'log', expecting '{'"},
        {"(s) {\n log {\n }\n",
         "3 - Syntax error: Unexpected token '}', expecting '}'"},
    };
    ASSERT_REFUSED(rows);
}

static void wrong_imports_are_told_with_a_mend(void **unused)
{
    static const struct row rows[] = {
        {". {\n import late\n}\n(late) {\n}",
         "2 - Error during parsing: File to import not found: late: no snippet"},
        {"(s) {\n}\n. {\n import s 1\n log\n}",
         "4 - Error during parsing: Import takes only one argument (glob pattern or file)"},
        {". {\n import \"\"\n}",
         "2 - Error during parsing: Import requires a non-empty"},
        {". {\n import\n}",
         "2 - Error during parsing: Wrong argument count or unexpected line ending after "
         "'import'"},
        {"(s) {\n}\n(s) {\n log\n}\n",
         "3 - Error during parsing: redeclaration of previously declared snippet s"},
        {"(s) {\n log\n import s\n}\n. {\n import s\n}",
         "1 - Error during parsing: maximum snippet import depth (10000) exceeded"},
        {"(b) {\n}\n(a) {\n import {$ISTHMUS_T_A}\n}\n",
         "3 - Error during parsing: maximum snippet import depth (10000) exceeded"},
        {". {\n import /nowhere/*/*\n}",
         "2 - Error during parsing: Glob pattern may only contain one wildcard (*)"},
        {". {\n import /nowhere/[a]\n}",
         "2 - Error during parsing: Glob pattern may only contain one wildcard (*)"},
    };
    setenv("ISTHMUS_T_A", "a", 1);
    ASSERT_REFUSED(rows);
    assert_int_equal(parse(". {\n import /nowhere/*\n log\n}"), 0); /* only a warning */
    assert_string_equal(printed(), ".: log");
}

static void all_errors_of_a_file_are_told(void **unused)
{
    assert_int_equal(parse("a {\n foo {\n  x\n }\n import nothere\n log\n}\n"
                           "b, {\n bar\n whoami }\nc {\n Log\n}\n"),
                     -1);
    static const uint32_t lines[] = {2, 5, 8, 9, 10, 12};
    assert_int_equal(errs.n, sizeof lines / sizeof *lines);
    for (uint32_t i = 0; i < errs.n; i++)
        assert_int_equal(error_of(&errs, i)->at.line, lines[i]);
}

static void snippets_that_import_each_other_end(void **unused)
{
    /* `b` is not defined yet where `a` is, so that neither imports itself in its body.
     */
    assert_int_equal(parse("(a) {\n log\n import b\n}\n(b) {\n import a\n}\n"
                           ". {\n import a\n}\n"),
                     -1);
    assert_int_equal(errs.n, 1);
    assert_non_null(strstr(errors_text(), "maximum snippet import depth (10000)"));
}

static void ten_thousand_lines_of_one_directive_are_joined(void **unused)
{
    const size_t n = 10000, len = 40;
    char *text = malloc(n * len + 10), *to = text;
    assert_non_null(text);
    to += snprintf(to, 10, ". {\n");
    for (size_t i = 0; i < n; i++)
        to += snprintf(to, len, " cluster c%zu.local 10.0.0.0/16\n", i);
    snprintf(to, 10, "}\n");
    assert_int_equal(parse(text), 0);
    assert_int_equal(corefile.blocks[0].directives_n, 1);
    assert_int_equal(corefile.blocks[0].directives[0].tokens_n, 3 * n);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_has_keys_and_directives),
        cmocka_unit_test(keys_go_on_after_a_comma),
        cmocka_unit_test(one_block_needs_no_braces),
        cmocka_unit_test(braces_that_balance_somehow_are_accepted),
        cmocka_unit_test(a_directive_that_stands_twice_is_joined),
        cmocka_unit_test(variables_are_expanded_everywhere),
        cmocka_unit_test(snippets_are_spliced_in),
        cmocka_unit_test(a_snippet_line_imported_twice_reads_as_one),
        cmocka_unit_test(unknown_directives_are_told_with_what_may_be_meant),
        cmocka_unit_test(wrong_braces_are_told_with_a_mend),
        cmocka_unit_test(wrong_imports_are_told_with_a_mend),
        cmocka_unit_test(all_errors_of_a_file_are_told),
        cmocka_unit_test(snippets_that_import_each_other_end),
        cmocka_unit_test(ten_thousand_lines_of_one_directive_are_joined),
    };
    return cmocka_run_group_tests_name("corefile", tests, setup, teardown);
}
