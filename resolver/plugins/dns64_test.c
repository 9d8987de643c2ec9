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

struct story {
    const char *aaaa; /* the upstream's first answer */
    const char *a;    /* and its second; NULL: it is not asked again */
    const char *reply;
};

#define NONE "! -ra aa\nwww.test AAAA\nauthority\ntest 90 SOA n.test h.test 1 2 3 4 5\n"
#define OLD  "! -ra aa\nwww.test A\nwww.test 300 A 192.0.2.33\n"

static const char *play(const char *lines, const struct world_question *q,
                        const struct story *s)
{
    struct world w;
    char corefile[400], *text = build_keep(SHOW_MAX);
    snprintf(corefile, sizeof corefile, ". {\n%s\n forward . 10.0.0.1\n}\n", lines);
    world_load(&w, corefile);
    uint64_t client = world_ask_as(&w, q);
    const char *answers[] = {s->aaaa, s->a};
    for (size_t i = 0; i < 2 && answers[i] != NULL; i++) {
        struct world_answer a = {.message = build_answer(answers[i])};
        world_answer(&w, world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP), &a);
    }
    world_expect_silence(&w);
    show_reply(&w, client, text);
    world_close(&w);
    return text;
}

static void expect(const char *lines, const struct story *list, size_t n)
{
    struct world_question q = {
        .name = "www.test", .type = DNS_AAAA, .peer = "2001:db8::1"};
    for (size_t i = 0; i < n; i++)
        assert_string_equal(play(lines, &q, &list[i]), list[i].reply);
}
#define EXPECT(lines, list) expect(lines, list, sizeof(list) / sizeof *(list))

static void without_aaaa_records_those_of_a_are_put_behind_the_prefix(void **unused)
{
    static const struct story list[] = {
        {NONE, OLD, "NOERROR\nAN www.test. 90 IN AAAA 64:ff9b::c000:221\n"},
        {"! -ra\nwww.test AAAA\n",
         "! -ra\nwww.test A\nwww.test 5000 A 192.0.2.33\nwww.test 3 A 192.0.2.34\n",
         "NOERROR\nAN www.test. 600 IN AAAA 64:ff9b::c000:221\n"
         "AN www.test. 3 IN AAAA 64:ff9b::c000:222\n"},
        {"! -ra\nwww.test AAAA\nwww.test 60 CNAME x.test\n",
         "! -ra\nwww.test A\nwww.test 60 CNAME x.test\nx.test 60 A 192.0.2.33\n"
         "authority\ntest 60 NS n.test\nadditional\nn.test 60 A 192.0.2.1\n",
         "NOERROR\nAN www.test. 60 IN CNAME x.test.\n"
         "AN x.test. 60 IN AAAA 64:ff9b::c000:221\nNS test. 60 IN NS n.test.\n"
         "AR n.test. 60 IN A 192.0.2.1\n"},
        {NONE, "! -ra aa\nwww.test A\nauthority\ntest 90 SOA n.test h.test 1 2 3 4 5\n",
         "NOERROR\nNS test. 90 IN SOA n.test. h.test. 1 2 3 4 5\n"},
    };
    EXPECT("dns64", list);
}

static void an_answer_that_needs_nothing_is_left_alone(void **unused)
{
    static const struct story list[] = {
        {"! -ra aa\nwww.test AAAA\nwww.test 60 AAAA 2001:db8::2\n", NULL,
         "NOERROR aa\nAN www.test. 60 IN AAAA 2001:db8::2\n"},
        {"! -ra aa NXDOMAIN\nwww.test AAAA\n", NULL, "NXDOMAIN aa\n"},
    };
    EXPECT("dns64", list);
}

