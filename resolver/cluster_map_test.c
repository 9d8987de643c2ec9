#include "base/hash.h"
#include "resolver/cluster_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct cluster_map map;
static struct retirement retirement;
static struct errors errs;
static unsigned ended;

static void end(struct cluster *c, void *context)
{
    cluster_free(c);
    ended++;
}

static int set_up(void **state)
{
    errors_init(&errs);
    map = (struct cluster_map){0};
    cluster_map_init(&map, end, NULL);
    retirement_init(&retirement, 1);
    ended = 0;
    return hash_seed();
}

static int tear_down(void **state)
{
    retirement_release(&retirement);
    cluster_map_release(&map);
    errors_release(&errs);
    return 0;
}

static void add_cidr(struct arena *a, struct subnets *to, const char *text)
{
    struct cidr c;
    if (text == NULL)
        return;
    assert_int_equal(cidr_parse(&c, text_of(text), NULL), 0);
    assert_int_equal(inventory_add_cidr(a, to, &c), 0);
}

/* Up to two, with a blank between. */
static void add_cidrs(struct arena *a, struct subnets *to, const char *texts)
{
    const char *blank = texts == NULL ? NULL : strchr(texts, ' ');
    if (blank != NULL)
        add_cidr(a, to, arena_text(a, (struct text){texts, (size_t)(blank - texts)}));
    add_cidr(a, to, blank == NULL ? texts : blank + 1);
}

/* A cluster as `cluster ZONE SERVICES { pods PODS; domain DOMAIN }` makes it. */
static struct cluster *cluster(const char *zone, const char *services, const char *pods,
                               const char *domain)
{
    static const struct cluster_settings settings;
    struct inventory_draft d = {.at = {.file = "Corefile", .line = 1}};
    struct arena a;
    struct name name;
    arena_init(&a, NULL, 0);
    assert_int_equal(zones_add(&a, &d.zones, zone), 0);
    add_cidrs(&a, &d.services, services);
    add_cidrs(&a, &d.pods, pods);
    assert_int_equal(name_parse(&name, text_of(domain)), 0);
    struct inventory_record *r = inventory_record_new(&d);
    struct cluster_rules *rules = cluster_rules_use(&map, &settings, name.wire);
    assert_true(r != NULL && rules != NULL);
    struct cluster *c = cluster_new(r, rules, d.zones.list, d.zones.n);
    assert_non_null(c);
    inventory_record_drop(r);
    arena_release(&a);
    return c;
}

static int put(struct cluster *c, struct cluster *old)
{
    int rc = cluster_map_put(&map, c, old, &errs);
    if (rc < 0)
        end(c, NULL);
    return rc;
}

static int add(struct cluster *c)
{
    return put(c, NULL);
}

static const char *owner_of(const char *name, bool *reverse)
{
    struct name n;
    struct name_key key;
    assert_int_equal(name_parse(&n, text_of(name)), 0);
    name_lower(n.wire, n.wire, n.len);
    name_key_init(&key, n.wire);
    const struct cluster_zone *z = cluster_map_find(&map, &key, reverse);
    static char label[NAME_TEXT_MAX];
    return z == NULL ? "-" : cluster_label(cluster_of_zone(z), label);
}

