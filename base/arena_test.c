#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static bool is_zero(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (at[i] != 0)
            return false;
    return true;
}

static void memory_is_zeroed_and_aligned(void **unused)
{
    static const size_t lens[] = {0, 1, 15, 16, 17, 100, 4000, 5000, 70000};
    struct arena a;
    arena_init(&a, NULL, 0);
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
            uint8_t *p = arena_alloc(&a, lens[i]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            assert_true(is_zero(p, lens[i]));
            memset(p, 0xee, lens[i]);
        }
        if (round > 0)
            arena_reset(&a);
    }
    arena_release(&a);
}

static void memory_handed_out_stays_as_it_is(void **unused)
{
    enum { N = 2000 };
    static uint8_t *at[N];
    struct arena a;
    arena_init(&a, NULL, 0);
    for (unsigned i = 0; i < N; i++) {
        at[i] = arena_alloc(&a, i);
        assert_non_null(at[i]);
        memset(at[i], (int)(i % 251), i);
    }
    for (unsigned i = 0; i < N; i++)
        for (unsigned j = 0; j < i; j++)
            assert_int_equal(at[i][j], i % 251);
    arena_release(&a);
}

static void first_block_is_used_before_the_heap(void **unused)
{
    _Alignas(max_align_t) uint8_t first[256];
    struct arena a;
    memset(first, 0xee, sizeof first);
    arena_init(&a, first, sizeof first);
    uint8_t *p = arena_alloc(&a, 200);
    assert_ptr_equal(p, first);
    assert_true(is_zero(p, 200));
    assert_int_equal(a.total, 0);
    assert_non_null(arena_alloc(&a, 48)); /* 208 + 48: full to the last octet */
    assert_int_equal(a.total, 0);
    assert_non_null(arena_alloc(&a, 1));
    assert_true(a.total > 0);
    arena_reset(&a);
    assert_int_equal(a.total, 0);
    assert_ptr_equal(arena_alloc(&a, 256), first);
    assert_int_equal(a.total, 0);
    arena_release(&a);
}

static void first_block_may_be_unaligned_or_tiny(void **unused)
{
    _Alignas(max_align_t) uint8_t first[64];
    struct arena a;
    for (uint32_t skip = 0; skip < 32; skip++) {
        for (uint32_t len = 0; len + skip <= sizeof first; len++) {
            arena_init(&a, first + skip, len);
            uint8_t *p = arena_alloc(&a, 16);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            if (a.total == 0)
                assert_true(p >= first + skip && p + 16 <= first + skip + len);
            arena_release(&a);
        }
    }
}

static void large_requests_leave_the_current_block(void **unused)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    uint8_t *before = arena_alloc(&a, 16);
    assert_non_null(arena_alloc(&a, 100000));
    uint8_t *after = arena_alloc(&a, 16);
    assert_ptr_equal(after, before + 16);
    arena_release(&a);
}

static void impossible_sizes_are_refused(void **unused)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 8));
    assert_null(arena_array(&a, SIZE_MAX / 2, 3));
    assert_null(arena_array(&a, 3, SIZE_MAX / 2));
    assert_null(arena_text(&a, (struct text){.at = "", .len = SIZE_MAX}));
    assert_non_null(arena_array(&a, 0, SIZE_MAX));
    assert_non_null(arena_array(&a, SIZE_MAX, 0));
    assert_non_null(arena_array(&a, 10, 10));
    arena_release(&a);
}

static void copies_are_equal_and_apart(void **unused)
{
    char from[] = "xisthmus";
    struct arena a;
    arena_init(&a, NULL, 0);
    char *copy = arena_copy(&a, from + 1, 7);
    char *text = arena_text(&a, (struct text){.at = from + 1, .len = 4});
    from[1] = '!';
    assert_memory_equal(copy, "isthmus", 7);
    assert_string_equal(text, "isth");
    assert_string_equal(arena_text(&a, (struct text){0}), "");
    assert_non_null(arena_copy(&a, NULL, 0));
    arena_release(&a);
}

static void printing_takes_what_it_needs(void **unused)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    assert_string_equal(arena_printf(&a, "%s:%d", "file", 7), "file:7");
    assert_string_equal(arena_printf(&a, "%s", ""), "");
    char *wide = arena_printf(&a, "%9000d", 1);
    assert_int_equal(strlen(wide), 9000);
    arena_release(&a);
}

static void releasing_twice_is_harmless(void **unused)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    assert_non_null(arena_alloc(&a, 10));
    arena_release(&a);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(memory_handed_out_stays_as_it_is),
        cmocka_unit_test(first_block_is_used_before_the_heap),
        cmocka_unit_test(first_block_may_be_unaligned_or_tiny),
        cmocka_unit_test(large_requests_leave_the_current_block),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(copies_are_equal_and_apart),
        cmocka_unit_test(printing_takes_what_it_needs),
        cmocka_unit_test(releasing_twice_is_harmless),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
