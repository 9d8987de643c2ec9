/* What is kept, how long, and what happens when it has expired, through a whole
 * resolver and with a clock that the test moves. */
#include "resolver/msg.h"
#include "tests/unit/build.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static int teardown(void **unused)
{
    build_release();
    return 0;
}

static void load(struct world *w, const char *cache)
{
    char corefile[400];
    snprintf(corefile, sizeof corefile, ". {\n%s\nforward . 10.0.0.1\n}\n", cache);
    world_load(w, corefile);
}

static const struct world_question a_question = {.name = "a.test"};

static const char *ask(struct world *w, const char *answer)
{
    return show_through(w, &a_question, answer, build_keep(SHOW_MAX));
}

static const char *ask_as(struct world *w, struct world_question q, const char *answer)
{
    if (q.name == NULL)
        q.name = "a.test";
    return show_through(w, &q, answer, build_keep(SHOW_MAX));
}

/* An answer to whoever asks anew behind the client's back (or in front of him). */
static void renew(struct world *w, const char *answer)
{
    struct world_answer a = {.message = build_answer(answer)};
    world_answer(w, world_expect(w, "10.0.0.1:53", TRANSPORT_UDP), &a);
}

#define GOOD(ttl, n) "! -ra\na.test A\na.test " #ttl " A 192.0.2." #n "\n"
#define IS(ttl, n)   "AN a.test. " #ttl " IN A 192.0.2." #n "\n"
#define NX           "! -ra NXDOMAIN\na.test A\nauthority\ntest 60 SOA n.test h.test 1 2 3 4 20\n"
#define NX_IS(ttl)   "NS test. " #ttl " IN SOA n.test. h.test. 1 2 3 4 20\n"

/* ---- what is kept ---- */

struct life {
    const char *cache, *answer;
    const char *first, *hit; /* NULL: it is not kept */
};

static void live_all(const struct life *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct world w;
        load(&w, list[i].cache);
        assert_string_equal(ask(&w, list[i].answer), list[i].first);
        assert_string_equal(ask(&w, list[i].hit == NULL ? list[i].answer : NULL),
                            list[i].hit == NULL ? list[i].first : list[i].hit);
        world_close(&w);
    }
}
#define LIVE(list) live_all(list, sizeof(list) / sizeof *(list))

static void ttls_are_held_between_their_bounds(void **unused)
{
    static const struct life list[] = {
        {"cache", GOOD(60, 1), "NOERROR\n" IS(60, 1), "NOERROR aa\n" IS(60, 1)},
        {"cache", GOOD(0, 1), "NOERROR\n" IS(5, 1), "NOERROR aa\n" IS(5, 1)},
        {"cache", GOOD(99999, 1), "NOERROR\n" IS(3600, 1), "NOERROR aa\n" IS(3600, 1)},
        {"cache 30", GOOD(60, 1), "NOERROR\n" IS(30, 1), "NOERROR aa\n" IS(30, 1)},
        {"cache {\n success 10 50 40\n}", GOOD(60, 1), "NOERROR\n" IS(50, 1),
         "NOERROR aa\n" IS(50, 1)},
        {"cache {\n success 10 50 40\n}", GOOD(1, 1), "NOERROR\n" IS(40, 1),
         "NOERROR aa\n" IS(40, 1)},
        {"cache {\n success 10 50 0\n}", GOOD(0, 1), "NOERROR\n" IS(0, 1), NULL},
        {"cache 30 {\n success 10\n}", GOOD(60, 1), "NOERROR\n" IS(30, 1),
         "NOERROR aa\n" IS(30, 1)},
    };
    LIVE(list);
}

static void the_least_ttl_of_all_records_is_that_of_all(void **unused)
{
    static const struct life list[] = {
        {"cache",
         "! -ra aa\na.test A\na.test 60 CNAME b.test\nb.test 50 A 192.0.2.1\n"
         "authority\ntest 40 NS n.test\nadditional\nn.test 30 A 192.0.2.9\n",
         "NOERROR aa\nAN a.test. 30 IN CNAME b.test.\nAN b.test. 30 IN A 192.0.2.1\n"
         "NS test. 30 IN NS n.test.\nAR n.test. 30 IN A 192.0.2.9\n",
         "NOERROR aa\nAN a.test. 30 IN CNAME b.test.\nAN b.test. 30 IN A 192.0.2.1\n"
         "NS test. 30 IN NS n.test.\nAR n.test. 30 IN A 192.0.2.9\n"},
        {"cache", "! -ra aa\na.test A\nB.test 50 A 192.0.2.1\na.test 50 CNAME b.test\n",
         "NOERROR aa\nAN B.test. 50 IN A 192.0.2.1\nAN a.test. 50 IN CNAME B.test.\n",
         "NOERROR aa\nAN B.test. 50 IN A 192.0.2.1\nAN a.test. 50 IN CNAME B.test.\n"},
    };
    LIVE(list);
}