static void expect_owner(const char *name, const char *owner)
{
    bool reverse;
    assert_string_equal(owner_of(name, &reverse), owner);
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

/* Adds two clusters: the first stays, the second is refused with all the words. */
static void expect_conflict(struct cluster *a, struct cluster *b,
                            const char *const *words)
{
    assert_int_equal(add(a), 0);
    assert_int_equal(add(b), -1);
    assert_int_equal(errs.n, 1);
    assert_int_equal(map.n, 1);
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
    static const char *const inside[] = {"10.96.0.0/12", "10.97.0.0/16", "lies inside",
                                         NULL};
    static const char *const words[] = {"10.96.0.0/12", "10.97.0.0/16", "contains",
                                        NULL};
    expect_conflict(cluster("a.local", "10.96.0.0/12", NULL, "cluster.local"),
                    cluster("b.local", "10.97.0.0/16", NULL, "cluster.local"), inside);
    tear_down(NULL);
    set_up(NULL);
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
    static const char *const words[] = {"zone cluster.local. is the domain of",
                                        "b.local", NULL};
    expect_conflict(cluster("b.local", "10.97.0.0/16", NULL, "cluster.local"),
                    cluster("cluster.local", "10.96.0.0/16", NULL, "corp.example"),
                    words);
    tear_down(NULL);
    set_up(NULL);
    expect_conflict(cluster("cluster.local", "10.96.0.0/16", NULL, "corp.example"),
                    cluster("b.local", "10.97.0.0/16", NULL, "cluster.local"), words);
}

static void longer_pod_prefix_and_pass_through_are_legal(void **state)
{
    assert_int_equal(
        add(cluster("cluster.local", "10.96.0.0/12", NULL, "cluster.local")), 0);
    assert_int_equal(
        add(cluster("b.local", "10.120.0.0/16", "10.97.0.0/16", "cluster.local")), 0);
}

static void note(const struct cluster *c, void *context)
{
    char *seen = context;
    char label[NAME_TEXT_MAX];
    snprintf(seen + strlen(seen), 64, "%s ", cluster_label(c, label));
}

static const char *labels(void)
{
    static char seen[128];
    seen[0] = '\0';
    cluster_map_each(&map, note, seen);
    return seen;
}

static void each_cluster_is_told_of_once_in_order(void **state)
{
    assert_int_equal(add(cluster("b.local", "10.97.0.0/16", NULL, "cluster.local")), 0);
    struct cluster *a = cluster("a.local", "10.96.0.0/16", NULL, "cluster.local");
    assert_int_equal(add(a), 0);
    assert_int_equal(add(cluster("c.local", "10.98.0.0/16", NULL, "cluster.local")), 0);
    assert_string_equal(labels(), "b.local a.local c.local ");
    cluster_map_remove(&map, a);
    assert_string_equal(labels(), "b.local c.local ");
}

/* ---- changes ---- */

static void what_is_replaced_is_found_anew_and_the_rest_is_free(void **state)
{
    struct cluster *a = cluster("a.local", "10.96.0.0/16 10.97.0.0/16", "10.244.0.0/16",
                                "cluster.local");
    assert_int_equal(add(a), 0);
    assert_int_equal(add(cluster("b.local", "10.99.0.0/16", NULL, "cluster.local")), 0);
    struct cluster *newer =
        cluster("a.local", "10.97.0.0/16 10.98.0.0/16", NULL, "corp.example");
    assert_int_equal(put(newer, a), 0);
    expect_owner("1.0.97.10.in-addr.arpa", "a.local");
    expect_owner("1.0.98.10.in-addr.arpa", "a.local");
    expect_owner("1.0.96.10.in-addr.arpa", "-");
    expect_owner("1.0.244.10.in-addr.arpa", "-");
    assert_string_equal(labels(), "b.local a.local ");
    assert_int_equal(add(cluster("d.local", "10.96.0.0/16", NULL, "cluster.local")), 0);
    assert_int_equal(
        put(cluster("z.local", "10.80.0.0/12", NULL, "cluster.local"), newer),
        0); /* wider than what it had */
    expect_owner("x.a.local", "-");
    expect_owner("x.z.local", "z.local");
}

static void a_change_that_is_refused_changes_nothing(void **state)
{
    struct cluster *a = cluster("a.local", "10.96.0.0/16", NULL, "cluster.local");
    assert_int_equal(add(a), 0);
    assert_int_equal(add(cluster("b.local", "10.97.0.0/16", NULL, "cluster.local")), 0);
    assert_int_equal(put(cluster("c.local", "10.96.0.0/15", NULL, "cluster.local"), a),
                     -1);
    assert_int_equal(put(cluster("b.local", "10.95.0.0/16", NULL, "cluster.local"), a),
                     -1);
    expect_owner("x.a.local", "a.local");
    expect_owner("1.0.96.10.in-addr.arpa", "a.local");
    expect_owner("x.c.local", "-");
    expect_owner("1.0.95.10.in-addr.arpa", "-");
}

static void what_is_removed_ends_when_nobody_can_know_it(void **state)
{
    struct cluster *a = cluster("a.local", "10.96.0.0/16", NULL, "cluster.local");
    assert_int_equal(add(a), 0);
    map.retirement = &retirement;
    cluster_map_remove(&map, a);
    expect_owner("x.a.local", "-");
    assert_true(atomic_load(&a->gone));
    assert_true(retirement.waiting);
    retirement_reclaim(&retirement, 0);
    assert_int_equal(ended, 0);
    retirement_reclaim(&retirement, 1);
    assert_int_equal(ended, 1);
}

/* Thousands of clusters, of which each is found while they come and go. */
static void a_fleet_comes_and_goes(void **state)
{
    enum { N = 3000 };
    struct cluster **list = calloc(N, sizeof *list);
    static char zones[N][24];
    map.retirement = &retirement;
    for (unsigned i = 0; i < N; i++) {
        char services[32];
        snprintf(zones[i], sizeof zones[i], "c%u.k8s.lan", i);
        snprintf(services, sizeof services, "10.%u.%u.0/24", i / 256, i % 256);
        list[i] = cluster(zones[i], services, NULL, "cluster.local");
        assert_int_equal(add(list[i]), 0);
    }
    for (unsigned i = 0; i < N; i += 2)
        cluster_map_remove(&map, list[i]);
    retirement_reclaim(&retirement, 1);
    assert_int_equal(ended, N / 2);
    for (unsigned i = 0; i < N; i++)
        expect_owner(zones[i], i % 2 == 0 ? "-" : zones[i]);
    assert_int_equal(map.n, N / 2);
    free(list);
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
        MAP_TEST(each_cluster_is_told_of_once_in_order),
        MAP_TEST(what_is_replaced_is_found_anew_and_the_rest_is_free),
        MAP_TEST(a_change_that_is_refused_changes_nothing),
        MAP_TEST(what_is_removed_ends_when_nobody_can_know_it),
        MAP_TEST(a_fleet_comes_and_goes),
    };
    return cmocka_run_group_tests_name("cluster_map", tests, NULL, NULL);
}
