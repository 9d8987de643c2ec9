#include "resolver/registry.h"

#include "base/hash.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct object {
    int *alive;
    int value;
};

static int object_init(void *object, const void *argument)
{
    struct object *o = object;
    memcpy(&o->alive, argument, sizeof o->alive);
    if (o->alive == NULL)
        return -1;
    assert_int_equal(o->value, 0);
    ++*o->alive;
    return 0;
}

static void object_release(void *object)
{
    --*((struct object *)object)->alive;
}

static const struct registry_kind kind_a = {
    .name = "a",
    .size = sizeof(struct object),
    .init = object_init,
    .release = object_release,
};

static const struct registry_kind kind_b = {
    .name = "b",
    .size = sizeof(struct object),
};

static struct span key(const char *text)
{
    return (struct span){.at = (const uint8_t *)text, .len = strlen(text)};
}

static void one_key_is_one_object_until_its_last_claim_is_dropped(void **unused)
{
    int alive = 0, *argument = &alive;
    uint32_t id, again;
    struct registry *reg = registry_new();
    assert_non_null(reg);
    struct object *o = registry_claim(reg, &kind_a, key("x"), &argument, &id);
    o->value = 7;
    assert_ptr_equal(registry_claim(reg, &kind_a, key("x"), &argument, &again), o);
    assert_int_equal(id, again);
    assert_int_equal(alive, 1);
    registry_drop(reg, o);
    assert_int_equal(alive, 1);
    registry_drop(reg, o);
    assert_int_equal(alive, 0);
    o = registry_claim(reg, &kind_a, key("x"), &argument, NULL);
    assert_int_equal(o->value, 0);
    registry_drop(reg, o);
    registry_free(reg);
}

static void kinds_and_keys_are_told_apart(void **unused)
{
    int alive = 0, *argument = &alive;
    struct registry *reg = registry_new();
    assert_non_null(reg);
    void *ax = registry_claim(reg, &kind_a, key("x"), &argument, NULL);
    void *ay = registry_claim(reg, &kind_a, key("y"), &argument, NULL);
    void *bx = registry_claim(reg, &kind_b, key("x"), NULL, NULL);
    void *empty = registry_claim(reg, &kind_b, key(""), NULL, NULL);
    assert_ptr_not_equal(ax, ay);
    assert_ptr_not_equal(ax, bx);
    assert_ptr_not_equal(bx, empty);
    assert_int_equal(alive, 2);
    registry_free(reg);
    assert_int_equal(alive, 0);
}

static void numbers_are_dense_in_a_kind_and_free_again_with_the_object(void **unused)
{
    enum { N = 100 };
    void *all[N];
    bool seen[N] = {false};
    struct registry *reg = registry_new();
    assert_non_null(reg);
    for (uint32_t i = 0; i < N; i++) {
        char text[8];
        uint32_t id;
        snprintf(text, sizeof text, "%u", i);
        all[i] = registry_claim(reg, &kind_b, key(text), NULL, &id);
        assert_true(id < N && !seen[id]);
        seen[id] = true;
    }
    uint32_t freed, id;
    registry_claim(reg, &kind_b, key("40"), NULL, &freed);
    registry_drop(reg, all[40]);
    registry_claim(reg, &kind_b, key("new"), NULL, &id);
    assert_int_equal(id, N);
    registry_drop(reg, all[40]);
    registry_claim(reg, &kind_b, key("newer"), NULL, &id);
    assert_int_equal(id, freed);
    registry_free(reg);
}

static void an_object_that_cannot_be_made_is_none(void **unused)
{
    int alive = 0, *argument = NULL;
    uint32_t id;
    struct registry *reg = registry_new();
    assert_non_null(reg);
    assert_null(registry_claim(reg, &kind_a, key("x"), &argument, NULL));
    argument = &alive;
    assert_non_null(registry_claim(reg, &kind_a, key("x"), &argument, &id));
    assert_int_equal(id, 0);
    registry_free(reg);
}

/* A worker that needs something else meanwhile. */
static void *work(void *context)
{
    struct registry *reg = context;
    void *object = registry_claim(reg, &kind_b, key("other"), NULL, NULL);
    if (object != NULL) /* which it is while memory is made to fail */
        registry_drop(reg, object);
    return NULL;
}

static int init_slowly(void *object, const void *argument)
{
    pthread_t worker;
    assert_int_equal(pthread_create(&worker, NULL, work, (void *)(uintptr_t)argument),
                     0);
    return pthread_join(worker, NULL);
}

static void nobody_waits_for_what_is_made(void **unused)
{
    static const struct registry_kind slow = {
        .name = "slow", .size = 1, .init = init_slowly};
    struct registry *reg = registry_new();
    assert_non_null(reg);
    assert_non_null(registry_claim(reg, &slow, key("x"), reg, NULL));
    registry_free(reg);
}

static struct registry_kind twice = {.name = "twice", .size = 1};

/* Somebody makes the same while it is made. */
static int init_and_be_late(void *object, const void *argument)
{
    struct registry *reg = (void *)(uintptr_t)argument;
    twice.init = NULL;
    assert_non_null(registry_claim(reg, &twice, key("x"), reg, NULL));
    return 0;
}

static void of_two_that_make_the_same_the_first_is_kept(void **unused)
{
    uint32_t id, other;
    struct registry *reg = registry_new();
    assert_non_null(reg);
    twice.init = init_and_be_late;
    void *one = registry_claim(reg, &twice, key("x"), reg, &id);
    assert_ptr_equal(registry_claim(reg, &twice, key("x"), reg, &other), one);
    assert_int_equal(id, other);
    for (int i = 0; i < 3; i++) {
        assert_true(registry_has(reg, &twice, key("x")));
        registry_drop(reg, one);
    }
    assert_false(registry_has(reg, &twice, key("x")));
    registry_free(reg);
}

int main(void)
{
    if (hash_seed() < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_is_one_object_until_its_last_claim_is_dropped),
        cmocka_unit_test(kinds_and_keys_are_told_apart),
        cmocka_unit_test(numbers_are_dense_in_a_kind_and_free_again_with_the_object),
        cmocka_unit_test(an_object_that_cannot_be_made_is_none),
        cmocka_unit_test(nobody_waits_for_what_is_made),
        cmocka_unit_test(of_two_that_make_the_same_the_first_is_kept),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