static void translate_all_prefers_what_it_makes_but_drops_nothing_for_it(void **unused)
{
#define NEW "! -ra aa\nwww.test AAAA\nwww.test 60 AAAA 2001:db8::2\n"
    static const struct story list[] = {
        {NEW, OLD, "NOERROR\nAN www.test. 300 IN AAAA 64:ff9b::c000:221\n"},
        {NEW, "! -ra aa\nwww.test A\n",
         "NOERROR aa\nAN www.test. 60 IN AAAA 2001:db8::2\n"},
        {NEW, "! -ra NXDOMAIN\nwww.test A\n",
         "NOERROR aa\nAN www.test. 60 IN AAAA 2001:db8::2\n"},
    };
    EXPECT("dns64 {\n translate_all\n}", list);
}

/* RFC 6052 section 2.4. */
static void addresses_are_embedded_around_octet_eight(void **unused)
{
    static const char *const list[][2] = {
        {"2001:db8::/32", "2001:db8:c000:221::"},
        {"2001:db8:100::/40", "2001:db8:1c0:2:21::"},
        {"2001:db8:122::/48", "2001:db8:122:c000:2:2100::"},
        {"2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"},
        {"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"},
        {"2001:db8:122:344::/96", "2001:db8:122:344::c000:221"},
    };
    struct world_question q = {
        .name = "www.test", .type = DNS_AAAA, .peer = "2001:db8::1"};
    struct story s = {NONE, OLD, NULL};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char lines[100], reply[200];
        snprintf(reply, sizeof reply, "NOERROR\nAN www.test. 90 IN AAAA %s\n",
                 list[i][1]);
        snprintf(lines, sizeof lines, "dns64 %s", list[i][0]);
        assert_string_equal(play(lines, &q, &s), reply);
        snprintf(lines, sizeof lines, "dns64 {\n prefix %s\n}", list[i][0]);
        assert_string_equal(play(lines, &q, &s), reply);
    }
}

static void it_is_for_aaaa_questions_over_ipv6_that_do_not_validate(void **unused)
{
    static const struct world_question others[] = {
        {.name = "www.test", .type = DNS_AAAA},
        {.name = "www.test", .type = DNS_A, .peer = "2001:db8::1"},
        {.name = "www.test",
         .type = DNS_AAAA,
         .peer = "2001:db8::1",
         .flags = DNS_CD,
         .edns = true,
         .dnssec_ok = true},
    };
    static const struct story s = {"! -ra aa\nwww.test AAAA\n", NULL, "NOERROR aa\n"};
    for (size_t i = 0; i < 3; i++) {
        struct story own = s;
        own.aaaa = others[i].type == DNS_A ? "! -ra aa\nwww.test A\n" : s.aaaa;
        const char *reply = play("dns64", &others[i], &own);
        assert_memory_equal(reply, "NOERROR aa", 10);
    }
    struct story made = {NONE, OLD, NULL};
    assert_string_equal(play("dns64 {\n allow_ipv4\n}", &others[0], &made),
                        "NOERROR\nAN www.test. 90 IN AAAA 64:ff9b::c000:221\n");
    assert_string_equal(
        play("dns64 2001:db8::/96 {\n allow_ipv4\n}", &others[0], &made),
        "NOERROR\nAN www.test. 90 IN AAAA 2001:db8::c000:221\n");
}

/* The second question goes through the listener, as the first did: #6796 of CoreDNS. */
static void the_name_is_asked_as_the_client_wrote_it(void **unused)
{
    struct world_question q = {
        .name = "Www.out.test", .type = DNS_AAAA, .peer = "2001:db8::1"};
    struct story s = {"! -ra aa\nWww.in.test AAAA\n",
                      "! -ra aa\nWww.in.test A\nwww.in.test 60 A 192.0.2.33\n", NULL};
    assert_string_equal(
        play("dns64\nrewrite name suffix .out.test .in.test answer auto\n", &q, &s),
        "NOERROR\nAN Www.out.test. 60 IN AAAA 64:ff9b::c000:221\n");
}