/* RFC 2308 section 5: the smaller of the SOA's TTL and its MINIMUM. */
static void absence_lives_as_long_as_its_soa_says(void **unused)
{
#define NODATA(ttl, min)                                                               \
    "! -ra\na.test A\nauthority\ntest " #ttl " SOA n.test h.test 1 2 3 4 " #min "\n"
#define NODATA_IS(ttl, min)                                                            \
    "NS test. " #ttl " IN SOA n.test. h.test. 1 2 3 4 " #min "\n"
    static const struct life list[] = {
        {"cache", NX, "NXDOMAIN\n" NX_IS(20), "NXDOMAIN aa\n" NX_IS(20)},
        {"cache", NODATA(10, 20), "NOERROR\n" NODATA_IS(10, 20),
         "NOERROR aa\n" NODATA_IS(10, 20)},
        {"cache", NODATA(9999, 9999), "NOERROR\n" NODATA_IS(1800, 9999),
         "NOERROR aa\n" NODATA_IS(1800, 9999)},
        {"cache", NODATA(9999, 0), "NOERROR\n" NODATA_IS(5, 0),
         "NOERROR aa\n" NODATA_IS(5, 0)},
        {"cache {\n denial 9 12 11\n}", NX, "NXDOMAIN\n" NX_IS(12),
         "NXDOMAIN aa\n" NX_IS(12)},
    };
    LIVE(list);
}

static void what_answers_nothing_is_not_kept(void **unused)
{
    static const struct life list[] = {
        {"cache", "! -ra NXDOMAIN\na.test A\n", "NXDOMAIN\n", NULL},
        {"cache", "! -ra REFUSED\na.test A\nadditional\nx.test 60 A 192.0.2.9\n",
         "REFUSED\nAR x.test. 5 IN A 192.0.2.9\n", NULL},
        {"cache", "! -ra NXDOMAIN\na.test A\na.test 60 CNAME b.test\n",
         "NXDOMAIN\nAN a.test. 5 IN CNAME b.test.\n", NULL},
        {"cache {\n success 9 40 12\n denial 9 30 11\n}",
         "! -ra NXDOMAIN\na.test A\na.test 60 CNAME b.test\n",
         "NXDOMAIN\nAN a.test. 12 IN CNAME b.test.\n", NULL},
        {"cache {\n success 9 40 0\n}",
         "! -ra NXDOMAIN\na.test A\na.test 60 CNAME b.test\n",
         "NXDOMAIN\nAN a.test. 5 IN CNAME b.test.\n", NULL},
        {"cache", "! -ra\na.test A\na.test 60 CNAME b.test\n",
         "NOERROR\nAN a.test. 60 IN CNAME b.test.\n", NULL},
        {"cache", "! -ra\na.test A\nb.test 60 TXT x\n",
         "NOERROR\nAN b.test. 60 IN TXT \"x\"\n", NULL},
        {"cache", "! -ra\na.test A\nb.test 60 A 192.0.2.1\n",
         "NOERROR\nAN b.test. 60 IN A 192.0.2.1\n", NULL},
        {"cache 40", "! -ra\na.test A\nb.test 60 TXT x\n",
         "NOERROR\nAN b.test. 40 IN TXT \"x\"\n", NULL},
        {"cache", "! -ra\na.test A\na.test 2 CNAME b.test\n",
         "NOERROR\nAN a.test. 5 IN CNAME b.test.\n", NULL},
        {"cache", "! -ra\na.test A\na.test 60 CNAME b.test\nb.test 60 CNAME a.test\n",
         "NOERROR\nAN a.test. 60 IN CNAME b.test.\nAN b.test. 60 IN CNAME a.test.\n",
         NULL},
    };
    LIVE(list);
}

