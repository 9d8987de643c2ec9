#include "resolver/metrics.h"

#include "resolver/metrics_page.h"
#include "resolver/upstream.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct metrics_facts facts = {
    .version = "1.2.3", .build = "cc", .digest = "00ff"};

static char *page_of(const struct plan *p)
{
    size_t len;
    char *page = metrics_page(p, &facts, &len);
    assert_non_null(page);
    assert_int_equal(strlen(page), len);
    return page;
}

/* Whether the line is of this name and has these labels, in whatever order: every label
 * is there, and the lengths are equal. */
static bool is_series(const char *line, const char *series)
{
    char label[200];
    size_t name = strcspn(series, "{"), len = strcspn(line, " ");
    if (len != strlen(series) || strncmp(line, series, name) != 0)
        return false;
    for (const char *at = series + name; *at == '{' || *at == ',';) {
        const char *end = strchr(strchr(++at, '"') + 1, '"') + 1;
        int n = snprintf(label, sizeof label, "%.*s", (int)(end - at), at);
        const char *found = strstr(line, label);
        if (found == NULL || found + n > line + len)
            return false;
        at = end;
    }
    return true;
}

/* The value of a series, which is written with its labels; -1: not there. */
static double value_of(const char *page, const char *series)
{
    for (const char *line = page; (line = strchr(line, '\n')) != NULL;) {
        line++;
        if (is_series(line, series))
            return strtod(strchr(line, ' ') + 1, NULL);
    }
    return -1;
}

#define AT_ROOT "{server=\"dns://:53\",zone=\".\",view=\"\""

struct row {
    const char *series;
    double value;
};

static void check(const struct plan *p, const struct row *rows, size_t n)
{
    char *page = page_of(p);
    for (size_t i = 0; i < n; i++) {
        double value = value_of(page, rows[i].series);
        if (value > rows[i].value || value < rows[i].value)
            fail_msg("%s is %g and not %g", rows[i].series, value, rows[i].value);
    }
    free(page);
}
#define CHECK(p, rows) check(p, rows, sizeof(rows) / sizeof *(rows))

static void questions_and_answers_are_counted_by_kind(void **unused)
{
    struct world w;
    world_load(&w, ". {\n prometheus\n whoami\n}\n");
    world_ask(&w, "www.test");
    world_ask(&w, "WWW.test");
    world_ask_as(&w, &(struct world_question){.name = "www.test",
                                              .type = DNS_MX,
                                              .transport = TRANSPORT_TCP});
    world_ask_as(&w, &(struct world_question){.name = "www.test",
                                              .type = 65280,
                                              .edns = true,
                                              .udp_size = 1232,
                                              .dnssec_ok = true});
    static const struct row rows[] = {
        {"coredns_dns_requests_total" AT_ROOT ",proto=\"udp\",family=\"1\",type=\"A\"}",
         2},
        {"coredns_dns_requests_total" AT_ROOT
         ",proto=\"tcp\",family=\"1\",type=\"MX\"}",
         1},
        {"coredns_dns_requests_total" AT_ROOT
         ",proto=\"udp\",family=\"1\",type=\"other\"}",
         1},
        {"coredns_dns_do_requests_total" AT_ROOT "}", 1},
        {"coredns_dns_responses_total" AT_ROOT ",rcode=\"NOERROR\",plugin=\"whoami\"}",
         4},
        {"coredns_dns_request_duration_seconds_count" AT_ROOT "}", 4},
        {"coredns_dns_request_duration_seconds_bucket" AT_ROOT ",le=\"0.00025\"}", 4},
        {"coredns_dns_request_size_bytes_sum" AT_ROOT ",proto=\"udp\"}", 26 + 26 + 37},
        {"coredns_dns_request_size_bytes_bucket" AT_ROOT ",proto=\"tcp\",le=\"0\"}", 0},
        {"coredns_dns_request_size_bytes_bucket" AT_ROOT ",proto=\"tcp\",le=\"100\"}",
         1},
        {"coredns_dns_response_size_bytes_count" AT_ROOT ",proto=\"tcp\"}", 1},
        {"coredns_plugin_enabled" AT_ROOT ",name=\"whoami\"}", 1},
        {"coredns_build_info{version=\"1.2.3\",revision=\"\",goversion=\"cc\"}", 1},
        {"coredns_reload_version_info{hash=\"sha512\",value=\"00ff\"}", -1},
    };
    CHECK(w.plan, rows);
    world_close(&w);
}

