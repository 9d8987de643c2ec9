#include "base/hash.h"
#include "resolver/zonetab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct arena arena;

static const struct name *name_of(const char *text)
{
    struct name *n = arena_alloc(&arena, sizeof *n);
    assert_non_null(n);
    assert_int_equal(name_parse(n, text_of(text)), 0);
    name_lower(n->wire, n->wire, n->len);
    return n;
}

static const char *find(const struct zonetab *t, const char *name, unsigned skip)
{
    struct name_key key;
    name_key_init(&key, name_of(name)->wire);
    const char *found = zonetab_find(t, &key, skip, NULL);
    return found == NULL ? "-" : found;
}

static void add(struct zonetab *t, const char *zone)
{
    assert_int_equal(
        zonetab_add(t, &arena, name_of(zone)->wire, (void *)(uintptr_t)zone, NULL), 0);
}

static int set_up(void **state)
{
    arena_init(&arena, NULL, 0);
    return hash_seed();
}

static int tear_down(void **state)
{
    arena_release(&arena);
    return 0;
}

static void longest_zone_wins(void **state)
{
    struct zonetab t = {0};
    add(&t, "k8s.lan");
    add(&t, "eu.k8s.lan");
    add(&t, "local");
    static const struct {
        const char *name, *zone;
    } cases[] = {
        {"app.eu.k8s.lan", "eu.k8s.lan"},
        {"eu.k8s.lan", "eu.k8s.lan"},
        {"app.us.k8s.lan", "k8s.lan"},
        {"k8s.lan", "k8s.lan"},
        {"lan", "-"},
        {"xk8s.lan", "-"},
        {"A.LOCAL", "local"},
        {".", "-"},
        {"k8s\\.lan", "-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(find(&t, cases[i].name, 0), cases[i].zone);
}

static void root_is_above_everything(void **state)
{
    struct zonetab t = {0};
    add(&t, ".");
    assert_string_equal(find(&t, "a.b.c", 0), ".");
    assert_string_equal(find(&t, ".", 0), ".");
}

static void skipped_suffixes_are_not_considered(void **state)
{
    struct zonetab t = {0};
    add(&t, "a.b.c");
    add(&t, "c");
    assert_string_equal(find(&t, "a.b.c", 0), "a.b.c");
    assert_string_equal(find(&t, "a.b.c", 1), "c");
}

static void same_zone_twice_tells_the_first(void **state)
{
    struct zonetab t = {0};
    void *old = NULL;
    add(&t, "k8s.lan");
    assert_int_equal(zonetab_add(&t, &arena, name_of("K8S.lan")->wire, NULL, &old), 1);
    assert_string_equal(old, "k8s.lan");
}

static void thousands_of_zones_are_all_found(void **state)
{
    struct zonetab t = {0};
    char text[64];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "c%u.example", i);
        char *kept = arena_text(&arena, text_of(text));
        assert_non_null(kept);
        add(&t, kept);
    }
    for (unsigned i = 0; i < 5000; i++) {
        char zone[32];
        snprintf(zone, sizeof zone, "c%u.example", i);
        snprintf(text, sizeof text, "app.%s", zone);
        assert_string_equal(find(&t, text, 0), zone);
    }
    assert_string_equal(find(&t, "c5000.example", 0), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_zone_wins),
        cmocka_unit_test(root_is_above_everything),
        cmocka_unit_test(skipped_suffixes_are_not_considered),
        cmocka_unit_test(same_zone_twice_tells_the_first),
        cmocka_unit_test(thousands_of_zones_are_all_found),
    };
    return cmocka_run_group_tests_name("zonetab", tests, set_up, tear_down);
}