static void delegations_and_empty_answers_live_five_seconds(void **unused)
{
    static const struct life list[] = {
        {"cache", "! -ra\na.test A\n", "NOERROR\n", "NOERROR aa\n"},
        {"cache", "! -ra\na.test A\nauthority\na.test 60 NS n.test\n",
         "NOERROR\nNS a.test. 5 IN NS n.test.\n",
         "NOERROR aa\nNS a.test. 5 IN NS n.test.\n"},
        {"cache", "! -ra\na.test A\nadditional\nn.test 60 A 192.0.2.9\n",
         "NOERROR\nAR n.test. 60 IN A 192.0.2.9\n",
         "NOERROR aa\nAR n.test. 60 IN A 192.0.2.9\n"},
    };
    LIVE(list);
}

static void a_truncated_answer_is_not_kept(void **unused)
{
    struct world w;
    load(&w, "cache");
    struct world_question q = {.edns = true};
    ask_as(&w, q, "! -ra tc\na.test A\na.test 60 A 192.0.2.1\n");
    world_expect_silence(&w);
    assert_string_equal(ask(&w, GOOD(60, 2)), "NOERROR\n" IS(60, 2));
    world_close(&w);
}

static void failures_of_an_upstream_are_kept_for_their_own_time(void **unused)
{
    static const struct life list[] = {
        {"cache", "! -ra NOTIMPL\na.test A\n", "NOTIMPL\n", "NOTIMPL aa\n"},
        {"cache {\n servfail 0\n}", "! -ra NOTIMPL\na.test A\n", "NOTIMPL\n", NULL},
    };
    LIVE(list);
    struct world w;
    load(&w, "cache {\n servfail 3s\n}");
    ask(&w, "! -ra NOTIMPL\na.test A\n");
    world_run(&w, 2999);
    ask(&w, NULL);
    world_run(&w, 2);
    ask(&w, GOOD(60, 1));
    world_close(&w);
}

static void our_own_failures_are_not_kept(void **unused)
{
    struct world w;
    load(&w, "cache");
    uint64_t client = world_ask(&w, "a.test");
    world_run(&w, 11000);
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    while (fake_io_take(w.io) != NULL)
        ;
    assert_string_equal(ask(&w, GOOD(60, 1)), "NOERROR\n" IS(60, 1));
    world_close(&w);
}

static void disabled_kinds_are_not_kept_in_their_zones(void **unused)
{
    static const struct life list[] = {
        {"cache {\n disable success\n}", GOOD(60, 1), "NOERROR\n" IS(60, 1), NULL},
        {"cache {\n disable success\n}", NX, "NXDOMAIN\n" NX_IS(20),
         "NXDOMAIN aa\n" NX_IS(20)},
        {"cache {\n disable denial test\n}", NX, "NXDOMAIN\n" NX_IS(20), NULL},
        {"cache {\n disable success other.test\n}", GOOD(60, 1), "NOERROR\n" IS(60, 1),
         "NOERROR aa\n" IS(60, 1)},
        {"cache 60 other.test", GOOD(90, 1), "NOERROR\n" IS(90, 1), NULL},
        {"cache 60 a.test", GOOD(90, 1), "NOERROR\n" IS(60, 1),
         "NOERROR aa\n" IS(60, 1)},
    };
    LIVE(list);
}

static void ttls_count_down_unless_they_are_kept(void **unused)
{
    struct world w;
    load(&w, "cache");
    ask(&w, GOOD(60, 1));
    world_run(&w, 7500);
    assert_string_equal(ask(&w, NULL), "NOERROR aa\n" IS(53, 1));
    world_run(&w, 52400);
    assert_string_equal(ask(&w, NULL), "NOERROR aa\n" IS(1, 1));
    world_run(&w, 100);
    assert_string_equal(ask(&w, GOOD(60, 2)), "NOERROR\n" IS(60, 2));
    world_close(&w);
    load(&w, "cache {\n keepttl\n}");
    ask(&w, GOOD(60, 1));
    world_run(&w, 59000);
    assert_string_equal(ask(&w, NULL), "NOERROR aa\n" IS(60, 1));
    world_close(&w);
}

/* ---- whose answer it is ---- */

