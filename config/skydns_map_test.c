#include "config/skydns_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { KEYS = 3000, VIEWS = 40, KEY_MAX = 40 };

static uint32_t ended;

static void end(void *context, struct skydns *s)
{
    ended++;
    skydns_free(s);
}

static const char *key_text(uint32_t n, char *text)
{
    snprintf(text, KEY_MAX, "/skydns/test/%05u", n);
    return text;
}

static struct skydns *record(uint32_t n, uint32_t ttl)
{
    char key[KEY_MAX], value[40], why[SKYDNS_WHY_MAX];
    snprintf(value, sizeof value, "{\"ttl\": %u}", ttl);
    struct text v = text_of(value);
    struct skydns *s = skydns_new(text_of(key_text(n, key)), 8, &v, why);
    assert_non_null(s);
    return s;
}

/* What a view must hold: the TTL of each key, 0 for none. */
struct model {
    struct skydns_view *view;
    uint32_t ttl[KEYS];
};

static void check_view(const struct model *m)
{
    struct skydns_at at = skydns_view_find(m->view, TEXT(""));
    const struct skydns *s;
    char key[KEY_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        if (m->ttl[i] == 0)
            continue;
        n++;
        s = skydns_view_next(&at);
        assert_non_null(s);
        assert_string_equal(s->key, key_text(i, key));
        assert_int_equal(s->ttl, m->ttl[i]);
    }
    assert_null(skydns_view_next(&at));
    assert_int_equal(m->view->n, n);
}

static void change(struct skydns_map *m, struct model *now, uint32_t ttl)
{
    char key[KEY_MAX];
    uint32_t n = (uint32_t)rand() % KEYS;
    bool remove = rand() % 3 == 0;
    if (remove)
        assert_int_equal(skydns_map_remove(m, text_of(key_text(n, key))), 0);
    else
        assert_int_equal(skydns_map_put(m, record(n, ttl)), 0);
    now->ttl[n] = remove ? 0 : ttl;
}

static void fill(struct skydns_map *m, struct model *now, uint32_t ttl)
{
    struct skydns **list = calloc(KEYS, sizeof *list);
    uint32_t n = 0;
    assert_non_null(list);
    memset(now->ttl, 0, sizeof now->ttl);
    for (uint32_t i = 0; i < KEYS; i++) {
        if (rand() % 2 == 0)
            continue;
        now->ttl[i] = ttl;
        list[n++] = record(i, ttl);
    }
    assert_int_equal(skydns_map_fill(m, list, n), 0);
    free(list);
}

/* Old views stay as they were, however they end. */
static void view_never_changes(void **unused)
{
    static struct model views[VIEWS], now;
    struct skydns_map m;
    uint32_t ttl = 1;
    srand(1);
    skydns_map_init(&m, end, NULL);
    assert_null(skydns_map_take(&m));
    for (uint32_t round = 0; round < 400; round++) {
        struct model *v = &views[rand() % VIEWS];
        if (round % 100 == 50)
            fill(&m, &now, ttl++);
        for (int i = rand() % 40; i > 0; i--)
            change(&m, &now, ttl++);
        assert_int_equal(skydns_map_publish(&m), 0);
        skydns_map_reclaim(&m);
        if (v->view != NULL) {
            check_view(v);
            skydns_view_done(v->view);
        }
        *v = now;
        v->view = skydns_map_take(&m);
        assert_int_equal(v->view->number, atomic_load(&m.number));
        check_view(v);
    }
    for (uint32_t i = 0; i < VIEWS; i++) {
        if (views[i].view == NULL)
            continue;
        check_view(&views[i]);
        skydns_view_done(views[i].view);
    }
    skydns_map_release(&m);
}

static void many_are_taken_in_any_order(void **unused)
{
    struct skydns_map m;
    struct model all = {0};
    skydns_map_init(&m, end, NULL);
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t n = i * 1009 % KEYS;
        assert_int_equal(skydns_map_put(&m, record(n, n + 1)), 0);
        all.ttl[n] = n + 1;
    }
    assert_int_equal(skydns_map_publish(&m), 0);
    all.view = skydns_map_take(&m);
    check_view(&all);
    for (uint32_t i = 0; i < KEYS; i++) {
        char key[KEY_MAX];
        assert_int_equal(skydns_map_remove(&m, text_of(key_text(i, key))), 0);
    }
    assert_int_equal(skydns_map_publish(&m), 0);
    check_view(&all);
    skydns_view_done(all.view);
    all = (struct model){.view = skydns_map_take(&m)};
    check_view(&all);
    skydns_view_done(all.view);
    skydns_map_release(&m);
}

static void what_was_replaced_ends_with_the_last_view_that_has_it(void **unused)
{
    struct skydns_map m;
    ended = 0;
    skydns_map_init(&m, end, NULL);
    skydns_map_put(&m, record(1, 1));
    skydns_map_publish(&m);
    struct skydns_view *first = skydns_map_take(&m);
    skydns_map_put(&m, record(1, 2));
    skydns_map_publish(&m);
    struct skydns_view *second = skydns_map_take(&m);
    skydns_map_put(&m, record(1, 3));
    skydns_map_publish(&m);
    skydns_view_done(second);
    skydns_map_reclaim(&m);
    assert_int_equal(ended, 0); /* the first is older */
    skydns_view_done(first);
    skydns_map_reclaim(&m);
    assert_int_equal(ended, 2);
    skydns_map_release(&m);
    assert_int_equal(ended, 3);
}

static void find_gives_the_first_that_is_not_less(void **unused)
{
    static const struct {
        const char *key, *found;
    } rows[] = {{"", "/skydns/test/00001"},
                {"/skydns/test/00001", "/skydns/test/00001"},
                {"/skydns/test/00001/", "/skydns/test/00003"},
                {"/skydns/test/0000", "/skydns/test/00001"},
                {"/skydns/test/00004", NULL}};
    struct skydns_map m;
    skydns_map_init(&m, end, NULL);
    skydns_map_put(&m, record(1, 1));
    skydns_map_put(&m, record(3, 1));
    skydns_map_publish(&m);
    struct skydns_view *v = skydns_map_take(&m);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct skydns_at at = skydns_view_find(v, text_of(rows[i].key));
        const struct skydns *s = skydns_view_next(&at);
        assert_true((s == NULL) == (rows[i].found == NULL));
        if (s != NULL)
            assert_string_equal(s->key, rows[i].found);
    }
    skydns_view_done(v);
    skydns_map_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(view_never_changes),
        cmocka_unit_test(many_are_taken_in_any_order),
        cmocka_unit_test(what_was_replaced_ends_with_the_last_view_that_has_it),
        cmocka_unit_test(find_gives_the_first_that_is_not_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
