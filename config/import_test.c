#include "config/import.h"

#include "base/hash.h"
#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The i-th error; fails when it is not there. */
static const struct error *error_of(const struct errors *errs, uint32_t i)
{
    assert_true(i < errs->n && i < errs->list_cap);
    return &errs->list[i];
}

struct fixture {
    struct arena arena;
    struct errors errs;
    struct tape tape;
    struct imports imports;
    char dir[40], main[80];
};

static const char *const FILES[] = {"one.conf", "two.conf", "self.conf", "nul.conf",
                                    "many.conf"};

static const char *in_dir(struct fixture *f, const char *name)
{
    const char *path = arena_printf(&f->arena, "%s/%s", f->dir, name);
    assert_non_null(path);
    return path;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL || hash_seed() < 0)
        return -1;
    arena_init(&f->arena, NULL, 0);
    errors_init(&f->errs);
    f->tape.arena = &f->arena;
    import_init(&f->imports, &f->tape, &f->errs);
    snprintf(f->dir, sizeof f->dir, "/tmp/isthmus-import-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    snprintf(f->main, sizeof f->main, "%s/Corefile", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        unlink(in_dir(f, FILES[i]));
    rmdir(in_dir(f, "sub.conf"));
    rmdir(f->dir);
    import_release(&f->imports);
    errors_release(&f->errs);
    arena_release(&f->arena);
    free(f);
    return 0;
}

static void write_file(struct fixture *f, const char *name, struct text text)
{
    FILE *out = fopen(in_dir(f, name), "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text.at, 1, text.len, out), text.len);
    fclose(out);
}

static void splice(struct fixture *f, const char *text)
{
    struct tokens tokens = {0};
    struct source source = {f->main, text_of(text)};
    assert_int_equal(lexer_run(&f->arena, source, &tokens, &f->errs), 0);
    assert_int_equal(tape_splice(&f->tape, &tokens), 0);
}

/* Runs imports wherever the word stands; the words that come out, with blanks between.
 */
static const char *imported(struct fixture *f, const char *text)
{
    const char *out = "";
    const struct token *next;
    splice(f, text);
    while ((next = tape_peek(&f->tape)) != NULL && out != NULL) {
        if (token_is(next, "import")) {
            if (import_run(&f->imports) < 0)
                break;
            continue;
        }
        tape_take(&f->tape);
        out = arena_printf(&f->arena, "%s%s ", out, f->tape.current.text);
    }
    assert_non_null(out);
    return out;
}

static void files_are_found_beside_the_file_that_imports(void **state)
{
    struct fixture *f = *state;
    write_file(f, "two.conf", TEXT("import nothing*\n2"));
    write_file(f, "one.conf", TEXT("1\nimport two.conf\n1"));
    assert_string_equal(imported(f, "a\nimport one.conf\nb"), "a 1 2 1 b ");
    assert_int_equal(f->errs.n, 0);
}

static void a_pattern_gives_its_files_in_order(void **state)
{
    struct fixture *f = *state;
    write_file(f, "two.conf", TEXT("2 2"));
    write_file(f, "one.conf", TEXT("1"));
    assert_string_equal(imported(f, "import *.conf\nb"), "1 2 2 b ");
    assert_int_equal(f->errs.n, 0);
}

static void tokens_keep_the_place_they_stand_in(void **state)
{
    struct fixture *f = *state;
    write_file(f, "one.conf", TEXT("\nx"));
    imported(f, "a\n\n\nimport one.conf");
    assert_string_equal(f->tape.current.at.file, in_dir(f, "one.conf"));
    assert_int_equal(f->tape.current.at.line, 2);
}

static void a_snippet_comes_before_a_file_of_its_name(void **state)
{
    struct fixture *f = *state;
    struct token word = {"snippet", {"f", 1}};
    struct tokens body = {&word, 1, 1};
    write_file(f, "one.conf", TEXT("file"));
    assert_string_equal(imported(f, "import one.conf"), "file ");
    struct where at = {"f", 1};
    assert_int_equal(import_define(&f->imports, "one.conf", at, &body), 0);
    assert_string_equal(imported(f, "import one.conf"), "snippet ");
}

static void a_file_is_read_once(void **state)
{
    struct fixture *f = *state;
    write_file(f, "one.conf", TEXT("x"));
    imported(f, "import one.conf");
    unlink(in_dir(f, "one.conf"));
    write_file(f, "one.conf", TEXT("changed"));
    assert_string_equal(imported(f, "import one.conf"), "x ");
}

static void a_file_that_imports_itself_ends_in_an_error(void **state)
{
    struct fixture *f = *state;
    write_file(f, "self.conf", TEXT("import self.conf"));
    assert_string_equal(imported(f, "import self.conf"), "");
    assert_int_equal(f->errs.n, 1);
    assert_non_null(
        strstr(error_of(&f->errs, 0)->text, "maximum file import depth (100000)"));
}

static void imports_bring_in_so_many_words_at_most(void **state)
{
    struct fixture *f = *state;
    struct token words[2] = {{"x", {"f", 1}}, {"y", {"f", 1}}};
    struct tokens body = {words, 2, 2};
    assert_int_equal(import_define(&f->imports, "s", words[0].at, &body), 0);
    f->imports.spliced = CONFIG_WORDS_MAX - 2;
    assert_string_equal(imported(f, "import s\nimport s\n"), "x y ");
    assert_int_equal(f->errs.n, 1);
    assert_int_equal(error_of(&f->errs, 0)->at.line, 2);
}

static void what_cannot_be_read_is_told_and_passed_over(void **state)
{
    struct fixture *f = *state;
    write_file(f, "nul.conf", TEXT("a\0b"));
    assert_int_equal(mkdir(in_dir(f, "sub.conf"), 0700), 0);
    write_file(f, "two.conf", TEXT("2"));
    assert_string_equal(imported(f, "import *.conf\nimport nothing.conf\nb"), "2 b ");
    assert_int_equal(f->errs.n, 3);
    assert_non_null(strstr(error_of(&f->errs, 0)->text, "NUL octet"));
    assert_non_null(strstr(error_of(&f->errs, 1)->text, "is a directory"));
    assert_non_null(
        strstr(error_of(&f->errs, 2)->text, "File to import not found: nothing"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(files_are_found_beside_the_file_that_imports),
        TEST(a_pattern_gives_its_files_in_order),
        TEST(tokens_keep_the_place_they_stand_in),
        TEST(a_snippet_comes_before_a_file_of_its_name),
        TEST(a_file_is_read_once),
        TEST(a_file_that_imports_itself_ends_in_an_error),
        TEST(imports_bring_in_so_many_words_at_most),
        TEST(what_cannot_be_read_is_told_and_passed_over),
    };
    return cmocka_run_group_tests_name("import", tests, NULL, NULL);
}