static void do_and_cd_have_answers_of_their_own_and_nothing_else_has(void **unused)
{
    struct world w;
    load(&w, "cache");
    ask(&w, GOOD(60, 1));
    struct world_question dnssec = {.edns = true, .dnssec_ok = true};
    struct world_question cd = {.flags = DNS_CD};
    assert_string_equal(ask_as(&w, dnssec, GOOD(60, 2)), "NOERROR\n" IS(60, 2));
    assert_string_equal(ask_as(&w, cd, "! -ra cd\na.test A\na.test 60 A 192.0.2.3\n"),
                        "NOERROR cd\n" IS(60, 3));
    dnssec.flags = DNS_CD;
    ask_as(&w, dnssec, GOOD(60, 4));
    assert_string_equal(ask_as(&w, cd, NULL), "NOERROR aa cd\n" IS(60, 3));
    assert_string_equal(ask_as(&w, dnssec, NULL), "NOERROR aa cd\n" IS(60, 4));
    struct world_question others[] = {{.name = "A.TEST", .no_rd = true},
                                      {.flags = DNS_AD},
                                      {.transport = TRANSPORT_TCP},
                                      {.edns = true, .udp_size = 4096}};
    assert_string_equal(ask_as(&w, others[0], NULL),
                        "NOERROR aa\nAN A.TEST. 60 IN A 192.0.2.1\n");
    for (size_t i = 1; i < 4; i++)
        assert_string_equal(ask_as(&w, others[i], NULL), "NOERROR aa\n" IS(60, 1));
    world_close(&w);
}

static void ad_is_for_those_who_ask_for_it(void **unused)
{
#define SIGNED "! -ra ad\na.test A\na.test 60 A 192.0.2.1\n"
    struct world w;
    struct world_question wants = {.flags = DNS_AD};
    load(&w, "cache {\n serve_stale 1h verify\n}");
    assert_string_equal(ask(&w, SIGNED), "NOERROR\n" IS(60, 1));
    assert_string_equal(ask(&w, NULL), "NOERROR aa\n" IS(60, 1));
    assert_string_equal(ask_as(&w, wants, NULL), "NOERROR aa ad\n" IS(60, 1));
    world_run(&w, 61000);
    assert_string_equal(ask_as(&w, wants, SIGNED), "NOERROR ad\n" IS(60, 1));
    world_run(&w, 61000);
    assert_string_equal(ask(&w, SIGNED), "NOERROR\n" IS(60, 1));
    world_close(&w);
}

/* ---- expired answers ---- */

static void expired_answers_are_asked_anew_without_serve_stale(void **unused)
{
    struct world w;
    load(&w, "cache");
    ask(&w, GOOD(60, 1));
    world_run(&w, 60000);
    assert_string_equal(ask(&w, "! -ra NOTIMPL\na.test A\n"), "NOTIMPL\n");
    assert_string_equal(ask(&w, NULL), "NOTIMPL aa\n");
    world_close(&w);
}

static void a_stale_answer_is_given_at_once_and_renewed_behind(void **unused)
{
    struct world w;
    char text[80];
    load(&w, "cache {\n serve_stale 1h immediate 7s\n}");
    ask(&w, GOOD(60, 1));
    world_run(&w, 60000);
    uint64_t first = world_ask(&w, "a.test"), second = world_ask(&w, "a.test");
    assert_string_equal(show_reply(&w, first, build_keep(SHOW_MAX)),
                        "NOERROR aa\n" IS(7, 1));
    assert_string_equal(show_reply(&w, second, build_keep(SHOW_MAX)),
                        "NOERROR aa\n" IS(7, 1));
    struct world_question edns = {.name = "a.test", .edns = true};
    assert_int_equal(world_ede(&w, world_ask_as(&w, &edns), text, sizeof text),
                     EDE_STALE);
    renew(&w, GOOD(60, 2)); /* one asked for all three */
    assert_string_equal(ask(&w, NULL), "NOERROR aa\n" IS(60, 2));
    world_run(&w, 60000 + 3600000);
    assert_string_equal(ask(&w, GOOD(60, 3)), "NOERROR\n" IS(60, 3));
    world_close(&w);
}

/* Whatever the upstream says that is not kept, the next client has it asked again. */
static void a_renewal_that_brings_nothing_does_not_end_renewals(void **unused)
{
    static const char *const answers[] = {"! -ra NOTIMPL\na.test A\n",
                                          "! -ra REFUSED\na.test A\n",
                                          "! -ra NXDOMAIN\na.test A\n"};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct world w;
        load(&w, "cache {\n serve_stale\n}");
        ask(&w, GOOD(60, 1));
        world_run(&w, 60000);
        assert_string_equal(ask(&w, answers[i]), "NOERROR aa\n" IS(0, 1));
        assert_string_equal(ask(&w, GOOD(60, 2)), "NOERROR aa\n" IS(0, 1));
        assert_string_equal(ask(&w, NULL), "NOERROR aa\n" IS(60, 2));
        world_close(&w);
    }
}

