/* What `cluster` asks of a cluster's DNS, and what its clients see of the answer. */
#include "base/cursor.h"
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

#define B     "cluster b.test 10.97.0.0/16 {\n pods 10.244.0.0/16\n max_fails 0\n}\n"
#define B_DNS "10.97.0.10:53"

static void load(struct world *w, const char *lines)
{
    char corefile[800];
    snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", lines);
    world_load(w, corefile);
}

/* "www.test. 1": the question that went out. */
static const char *asked(const struct fake_sent *s)
{
    char *out = build_keep(NAME_TEXT_MAX + 16);
    const uint8_t *name = s->wire + DNS_HEADER_LEN;
    size_t len = name_print(name, out);
    snprintf(out + len, 16, " %u", load_u16(name + name_len(name)));
    return out;
}

static const char *reply(struct world *w, uint64_t client)
{
    return show_reply(w, client, build_keep(SHOW_MAX));
}

struct story {
    const char *name;
    uint16_t type;
    const char *to, *inside; /* NULL: nobody is asked */
    const char *answer, *reply;
};

static void tell(const char *lines, const struct story *s)
{
    struct world w;
    load(&w, lines);
    struct world_question q = {.name = s->name, .type = s->type};
    uint64_t client = world_ask_as(&w, &q);
    if (s->to != NULL) {
        struct fake_sent *sent = world_expect(&w, s->to, TRANSPORT_UDP);
        assert_string_equal(asked(sent), s->inside);
        struct world_answer a = {.message = build_answer(s->answer)};
        world_answer(&w, sent, &a);
    }
    world_expect_silence(&w);
    assert_string_equal(reply(&w, client), s->reply);
    world_close(&w);
}

static void tell_all(const char *lines, const struct story *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tell(lines, &list[i]);
}
#define TELL(lines, list) tell_all(lines, list, sizeof(list) / sizeof *(list))

static void every_name_goes_in_and_comes_out_under_the_zone(void **unused)
{
    static const struct story list[] = {
        {"Web.Shop.svc.B.test", DNS_A, B_DNS, "web.shop.svc.cluster.local. 1",
         "! aa -ra\nweb.shop.svc.cluster.local A\n"
         "web.shop.svc.cluster.local 5 A 10.97.1.2\n",
         "NOERROR aa\nAN Web.Shop.svc.B.test. 5 IN A 10.97.1.2\n"},
        {"b.test", DNS_SOA, B_DNS, "cluster.local. 6",
         "! aa -ra\ncluster.local SOA\n"
         "cluster.local 5 SOA ns.dns.cluster.local h.cluster.local 1 2 3 4 5\n",
         "NOERROR aa\nAN b.test. 5 IN SOA ns.dns.b.test. h.b.test. 1 2 3 4 5\n"},
        {"_p._tcp.db.b.test", DNS_SRV, B_DNS, "_p._tcp.db.cluster.local. 33",
         "! aa -ra\n_p._tcp.db.cluster.local SRV\n"
         "_p._tcp.db.cluster.local 5 SRV 0 1 2 x.db.cluster.local\n"
         "additional\nx.db.cluster.local 5 A 10.244.0.9\n",
         "NOERROR aa\nAN _p._tcp.db.b.test. 5 IN SRV 0 1 2 x.db.b.test.\n"
         "AR x.db.b.test. 5 IN A 10.244.0.9\n"},
        {"no.b.test", DNS_A, B_DNS, "no.cluster.local. 1",
         "! aa -ra NXDOMAIN\nno.cluster.local A\nauthority\n"
         "cluster.local 5 SOA ns.cluster.local h.other.test 1 2 3 4 5\n",
         "NXDOMAIN aa\nNS b.test. 5 IN SOA ns.b.test. h.other.test. 1 2 3 4 5\n"},
    };
    TELL(B, list);
}

static void addresses_of_its_subnets_lead_to_names_under_the_zone(void **unused)
{
    static const struct story list[] = {
        {"2.1.97.10.in-addr.arpa", DNS_PTR, B_DNS, "2.1.97.10.in-addr.arpa. 12",
         "! aa -ra\n2.1.97.10.in-addr.arpa PTR\n"
         "2.1.97.10.in-addr.arpa 5 PTR web.cluster.local\n",
         "NOERROR aa\nAN 2.1.97.10.in-addr.arpa. 5 IN PTR web.b.test.\n"},
        {"9.0.244.10.in-addr.arpa", DNS_PTR, B_DNS, "9.0.244.10.in-addr.arpa. 12",
         "! aa -ra NXDOMAIN\n9.0.244.10.in-addr.arpa PTR\n", "NXDOMAIN aa\n"},
    };
    TELL(B, list);
}

