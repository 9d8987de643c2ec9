#include "server/conns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void number_says_which_kind(void **unused)
{
    struct conns udp = {.kind = CONNS_UDP}, stream = {.kind = CONNS_STREAM};
    int entry;
    for (unsigned i = 0; i < 100; i++) {
        assert_false(conns_is_stream(conns_add(&udp, &entry)));
        assert_true(conns_is_stream(conns_add(&stream, &entry)));
    }
    conns_release(&udp);
    conns_release(&stream);
}

static void number_is_used_again_only_after_it_was_given_back(void **unused)
{
    struct conns c = {.kind = CONNS_STREAM};
    int entry[3];
    uint32_t a = conns_add(&c, &entry[0]), b = conns_add(&c, &entry[1]);
    assert_int_not_equal(a, b);
    assert_ptr_equal(conns_get(&c, a), &entry[0]);
    conns_del(&c, a);
    assert_null(conns_get(&c, a));
    assert_ptr_equal(conns_get(&c, b), &entry[1]);
    assert_int_equal(conns_add(&c, &entry[2]), a);
    assert_ptr_equal(conns_get(&c, a), &entry[2]);
    conns_release(&c);
}

static void unknown_numbers_are_nobody(void **unused)
{
    struct conns c = {.kind = CONNS_UDP};
    assert_null(conns_get(&c, 0));
    assert_null(conns_get(&c, CONN_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_says_which_kind),
        cmocka_unit_test(number_is_used_again_only_after_it_was_given_back),
        cmocka_unit_test(unknown_numbers_are_nobody),
    };
    return cmocka_run_group_tests_name("conns", tests, NULL, NULL);
}