static void after_a_failure_nobody_asks_before_the_recheck(void **unused)
{
    static const char *const modes[] = {"cache {\n serve_stale 1h immediate 0s 10s\n}",
                                        "cache {\n serve_stale 1h verify 0s 0s 10s\n}"};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        load(&w, modes[i]);
        ask(&w, GOOD(60, 1));
        world_run(&w, 60000);
        assert_string_equal(ask(&w, "! -ra NOTIMPL\na.test A\n"),
                            "NOERROR aa\n" IS(0, 1));
        world_run(&w, 9900);
        assert_string_equal(ask(&w, NULL), "NOERROR aa\n" IS(0, 1));
        world_run(&w, 200);
        const char *seen = ask(&w, GOOD(60, 2));
        assert_string_equal(seen,
                            i == 0 ? "NOERROR aa\n" IS(0, 1) : "NOERROR\n" IS(60, 2));
        world_close(&w);
    }
}

static void verify_asks_first_and_falls_back_on_what_is_there(void **unused)
{
    static const struct {
        const char *answer, *reply;
    } list[] = {
        {GOOD(60, 2), "NOERROR\n" IS(60, 2)},
        {NX, "NXDOMAIN\n" NX_IS(20)},
        {"! -ra NOTIMPL\na.test A\n", "NOERROR aa\n" IS(0, 1)},
        {"! -ra REFUSED\na.test A\n", "NOERROR aa\n" IS(0, 1)},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct world w;
        load(&w, "cache {\n serve_stale 1h verify\n}");
        ask(&w, GOOD(60, 1));
        world_run(&w, 60000);
        assert_string_equal(ask(&w, list[i].answer), list[i].reply);
        world_close(&w);
    }
}

static void verify_waits_no_longer_than_its_timeout_and_goes_on_behind(void **unused)
{
    struct world w;
    load(&w, "cache {\n serve_stale 1h verify 25ms\n}");
    ask(&w, GOOD(60, 1));
    world_run(&w, 60000);
    uint64_t client = world_ask(&w, "a.test");
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_run(&w, 24);
    assert_int_equal(world_rcode(&w, client), -1);
    world_run(&w, 2);
    assert_string_equal(show_reply(&w, client, build_keep(SHOW_MAX)),
                        "NOERROR aa\n" IS(0, 1));
    struct world_answer late = {.message = build_answer(GOOD(60, 2))};
    world_answer(&w, s, &late);
    assert_string_equal(ask(&w, NULL), "NOERROR aa\n" IS(60, 2));
    world_close(&w);
}

static void what_is_not_there_is_never_served_stale(void **unused)
{
    static const char *const modes[] = {"cache {\n serve_stale\n}",
                                        "cache {\n serve_stale 1h verify\n}"};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        load(&w, modes[i]);
        ask(&w, NX);
        world_run(&w, 20000);
        assert_string_equal(ask(&w, GOOD(60, 1)), "NOERROR\n" IS(60, 1));
        world_close(&w);
    }
}

static void prefer_positive_keeps_an_answer_through_absence(void **unused)
{
    struct world w;
    load(&w, "cache {\n serve_stale\n serve_stale_policy prefer_positive\n}");
    ask(&w, GOOD(60, 1));
    world_run(&w, 60000);
    ask(&w, NX);
    assert_string_equal(ask(&w, NX), "NOERROR aa\n" IS(0, 1));
    world_close(&w);
    load(&w, "cache {\n serve_stale\n}");
    ask(&w, GOOD(60, 1));
    world_run(&w, 60000);
    ask(&w, NX);
    assert_string_equal(ask(&w, NULL), "NXDOMAIN aa\n" NX_IS(20));
    world_close(&w);
}