/* As Go's client library writes them, for whoever compares texts. */
static void labels_are_in_alphabetical_order_and_bounds_last(void **unused)
{
    struct world w;
    world_load(&w, ". {\n prometheus\n whoami\n}\n");
    world_ask(&w, "www.test");
    char *page = page_of(w.plan);
    assert_non_null(
        strstr(page, "\ncoredns_dns_requests_total{family=\"1\",proto=\"udp\","
                     "server=\"dns://:53\",type=\"A\",view=\"\",zone=\".\"} 1\n"));
    assert_non_null(
        strstr(page, "\ncoredns_dns_request_duration_seconds_bucket{"
                     "server=\"dns://:53\",view=\"\",zone=\".\",le=\"+Inf\"} 1\n"));
    free(page);
    world_close(&w);
}

static void questions_are_counted_when_they_are_over_and_as_they_became(void **unused)
{
    struct world w;
    world_load(&w,
               ". {\n prometheus\n rewrite type A MX\n acl {\n drop type TXT\n }\n}\n");
    world_ask(&w, "www.test");
    world_ask_as(&w, &(struct world_question){.name = "www.test", .type = DNS_TXT});
    world_ask_as(&w, &(struct world_question){.name = "www.test", .type = DNS_NS});
    static const struct row rows[] = {
        {"coredns_dns_requests_total" AT_ROOT
         ",proto=\"udp\",family=\"1\",type=\"MX\"}",
         1},
        {"coredns_dns_requests_total" AT_ROOT
         ",proto=\"udp\",family=\"1\",type=\"TXT\"}",
         1},
        {"coredns_dns_responses_total" AT_ROOT ",rcode=\"NOERROR\",plugin=\"\"}", 1},
        {"coredns_dns_responses_total" AT_ROOT ",rcode=\"SERVFAIL\",plugin=\"\"}", 1},
        {"coredns_dns_responses_total" AT_ROOT
         ",rcode=\"SERVFAIL\",plugin=\"rewrite\"}",
         1},
        {"coredns_dns_response_size_bytes_count" AT_ROOT ",proto=\"udp\"}", 3},
    };
    CHECK(w.plan, rows);
    world_close(&w);
}

static void plugins_count_for_their_zones(void **unused)
{
    struct world w;
    world_load(&w,
               ". {\n prometheus\n local\n acl {\n drop type SRV\n }\n"
               " acl a.test b.test {\n block type A\n filter type MX\n }\n"
               " template IN TXT c.test d.test {\n rcode NXDOMAIN\n }\n whoami\n}\n");
    static const struct world_question asked[] = {
        {.name = "x.b.test"},           {.name = "x.a.test", .type = DNS_MX},
        {.name = "x.test", .type = 33}, {.name = "x.d.test", .type = DNS_TXT},
        {.name = "x.localhost"},        {.name = "localhost"}};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        world_ask_as(&w, &asked[i]);
#define AT(zone) "{server=\"dns://:53\",view=\"\",zone=\"" zone "\""
    static const struct row rows[] = {
        {"coredns_acl_blocked_requests_total" AT("b.test.") "}", 1},
        {"coredns_acl_blocked_requests_total" AT("a.test.") "}", -1},
        {"coredns_acl_filtered_requests_total" AT("a.test.") "}", 1},
        {"coredns_acl_dropped_requests_total" AT(".") "}", 1},
        {"coredns_acl_allowed_requests_total{server=\"dns://:53\",view=\"\"}", 1},
        {"coredns_template_matches_total" AT("d.test.") ",class=\"IN\",type=\"TXT\"}",
         1},
        {"coredns_local_localhost_requests_total", 1},
    };
    CHECK(w.plan, rows);
    world_close(&w);
}

static void block_without_prometheus_is_not_measured(void **unused)
{
    struct world w;
    world_load(&w, "a.test {\n prometheus\n whoami\n}\n"
                   "b.test {\n cache\n forward . 10.0.0.1\n}\n");
    world_ask(&w, "www.b.test");
    char *page = page_of(w.plan);
    assert_null(strstr(page, "b.test"));
    assert_null(strstr(page, "coredns_cache"));
    assert_null(strstr(page, "coredns_proxy"));
    free(page);
    world_close(&w);
}

static void what_reaches_no_block_is_of_zone_dropped(void **unused)
{
    struct world w;
    world_load(&w, "a.test {\n prometheus\n whoami\n}\n");
    world_ask(&w, "www.elsewhere.test");
    static const struct row rows[] = {
        {"coredns_dns_responses_total{server=\"dns://:53\",zone=\"dropped\",view=\"\","
         "rcode=\"REFUSED\",plugin=\"\"}",
         1},
    };
    CHECK(w.plan, rows);
    world_close(&w);
}

