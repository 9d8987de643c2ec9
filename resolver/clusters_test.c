/* Clusters of an inventory, while questions are on their way. */
#include "resolver/clusters.h"

#include "resolver/metrics_page.h"
#include "resolver/plan.h"
#include "tests/unit/build.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

struct fleet {
    struct world w;
    char path[64];
    char corefile[512];
};

static void put(struct fleet *f, const char *json)
{
    char fresh[80];
    snprintf(fresh, sizeof fresh, "%s.new", f->path);
    FILE *out = fopen(fresh, "w");
    assert_non_null(out);
    fputs(json, out);
    fclose(out);
    assert_int_equal(rename(fresh, f->path), 0);
}

#define A(dns) "{\"name\":\"a\",\"zone\":\"a.test\",\"dns\":[\"" dns "\"]}"
#define B(services)                                                                    \
    "{\"name\":\"b\",\"zone\":\"b.test\",\"services\":[\"" services "\"]}"
#define C(services)                                                                    \
    "{\"name\":\"c\",\"zone\":\"c.test\",\"services\":[\"" services "\"]}"

static void fleet_open(struct fleet *f, const char *lines, const char *json)
{
    snprintf(f->path, sizeof f->path, "/tmp/isthmus-fleet-XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    close(fd);
    put(f, json);
    snprintf(f->corefile, sizeof f->corefile,
             ". {\n inventory %s {\n  max_fails 0\n }\n %s\n}\n", f->path, lines);
    world_load(&f->w, f->corefile);
    /* Those that it was loaded with are changes, too. */
    clusters_refresh(f->w.plan, NULL);
}

static void fleet_close(struct fleet *f)
{
    while (fake_io_take(f->w.io) != NULL)
        ;
    world_close(&f->w);
    unlink(f->path);
    build_release();
}

/* Writes the file and waits until the map says so; workers go over at once. */
static void change(struct fleet *f, const char *json)
{
    static uint64_t epoch;
    struct clusters_news news = {0};
    put(f, json);
    int most_ms = getenv("ISTHMUS_OOM") == NULL ? 60000 : 200;
    for (int ms = 0; !news.changed && ms < most_ms; ms += 5) {
        usleep(5000);
        news = clusters_refresh(f->w.plan, NULL);
    }
    assert_true(news.changed);
    epoch = f->w.plan->retirement.epoch;
    assert_int_equal(resolver_adopt(f->w.r, f->w.plan, epoch), 0);
    f->w.plan->retirement.epoch = epoch + 1;
}

static void reclaim(struct fleet *f)
{
    world_run(&f->w, 0);
    retirement_reclaim(&f->w.plan->retirement, resolver_oldest_epoch(f->w.r));
}

static void answer(struct fleet *f, struct fake_sent *s, const char *address)
{
    struct world_answer a = {.address = address};
    world_answer(&f->w, s, &a);
}

static void expect_address(const struct fleet *f, uint64_t client, const char *address)
{
    char text[ADDR_TEXT_MAX];
    assert_string_equal(world_address(&f->w, client, text), address);
}

static void a_question_on_its_way_ends_where_it_began(void **unused)
{
    struct fleet f;
    fleet_open(&f, "whoami", "[" A("10.0.0.1") "]");
    uint64_t client = world_ask(&f.w, "x.a.test");
    struct fake_sent *s = world_expect(&f.w, "10.0.0.1:53", TRANSPORT_UDP);
    change(&f, "[" A("10.0.0.2") "]");
    reclaim(&f);
    assert_non_null(f.w.plan->retirement.first); /* the question knows it */
    uint64_t later = world_ask(&f.w, "y.a.test");
    struct fake_sent *newer = world_expect(&f.w, "10.0.0.2:53", TRANSPORT_UDP);
    answer(&f, s, "192.0.2.1");
    answer(&f, newer, "192.0.2.2");
    expect_address(&f, client, "192.0.2.1");
    expect_address(&f, later, "192.0.2.2");
    reclaim(&f);
    assert_null(f.w.plan->retirement.first);
    fleet_close(&f);
}

static void what_was_said_before_a_change_is_not_kept_for_after(void **unused)
{
    struct fleet f;
    fleet_open(&f, "cache", "[" A("10.0.0.1") "," B("10.2.0.0/16") "]");
    world_ask(&f.w, "x.a.test");
    struct fake_sent *s = world_expect(&f.w, "10.0.0.1:53", TRANSPORT_UDP);
    world_ask(&f.w, "x.b.test");
    answer(&f, world_expect(&f.w, "10.2.0.10:53", TRANSPORT_UDP), "192.0.2.9");
    change(&f, "[" A("10.0.0.2") "," B("10.2.0.0/16") "]");
    answer(&f, s, "192.0.2.1");
    uint64_t client = world_ask(&f.w, "x.a.test");
    answer(&f, world_expect(&f.w, "10.0.0.2:53", TRANSPORT_UDP), "192.0.2.2");
    expect_address(&f, client, "192.0.2.2");
    client = world_ask(&f.w, "x.b.test"); /* the others keep theirs */
    world_expect_silence(&f.w);
    expect_address(&f, client, "192.0.2.9");
    fleet_close(&f);
}

static struct clusters_inventory *inventory(struct fleet *f)
{
    return f->w.plan->clusters->inventories;
}

static void who_is_in_the_way_stays_until_he_leaves(void **unused)
{
    struct fleet f;
    fleet_open(&f, "whoami", "[" B("10.1.0.0/16") "]");
    change(&f, "[" B("10.1.0.0/16") "," C("10.1.128.0/17") "]");
    assert_int_equal(inventory(&f)->refused.names.n, 1);
    assert_non_null(strstr(inventory(&f)->refused.first->why, "lies inside"));
    world_ask(&f.w, "x.b.test");
    world_expect(&f.w, "10.1.0.10:53", TRANSPORT_UDP);
    change(&f, "[" C("10.1.128.0/17") "]");
    assert_int_equal(inventory(&f)->refused.names.n, 0);
    world_ask(&f.w, "x.c.test");
    world_expect(&f.w, "10.1.128.10:53", TRANSPORT_UDP);
    fleet_close(&f);
}

static struct plan *build_again(const struct fleet *f, struct errors *errs)
{
    static const struct plan_flags flags = {.dns_port = 53};
    struct config *config =
        config_load_text("Corefile", text_of(f->corefile), plugin_vocabulary(), errs);
    struct plan *again = plan_build(config, f->w.registry, &flags, errs);
    assert_non_null(again);
    return again;
}

/* b wants what is c's: it goes on as it was, over a reload too. */
static void a_change_that_cannot_be_leaves_what_was(void **unused)
{
    struct fleet f;
    struct errors errs;
    fleet_open(&f, "whoami", "[" B("10.1.0.0/16") "," C("10.2.0.0/16") "]");
    change(&f, "[" B("10.2.0.0/17") "," C("10.2.0.0/16") "]");
    assert_int_equal(inventory(&f)->refused.names.n, 1);
    errors_init(&errs);
    struct plan *again = build_again(&f, &errs);
    assert_int_equal(again->clusters->map.n, 2);
    assert_int_equal(again->clusters->inventories->refused.names.n, 1);
    plan_free(again);
    errors_release(&errs);
    world_ask(&f.w, "x.b.test");
    world_expect(&f.w, "10.1.0.10:53", TRANSPORT_UDP);
    fleet_close(&f);
}

static bool serves(const struct plan *p, const char *name)
{
    struct name n;
    struct name_key key;
    bool reverse;
    assert_int_equal(name_parse(&n, text_of(name)), 0);
    name_key_init(&key, n.wire);
    return cluster_map_find(&p->clusters->map, &key, &reverse) != NULL;
}

/* Its files are being read meanwhile, which may take long. */
static void the_plan_that_is_about_to_be_hears_too(void **unused)
{
    struct fleet f;
    struct errors errs;
    struct clusters_news news = {0};
    fleet_open(&f, "whoami", "[" A("10.0.0.1") "," B("10.1.0.0/16") "]");
    errors_init(&errs);
    struct plan *again = build_again(&f, &errs);
    put(&f, "[" A("10.0.0.2") "," C("10.1.0.0/17") "]");
    while (!news.changed) {
        usleep(5000);
        news = clusters_refresh(f.w.plan, again);
    }
    const struct plan *both[] = {f.w.plan, again};
    for (int i = 0; i < 2; i++) {
        assert_true(serves(both[i], "a.test"));
        assert_false(serves(both[i], "b.test"));
        assert_true(serves(both[i], "c.test"));
        assert_int_equal(both[i]->clusters->inventories->refused.names.n, 0);
    }
    plan_free(again);
    errors_release(&errs);
    fleet_close(&f);
}

static void the_same_cluster_under_two_names_is_noticed(void **unused)
{
    struct fleet f;
    fleet_open(&f, "whoami", "[" A("10.0.0.1") "," B("10.1.0.0/16") "]");
    struct clusters *all = f.w.plan->clusters;
    assert_int_equal(all->doubles, 0);
    change(&f, "[" A("10.1.0.10") "," B("10.1.0.0/16") "]");
    assert_int_equal(all->doubles, 1);
    change(&f, "[" A("10.0.0.1") "," B("10.1.0.0/16") "]");
    change(&f, "[" A("10.0.0.1") "," C("10.1.0.0/16") "]");
    assert_int_equal(all->doubles, 1); /* b has left */
    assert_int_equal(all->dns.n, 1);   /* who is asked by rule is found by its subnet */
    change(&f, "[" A("10.2.0.10") "," B("10.1.0.0/16") "]");
    change(&f, "[" A("10.2.0.10") "," B("10.2.0.0/16") "]");
    assert_int_equal(all->doubles, 2);
    fleet_close(&f);
}

static bool page_has(const struct fleet *f, const char *line)
{
    struct metrics_facts facts = {.version = "1", .build = "x", .digest = "d"};
    size_t len;
    char *page = metrics_page(f->w.plan, &facts, &len);
    assert_non_null(page);
    bool has = strstr(page, line) != NULL;
    free(page);
    return has;
}

static void its_counters_go_on_when_its_dns_changes(void **unused)
{
    struct fleet f;
    fleet_open(&f, "prometheus", "[" A("10.0.0.1") "]");
    world_ask(&f.w, "x.a.test");
    answer(&f, world_expect(&f.w, "10.0.0.1:53", TRANSPORT_UDP), "192.0.2.1");
    change(&f, "[" A("10.0.0.2") "]");
    reclaim(&f);
    assert_true(page_has(&f, "isthmus_cluster_requests_total{cluster=\"a.test\"} 1\n"));
    assert_true(page_has(&f, "isthmus_cluster_up{cluster=\"a.test\"} 1\n"));
    assert_true(page_has(&f, "isthmus_cluster_drained{cluster=\"a.test\"} 0\n"));
    fleet_close(&f);
}

static void a_probe_goes_on_while_others_change(void **unused)
{
    struct fleet f;
    snprintf(f.path, sizeof f.path, "/tmp/isthmus-fleet-XXXXXX");
    close(mkstemp(f.path));
    put(&f, "[" A("10.0.0.1") "," B("10.1.0.0/16") "]");
    snprintf(f.corefile, sizeof f.corefile,
             ". {\n inventory %s {\n health_check 5s\n }\n}\n", f.path);
    world_load(&f.w, f.corefile);
    clusters_refresh(f.w.plan, NULL);
    world_ask(&f.w, "x.a.test");
    answer(&f, world_expect(&f.w, "10.0.0.1:53", TRANSPORT_UDP), "192.0.2.1");
    for (int i = 0; i < 4; i++) {
        change(&f, i % 2 == 0 ? "[" A("10.0.0.1") "," B("10.2.0.0/16") "]"
                              : "[" A("10.0.0.1") "," B("10.1.0.0/16") "]");
        world_run(&f.w, 1500);
        reclaim(&f);
        assert_null(f.w.plan->retirement.first); /* it keeps nobody in memory */
    }
    world_expect(&f.w, "10.0.0.1:53", TRANSPORT_UDP); /* the probe */
    change(&f, "[" B("10.1.0.0/16") "]");
    world_run(&f.w, 3000);
    reclaim(&f);
    assert_null(f.w.plan->retirement.first); /* with its cluster it ends */
    fleet_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_on_its_way_ends_where_it_began),
        cmocka_unit_test(what_was_said_before_a_change_is_not_kept_for_after),
        cmocka_unit_test(who_is_in_the_way_stays_until_he_leaves),
        cmocka_unit_test(a_change_that_cannot_be_leaves_what_was),
        cmocka_unit_test(the_plan_that_is_about_to_be_hears_too),
        cmocka_unit_test(the_same_cluster_under_two_names_is_noticed),
        cmocka_unit_test(its_counters_go_on_when_its_dns_changes),
        cmocka_unit_test(a_probe_goes_on_while_others_change),
    };
    const struct CMUnitTest quick[] = {
        cmocka_unit_test(a_question_on_its_way_ends_where_it_began),
    };
    if (getenv("ISTHMUS_OOM") != NULL)
        return cmocka_run_group_tests_name("clusters", quick, NULL, NULL);
    return cmocka_run_group_tests_name("clusters", tests, NULL, NULL);
}
