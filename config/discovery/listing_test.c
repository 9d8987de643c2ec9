/* Parts that come and go: what is left of them. */
#include "config/discovery/discovery_own.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void open_listing(struct discovery *d)
{
    static char source[] = "test";
    *d = (struct discovery){.source = source, .settings = {.shrink = 50}};
    d->changes_end = &d->changes;
    pthread_mutex_init(&d->lock, NULL);
}

static void close_listing(struct discovery *d)
{
    struct inventory_record *r;
    for (uint32_t at = 0; (r = table_next(&d->names, &at)) != NULL;)
        inventory_record_drop(r);
    for (struct discovery_part *p; (p = d->parts) != NULL; discovery_part_free(p))
        d->parts = p->next;
    table_release(&d->names);
    table_release(&d->parts_by_name);
    pthread_mutex_destroy(&d->lock);
}

/* Part `NAME`, which has the cluster NAME, or is no JSON. */
static void list_part(struct discovery *d, const char *name, bool good, uint32_t stamp)
{
    char text[128];
    struct errors errs;
    struct discovery_part *p = discovery_part_of(d, name);
    errors_init(&errs);
    assert_non_null(p);
    discovery_stamp(p, stamp);
    discovery_begin(d, p->name);
    snprintf(text, sizeof text, "{\"name\":\"%s\",\"dns\":[\"10.0.0.1\"]%s", name,
             good ? "}" : "");
    enum inventory_result result =
        inventory_read_json(p->name, text_of(text), discovery_sink(d), &errs);
    discovery_end(d, result, &errs);
    errors_release(&errs);
}

static bool is_held(const struct discovery *d, const char *name)
{
    return discovery_find(d, name) != NULL;
}

static void a_refused_list_leaves_nothing_of_its_own(void **unused)
{
    struct discovery d;
    char name[16];
    open_listing(&d);
    list_part(&d, "a", true, 1);
    list_part(&d, "b", true, 1);
    list_part(&d, "b", true, 2);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "new-%u", i);
        list_part(&d, name, i % 2 == 0, 2);
    }
    assert_int_equal(d.names.n, 52);
    assert_int_equal(d.parts_by_name.n, 102);
    assert_int_equal(d.parts_wrong, 50);
    discovery_refuse(&d, 2);
    assert_true(is_held(&d, "a") && is_held(&d, "b"));
    assert_int_equal(d.names.n, 2);
    assert_int_equal(d.parts_by_name.n, 2);
    assert_int_equal(d.parts_wrong, 0);
    assert_int_equal(d.status.wrong, 0);
    close_listing(&d);
}

/* What is wrong is told as long as it is listed. */
static void parts_that_hold_nothing_are_swept(void **unused)
{
    struct discovery d;
    open_listing(&d);
    list_part(&d, "a", true, 1);
    list_part(&d, "wrong", false, 1);
    list_part(&d, "wrong-then", false, 1);
    discovery_part_of(&d, "never-listed");
    list_part(&d, "a", true, 2);
    list_part(&d, "wrong", false, 2);
    discovery_sweep(&d, 2);
    assert_int_equal(d.parts_by_name.n, 2);
    assert_int_equal(d.parts_wrong, 1);
    assert_true(is_held(&d, "a"));
    close_listing(&d);
}

static void a_place_lives_as_long_as_its_records(void **unused)
{
    struct discovery d;
    const char *a = "a";
    open_listing(&d);
    list_part(&d, a, true, 1);
    struct inventory_record *r = inventory_record_use(discovery_find(&d, a));
    discovery_parts_gone(&d, &a, 1);
    discovery_sweep(&d, 1);
    assert_int_equal(d.parts_by_name.n, 0);
    assert_string_equal(r->file, "a");
    inventory_record_drop(r);
    close_listing(&d);
}

/* Not at each change: that would cost as much as all of them. */
static void a_watch_sweeps_once_it_is_worth_it(void **unused)
{
    struct discovery d;
    char name[16];
    uint32_t most = 0;
    open_listing(&d);
    for (unsigned i = 0; i < 10000; i++) {
        const char *gone = name;
        snprintf(name, sizeof name, "c-%u", i);
        list_part(&d, name, true, 1);
        discovery_parts_gone(&d, &gone, 1);
        discovery_sweep_some(&d, 1);
        most = most > d.parts_by_name.n ? most : d.parts_by_name.n;
    }
    assert_in_range(most, 1000, 2100);
    close_listing(&d);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_list_leaves_nothing_of_its_own),
        cmocka_unit_test(parts_that_hold_nothing_are_swept),
        cmocka_unit_test(a_place_lives_as_long_as_its_records),
        cmocka_unit_test(a_watch_sweeps_once_it_is_worth_it),
    };
    hash_seed();
    return cmocka_run_group_tests_name("listing", tests, NULL, NULL);
}
