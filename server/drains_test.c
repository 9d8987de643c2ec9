#include "server/drains.h"

#include "base/log.h"
#include "resolver/cluster_servers.h"
#include "resolver/plan.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define COREFILE                                                                       \
    ". {\n cluster a.lan a2.lan {\n  dns 10.0.0.1 10.0.0.2\n }\n"                      \
    " cluster b.lan {\n  dns 10.0.0.3\n }\n}\n"

static struct world w;
static struct drains drains;

static int set_up(void **state)
{
    world_load(&w, COREFILE);
    drains_init(&drains, NULL);
    return 0;
}

static int tear_down(void **state)
{
    drains_release(&drains);
    world_close(&w);
    return 0;
}

struct wanted {
    const char *label;
    const struct cluster *found;
};

static void look_at(const struct cluster *c, void *context)
{
    struct wanted *wanted = context;
    char label[NAME_TEXT_MAX];
    if (strcmp(cluster_label(c, label), wanted->label) == 0)
        wanted->found = c;
}

static const struct cluster *cluster(const char *label)
{
    struct wanted wanted = {.label = label};
    cluster_map_each(w.plan->blocks[0].clusters, look_at, &wanted);
    assert_non_null(wanted.found);
    return wanted.found;
}

/* "110": a digit for each address of a.lan and b.lan. */
static const char *state(void)
{
    static char text[4];
    const struct upstream_group *a = cluster_group(cluster("a.lan"));
    const struct upstream_group *b = cluster_group(cluster("b.lan"));
    snprintf(text, sizeof text, "%d%d%d", a->list[0]->drained, a->list[1]->drained,
             b->list[0]->drained);
    return text;
}

static void set(const char *label, const char *address, bool on)
{
    struct addr addr;
    if (address != NULL)
        assert_int_equal(addr_parse(&addr, text_of(address), 53), 0);
    assert_int_equal(
        drains_set(&drains, cluster(label), address == NULL ? NULL : &addr, on), 0);
    drains_apply(&drains, w.plan);
}

static void clusters_and_addresses_are_drained_by_themselves(void **unused)
{
    set("a.lan", "10.0.0.2", true);
    assert_string_equal(state(), "010");
    set("a.lan", NULL, true);
    assert_string_equal(state(), "110");
    set("b.lan", NULL, true);
    set("a.lan", NULL, false);
    assert_string_equal(state(), "001");
    set("a.lan", "10.0.0.1", true);
    set("a.lan", "10.0.0.1", true); /* twice is once */
    set("a.lan", "10.0.0.1", false);
    assert_string_equal(state(), "001");
}

static char *new_path(void)
{
    char folder[] = "/tmp/isthmus-drains.XXXXXX", *path;
    assert_non_null(mkdtemp(folder));
    assert_true(asprintf(&path, "%s/drained", folder) > 0);
    return path;
}

static void remove_path(char *path)
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    free(path);
}

static void file_brings_them_back(void **unused)
{
    struct errors errs;
    char *path = new_path();
    errors_init(&errs);
    drains_release(&drains);
    drains_init(&drains, path); /* that is not there yet */
    set("b.lan", NULL, true);
    set("a.lan", "10.0.0.2", true);
    assert_int_equal(drains_save(&drains, &errs), 0);
    set("a.lan", NULL, false);
    set("b.lan", NULL, false);
    assert_string_equal(state(), "000");
    drains_release(&drains);
    drains_init(&drains, path);
    drains_apply(&drains, w.plan);
    assert_string_equal(state(), "011");
    remove_path(path);
    assert_int_equal(drains_save(&drains, &errs), -1); /* its folder is gone */
    assert_int_equal(errs.n, 1);
    errors_release(&errs);
}

static void lines_that_say_nothing_are_passed_over(void **unused)
{
    char *path = new_path();
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs("\n..\nb.lan. nonsense\na.lan. 10.0.0.1:53\nnosuch.lan.\n", out);
    fclose(out);
    drains_release(&drains);
    log_set_level(LOG_FATAL);
    drains_init(&drains, path);
    log_set_level(LOG_DEFAULT);
    drains_apply(&drains, w.plan);
    assert_string_equal(state(), "100");
    remove_path(path);
}

int main(void)
{
#define DRAIN_TEST(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        DRAIN_TEST(clusters_and_addresses_are_drained_by_themselves),
        DRAIN_TEST(file_brings_them_back),
        DRAIN_TEST(lines_that_say_nothing_are_passed_over),
    };
    return cmocka_run_group_tests_name("drains", tests, NULL, NULL);
}
