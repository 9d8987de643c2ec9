#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

/* The i-th error; fails when it is not there. */
static const struct error *error_of(const struct errors *errs, uint32_t i)
{
    assert_true(i < errs->n && i < errs->list_cap);
    return &errs->list[i];
}

static const char *const WORDS[] = {"forward", "log", "whoami"};
static const struct vocabulary words = {.words = WORDS, .words_n = 3};

static struct config *load(const char *text)
{
    struct errors errs;
    errors_init(&errs);
    struct config *c = config_load_text("f", text_of(text), &words, &errs);
    assert_non_null(c);
    assert_int_equal(errs.n, 0);
    return c;
}

static bool same_digest(const char *left, const char *right)
{
    struct config *a = load(left), *b = load(right);
    bool same = memcmp(a->digest, b->digest, sizeof a->digest) == 0;
    config_free(a);
    config_free(b);
    return same;
}

static void a_file_without_a_block_is_the_default(void **unused)
{
    static const char *const rows[] = {"", "# comment\n", "(s) {\n log\n}\n"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config *c = load(rows[i]);
        assert_int_equal(c->corefile.blocks_n, 1);
        assert_string_equal(c->corefile.blocks[0].keys[0].text, ".");
        assert_int_equal(c->corefile.blocks[0].directives_n, 2);
        config_free(c);
    }
}

static void comments_and_spacing_do_not_change_the_digest(void **unused)
{
    assert_true(same_digest(". {\n log\n}", "# x\n.   {\n\n\tlog # y\n\n}\n"));
    assert_true(same_digest("(s) {\n log x\n}\n. {\n import s\n}", ". {\n log x\n}"));
}

static void what_is_meant_changes_the_digest(void **unused)
{
    static const char *const rows[] = {
        ". {\n log\n}",          ". {\n log x y\n}",       ". {\n log xy\n}",
        ". {\n log x\n}",        ". {\n log x\n log y\n}", ". {\n log y x\n}",
        "x {\n log\n}",          ". x {\n log\n}",         ". {\n log\n}\nx {\n}",
        ". {\n log {\n x\n}\n}", ". {\n whoami\n}",        ". {\n log\n whoami\n}"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t j = 0; j < sizeof rows / sizeof *rows; j++)
            assert_int_equal(same_digest(rows[i], rows[j]), i == j);
}

static void errors_outlive_what_did_not_load(void **unused)
{
    struct errors errs;
    errors_init(&errs);
    struct config *c =
        config_load_text("some-file", TEXT(". {\n lug\n}"), &words, &errs);
    assert_true(c == NULL || c->flawed);
    config_free(c);
    assert_int_equal(errs.n, 1);
    assert_string_equal(error_of(&errs, 0)->at.file, "some-file");
    errors_release(&errs);
}

/* Runs in a directory of its own. */
static void without_a_path_the_file_corefile_is_taken(void **unused)
{
    char dir[] = "/tmp/isthmus-config-XXXXXX";
    struct errors errs;
    errors_init(&errs);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    struct config *c = config_load(NULL, &words, &errs);
    assert_non_null(c);
    assert_string_equal(c->corefile.blocks[0].directives[0].name, "whoami");
    config_free(c);
    FILE *f = fopen("Corefile", "w");
    assert_non_null(f);
    fputs("x {\n log\n}\n", f);
    fclose(f);
    c = config_load(NULL, &words, &errs);
    assert_non_null(c);
    assert_string_equal(c->corefile.blocks[0].keys[0].text, "x");
    assert_string_equal(c->corefile.blocks[0].keys[0].at.file, "Corefile");
    config_free(c);
    assert_int_equal(errs.n, 0);
    unlink("Corefile");
    assert_int_equal(chdir("/"), 0);
    rmdir(dir);
}

static void a_path_that_is_not_there_is_an_error(void **unused)
{
    struct errors errs;
    errors_init(&errs);
    assert_null(config_load("/nowhere/Corefile", &words, &errs));
    assert_int_equal(errs.n, 1);
    assert_non_null(
        strstr(error_of(&errs, 0)->text, "/nowhere/Corefile: No such file"));
    errors_release(&errs);
}

static void stdin_is_read_by_that_name(void **unused)
{
    struct errors errs;
    int ends[2], saved = dup(STDIN_FILENO);
    errors_init(&errs);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x {\n}\n", 6), 6);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    struct config *c = config_load("stdin", &words, &errs);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
    assert_non_null(c);
    assert_string_equal(c->file, "stdin");
    assert_string_equal(c->corefile.blocks[0].keys[0].text, "x");
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_without_a_block_is_the_default),
        cmocka_unit_test(comments_and_spacing_do_not_change_the_digest),
        cmocka_unit_test(what_is_meant_changes_the_digest),
        cmocka_unit_test(errors_outlive_what_did_not_load),
        cmocka_unit_test(without_a_path_the_file_corefile_is_taken),
        cmocka_unit_test(a_path_that_is_not_there_is_an_error),
        cmocka_unit_test(stdin_is_read_by_that_name),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