static void upstreams_and_the_cache_are_counted(void **unused)
{
    struct world w;
    world_load(&w, ". {\n prometheus\n cache\n forward . 10.0.0.1\n}\n");
    world_ask(&w, "www.test");
    world_run(&w, 3);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
    world_ask(&w, "www.test");
#define CACHED "{server=\"dns://:53\",zones=\".\",view=\"\""
#define PROXY  "{proxy_name=\"forward\",to=\"10.0.0.1:53\""
    static const struct row rows[] = {
        {"coredns_cache_entries" CACHED ",type=\"success\"}", 1},
        {"coredns_cache_entries" CACHED ",type=\"denial\"}", -1},
        {"coredns_cache_hits_total" CACHED ",type=\"success\"}", 1},
        {"coredns_cache_requests_total" CACHED "}", 2},
        {"coredns_cache_misses_total" CACHED "}", 1},
        {"coredns_cache_served_stale_total" CACHED "}", -1},
        {"coredns_proxy_request_duration_seconds_count" PROXY ",rcode=\"NOERROR\"}", 1},
        {"coredns_proxy_request_duration_seconds_bucket" PROXY
         ",rcode=\"NOERROR\",le=\"0.002\"}",
         0},
        {"coredns_proxy_request_duration_seconds_bucket" PROXY
         ",rcode=\"NOERROR\",le=\"0.004\"}",
         1},
        {"coredns_proxy_healthcheck_failures_total" PROXY "}", -1},
        {"coredns_forward_healthcheck_broken_total", 0},
        {"coredns_forward_max_concurrent_rejects_total", 0},
    };
    CHECK(w.plan, rows);
    world_close(&w);
}

static void refusals_of_max_concurrent_are_counted(void **unused)
{
    struct world w;
    world_load(&w,
               ". {\n prometheus\n forward . 10.0.0.1 {\n max_concurrent 1\n }\n}\n");
    world_ask(&w, "a.test");
    world_ask(&w, "b.test");
    static const struct row rows[] = {
        {"coredns_forward_max_concurrent_rejects_total", 1},
        {"coredns_dns_responses_total" AT_ROOT ",rcode=\"REFUSED\",plugin=\"\"}", 1},
    };
    CHECK(w.plan, rows);
    world_close(&w);
}

static void clusters_have_their_own(void **unused)
{
    struct world w;
    world_load(&w, ". {\n prometheus\n cluster b.lan {\n dns 10.0.0.1\n }\n}\n");
    uint64_t client = world_ask(&w, "web.b.lan");
    static const struct row before[] = {
        {"isthmus_cluster_up{cluster=\"b.lan\"}", 1},
        {"isthmus_cluster_rtt_seconds{cluster=\"b.lan\"}", -1},
        {"isthmus_cluster_requests_total{cluster=\"b.lan\"}", 1},
        {"isthmus_cluster_renames_total{cluster=\"b.lan\"}", 0},
    };
    CHECK(w.plan, before);
    world_run(&w, 4);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
    assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    static const struct row after[] = {
        {"isthmus_cluster_rtt_seconds{cluster=\"b.lan\"}", 0.004},
        {"isthmus_cluster_renames_total{cluster=\"b.lan\"}", 1},
        {"coredns_proxy_request_duration_seconds_count{proxy_name=\"cluster\",to=\"10.0."
         "0.1:53\",rcode=\"NOERROR\"}",
         1},
    };
    CHECK(w.plan, after);
    world_close(&w);
}

/* A group of one address, as a cluster's. */
struct lone {
    struct upstream_group group;
    struct upstream up, *list[1];
};

static void lone_init(struct lone *l, const char *label)
{
    static const struct upstream_rules rules = {.cluster = true};
    *l = (struct lone){.up.text = "10.0.0.1:53"};
    l->list[0] = &l->up;
    l->group = (struct upstream_group){
        .rules = &rules, .label = label, .list = l->list, .n = 1};
}

