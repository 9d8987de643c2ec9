#include "resolver/cluster_refusals.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void add(struct cluster_refusals *all, const char *name)
{
    struct inventory_draft d = {.name = text_of(name)};
    struct inventory_record *r = inventory_record_new(&d);
    assert_non_null(r);
    cluster_refusals_add(all, r, "why not");
    inventory_record_drop(r);
}

/* The names in their order, one behind the other. */
static const char *order(const struct cluster_refusals *all, char out[16])
{
    size_t len = 0;
    out[0] = '\0';
    for (const struct cluster_refusal *one = all->first; one != NULL; one = one->next)
        len += (size_t)snprintf(out + len, 16 - len, "%s", inventory_name(one->record));
    return out;
}

static void they_stay_in_the_order_in_which_they_came(void **unused)
{
    struct cluster_refusals all = {0};
    char text[16];
    add(&all, "a");
    add(&all, "b");
    add(&all, "c");
    assert_string_equal(order(&all, text), "abc");
    assert_string_equal(all.first->why, "why not");
    cluster_refusals_forget(&all, "c");
    add(&all, "d");
    cluster_refusals_forget(&all, "b");
    cluster_refusals_forget(&all, "nobody");
    assert_string_equal(order(&all, text), "ad");
    cluster_refusals_drop(&all, all.first);
    add(&all, "e");
    assert_string_equal(order(&all, text), "de");
    cluster_refusals_forget(&all, "d");
    cluster_refusals_forget(&all, "e");
    add(&all, "f");
    assert_string_equal(order(&all, text), "f");
    assert_int_equal(all.names.n, 1);
    cluster_refusals_release(&all);
    assert_null(all.first);
}

/* Were one searched for among all, this would take minutes. */
static void a_fleet_may_be_refused(void **unused)
{
    enum { FLEET = 100000 };
    struct cluster_refusals all = {0};
    char name[16];
    for (unsigned i = 0; i < FLEET; i++) {
        snprintf(name, sizeof name, "c%u", i);
        cluster_refusals_forget(&all, name);
        add(&all, name);
    }
    assert_int_equal(all.names.n, FLEET);
    for (unsigned i = FLEET; i-- > 1;) {
        snprintf(name, sizeof name, "c%u", i);
        cluster_refusals_forget(&all, name);
    }
    assert_string_equal(inventory_name(all.first->record), "c0");
    cluster_refusals_release(&all);
}

int main(void)
{
    if (hash_seed() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_stay_in_the_order_in_which_they_came),
        cmocka_unit_test(a_fleet_may_be_refused),
    };
    return cmocka_run_group_tests_name("cluster_refusals", tests, NULL, NULL);
}