static void what_policy_denies_is_not_made_either(void **unused)
{
    struct world_question q = {
        .name = "www.test", .type = DNS_AAAA, .peer = "2001:db8::1"};
    struct story s = {NONE, NULL, NULL};
    assert_string_equal(play("dns64\nacl {\n block type A\n}", &q, &s), "SERVFAIL\n");
}

static void made_records_are_made_of_cached_ones(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    struct world_question q = {
        .name = "www.test", .type = DNS_AAAA, .peer = "2001:db8::1"};
    world_load(&w, ". {\n dns64\n cache\n forward . 10.0.0.1\n}\n");
    uint64_t client = world_ask_as(&w, &q);
    const char *answers[] = {NONE, OLD};
    for (int i = 0; i < 2; i++) {
        struct world_answer a = {.message = build_answer(answers[i])};
        world_answer(&w, world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP), &a);
    }
    assert_string_equal(show_reply(&w, client, text),
                        "NOERROR\nAN www.test. 5 IN AAAA 64:ff9b::c000:221\n");
    assert_string_equal(show_through(&w, &q, NULL, text),
                        "NOERROR\nAN www.test. 5 IN AAAA 64:ff9b::c000:221\n");
    world_close(&w);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"dns64 here", "invalid CIDR address: here"},
        {"dns64 10.0.0.0/8", "is no IPv6 prefix"},
        {"dns64 64:ff9b::/97", "invalid prefix length"},
        {"dns64 64:ff9b::/24", "invalid prefix length"},
        {"dns64 64:ff9b::/95", "invalid prefix length"},
        {"dns64 64:ff9b::/96 64:ff9b::/96", "Wrong argument count"},
        {"dns64 {\n prefix\n}", "Wrong argument count"},
        {"dns64 {\n translate\n}", "translate"},
        {"dns64 {\n allow_ipv4 yes\n}", "Wrong argument count"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        if (strstr(text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], text);
    }
}

/* A stale answer has set out while it is still being verified: what comes of that is
 * nobody's A records. */
static void a_late_verification_is_not_taken_for_the_a_records(void **unused)
{
    struct world w;
    struct world_question q = {
        .name = "www.test", .type = DNS_AAAA, .peer = "2001:db8::1"};
    struct world_answer aaaa = {.message = build_answer(NEW)},
                        a = {.message = build_answer(OLD)};
    char *text = build_keep(SHOW_MAX);
    world_load(&w, ". {\n dns64 {\n translate_all\n}\n"
                   "cache {\n serve_stale 1h verify 25ms\n}\n forward . 10.0.0.1\n}\n");
    world_ask_as(&w, &q);
    world_answer(&w, world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP), &aaaa);
    world_answer(&w, world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP), &a);
    world_run(&w, 400000);
    uint64_t client = world_ask_as(&w, &q);
    struct fake_sent *verifying = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_run(&w, 26);
    struct fake_sent *asking = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_answer(&w, verifying, &aaaa);
    assert_int_equal(world_rcode(&w, client), -1);
    world_answer(&w, asking, &a);
    assert_string_equal(show_reply(&w, client, text),
                        "NOERROR\nAN www.test. 300 IN AAAA 64:ff9b::c000:221\n");
    world_close(&w);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_aaaa_records_those_of_a_are_put_behind_the_prefix),
        TEST(an_answer_that_needs_nothing_is_left_alone),
        TEST(translate_all_prefers_what_it_makes_but_drops_nothing_for_it),
        TEST(addresses_are_embedded_around_octet_eight),
        TEST(it_is_for_aaaa_questions_over_ipv6_that_do_not_validate),
        TEST(the_name_is_asked_as_the_client_wrote_it),
        TEST(what_policy_denies_is_not_made_either),
        TEST(made_records_are_made_of_cached_ones),
        TEST(a_late_verification_is_not_taken_for_the_a_records),
        TEST(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("dns64", tests, NULL, NULL);
}
