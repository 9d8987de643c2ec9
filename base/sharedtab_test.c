#include "base/sharedtab.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define MANY 2000

struct thing {
    uint32_t hash, value;
};

static uint32_t hash_of(const void *entry)
{
    return ((const struct thing *)entry)->hash;
}

static struct thing *find(const struct sharedtab *t, uint32_t hash, uint32_t value)
{
    const struct sharedtab_slots *s = sharedtab_slots(t);
    struct thing *e;
    for (uint32_t at = hash; (e = sharedtab_probe(s, hash, &at)) != NULL;) {
        if (e->value == value)
            return e;
    }
    return NULL;
}

static void put(struct sharedtab *t, struct thing *e)
{
    struct sharedtab_slots *old;
    assert_int_equal(sharedtab_put(t, e->hash, e, &old), 0);
    free(old); /* nobody else looks */
}

static struct thing *things(uint32_t n)
{
    struct thing *list = calloc(n, sizeof *list);
    assert_non_null(list);
    for (uint32_t i = 0; i < n; i++)
        list[i] = (struct thing){.hash = i / 3 * 0x9e3779b9u, .value = i};
    return list;
}

static void what_was_put_is_found_until_it_is_deleted(void **unused)
{
    struct sharedtab t = {.hash = hash_of};
    struct thing *list = things(MANY);
    assert_null(find(&t, 1, 1));
    for (uint32_t i = 0; i < MANY; i++)
        put(&t, &list[i]);
    for (uint32_t i = 0; i < MANY; i += 2)
        assert_true(sharedtab_del(&t, list[i].hash, &list[i]));
    assert_false(sharedtab_del(&t, list[0].hash, &list[0]));
    assert_int_equal(t.n, MANY / 2);
    for (uint32_t i = 0; i < MANY; i++)
        assert_ptr_equal(find(&t, list[i].hash, i), i % 2 == 0 ? NULL : &list[i]);
    uint32_t n = 0;
    for (uint32_t at = 0; sharedtab_next(&t, &at) != NULL;)
        n++;
    assert_int_equal(n, MANY / 2);
    sharedtab_release(&t);
    free(list);
}

static void coming_and_going_does_not_fill_it(void **unused)
{
    struct sharedtab t = {.hash = hash_of};
    struct thing *list = things(MANY);
    for (uint32_t round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            put(&t, &list[i]);
            if (i >= 20)
                assert_true(sharedtab_del(&t, list[i - 20].hash, &list[i - 20]));
        }
        for (uint32_t i = MANY - 20; i < MANY; i++)
            assert_true(sharedtab_del(&t, list[i].hash, &list[i]));
    }
    assert_int_equal(t.n, 0);
    assert_true(sharedtab_slots(&t)->mask < 64);
    sharedtab_release(&t);
    free(list);
}

/* ---- readers beside the writer ---- */

struct race {
    struct sharedtab t;
    struct thing *always, *other; /* by turns in one place */
    _Atomic bool end;
    _Atomic uint32_t looks;
};

static void *look(void *context)
{
    struct race *r = context;
    uint32_t missed = 0;
    while (!atomic_load(&r->end)) {
        for (uint32_t i = 0; i < 100; i++)
            missed += find(&r->t, r->always[i].hash, i) == NULL;
        atomic_fetch_add(&r->looks, 1);
    }
    return missed == 0 ? r : NULL;
}

static void readers_find_what_is_there_whatever_changes(void **unused)
{
    struct race r = {.t.hash = hash_of, .always = things(100), .other = things(MANY)};
    struct sharedtab_slots *old[64];
    uint32_t old_n = 0;
    struct thing *twins = things(100);
    pthread_t thread;
    void *good;
    for (uint32_t i = 0; i < 100; i++)
        put(&r.t, &r.always[i]);
    assert_int_equal(pthread_create(&thread, NULL, look, &r), 0);
    while (atomic_load(&r.looks) < 20) {
        for (uint32_t i = 100; i < MANY && old_n < 60; i++) {
            struct sharedtab_slots *gone;
            assert_int_equal(sharedtab_put(&r.t, r.other[i].hash, &r.other[i], &gone),
                             0);
            if (gone != NULL)
                old[old_n++] = gone;
        }
        for (uint32_t i = 0; i < 100; i++) {
            sharedtab_swap(&r.t, twins[i].hash, &r.always[i], &twins[i]);
            sharedtab_swap(&r.t, twins[i].hash, &twins[i], &r.always[i]);
        }
        for (uint32_t i = 100; i < MANY; i++)
            sharedtab_del(&r.t, r.other[i].hash, &r.other[i]);
    }
    atomic_store(&r.end, true);
    assert_int_equal(pthread_join(thread, &good), 0);
    assert_non_null(good);
    while (old_n > 0)
        free(old[--old_n]);
    sharedtab_release(&r.t);
    free(r.always);
    free(r.other);
    free(twins);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_until_it_is_deleted),
        cmocka_unit_test(coming_and_going_does_not_fill_it),
        cmocka_unit_test(readers_find_what_is_there_whatever_changes),
    };
    return cmocka_run_group_tests_name("sharedtab", tests, NULL, NULL);
}