static void names_in_use_are_renewed_before_they_expire(void **unused)
{
    struct world w;
    load(&w, "cache {\n prefetch 2 1m 20%\n}");
    ask(&w, GOOD(60, 1));
    world_run(&w, 47000);
    ask(&w, NULL);
    ask(&w, NULL); /* 13 s are left, and 12 are 20% */
    world_run(&w, 1000);
    assert_string_equal(ask(&w, GOOD(60, 2)), "NOERROR aa\n" IS(12, 1));
    assert_string_equal(ask(&w, NULL), "NOERROR aa\n" IS(60, 2));
    world_run(&w, 59000);
    assert_string_equal(ask(&w, GOOD(60, 3)), "NOERROR aa\n" IS(1, 2));
    world_run(&w, 61000 - 1000);
    assert_string_equal(ask(&w, GOOD(60, 4)), "NOERROR\n" IS(60, 4)); /* expired */
    world_run(&w, 55000);
    world_close(&w);
    load(&w, "cache {\n prefetch 2 10s 90%\n}");
    ask(&w, GOOD(60, 1));
    for (int i = 0; i < 4; i++) {
        world_run(&w, 11000); /* each hit begins a row of its own */
        ask(&w, NULL);
    }
    world_close(&w);
}

/* ---- names of clusters ---- */

#define CLUSTER                                                                        \
    "cluster b.test {\n dns 10.0.0.1\n domain cluster.local\n max_fails 0\n}\n"
#define INSIDE(ttl, n)                                                                 \
    "! -ra aa\na.cluster.local A\na.cluster.local " #ttl " A 192.0.2." #n "\n"
#define OUTSIDE(ttl, n) "NOERROR aa\nAN a.b.test. " #ttl " IN A 192.0.2." #n "\n"
#define GONE                                                                           \
    "! -ra aa NXDOMAIN\na.cluster.local A\nauthority\ncluster.local 60 SOA "           \
    "n.cluster.local h.cluster.local 1 2 3 4 60\n"

static const struct world_question in_cluster = {.name = "a.b.test"};

static void names_of_clusters_live_shortly_unless_told(void **unused)
{
    static const struct {
        const char *cache, *answer;
        uint32_t life_s;
    } list[] = {{"cache", INSIDE(600, 1), 30},
                {"cache", INSIDE(20, 1), 20},
                {"cache", GONE, 5},
                {"cache 300", INSIDE(600, 1), 300},
                {"cache {\n denial 100 50\n}", GONE, 50},
                {"cache {\n denial 100 50\n}", INSIDE(600, 1), 30}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct world w;
        char lines[200];
        snprintf(lines, sizeof lines, CLUSTER "%s", list[i].cache);
        load(&w, lines);
        ask_as(&w, in_cluster, list[i].answer);
        world_run(&w, list[i].life_s * 1000 - 1);
        ask_as(&w, in_cluster, NULL);
        world_run(&w, 1);
        ask_as(&w, in_cluster, list[i].answer);
        world_close(&w);
    }
}

static void a_cluster_that_is_away_is_served_stale_for_an_hour(void **unused)
{
    struct world w;
    load(&w, CLUSTER "cache");
    ask_as(&w, in_cluster, INSIDE(600, 1));
    world_run(&w, 30000);
    uint64_t client = world_ask(&w, "a.b.test");
    world_run(&w, 3000);
    assert_string_equal(show_reply(&w, client, build_keep(SHOW_MAX)), OUTSIDE(30, 1));
    while (fake_io_take(w.io) != NULL)
        ;
    world_run(&w, 3600000);
    while (fake_io_take(w.io) != NULL)
        ;
    client = world_ask(&w, "a.b.test");
    world_run(&w, 3000);
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    world_close(&w);
}

/* The plan of another Corefile; the registry keeps the cache of the same block. */
static void replan(struct world *w, const char *corefile)
{
    struct errors errs;
    errors_init(&errs);
    struct plan_flags flags = {.dns_port = 53};
    struct config *config =
        config_load_text("Corefile", text_of(corefile), plugin_vocabulary(), &errs);
    struct plan *plan = plan_build(config, w->registry, &flags, &errs);
    assert_non_null(plan);
    errors_release(&errs);
    struct plan *old = w->plan;
    world_adopt(w, plan);
    resolver_tick(w->r, w->now_us);
    plan_free(old);
}

