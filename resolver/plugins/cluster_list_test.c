/* clusters.isthmus TXT in class CH: to whom it is told, and what. */
#include "resolver/plugins/cluster_list.h"
#include "base/cursor.h"
#include "resolver/msg.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define CLUSTERS                                                                       \
    "cluster b.test b.lan 10.97.0.0/16 fd00:97::/112\n"                                \
    "cluster c.test {\n domain c.local\n dns 10.9.0.1:5353\n}\n"
#define B                                                                              \
    "AN Clusters.isthmus. 0 CH TXT \"zone=b.test\" \"zone=b.lan\" "                    \
    "\"domain=cluster.local\" \"services=10.97.0.0/16\" \"services=fd00:97::/112\" "   \
    "\"dns=10.97.0.10:53\" \"dns=[fd00:97::a]:53\" \"state=not asked yet\"\n"
#define C                                                                              \
    "AN Clusters.isthmus. 0 CH TXT \"zone=c.test\" \"domain=c.local\" "                \
    "\"dns=10.9.0.1:5353\" \"state=not asked yet\"\n"

static struct world_question question(const char *peer, enum transport t)
{
    return (struct world_question){.name = "Clusters.isthmus",
                                   .type = DNS_TXT,
                                   .class = DNS_CH,
                                   .peer = peer,
                                   .transport = t};
}

static const char *told(const char *corefile, struct world_question q,
                        char text[SHOW_MAX])
{
    struct world w;
    world_load(&w, corefile);
    show_reply(&w, world_ask_as(&w, &q), text);
    world_close(&w);
    return text;
}

static void this_host_is_told_of_each_cluster(void **unused)
{
    static const char *const peers[] = {"127.0.0.1", "127.9.0.1", "::1"};
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        char text[SHOW_MAX];
        told(". {\n chaos\n cache\n" CLUSTERS "}\n", question(peers[i], TRANSPORT_TCP),
             text);
        if (strcmp(text, "NOERROR\n" B C) != 0)
            assert_string_equal(text, "NOERROR\n" C B);
    }
}

static void others_are_refused(void **unused)
{
    static const char *const peers[] = {"192.0.2.1", "128.0.0.1", "10.127.0.1", "::2",
                                        "fd00::1"};
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        char text[SHOW_MAX];
        told(". {\n chaos\n cache\n" CLUSTERS "}\n", question(peers[i], TRANSPORT_TCP),
             text);
        assert_string_equal(text, "REFUSED\n");
    }
}

static void only_its_own_question_is_meant(void **unused)
{
    struct world_question list[] = {question("::1", TRANSPORT_TCP),
                                    question("::1", TRANSPORT_TCP),
                                    question("::1", TRANSPORT_TCP)};
    list[0].name = "x.clusters.isthmus";
    list[1].type = DNS_A;
    list[2].class = DNS_IN;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char text[SHOW_MAX];
        told(". {\n chaos\n" CLUSTERS "}\n", list[i], text);
        assert_string_equal(text, "SERVFAIL\n");
    }
}

static void where_class_ch_is_not_served_it_stays_so(void **unused)
{
    char text[SHOW_MAX];
    told(". {\n" CLUSTERS "}\n", question("::1", TRANSPORT_TCP), text);
    assert_string_equal(text, "REFUSED\n");
}

/* `n` clusters, each with 190 octets of zone. */
static void load_many(struct world *w, unsigned n)
{
    size_t cap = (size_t)n * 300 + 100, at;
    char *corefile = malloc(cap);
    assert_non_null(corefile);
    at = (size_t)snprintf(corefile, cap, ". {\n chaos\n cache\n");
    for (unsigned i = 0; i < n; i++)
        at += (size_t)snprintf(corefile + at, cap - at,
                               "cluster c%u.%060u.%060u.%060u 10.%u.%u.0/24\n", i, 1u,
                               1u, 1u, i >> 8, i & 255);
    snprintf(corefile + at, cap - at, "}\n");
    world_load(w, corefile);
    free(corefile);
}

static void what_does_not_fit_is_counted(void **unused)
{
    struct world w;
    load_many(&w, 400);
    struct world_question q = question("::1", TRANSPORT_TCP);
    const struct fake_reply *r = fake_io_reply(w.io, world_ask_as(&w, &q));
    unsigned told_of = load_u16(r->wire + 6), more = 0;
    assert_true(r->len > 60000 && r->len <= 65535);
    const uint8_t *last = r->wire + r->len - 8; /* "more=123" */
    assert_int_equal(sscanf((const char *)last, "more=%3u", &more), 1);
    assert_int_equal(told_of - 1 + more, 400);
    world_close(&w);
}

static void over_udp_it_is_cut(void **unused)
{
    struct world w;
    load_many(&w, 4);
    struct world_question q = question("::1", TRANSPORT_UDP);
    assert_int_not_equal(world_flags(&w, world_ask_as(&w, &q)) & DNS_TC, 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_host_is_told_of_each_cluster),
        cmocka_unit_test(others_are_refused),
        cmocka_unit_test(only_its_own_question_is_meant),
        cmocka_unit_test(where_class_ch_is_not_served_it_stays_so),
        cmocka_unit_test(what_does_not_fit_is_counted),
        cmocka_unit_test(over_udp_it_is_cut),
    };
    return cmocka_run_group_tests_name("cluster_list", tests, NULL, NULL);
}