static void of_two_with_a_name_the_one_that_stays_is_shown(void **unused)
{
    struct world w;
    struct lone all[3];
    world_load(&w, ". {\n prometheus\n whoami\n}\n");
    _Atomic(struct meter_use *) *first = &w.plan->meters.first[METER_CLUSTER];
    for (int i = 0; i < 3; i++) {
        lone_init(&all[i], "b.lan");
        assert_int_equal(metrics_measure_group(w.plan, &all[i].group), 0);
        assert_ptr_equal((*first)->context, &all[i].group);
    }
    metrics_let_group(w.plan, &all[1].group);
    assert_ptr_equal((*first)->context, &all[2].group);
    metrics_let_group(w.plan, &all[2].group);
    assert_ptr_equal((*first)->context, &all[0].group);
    metrics_let_group(w.plan, &all[0].group);
    assert_null(*first);
    world_close(&w);
}

/* The control thread may be at the list of what is shown. */
static void what_a_worker_cannot_measure_is_left_where_it_is(void **unused)
{
    struct world w;
    struct lone l;
    world_load(&w, ". {\n prometheus\n whoami\n}\n");
    lone_init(&l, NULL); /* as without memory for its label */
    assert_int_equal(metrics_measure_group(w.plan, &l.group), -1);
    const struct meter_use *shown = w.plan->meters.first[METER_PROXY];
    assert_non_null(shown);
    metrics_let_group(w.plan, &l.group);
    assert_ptr_equal(w.plan->meters.first[METER_PROXY], shown);
    world_close(&w);
}

/* ---- lives ---- */

static void counts_go_on_over_a_reload(void **unused)
{
    struct world w;
    static const struct row two[] = {
        {"coredns_dns_requests_total" AT_ROOT ",proto=\"udp\",family=\"1\",type=\"A\"}",
         2},
    };
    world_open(&w);
    struct plan *first = world_plan(&w, ". {\n prometheus\n whoami\n}\n");
    world_adopt(&w, first);
    world_ask(&w, "www.test");
    struct plan *next = world_plan(&w, ". {\n prometheus\n log\n whoami\n}\n"
                                       "a.test {\n prometheus\n whoami\n}\n");
    world_adopt(&w, next);
    plan_done(first);
    plan_free(first);
    world_ask(&w, "www.test");
    CHECK(next, two);
    resolver_free(w.r);
    w.r = resolver_new(&w.io->io, 0);
    plan_done(next);
    plan_free(next);
    world_close(&w);
}

static void workers_are_added_up(void **unused)
{
    struct world w;
    struct metrics_desk one = {0}, two = {0};
    world_open(&w);
    struct plan *p = world_plan(&w, ". {\n prometheus\n whoami\n}\n");
    assert_int_equal(metrics_attach(&one, p, 0), 0);
    assert_int_equal(metrics_attach(&two, p, 1), 0);
    const struct meter *m = p->meters.first[METER_SERVED]->meter;
    metrics_add(&one, m, SERVED_DO, 3);
    metrics_add(&two, m, SERVED_DO, 4);
    metrics_desk_release(&two);
    assert_int_equal(metrics_sum(m, SERVED_DO), 7);
    assert_int_equal(metrics_attach(&two, p, 1), 0);
    metrics_add(&two, m, SERVED_DO, 1);
    assert_int_equal(metrics_sum(m, SERVED_DO), 8);
    metrics_desk_release(&one);
    metrics_desk_release(&two);
    plan_free(p);
    world_close(&w);
}

static void values_of_labels_are_escaped(void **unused)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    assert_string_equal(metrics_label(&a, "x", "a\"b\\c\nd"), "x=\"a\\\"b\\\\c\\nd\"");
    assert_string_equal(metrics_label(&a, "x", ""), "x=\"\"");
    assert_null(metrics_label(&a, "x", NULL));
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions_and_answers_are_counted_by_kind),
        cmocka_unit_test(labels_are_in_alphabetical_order_and_bounds_last),
        cmocka_unit_test(questions_are_counted_when_they_are_over_and_as_they_became),
        cmocka_unit_test(plugins_count_for_their_zones),
        cmocka_unit_test(block_without_prometheus_is_not_measured),
        cmocka_unit_test(what_reaches_no_block_is_of_zone_dropped),
        cmocka_unit_test(upstreams_and_the_cache_are_counted),
        cmocka_unit_test(refusals_of_max_concurrent_are_counted),
        cmocka_unit_test(clusters_have_their_own),
        cmocka_unit_test(of_two_with_a_name_the_one_that_stays_is_shown),
        cmocka_unit_test(what_a_worker_cannot_measure_is_left_where_it_is),
        cmocka_unit_test(counts_go_on_over_a_reload),
        cmocka_unit_test(workers_are_added_up),
        cmocka_unit_test(values_of_labels_are_escaped),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