static void a_remapped_cluster_loses_its_answers_and_others_keep_theirs(void **unused)
{
#define REST                                                                           \
    "cluster c.test {\n dns 10.0.0.1\n domain cluster.local\n max_fails 0\n}\ncache\n" \
    "forward . 10.0.0.1\n}\n"
    struct world w;
    struct world_question other = {.name = "a.c.test"};
    world_load(&w, ". {\n" CLUSTER REST);
    ask_as(&w, in_cluster, INSIDE(600, 1));
    ask_as(&w, other, INSIDE(600, 1));
    ask(&w, GOOD(60, 1));
    replan(
        &w,
        ". {\ncluster b.test {\n dns 10.0.0.2\n domain cluster.local\n max_fails 0\n}\n" REST);
    assert_string_equal(ask_as(&w, other, NULL),
                        "NOERROR aa\nAN a.c.test. 30 IN A 192.0.2.1\n");
    assert_string_equal(ask(&w, NULL), "NOERROR aa\n" IS(60, 1));
    world_ask_as(&w, &in_cluster);
    world_expect(&w, "10.0.0.2:53", TRANSPORT_UDP);
    world_close(&w);
}

/* ---- the directive ---- */

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"cache 0", "cache TTL can not be zero or negative: 0"},
        {"cache -1", "cache TTL can not be zero or negative: -1"},
        {"cache\ncache", "once per Server Block"},
        {"cache {\n success\n}", "Wrong argument count"},
        {"cache {\n success x\n}", "'x' is no number"},
        {"cache {\n success 1 0\n}", "can not be zero or negative: 0"},
        {"cache {\n denial 1 1 -1\n}", "cache min TTL can not be negative: -1"},
        {"cache {\n denial 1 1 1 1\n}", "Wrong argument count"},
        {"cache {\n prefetch -1\n}", "-1"},
        {"cache {\n prefetch 1 1m 10\n}", "should be `%`"},
        {"cache {\n prefetch 1 1m 9%\n}", "[10, 90]"},
        {"cache {\n prefetch 1 1m 91%\n}", "[10, 90]"},
        {"cache {\n serve_stale -1s\n}", "negative"},
        {"cache {\n serve_stale 1s later\n}", "serve_stale refresh mode: later"},
        {"cache {\n serve_stale 1s immediate 1ms\n}", "whole seconds"},
        {"cache {\n serve_stale 1s immediate 1s 301s\n}", "over 5 minutes"},
        {"cache {\n serve_stale 1s immediate 1s 1s 1s\n}", "Wrong argument count"},
        {"cache {\n serve_stale_policy prefer_positive\n}", "needs serve_stale"},
        {"cache {\n serve_stale\n serve_stale_policy any\n}", "'any'"},
        {"cache {\n servfail -1s\n}", "negative"},
        {"cache {\n servfail 301s\n}", "over 5 minutes"},
        {"cache {\n disable all\n}", "all"},
        {"cache {\n disable\n}", "Wrong argument count"},
        {"cache {\n keepttl yes\n}", "Wrong argument count"},
        {"cache {\n keep_ttl\n}", "keep_ttl"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        if (strstr(text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], text);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ttls_are_held_between_their_bounds),
        TEST(the_least_ttl_of_all_records_is_that_of_all),
        TEST(absence_lives_as_long_as_its_soa_says),
        TEST(what_answers_nothing_is_not_kept),
        TEST(delegations_and_empty_answers_live_five_seconds),
        TEST(a_truncated_answer_is_not_kept),
        TEST(failures_of_an_upstream_are_kept_for_their_own_time),
        TEST(our_own_failures_are_not_kept),
        TEST(disabled_kinds_are_not_kept_in_their_zones),
        TEST(ttls_count_down_unless_they_are_kept),
        TEST(do_and_cd_have_answers_of_their_own_and_nothing_else_has),
        TEST(ad_is_for_those_who_ask_for_it),
        TEST(expired_answers_are_asked_anew_without_serve_stale),
        TEST(a_stale_answer_is_given_at_once_and_renewed_behind),
        TEST(a_renewal_that_brings_nothing_does_not_end_renewals),
        TEST(after_a_failure_nobody_asks_before_the_recheck),
        TEST(verify_asks_first_and_falls_back_on_what_is_there),
        TEST(verify_waits_no_longer_than_its_timeout_and_goes_on_behind),
        TEST(what_is_not_there_is_never_served_stale),
        TEST(prefer_positive_keeps_an_answer_through_absence),
        TEST(names_in_use_are_renewed_before_they_expire),
        TEST(names_of_clusters_live_shortly_unless_told),
        TEST(a_cluster_that_is_away_is_served_stale_for_an_hour),
        TEST(a_remapped_cluster_loses_its_answers_and_others_keep_theirs),
        TEST(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
