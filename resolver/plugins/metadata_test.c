/* Labels and their values, by way of fill, which log lines are made with. */
#include "resolver/metadata.h"

#include "resolver/core.h"
#include "resolver/plan.h"
#include "tests/unit/build.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static int teardown(void **unused)
{
    build_release();
    return 0;
}

/* The value of a label for a question that no plugin has seen, "-" without one. */
static const char *value(const char *lines, const char *name, const char *label)
{
    struct world w;
    char corefile[400], out[METADATA_VALUE_MAX], *kept = build_keep(sizeof out);
    snprintf(corefile, sizeof corefile, "test {\n%s\n whoami\n}\n", lines);
    world_load(&w, corefile);
    const uint8_t *lower = build_name(name);
    struct query q = {.r = w.r, .block = &w.plan->blocks[0]};
    arena_init(&q.arena, NULL, 0);
    q.request = (struct request){
        .name = lower, .lower = lower, .name_len = (uint8_t)name_len(lower)};
    size_t len = metadata_value(&q, q.block, label, out);
    snprintf(kept, sizeof out, "%.*s", len == 0 ? 1 : (int)len, len == 0 ? "-" : out);
    arena_release(&q.arena);
    w.r->key_of = NULL;
    world_close(&w);
    return kept;
}

#define B "cluster b.test 10.96.0.0/12\nview office\n"

static void labels_have_the_values_of_their_block(void **unused)
{
    static const char *const list[][4] = {
        {B "metadata", "a.test", "view/name", "office"},
        {"metadata", "a.test", "view/name", "-"},
        {B "metadata", "a.b.test", "cluster/name", "b.test"},
        {B "metadata", "a.test", "cluster/name", "-"},
        {B "metadata", "a.test", "forward/upstream", "-"},
        {B "metadata", "a.test", "kubernetes/endpoint", "-"},
        {B "metadata", "a.test", "", "-"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_string_equal(value(list[i][0], list[i][1], list[i][2]), list[i][3]);
}

static void only_names_of_its_zones_have_them(void **unused)
{
    static const char *const list[][4] = {
        {B, "a.test", "view/name", "-"},
        {B "metadata", "other", "view/name", "-"},
        {B "metadata x.test y.test", "a.y.test", "view/name", "office"},
        {B "metadata x.test y.test", "a.test", "view/name", "-"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_string_equal(value(list[i][0], list[i][1], list[i][2]), list[i][3]);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {". {\n metadata\n metadata\n}\n", "only be used once"},
        {". {\n metadata {\n x\n }\n}\n", "x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        assert_false(world_loads(cases[i][0], text, sizeof text));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(labels_have_the_values_of_their_block, teardown),
        cmocka_unit_test_teardown(only_names_of_its_zones_have_them, teardown),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("metadata", tests, NULL, NULL);
}
