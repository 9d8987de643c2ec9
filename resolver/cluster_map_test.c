#include "base/hash.h"
#include "resolver/cluster_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct arena arena;
static struct cluster_map map;
static struct errors errs;

static int set_up(void **state)
{
    arena_init(&arena, NULL, 0);
    errors_init(&errs);
    map = (struct cluster_map){0};
    return hash_seed();
}

static int tear_down(void **state)
{
    cluster_map_release(&map);
    errors_release(&errs);
    arena_release(&arena);
    return 0;
}

static struct cidr *cidr_of(struct subnets *to, const char *text)
{
    to->list = arena_array(&arena, 1, sizeof *to->list);
    assert_non_null(to->list);
    assert_int_equal(cidr_parse(to->list, text_of(text), NULL), 0);
    to->n = 1;
    return to->list;
}

/* A cluster as `cluster ZONE SERVICES { pods PODS; domain DOMAIN }` makes it. */
static struct cluster *cluster(const char *zone, const char *services, const char *pods,
                               const char *domain)
{
    struct cluster *c = arena_alloc(&arena, sizeof *c);
    assert_non_null(c);
    c->label = zone;
    c->at = (struct where){.file = "Corefile", .line = 1};
    assert_int_equal(zones_add(&arena, &c->zones, zone), 0);
    assert_int_equal(name_parse(&c->domain, text_of(domain)), 0);
    cidr_of(&c->services, services);
    if (pods != NULL)
        cidr_of(&c->pods, pods);
    return c;
}

static int add(struct cluster *c)
{
    return cluster_map_add(&map, &arena, c, &errs);
}

static const char *owner_of(const char *name, bool *reverse)
{
    struct name n;
    struct name_key key;
    assert_int_equal(name_parse(&n, text_of(name)), 0);
    name_lower(n.wire, n.wire, n.len);
    name_key_init(&key, n.wire);
    const struct cluster_zone *z = cluster_map_find(&map, &key, reverse);
    return z == NULL ? "-" : z->cluster->label;
}