/* whoami behind it answers what is not the cluster's. */
static void other_names_and_classes_go_on(void **unused)
{
    static const char *const names[] = {"xb.test", "test", "cluster.local",
                                        "1.0.98.10.in-addr.arpa", "b.test.other"};
    struct world w;
    load(&w, B);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(world_rcode(&w, world_ask(&w, names[i])), DNS_NOERROR);
        world_expect_silence(&w);
    }
    world_close(&w);
}

static void signatures_do_not_exist_where_names_are_changed(void **unused)
{
    static const uint16_t types[] = {DNS_RRSIG, DNS_NSEC, DNS_DNSKEY, DNS_NSEC3,
                                     DNS_NSEC3PARAM};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct story s = {.name = "a.b.test",
                          .type = types[i],
                          .reply = "NOERROR aa\nNS b.test. 5 IN SOA ns.dns.b.test. "
                                   "hostmaster.b.test. 0 7200 1800 86400 5\n"};
        tell(B, &s);
    }
}

static void a_zone_that_is_the_clusters_own_is_not_changed(void **unused)
{
    static const struct story list[] = {
        {"Web.b.test", DNS_DNSKEY, B_DNS, "Web.b.test. 48",
         "! aa -ra\nWeb.b.test DNSKEY\nWeb.b.test 5 CNAME x.cluster.local\n",
         "NOERROR aa\nAN Web.b.test. 5 IN CNAME x.cluster.local.\n"},
    };
    TELL("cluster b.test 10.97.0.0/16 {\n domain b.test\n max_fails 0\n}\n", list);
}

static void a_name_too_long_for_the_cluster_does_not_exist(void **unused)
{
    char name[260];
    size_t len = 0;
    for (int i = 0; i < 4; i++)
        len += (size_t)snprintf(name + len, sizeof name - len, "%060d.", i);
    snprintf(name + len, sizeof name - len, "b.test"); /* 252 octets */
    struct story s = {.name = name,
                      .type = DNS_A,
                      .reply = "NXDOMAIN aa\nNS b.test. 5 IN SOA ns.dns.b.test. "
                               "hostmaster.b.test. 0 7200 1800 86400 5\n"};
    tell(B, &s);
}

#define NO_POD                                                                         \
    "NXDOMAIN aa\nNS b.test. 5 IN SOA ns.dns.b.test. hostmaster.b.test. 0 7200 "       \
    "1800 86400 5\n"
#define PODS(word)                                                                       \
    "cluster b.test 10.97.0.0/16 {\n pods 10.244.0.0/16 fd00:244::/48\n pod_names " word \
    "\n max_fails 0\n}\n"

/* Each of these exists for the cluster, as with CoreDNS's `pods insecure`. */
static void pod_is_asked(const char *lines, const char *label)
{
    struct world w;
    char name[80];
    load(&w, lines);
    snprintf(name, sizeof name, "%s.b.test", label);
    world_ask(&w, name);
    snprintf(name, sizeof name, "%s.cluster.local. 1", label);
    assert_string_equal(asked(world_expect(&w, B_DNS, TRANSPORT_UDP)), name);
    world_close(&w);
}

static void pod_is_refused(const char *lines, const char *label)
{
    char name[80];
    snprintf(name, sizeof name, "%s.b.test", label);
    struct story s = {.name = name, .type = DNS_A, .reply = NO_POD};
    tell(lines, &s);
}

static void names_of_pods_exist_inside_the_pod_subnets(void **unused)
{
    pod_is_asked(B, "10-244-1-10.web.pod");
    pod_is_refused(B, "10-245-1-10.web.pod");
    pod_is_refused(B, "192-0-2-1.Web.POD");
    pod_is_asked(PODS("in-subnet"), "fd00-244--7.web.pod");
    pod_is_refused(PODS("in-subnet"), "fd00-245--7.web.pod");
    pod_is_asked(B, "no-address.web.pod"); /* the cluster says what it is */
    pod_is_asked(B, "web.pod");
    pod_is_asked(B, "192-0-2-1.pod.svc"); /* a Service called pod */
    pod_is_asked("cluster b.test 10.97.0.0/16", "192-0-2-1.web.pod");
}

