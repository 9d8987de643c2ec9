#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { ENTRIES = 3000 };

struct entry {
    uint32_t key, hash;
    bool present, seen;
};

static bool same_key(const void *entry, const void *key)
{
    return ((const struct entry *)entry)->key == *(const uint32_t *)key;
}

static struct entry *get(const struct table *t, const struct entry *e)
{
    return table_get(t, e->hash, same_key, &e->key);
}

static void empty_table_finds_nothing(void **unused)
{
    struct table t = {0};
    uint32_t key = 1, at = 0;
    assert_null(table_get(&t, 1, same_key, &key));
    assert_false(table_del(&t, 1, &key));
    assert_null(table_next(&t, &at));
    table_release(&t);
}

static void equal_hashes_are_told_apart_by_the_match(void **unused)
{
    struct entry e[20];
    struct table t = {0};
    for (uint32_t i = 0; i < 20; i++) {
        e[i] = (struct entry){.key = i, .hash = 7};
        assert_int_equal(table_put(&t, 7, &e[i]), 0);
    }
    for (uint32_t i = 0; i < 20; i++)
        assert_ptr_equal(get(&t, &e[i]), &e[i]);
    uint32_t other = 20;
    assert_null(table_get(&t, 7, same_key, &other));
    assert_null(table_get(&t, 8, same_key, &e[0].key));
    table_release(&t);
}

static void only_the_very_entry_is_deleted(void **unused)
{
    struct entry a = {.key = 1, .hash = 5}, twin = a;
    struct table t = {0};
    assert_int_equal(table_put(&t, 5, &a), 0);
    assert_false(table_del(&t, 5, &twin));
    assert_false(table_del(&t, 6, &a));
    assert_ptr_equal(get(&t, &a), &a);
    assert_true(table_del(&t, 5, &a));
    assert_false(table_del(&t, 5, &a));
    assert_null(get(&t, &a));
    assert_int_equal(t.n, 0);
    table_release(&t);
}

/* How the hashes are spread, from one chain that wraps round the end to a good spread.
 */
static uint32_t spread(unsigned kind, uint32_t i)
{
    switch (kind) {
    case 0:
        return UINT32_MAX;
    case 1:
        return i % 5 + UINT32_MAX - 2;
    case 2:
        return i;
    default:
        return i * 2654435761u;
    }
}

static void assert_agrees(const struct table *t, struct entry *e)
{
    uint32_t at = 0, present = 0, walked = 0;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        assert_ptr_equal(get(t, &e[i]), e[i].present ? &e[i] : NULL);
        present += e[i].present;
        e[i].seen = false;
    }
    for (struct entry *next; (next = table_next(t, &at)) != NULL; walked++) {
        assert_true(next->present && !next->seen);
        next->seen = true;
    }
    assert_int_equal(walked, present);
    assert_int_equal(t->n, present);
    assert_true(t->entries == NULL || t->n <= (t->mask + 1) / 8 * 7);
}

static void entries_that_come_and_go_are_always_found(void **unused)
{
    static struct entry e[ENTRIES];
    for (unsigned kind = 0; kind < 4; kind++) {
        struct table t = {0};
        uint32_t random = 1, span = kind == 0 ? 100 : ENTRIES;
        for (uint32_t i = 0; i < ENTRIES; i++)
            e[i] = (struct entry){.key = i, .hash = spread(kind, i)};
        for (uint32_t step = 0; step < 20000; step++) {
            random = random * 1664525 + 1013904223;
            struct entry *it = &e[(random >> 8) % span];
            if (it->present)
                assert_true(table_del(&t, it->hash, it));
            else
                assert_int_equal(table_put(&t, it->hash, it), 0);
            it->present = !it->present;
            if (step % 2000 == 0)
                assert_agrees(&t, e);
        }
        assert_agrees(&t, e);
        table_release(&t);
    }
}

static void released_table_is_empty_and_usable(void **unused)
{
    struct entry a = {.key = 1, .hash = 5};
    struct table t = {0};
    assert_int_equal(table_put(&t, 5, &a), 0);
    table_release(&t);
    assert_null(get(&t, &a));
    assert_int_equal(table_put(&t, 5, &a), 0);
    assert_ptr_equal(get(&t, &a), &a);
    table_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_table_finds_nothing),
        cmocka_unit_test(equal_hashes_are_told_apart_by_the_match),
        cmocka_unit_test(only_the_very_entry_is_deleted),
        cmocka_unit_test(entries_that_come_and_go_are_always_found),
        cmocka_unit_test(released_table_is_empty_and_usable),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