static void names_and_addresses_find_their_cluster(void **state)
{
    assert_int_equal(
        add(cluster("a.local", "10.100.0.0/19", "10.50.0.0/16", "cluster.local")), 0);
    assert_int_equal(
        add(cluster("b.local", "10.101.0.0/19", "10.100.8.0/24", "cluster.local")), 0);
    assert_int_equal(add(cluster("c.lan", "fd00:c::/112", NULL, "cluster.local")), 0);
    static const struct {
        const char *name, *owner;
        bool reverse;
    } cases[] = {
        {"app.web.svc.a.local", "a.local", false},
        {"b.local", "b.local", false},
        {"xb.local", "-", false},
        {"21.7.100.10.in-addr.arpa", "a.local", true},
        {"254.31.101.10.in-addr.arpa", "b.local", true},
        {"1.32.101.10.in-addr.arpa", "-", false},
        {"3.8.100.10.in-addr.arpa", "b.local", true}, /* the longer prefix wins */
        {"8.100.10.in-addr.arpa", "b.local", true},
        {"7.100.10.in-addr.arpa", "a.local", true},
        {"100.10.in-addr.arpa", "-", false}, /* wider than the /19 */
        {"a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.0.0.0.0.0.d.f.ip6.arpa",
         "c.lan", true},
        {"in-addr.arpa", "-", false},
        {"x.8.100.10.in-addr.arpa", "b.local", true}, /* below an address, too */
        {"_tcp.x.3.8.100.10.in-addr.arpa", "b.local", true},
        {"0-31.3.7.100.10.in-addr.arpa", "a.local", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool reverse;
        assert_string_equal(owner_of(cases[i].name, &reverse), cases[i].owner);
        assert_int_equal(reverse, cases[i].reverse);
    }
}

/* Adds two clusters, checks the map, and expects one error with all the words. */
static void expect_conflict(struct cluster *a, struct cluster *b,
                            const char *const *words)
{
    const struct cluster *list[] = {a, b};
    add(a);
    add(b);
    cluster_map_check(&map, list, 2, &errs);
    assert_int_equal(errs.n, 1);
    for (; *words != NULL; words++) {
        if (strstr(errs.list[0].text, *words) == NULL)
            fail_msg("no '%s' in: %s", *words, errs.list[0].text);
    }
}

static void equal_service_subnets_are_refused(void **state)
{
    static const char *const words[] = {"10.96.0.0/16", "a.local",       "b.local",
                                        "same",         "serviceSubnet", NULL};
    expect_conflict(cluster("a.local", "10.96.0.0/16", NULL, "cluster.local"),
                    cluster("b.local", "10.96.0.0/16", NULL, "cluster.local"), words);
}

static void overlapping_service_subnets_are_refused_in_either_order(void **state)
{
    static const char *const words[] = {"10.96.0.0/12", "10.97.0.0/16", "lies inside",
                                        NULL};
    expect_conflict(cluster("a.local", "10.97.0.0/16", NULL, "cluster.local"),
                    cluster("b.local", "10.96.0.0/12", NULL, "cluster.local"), words);
}

static void equal_pod_subnets_are_refused(void **state)
{
    static const char *const words[] = {"Pod subnet 10.244.0.0/16", "a.local",
                                        "b.local", NULL};
    expect_conflict(
        cluster("a.local", "10.96.0.0/16", "10.244.0.0/16", "cluster.local"),
        cluster("b.local", "10.97.0.0/16", "10.244.0.0/16", "cluster.local"), words);
}

static void zone_twice_is_refused(void **state)
{
    static const char *const words[] = {"a.local.", "twice", "Corefile:1", NULL};
    expect_conflict(cluster("a.local", "10.96.0.0/16", NULL, "cluster.local"),
                    cluster("A.local", "10.97.0.0/16", NULL, "cluster.local"), words);
}

static void zone_that_is_anothers_domain_is_refused(void **state)
{
    static const char *const words[] = {"cluster.local.", "b.local", "domain", NULL};
    expect_conflict(cluster("cluster.local", "10.96.0.0/16", NULL, "corp.example"),
                    cluster("b.local", "10.97.0.0/16", NULL, "cluster.local"), words);
}

static void longer_pod_prefix_and_pass_through_are_legal(void **state)
{
    struct cluster *a = cluster("cluster.local", "10.96.0.0/12", NULL, "cluster.local");
    struct cluster *b =
        cluster("b.local", "10.120.0.0/16", "10.97.0.0/16", "cluster.local");
    const struct cluster *list[] = {a, b};
    assert_int_equal(add(a), 0);
    assert_int_equal(add(b), 0);
    assert_int_equal(cluster_map_check(&map, list, 2, &errs), 0);
}

static void note(const struct cluster *c, void *context)
{
    char *seen = context;
    snprintf(seen + strlen(seen), 64, "%s ", c->label);
}

static void each_cluster_once_however_many_zones(void **state)
{
    char seen[128] = "";
    struct cluster *b = cluster("b.local", "10.97.0.0/16", NULL, "cluster.local");
    assert_int_equal(zones_add(&arena, &b->zones, "b.lan"), 0);
    assert_int_equal(add(b), 0);
    assert_int_equal(add(cluster("a.local", "10.96.0.0/16", NULL, "cluster.local")), 0);
    cluster_map_each(&map, note, seen);
    assert_string_equal(seen, "b.local a.local ");
}

int main(void)
{
#define MAP_TEST(rule) cmocka_unit_test_setup_teardown(rule, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MAP_TEST(names_and_addresses_find_their_cluster),
        MAP_TEST(equal_service_subnets_are_refused),
        MAP_TEST(overlapping_service_subnets_are_refused_in_either_order),
        MAP_TEST(equal_pod_subnets_are_refused),
        MAP_TEST(zone_twice_is_refused),
        MAP_TEST(zone_that_is_anothers_domain_is_refused),
        MAP_TEST(longer_pod_prefix_and_pass_through_are_legal),
        MAP_TEST(each_cluster_once_however_many_zones),
    };
    return cmocka_run_group_tests_name("cluster_map", tests, NULL, NULL);
}
