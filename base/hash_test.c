#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void seeding_again_changes_nothing(void **unused)
{
    uint64_t before = hash_bytes("isthmus", 7);
    assert_int_equal(hash_seed(), 0);
    assert_true(hash_bytes("isthmus", 7) == before);
}

static void every_octet_and_the_length_count(void **unused)
{
    uint8_t octets[40];
    for (size_t len = 0; len < sizeof octets; len++) {
        memset(octets, 0, sizeof octets);
        uint64_t hash = hash_bytes(octets, len);
        assert_true(hash_bytes(octets, len + 1) != hash);
        for (size_t i = 0; i < len; i++) {
            octets[i] = 1;
            assert_true(hash_bytes(octets, len) != hash);
            octets[i] = 0;
        }
        octets[len] = 1; /* behind the end */
        assert_true(hash_bytes(octets, len) == hash);
    }
}

static void alignment_does_not_matter(void **unused)
{
    uint8_t octets[40];
    uint64_t hash = hash_bytes("0123456789abcdef!", 17);
    for (size_t at = 0; at < 8; at++) {
        memcpy(octets + at, "0123456789abcdef!", 17);
        assert_true(hash_bytes(octets + at, 17) == hash);
    }
}

static void mixing_minds_the_order(void **unused)
{
    assert_true(hash_mix(1, 2) == hash_mix(1, 2));
    assert_true(hash_mix(1, 2) != hash_mix(2, 1));
    assert_true(hash_mix(0, 1) != hash_mix(0, 2));
    assert_true(hash_mix(0, 0) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeding_again_changes_nothing),
        cmocka_unit_test(every_octet_and_the_length_count),
        cmocka_unit_test(alignment_does_not_matter),
        cmocka_unit_test(mixing_minds_the_order),
    };
    if (hash_seed() < 0)
        return 1;
    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