static void names_of_pods_are_off_or_any_when_told(void **unused)
{
    pod_is_refused(PODS("off"), "10-244-1-10.web.pod");
    pod_is_refused(PODS("off"), "web.pod");
    pod_is_asked(PODS("off"), "app.web.svc");
    pod_is_asked(PODS("any"), "192-0-2-1.web.pod");
}

#define VM "192.0.2.0/24" /* where clients of world.h are */
#define B_FOR(net)                                                                     \
    "cluster b.test 10.97.0.0/16 {\n max_fails 0\n search_misses " net "\n}\n"
#define HOME "cluster cluster.local 10.96.0.0/16 {\n max_fails 0\n}\n"
#define A_MISS(name, domain)                                                           \
    {                                                                                  \
        name "." domain, DNS_A, NULL, NULL, NULL,                                      \
            "NXDOMAIN aa\nNS " domain ". 5 IN SOA ns.dns." domain                      \
            ". hostmaster." domain ". 0 7200 1800 86400 5\n"                           \
    }

static void what_a_search_list_adds_is_known_not_to_exist(void **unused)
{
    static const struct story list[] = {
        A_MISS("app.web.svc.b.test.default.svc", "cluster.local"),
        A_MISS("app.web.svc.b.test.svc", "cluster.local"),
        A_MISS("app.web.svc.b.test", "cluster.local"),
        A_MISS("x.b.test", "cluster.local"),
        A_MISS("_http._tcp.app.web.svc.b.test.default.svc", "cluster.local"),
        A_MISS("app.web.svc.b.test.default.svc", "b.test"),
    };
    TELL(B_FOR("10.9.0.0/16 " VM), list);
    TELL(HOME B_FOR(VM), list);
}

/* The name goes to `cluster` of its zone, or on to whoami. */
static void a_name_that_may_exist_or_does_not_fit_is_asked(void **unused)
{
    static const char *const names[] = {
        "b.test.default.svc", /* Pod b of the headless Service test */
        "_x._tcp.b.test.svc",
        "app.b.test.default.svc",
        "app.web.svc.b.tests.default.svc",
        "app.web.svc.xb.test.default.svc",
        "app.web.svc.b.test.x.default.svc",
        "app.web.svc.b.test.default.pod",
        "b.test",
        "test.x",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct world w;
        char name[100], question[110];
        snprintf(name, sizeof name, "%s.cluster.local", names[i]);
        snprintf(question, sizeof question, "%s. 1", name);
        load(&w, HOME B_FOR(VM));
        world_ask(&w, name);
        assert_string_equal(asked(world_expect(&w, "10.96.0.10:53", TRANSPORT_UDP)),
                            question);
        world_close(&w);
        load(&w, B_FOR(VM));
        assert_int_equal(world_rcode(&w, world_ask(&w, name)), DNS_NOERROR);
        world_close(&w);
    }
}

#define GROWN "app.web.svc.b.test.default.svc.cluster.local"

static void search_misses_of_other_clients_are_asked(void **unused)
{
    static const char *const lines[] = {HOME B_FOR("10.9.0.0/16"), HOME B};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct world w;
        load(&w, lines[i]);
        world_ask(&w, GROWN);
        world_expect(&w, "10.96.0.10:53", TRANSPORT_UDP);
        world_close(&w);
    }
}

static void a_search_miss_says_why_and_is_not_kept_for_others(void **unused)
{
    struct world w;
    char text[80];
    load(&w, "cache 30\n" HOME B_FOR(VM));
    struct world_question ours = {.name = GROWN, .edns = true},
                          others = {.name = GROWN, .peer = "198.51.100.1"};
    uint64_t client = world_ask_as(&w, &ours);
    assert_int_equal(world_ede(&w, client, text, sizeof text), EDE_SYNTHESIZED);
    assert_string_equal(text, "a search suffix behind a name of b.test");
    world_ask_as(&w, &others);
    world_expect(&w, "10.96.0.10:53", TRANSPORT_UDP);
    world_close(&w);
}

/* The name lies in a zone below the domain: that cluster's names are another matter. */
static void the_longest_zone_is_the_search_domain(void **unused)
{
    struct world w;
    load(&w, "cluster test.cluster.local 10.98.0.0/16 {\n max_fails 0\n}\n" B_FOR(VM));
    world_ask(&w, "app.web.svc.b.test.cluster.local");
    assert_string_equal(asked(world_expect(&w, "10.98.0.10:53", TRANSPORT_UDP)),
                        "app.web.svc.b.cluster.local. 1");
    world_close(&w);
}

