#include "config/source.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The i-th error; fails when it is not there. */
static const struct error *error_of(const struct errors *errs, uint32_t i)
{
    assert_true(i < errs->n && i < errs->list_cap);
    return &errs->list[i];
}

static struct arena arena;
static char dir[] = "/tmp/isthmus-source-XXXXXX";

static const char *in_dir(const char *name)
{
    const char *path = arena_printf(&arena, "%s/%s", dir, name);
    assert_non_null(path);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(in_dir(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **unused)
{
    arena_init(&arena, NULL, 0);
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **unused)
{
    static const char *const files[] = {"a.conf", "b.conf", ".hidden",    "sub/x.conf",
                                        "big",    "fifo",   "a.b/x.conf", "a/x.conf"};
    static const char *const dirs[] = {"sub", "a.b", "a", ""};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(in_dir(files[i]));
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        rmdir(in_dir(dirs[i]));
    arena_release(&arena);
    return 0;
}

/* What reading says, or NULL when it succeeds. */
static const char *refusal(const char *path)
{
    struct errors errs;
    struct text text;
    const char *out = NULL;
    errors_init(&errs);
    if (source_read(&arena, path, (struct where){"f", 4}, &text, &errs) < 0) {
        assert_int_equal(errs.n, 1);
        assert_int_equal(error_of(&errs, 0)->at.line, 4);
        out = arena_text(&arena, text_of(error_of(&errs, 0)->text));
        assert_non_null(out);
    }
    errors_release(&errs);
    return out;
}

static void a_file_is_read_whole_with_a_nul_behind(void **unused)
{
    struct errors errs;
    struct text text;
    errors_init(&errs);
    write_file("a.conf", "line\nline");
    assert_int_equal(
        source_read(&arena, in_dir("a.conf"), (struct where){0}, &text, &errs), 0);
    assert_int_equal(text.len, 9);
    assert_string_equal(text.at, "line\nline");
    write_file("a.conf", "");
    assert_int_equal(
        source_read(&arena, in_dir("a.conf"), (struct where){0}, &text, &errs), 0);
    assert_int_equal(text.len, 0);
    assert_int_equal(errs.n, 0);
}

static void what_is_no_regular_file_is_refused(void **unused)
{
    assert_int_equal(mkfifo(in_dir("fifo"), 0600), 0);
    assert_non_null(strstr(refusal(in_dir("nothing")), "No such file"));
    assert_non_null(strstr(refusal(dir), "is a directory"));
    assert_non_null(strstr(refusal(in_dir("fifo")), "is not a regular file"));
    assert_non_null(strstr(refusal("/dev/zero"), "is not a regular file"));
}

static void a_file_has_at_most_its_limit(void **unused)
{
    write_file("big", "");
    assert_int_equal(truncate(in_dir("big"), CONFIG_FILE_MAX + 1), 0);
    assert_non_null(strstr(refusal(in_dir("big")), "longer than"));
}

static void standard_input_is_read_to_its_end(void **unused)
{
    struct errors errs;
    struct text text;
    char block[10000];
    int ends[2], saved = dup(STDIN_FILENO);
    errors_init(&errs);
    memset(block, 'x', sizeof block);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], block, sizeof block), sizeof block);
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    int rc = source_read_stdin(&arena, &text, &errs);
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(ends[0]);
    assert_int_equal(rc, 0);
    assert_int_equal(text.len, sizeof block);
    assert_int_equal(strlen(text.at), sizeof block);
}

/* The paths that match, without the directory, with blanks between. */
static const char *matches(const char *pattern)
{
    struct paths paths;
    const char *out = "";
    assert_int_equal(source_glob(&arena, in_dir(pattern), &paths), 0);
    for (uint32_t i = 0; i < paths.n && out != NULL; i++)
        out = arena_printf(&arena, "%s%s%s", out, i > 0 ? " " : "",
                           paths.list[i] + strlen(dir) + 1);
    assert_non_null(out);
    return out;
}

static void patterns_match_as_in_go(void **unused)
{
    static const char *const rows[][2] = {
        {"a.conf", "a.conf"},
        {"nothing", ""},
        {"*.conf", "a.conf b.conf"},
        {"?.conf", "a.conf b.conf"},
        {"*idden", ".hidden"}, /* hidden files are not special */
        {".*", ".hidden"},     /* but `.` and `..` are never given */
        {"sub", "sub"},
        {"nothing*", ""},
        {"*/x.conf", "a/x.conf a.b/x.conf sub/x.conf"}, /* by components */
    };
    assert_int_equal(mkdir(in_dir("sub"), 0700), 0);
    assert_int_equal(mkdir(in_dir("a.b"), 0700), 0);
    assert_int_equal(mkdir(in_dir("a"), 0700), 0);
    write_file("b.conf", "");
    write_file(".hidden", "");
    write_file("sub/x.conf", "");
    write_file("a.b/x.conf", "");
    write_file("a/x.conf", "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(matches(rows[i][0]), rows[i][1]);
}

static void relative_paths_start_at_the_file_that_names_them(void **unused)
{
    static const char *const rows[][3] = {
        {"/etc/x/Corefile", "a.conf", "/etc/x/a.conf"},
        {"/etc/x/Corefile", "../a", "/etc/x/../a"},
        {"/etc/x/Corefile", "/a", "/a"},
        {"Corefile", "a.conf", "a.conf"},
        {"/Corefile", "a", "/a"},
        {"d/Corefile", "e/a", "d/e/a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(source_relative(&arena, rows[i][0], rows[i][1]),
                            rows[i][2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_whole_with_a_nul_behind),
        cmocka_unit_test(what_is_no_regular_file_is_refused),
        cmocka_unit_test(a_file_has_at_most_its_limit),
        cmocka_unit_test(standard_input_is_read_to_its_end),
        cmocka_unit_test(patterns_match_as_in_go),
        cmocka_unit_test(relative_paths_start_at_the_file_that_names_them),
    };
    return cmocka_run_group_tests_name("source", tests, setup, teardown);
}
