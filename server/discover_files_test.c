#include "server/discover_files.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char home[] = "/tmp/discover_files_XXXXXX", place[128];
static struct discover_files f;
static struct errors errs;

static int set_up(void **state)
{
    memcpy(strrchr(home, '_'), "_XXXXXX", 7);
    assert_non_null(mkdtemp(home));
    snprintf(place, sizeof place, "%s/clusters.d", home);
    f = (struct discover_files){.directory = place};
    errors_init(&errs);
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", place, name);
    return path;
}

static int tear_down(void **state)
{
    DIR *d = opendir(place);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        unlink(path_of(e->d_name));
    if (d != NULL)
        closedir(d);
    rmdir(place);
    rmdir(home);
    discover_files_release(&f);
    errors_release(&errs);
    return 0;
}

static void put(const char *name, const char *text)
{
    FILE *out = fopen(path_of(name), "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static const char *text_of_file(const char *name)
{
    static char text[256];
    FILE *in = fopen(path_of(name), "r");
    size_t len = in == NULL ? 0 : fread(text, 1, sizeof text - 1, in);
    text[len] = '\0';
    if (in != NULL)
        fclose(in);
    return text;
}

static unsigned entries(void)
{
    unsigned n = 0;
    DIR *d = opendir(place);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.' || strlen(e->d_name) > 2;
    if (d != NULL)
        closedir(d);
    return n;
}

static int write_two(const char *a, const char *b)
{
    assert_int_equal(discover_files_add(&f, "a", strdup(a)), 0);
    assert_int_equal(discover_files_add(&f, "b", strdup(b)), 0);
    return discover_files_write(&f, &errs);
}

static void files_are_written_into_a_folder_that_is_new(void **state)
{
    assert_int_equal(write_two("{1}\n", "{2}\n"), 0);
    assert_int_equal(f.written, 2);
    assert_string_equal(text_of_file("a.json"), "{1}\n");
    assert_string_equal(text_of_file("b.json"), "{2}\n");
    assert_int_equal(entries(), 2);
}

static void what_says_the_same_is_left_alone(void **state)
{
    assert_int_equal(write_two("{1}\n", "{2}\n"), 0);
    discover_files_release(&f);
    f.written = 0;
    unlink(path_of("b.json"));
    assert_int_equal(write_two("{1}\n", "{2}\n"), 0);
    assert_int_equal(f.written, 1);
    assert_int_equal(f.same, 1);
}

static void what_says_something_else_stays_and_nothing_is_written(void **state)
{
    assert_int_equal(write_two("{1}\n", "{2}\n"), 0);
    put("b.json", "{2}\n and more");
    unlink(path_of("a.json"));
    assert_int_equal(discover_files_write(&f, &errs), -1);
    assert_non_null(strstr(errs.list[0].text, "b.json is there and says something"));
    assert_string_equal(text_of_file("b.json"), "{2}\n and more");
    assert_int_equal(entries(), 1);
}

static void force_replaces_it(void **state)
{
    assert_int_equal(write_two("{1}\n", "{2}\n"), 0);
    put("b.json", "{mine}");
    f.force = true;
    assert_int_equal(discover_files_write(&f, &errs), 0);
    assert_string_equal(text_of_file("b.json"), "{2}\n");
    assert_int_equal(entries(), 2);
}

static void nothing_is_written_through_a_link(void **state)
{
    char victim[160];
    snprintf(victim, sizeof victim, "%s/victim", place);
    assert_int_equal(mkdir(place, 0700), 0);
    put("victim", "precious");
    assert_int_equal(symlink(victim, path_of(".a.json.new")), 0);
    assert_int_equal(write_two("{1}\n", "{2}\n"), 0);
    assert_string_equal(text_of_file("victim"), "precious");
    assert_string_equal(text_of_file("a.json"), "{1}\n");
}

static void a_pipe_is_not_waited_for(void **state)
{
    assert_int_equal(mkdir(place, 0700), 0);
    assert_int_equal(mkfifo(path_of("a.json"), 0600), 0);
    assert_int_equal(write_two("{1}\n", "{2}\n"), -1);
    assert_non_null(strstr(errs.list[0].text, "a.json is there and says something"));
    f.force = true;
    assert_int_equal(discover_files_write(&f, &errs), 0);
    assert_string_equal(text_of_file("a.json"), "{1}\n");
}

static void two_of_one_name_are_an_error(void **state)
{
    assert_int_equal(discover_files_add(&f, "a", strdup("{}")), 0);
    assert_int_equal(write_two("{1}\n", "{2}\n"), -1);
    assert_non_null(strstr(errs.list[0].text, "two clusters are called a"));
    assert_int_equal(entries(), 0);
}

static void names_that_lead_elsewhere_are_an_error(void **state)
{
    assert_int_equal(discover_files_add(&f, "../x", strdup("{}")), 0);
    assert_int_equal(discover_files_add(&f, "", strdup("{}")), 0);
    assert_int_equal(discover_files_write(&f, &errs), -1);
    assert_int_equal(errs.n, 2);
}

static void folder_that_cannot_be_is_told(void **state)
{
    f.directory = "/nowhere/at/all";
    assert_int_equal(write_two("{1}\n", "{2}\n"), -1);
    assert_non_null(strstr(errs.list[0].text, "/nowhere/at/all: No such file"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_written_into_a_folder_that_is_new),
        TEST(what_says_the_same_is_left_alone),
        TEST(what_says_something_else_stays_and_nothing_is_written),
        TEST(force_replaces_it),
        TEST(nothing_is_written_through_a_link),
        TEST(a_pipe_is_not_waited_for),
        TEST(two_of_one_name_are_an_error),
        TEST(names_that_lead_elsewhere_are_an_error),
        TEST(folder_that_cannot_be_is_told),
    };
    return cmocka_run_group_tests_name("discover_files", tests, NULL, NULL);
}