static void an_external_name_is_followed_through_the_listener(void **unused)
{
#define EXTERNAL                                                                       \
    "! aa -ra\next.cluster.local A\next.cluster.local 5 CNAME www.out.test\n"
    struct world w;
    load(&w, B "hosts {\n 192.0.2.7 www.out.test\n fallthrough\n}\n");
    uint64_t client = world_ask(&w, "ext.b.test");
    struct world_answer a = {.message = build_answer(EXTERNAL)};
    world_answer(&w, world_expect(&w, B_DNS, TRANSPORT_UDP), &a);
    assert_string_equal(reply(&w, client),
                        "NOERROR aa\nAN ext.b.test. 5 IN CNAME www.out.test.\n"
                        "AN www.out.test. 3600 IN A 192.0.2.7\n");
    world_close(&w);
}

static void an_external_name_that_leads_nowhere_is_still_told(void **unused)
{
    struct world w;
    load(&w, B "acl out.test {\n block\n}\n");
    uint64_t client = world_ask(&w, "ext.b.test");
    struct world_answer a = {.message = build_answer(EXTERNAL)};
    world_answer(&w, world_expect(&w, B_DNS, TRANSPORT_UDP), &a);
    assert_string_equal(reply(&w, client),
                        "NOERROR aa\nAN ext.b.test. 5 IN CNAME www.out.test.\n");
    world_close(&w);
}

static void clusters_do_not_mix(void **unused)
{
#define C "cluster c.test 10.98.0.0/16 {\n max_fails 0\n}\n"
    static const struct story list[] = {
        {"web.c.test", DNS_A, "10.98.0.10:53", "web.cluster.local. 1",
         "! aa -ra\nweb.cluster.local A\nweb.cluster.local 5 A 10.98.1.2\n",
         "NOERROR aa\nAN web.c.test. 5 IN A 10.98.1.2\n"},
        {"web.b.test", DNS_A, B_DNS, "web.cluster.local. 1",
         "! aa -ra\nweb.cluster.local A\nweb.cluster.local 5 CNAME y.c.test\n",
         "NOERROR aa\nAN web.b.test. 5 IN CNAME y.c.test.\n"},
        {"1.0.98.10.in-addr.arpa", DNS_PTR, "10.98.0.10:53",
         "1.0.98.10.in-addr.arpa. 12",
         "! aa -ra\n1.0.98.10.in-addr.arpa PTR\n"
         "1.0.98.10.in-addr.arpa 5 PTR k.cluster.local\n",
         "NOERROR aa\nAN 1.0.98.10.in-addr.arpa. 5 IN PTR k.c.test.\n"},
    };
    tell(B C, &list[0]);
    tell(B C, &list[2]);
    struct world w;
    load(&w, B C);
    struct world_question txt = {.name = "web.b.test"};
    uint64_t client = world_ask_as(&w, &txt);
    struct world_answer a = {.message = build_answer(list[1].answer)};
    world_answer(&w, world_expect(&w, B_DNS, TRANSPORT_UDP), &a);
    struct fake_sent *chased = world_expect(&w, "10.98.0.10:53", TRANSPORT_UDP);
    assert_string_equal(asked(chased), "y.cluster.local. 1");
    a.message =
        build_answer("! aa -ra\ny.cluster.local A\ny.cluster.local 5 A 10.98.0.1\n");
    world_answer(&w, chased, &a);
    assert_string_equal(reply(&w, client),
                        "NOERROR aa\nAN web.b.test. 5 IN CNAME y.c.test.\n"
                        "AN y.c.test. 5 IN A 10.98.0.1\n");
    world_close(&w);
}

static void a_silent_cluster_is_told_by_its_name(void **unused)
{
    struct world w;
    char text[80];
    load(&w, B);
    struct world_question q = {.name = "a.b.test", .edns = true};
    uint64_t client = world_ask_as(&w, &q);
    world_run(&w, 1900);
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    assert_int_equal(world_ede(&w, client, text, sizeof text), EDE_NO_REACHABLE);
    assert_memory_equal(text, "b.test: 10.97.0.10 silent", 25);
    while (fake_io_take(w.io) != NULL)
        ;
    world_close(&w);
}

