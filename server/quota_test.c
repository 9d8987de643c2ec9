#include "server/quota.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct addr client(uint8_t last)
{
    return (struct addr){.family = 4, .port = last, .ip = {10, 0, 0, last}};
}

static struct quota *new_quota(uint32_t total_max, uint32_t address_max)
{
    struct quota *q = quota_new(total_max, address_max);
    assert_non_null(q);
    return q;
}

static void one_address_has_its_share(void **unused)
{
    struct quota *q = new_quota(10, 2);
    struct addr a = client(1), b = client(2);
    assert_int_equal(quota_take(q, &a), QUOTA_TAKEN);
    a.port = 7; /* ports do not matter */
    assert_int_equal(quota_take(q, &a), QUOTA_TAKEN);
    assert_int_equal(quota_take(q, &a), QUOTA_ADDRESS);
    assert_int_equal(quota_take(q, &b), QUOTA_TAKEN);
    quota_give(q, &a);
    assert_int_equal(quota_take(q, &a), QUOTA_TAKEN);
    quota_free(q);
}

static void total_is_a_limit_and_comes_free_again(void **unused)
{
    struct quota *q = new_quota(3, 3);
    struct addr a[] = {client(1), client(2), client(3), client(4)};
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(quota_take(q, &a[i]), QUOTA_TAKEN);
    assert_int_equal(quota_take(q, &a[3]), QUOTA_FULL);
    assert_int_equal(quota_take(q, &a[0]), QUOTA_FULL);
    quota_give(q, &a[1]);
    assert_int_equal(quota_take(q, &a[3]), QUOTA_TAKEN);
    quota_free(q);
}

static void giving_back_what_was_not_taken_changes_nothing(void **unused)
{
    struct quota *q = new_quota(1, 1);
    struct addr a = client(1), b = client(2);
    assert_int_equal(quota_take(q, &a), QUOTA_TAKEN);
    quota_give(q, &b);
    assert_int_equal(quota_take(q, &b), QUOTA_FULL);
    quota_free(q);
}

static void a_connection_that_moves_is_counted_once(void **unused)
{
    struct quota *q = new_quota(2, 2);
    struct addr proxy = client(1), a = client(2);
    assert_int_equal(quota_take(q, &proxy), QUOTA_TAKEN);
    assert_int_equal(quota_take(q, &proxy), QUOTA_TAKEN);
    assert_int_equal(quota_move(q, &proxy, &a), QUOTA_TAKEN); /* also at the total */
    assert_int_equal(quota_move(q, &proxy, &a), QUOTA_TAKEN);
    quota_give(q, &a);
    assert_int_equal(quota_take(q, &proxy), QUOTA_TAKEN);
    assert_int_equal(quota_take(q, &proxy), QUOTA_FULL);
    quota_free(q);
}

static void who_has_its_share_gets_no_more_by_moving(void **unused)
{
    struct quota *q = new_quota(9, 1);
    struct addr proxy = client(1), a = client(2);
    assert_int_equal(quota_take(q, &a), QUOTA_TAKEN);
    assert_int_equal(quota_take(q, &proxy), QUOTA_TAKEN);
    assert_int_equal(quota_move(q, &proxy, &a), QUOTA_ADDRESS);
    assert_int_equal(quota_take(q, &proxy), QUOTA_ADDRESS); /* still the proxy's */
    quota_free(q);
}

static void a_place_has_its_own_limit(void **unused)
{
    struct quota *q = new_quota(1, 1);
    assert_true(quota_enter(q, 5, 2));
    assert_true(quota_enter(q, 5, 2));
    assert_false(quota_enter(q, 5, 2));
    assert_true(quota_enter(q, 4, 1));
    assert_false(quota_enter(q, 4, 1));
    quota_leave(q, 5);
    assert_true(quota_enter(q, 5, 2));
    assert_false(quota_enter(q, 5, 1)); /* the limit was lowered */
    quota_leave(q, QUOTA_NOWHERE);
    quota_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_address_has_its_share),
        cmocka_unit_test(total_is_a_limit_and_comes_free_again),
        cmocka_unit_test(giving_back_what_was_not_taken_changes_nothing),
        cmocka_unit_test(a_connection_that_moves_is_counted_once),
        cmocka_unit_test(who_has_its_share_gets_no_more_by_moving),
        cmocka_unit_test(a_place_has_its_own_limit),
    };
    if (hash_seed() < 0)
        return 1;
    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
