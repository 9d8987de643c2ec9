#include "server/places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void claimed_place_keeps_what_is_there(void **unused)
{
    struct places p = {0};
    int *one = places_claim(&p, 1, sizeof *one);
    assert_non_null(one);
    assert_int_equal(*one, 0);
    *one = 7;
    int *far = places_claim(&p, 5000, sizeof *far);
    assert_non_null(far);
    assert_ptr_equal(places_claim(&p, 1, sizeof *one), one);
    assert_ptr_equal(places_get(&p, 1), one);
    assert_int_equal(*one, 7);
    assert_ptr_equal(places_get(&p, 5000), far);
    places_release(&p);
}

static void empty_place_is_null(void **unused)
{
    struct places p = {0};
    assert_null(places_get(&p, 0));
    assert_non_null(places_claim(&p, 3, 1));
    assert_null(places_get(&p, 2));
    assert_null(places_get(&p, 1u << 31));
    places_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claimed_place_keeps_what_is_there),
        cmocka_unit_test(empty_place_is_null),
    };
    return cmocka_run_group_tests_name("places", tests, NULL, NULL);
}