static void its_dns_is_the_tenth_address_unless_told(void **unused)
{
    static const char *const list[][2] = {
        {"cluster b.test 10.96.0.0/12", "10.96.0.10:53"},
        {"cluster b.test fd00:97::/112", "[fd00:97::a]:53"},
        {"cluster b.test {\n services 10.96.0.0/12\n index 300\n}", "10.96.1.44:53"},
        {"cluster b.test 10.96.0.0/12 {\n port 5353\n}", "10.96.0.10:5353"},
        {"cluster b.test 10.96.0.0/12 {\n dns 192.0.2.5 [::1]:54\n}", "192.0.2.5:53"},
        {"cluster x.test b.test 10.96.0.0/12", "10.96.0.10:53"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct world w;
        load(&w, list[i][0]);
        world_ask(&w, "a.b.test");
        world_expect(&w, list[i][1], TRANSPORT_UDP);
        world_close(&w);
    }
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"cluster", "no zone: expected `cluster ZONE SERVICE-CIDR`"},
        {"cluster b.test", "b.test has no DNS address"},
        {"cluster 10.96.0.0/12", "no zone"},
        {"cluster b.test 10.96.0.1", "'10.96.0.1' is an address"},
        {"cluster b.test 10.96.0.1/12", "did you mean 10.96.0.0/12?"},
        {"cluster b.test 10.96.0.0/33", "is no subnet"},
        {"cluster . 10.96.0.0/12", "'.' is no zone"},
        {"cluster b.test 10.96.0.0/30", "lies outside the subnet"},
        {"cluster b.test 10.96.0.0/12 {\n dns host\n}", "'host' is no address"},
        {"cluster b.test 10.96.0.0/12 {\n dns\n}", "Wrong argument count"},
        {"cluster b.test 10.96.0.0/12 {\n pods\n}", "Wrong argument count"},
        {"cluster b.test 10.96.0.0/12 {\n domain a..b\n}", "is no domain name"},
        {"cluster b.test 10.96.0.0/12 {\n index 0\n}", "index"},
        {"cluster b.test 10.96.0.0/12 {\n policy best\n}", "best"},
        {"cluster b.test 10.96.0.0/12 {\n pod_names on\n}", "off, in-subnet"},
        {"cluster b.test 10.96.0.0/12 {\n search_misses\n}", "search_misses"},
        {"cluster b.test 10.96.0.0/12 {\n search_misses 10.0.0.1\n}", "is no subnet"},
        {"cluster b.test 10.96.0.0/12 {\n nds 10.0.0.1\n}", "nds"},
        {"cluster b.test 10.96.0.0/12\ncluster b.test 10.112.0.0/12", "b.test"},
        {"cluster b.test 10.96.0.0/12\ncluster c.test 10.96.0.0/16", "10.96.0.0/16"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[300], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        if (strstr(text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], text);
    }
}

static void a_zone_its_block_is_never_asked_for_is_refused(void **unused)
{
    char text[512];
    assert_false(
        world_loads("a.test {\n cluster b.test 10.96.0.0/12\n}\n", text, sizeof text));
    assert_non_null(strstr(text, "zone b.test. lies outside this server block"));
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_name_goes_in_and_comes_out_under_the_zone),
        TEST(addresses_of_its_subnets_lead_to_names_under_the_zone),
        TEST(other_names_and_classes_go_on),
        TEST(signatures_do_not_exist_where_names_are_changed),
        TEST(a_zone_that_is_the_clusters_own_is_not_changed),
        TEST(a_name_too_long_for_the_cluster_does_not_exist),
        TEST(names_of_pods_exist_inside_the_pod_subnets),
        TEST(names_of_pods_are_off_or_any_when_told),
        TEST(what_a_search_list_adds_is_known_not_to_exist),
        TEST(a_name_that_may_exist_or_does_not_fit_is_asked),
        TEST(search_misses_of_other_clients_are_asked),
        TEST(a_search_miss_says_why_and_is_not_kept_for_others),
        TEST(the_longest_zone_is_the_search_domain),
        TEST(an_external_name_is_followed_through_the_listener),
        TEST(an_external_name_that_leads_nowhere_is_still_told),
        TEST(clusters_do_not_mix),
        TEST(a_silent_cluster_is_told_by_its_name),
        TEST(its_dns_is_the_tenth_address_unless_told),
        TEST(what_cannot_be_meant_is_refused),
        TEST(a_zone_its_block_is_never_asked_for_is_refused),
    };
    return cmocka_run_group_tests_name("cluster", tests, NULL, NULL);
}
