#include "resolver/cluster_servers.h"

#include "resolver/cluster_map.h"
#include "resolver/health.h"
#include "resolver/metrics_page.h"
#include "tests/unit/world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define TWO                                                                            \
    ". {\n prometheus\n cluster a.test 10.1.0.0/16\n cluster b.test 10.2.0.0/16 {\n "  \
    "dns 10.9.0.1 10.9.0.2:5353\n }\n}\n"

static struct world w;

static const struct cluster *cluster_in(const struct plan *p, const char *zone)
{
    struct name name;
    struct name_key key;
    bool reverse;
    assert_int_equal(name_parse(&name, text_of(zone)), 0);
    name_key_init(&key, name.wire);
    return cluster_of_zone(cluster_map_find(p->blocks[0].clusters, &key, &reverse));
}

static const struct cluster *cluster(const char *zone)
{
    return cluster_in(w.plan, zone);
}

/* As `/metrics` has it. */
static bool page_has(const char *line)
{
    struct metrics_facts facts = {.version = "1", .build = "x", .digest = "d"};
    size_t len;
    char *page = metrics_page(w.plan, &facts, &len);
    assert_non_null(page);
    const char *first = strstr(page, line);
    bool has = first != NULL;
    assert_true(!has || strstr(first + 1, line) == NULL); /* once */
    free(page);
    return has;
}

static void who_is_never_asked_takes_no_servers(void **unused)
{
    world_load(&w, TWO);
    assert_null(cluster_group_met(cluster("a.test")));
    assert_string_equal(cluster_state(cluster("a.test")), "not asked yet");
    assert_false(cluster_down(cluster("a.test")) || cluster_drained(cluster("a.test")));
    world_ask(&w, "x.a.test");
    world_expect(&w, "10.1.0.10:53", TRANSPORT_UDP);
    assert_int_equal(cluster_group_now(cluster("a.test"))->n, 1);
    assert_null(cluster_group_now(cluster("b.test")));
    world_ask(&w, "x.b.test");
    world_expect(&w, "10.9.0.1:53", TRANSPORT_UDP);
    assert_int_equal(cluster_group_now(cluster("b.test"))->n, 2);
    world_close(&w);
}

static void metrics_show_each_cluster_once_asked_or_not(void **unused)
{
    world_load(&w, TWO);
    for (int asked = 0; asked < 2; asked++) {
        assert_true(page_has("isthmus_cluster_up{cluster=\"a.test\"} 1\n"));
        assert_true(page_has("isthmus_cluster_up{cluster=\"b.test\"} 1\n"));
        assert_true(page_has("isthmus_cluster_drained{cluster=\"b.test\"} 0\n"));
        assert_true(
            page_has(asked ? "isthmus_cluster_requests_total{cluster=\"a.test\"} 1\n"
                           : "isthmus_cluster_requests_total{cluster=\"a.test\"} 0\n"));
        assert_true(page_has("isthmus_cluster_requests_total{cluster=\"b.test\"} 0\n"));
        if (asked == 0)
            world_ask(&w, "x.a.test");
    }
    world_close(&w);
}

static void a_new_plan_goes_on_with_who_was_asked_and_with_nobody_else(void **unused)
{
    world_load(&w, TWO);
    world_ask(&w, "x.a.test");
    const struct upstream *up = cluster_group_now(cluster("a.test"))->list[0];
    struct plan *next = world_plan(&w, TWO);
    assert_null(cluster_group_now(cluster_in(next, "b.test")));
    assert_ptr_equal(cluster_group_now(cluster_in(next, "a.test"))->list[0], up);
    plan_free(next);
    world_close(&w);
}

static void a_cluster_of_another_block_with_the_same_server_is_met(void **unused)
{
    world_load(&w, "one.test {\n cluster one.test {\n dns 10.9.0.1\n }\n}\n"
                   "two.test {\n cluster two.test {\n dns 10.9.0.1\n }\n}\n");
    struct name name;
    struct name_key key;
    bool reverse;
    assert_int_equal(name_parse(&name, text_of("two.test")), 0);
    name_key_init(&key, name.wire);
    const struct cluster *two =
        cluster_of_zone(cluster_map_find(w.plan->blocks[1].clusters, &key, &reverse));
    assert_null(cluster_group_met(two));
    world_ask(&w, "x.one.test");
    const struct upstream_group *one = cluster_group_now(cluster("one.test"));
    assert_ptr_equal(cluster_group_met(two)->list[0], one->list[0]);
    world_close(&w);
}

static void *ask_first(void *context)
{
    return (void *)(uintptr_t)cluster_group(context);
}

static void all_who_ask_first_at_once_get_the_same(void **unused)
{
    pthread_t threads[4];
    world_load(&w, TWO);
    void *c = (void *)(uintptr_t)cluster("b.test");
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_first, c), 0);
    for (unsigned i = 0; i < 4; i++) {
        void *got;
        assert_int_equal(pthread_join(threads[i], &got), 0);
        assert_ptr_equal(got, cluster_group_now(c));
        assert_non_null(got);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_never_asked_takes_no_servers),
        cmocka_unit_test(metrics_show_each_cluster_once_asked_or_not),
        cmocka_unit_test(a_new_plan_goes_on_with_who_was_asked_and_with_nobody_else),
        cmocka_unit_test(a_cluster_of_another_block_with_the_same_server_is_met),
        cmocka_unit_test(all_who_ask_first_at_once_get_the_same),
    };
    return cmocka_run_group_tests_name("cluster_servers", tests, NULL, NULL);
}
