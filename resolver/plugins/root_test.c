#include "resolver/plugin.h"

#include "resolver/plan.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static void relative_paths_begin_at_the_root_absolute_ones_do_not(void **unused)
{
    static const struct {
        const char *root, *path, *expected;
    } list[] = {
        {"/etc/dns", "db.test", "/etc/dns/db.test"},
        {"/etc/dns", "a/b", "/etc/dns/a/b"},
        {"/etc/dns", "/var/db", "/var/db"},
        {NULL, "db.test", "db.test"},
    };
    struct arena a;
    arena_init(&a, NULL, 0);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct plan_block b = {.root = list[i].root};
        assert_string_equal(plan_path(&b, &a, list[i].path), list[i].expected);
    }
    arena_release(&a);
}

static void a_plugin_of_the_block_finds_its_file_under_the_root(void **unused)
{
    char dir[] = "/tmp/root-XXXXXX", path[64], corefile[256], text[SHOW_MAX];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/names", dir);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs("10.0.0.1 a.test\n", out);
    fclose(out);
    snprintf(corefile, sizeof corefile,
             ". {\n hosts names\n root %s\n}\ntest:5353 {\n hosts names\n}\n", dir);
    struct world w;
    world_load(&w, corefile);
    assert_string_equal(show_asked(&w, "a.test", DNS_A, text),
                        "NOERROR aa\nAN a.test. 3600 IN A 10.0.0.1\n");
    assert_null(w.plan->blocks[1].root);
    world_close(&w);
    unlink(path);
    rmdir(dir);
}

static void a_missing_root_may_come_later(void **unused)
{
    char text[ERROR_TEXT_MAX];
    assert_true(
        world_loads(". {\n root /nonexistent/dir\n whoami\n}\n", text, sizeof text));
}

static void a_root_that_cannot_be_is_refused(void **unused)
{
    static const struct {
        const char *corefile, *text;
    } list[] = {
        {". {\n root\n whoami\n}\n",
         "plugin/root: Wrong argument count or unexpected line ending after 'root': "
         "expected one argument"},
        {". {\n root a b\n whoami\n}\n",
         "plugin/root: Wrong argument count or unexpected line ending after 'b': "
         "expected one argument, 'a'"},
        {". {\n root /dev/null/x\n whoami\n}\n",
         "plugin/root: unable to access root path '/dev/null/x': Not a directory"},
    };
    char text[ERROR_TEXT_MAX];
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        assert_false(world_loads(list[i].corefile, text, sizeof text));
        assert_string_equal(text, list[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relative_paths_begin_at_the_root_absolute_ones_do_not),
        cmocka_unit_test(a_plugin_of_the_block_finds_its_file_under_the_root),
        cmocka_unit_test(a_missing_root_may_come_later),
        cmocka_unit_test(a_root_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests_name("root", tests, NULL, NULL);
}
