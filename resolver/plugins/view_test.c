/* Which of several blocks takes a question, and that nobody gets another's answer. */
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

/* A block that answers every A question with its own address; `head` is keys and more.
 */
#define BLOCK(keys, view, n)                                                           \
    keys " {\n" view " template IN ANY . {\n answer \"{{ .Name }} 60 IN A 10.0.0." n   \
         "\"\n }\n}\n"
#define VIEW(name, expr) " view " name " {\n expr " expr "\n }\n"

struct choice {
    const char *name;
    uint16_t type;
    const char *peer, *address; /* "": REFUSED */
};

static void choose(const char *corefile, const struct choice *list, size_t n)
{
    struct world w;
    char text[ADDR_TEXT_MAX];
    world_load(&w, corefile);
    for (size_t i = 0; i < n; i++) {
        struct world_question q = {
            .name = list[i].name, .type = list[i].type, .peer = list[i].peer};
        uint64_t client = world_ask_as(&w, &q);
        if (strcmp(world_address(&w, client, text), list[i].address) != 0)
            fail_msg("%s from %s: %s, not %s", list[i].name, list[i].peer, text,
                     list[i].address);
        assert_int_equal(world_rcode(&w, client),
                         list[i].address[0] == '\0' ? DNS_REFUSED : DNS_NOERROR);
    }
    world_close(&w);
}
#define CHOOSE(corefile, list) choose(corefile, list, sizeof(list) / sizeof *(list))

static void the_first_block_of_a_zone_that_takes_a_question_answers_it(void **unused)
{
    static const struct choice list[] = {
        {"a.test", DNS_A, "10.1.2.3", "10.0.0.1"},
        {"a.test", DNS_A, "10.2.2.3", "10.0.0.2"},
        {"a.test", DNS_TXT, "10.1.2.3", "10.0.0.1"},
        {"a.test", DNS_TXT, "192.0.2.1", "10.0.0.3"},
        {"a.test", DNS_A, "192.0.2.1", "10.0.0.4"},
    };
    CHOOSE(BLOCK(".", VIEW("a", "incidr(client_ip(), '10.1.0.0/16')"), "1")
               BLOCK(".", VIEW("b", "incidr(client_ip(), '10.0.0.0/8')"), "2")
                   BLOCK(".", VIEW("c", "type() == 'TXT'"), "3") BLOCK(".", "", "4"),
           list);
}

static void a_zone_without_a_taker_leaves_it_to_a_shorter_one(void **unused)
{
    static const struct choice list[] = {
        {"www.a.test", DNS_A, "10.1.2.3", "10.0.0.1"},
        {"www.a.test", DNS_A, "192.0.2.1", "10.0.0.2"},
        {"www.b.test", DNS_A, "10.1.2.3", "10.0.0.2"},
        {"other", DNS_A, "10.1.2.3", "10.0.0.3"},
        {"other", DNS_A, "192.0.2.1", ""},
    };
    CHOOSE(BLOCK("a.test", VIEW("a", "incidr(client_ip(), '10.0.0.0/8')"), "1")
               BLOCK("test", "", "2")
                   BLOCK(".", VIEW("c", "incidr(client_ip(), '10.0.0.0/8')"), "3"),
           list);
}

/* coredns-reference 1.11: the shortest zone that takes it, but not the root. */
static void ds_goes_to_the_parents_side_among_those_that_take_it(void **unused)
{
    static const struct choice list[] = {
        {"www.a.test", DNS_DS, "10.1.2.3", "10.0.0.2"},
        {"www.a.test", DNS_DS, "192.0.2.1", "10.0.0.1"},
        {"other", DNS_DS, "192.0.2.1", "10.0.0.3"},
    };
    CHOOSE(BLOCK("a.test", "", "1")
               BLOCK("test", VIEW("b", "incidr(client_ip(), '10.0.0.0/8')"), "2")
                   BLOCK(".", "", "3"),
           list);
}

static void all_expressions_of_a_view_must_be_true(void **unused)
{
    static const struct choice list[] = {
        {"a.test", DNS_A, "10.1.2.3", "10.0.0.1"},
        {"a.test", DNS_AAAA, "10.1.2.3", ""},
        {"a.test", DNS_A, "192.0.2.1", ""},
    };
    CHOOSE(BLOCK(".",
                 VIEW("a", "incidr(client_ip(), '10.0.0.0/8')\n expr type() == 'A'"),
                 "1"),
           list);
}

static void a_view_without_expressions_takes_all(void **unused)
{
    static const struct choice list[] = {{"a.test", DNS_A, NULL, "10.0.0.1"}};
    CHOOSE(BLOCK(".", " view all\n", "1") BLOCK(".", "", "2"), list);
}

static void the_same_block_may_serve_several_zones_and_addresses(void **unused)
{
    static const struct choice list[] = {
        {"x.a.test", DNS_A, "10.1.2.3", "10.0.0.1"},
        {"x.b.test", DNS_A, "10.1.2.3", "10.0.0.1"},
        {"x.b.test", DNS_A, "192.0.2.1", "10.0.0.2"},
        {"x.a.test", DNS_A, "192.0.2.1", "10.0.0.3"},
    };
    CHOOSE(BLOCK("a.test b.test", VIEW("v", "incidr(client_ip(), '10.0.0.0/8')"), "1")
               BLOCK("b.test", "", "2") BLOCK("a.test", "", "3"),
           list);
}

/* One of many mixes of client and question, each asked twice: whatever the caches hold,
 * the answer is that of the block that takes the question. */
static void a_cached_answer_stays_in_its_view(void **unused)
{
#define CACHED(view, up) ". {\n" view " cache\n forward . " up "\n}\n"
    static const char *const peers[] = {"10.1.2.3", "10.2.2.3", "192.0.2.1"};
    static const char *const ups[] = {"10.0.0.1:53", "10.0.0.2:53", "10.0.0.3:53"};
    struct world w;
    char text[ADDR_TEXT_MAX], own[ADDR_TEXT_MAX];
    world_load(&w, CACHED(VIEW("v", "incidr(client_ip(), '10.1.0.0/16')"), "10.0.0.1")
                       CACHED(VIEW("v", "incidr(client_ip(), '10.2.0.0/16')"),
                              "10.0.0.2") CACHED("", "10.0.0.3"));
    for (int i = 0; i < 24; i++) {
        int who = i % 3;
        struct world_question q = {.name = "a.test",
                                   .peer = peers[who],
                                   .transport =
                                       i / 3 % 2 == 0 ? TRANSPORT_UDP : TRANSPORT_TCP};
        uint64_t client = world_ask_as(&w, &q);
        snprintf(own, sizeof own, "10.9.9.%d", who);
        if (i < 3) {
            struct fake_sent *s = world_expect(&w, ups[who], TRANSPORT_UDP);
            world_answer(&w, s, &(struct world_answer){.address = own});
        }
        world_expect_silence(&w);
        assert_string_equal(world_address(&w, client, text), own);
    }
    world_close(&w);
}

static void labels_are_there_where_metadata_says_so(void **unused)
{
    static const struct choice with[] = {{"a.test", DNS_A, NULL, "10.0.0.1"},
                                         {"other", DNS_A, NULL, "10.0.0.2"}};
    static const struct choice without[] = {{"a.test", DNS_A, NULL, "10.0.0.2"}};
    CHOOSE(BLOCK(".", VIEW("v", "metadata('view/name') == 'v'") " metadata a.test\n",
                 "1") BLOCK(".", "", "2"),
           with);
    CHOOSE(BLOCK(".", VIEW("v", "metadata('view/name') == 'v'"), "1")
               BLOCK(".", "", "2"),
           without);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {". {\n view\n whoami\n}\n", "Wrong argument count"},
        {". {\n view a b\n whoami\n}\n", "Wrong argument count"},
        {". {\n view a\n view b\n whoami\n}\n", "only be used once"},
        {". {\n view a {\n name b\n }\n whoami\n}\n", "name"},
        {". {\n view a {\n expr\n }\n whoami\n}\n", "unexpected end"},
        {". {\n view a {\n expr type() = 'A'\n }\n whoami\n}\n",
         "expr type() = 'A': unexpected '=' at column 8"},
        {". {\n view a {\n expr true\n }\n whoami\n}\n. {\n whoami\n}\n"
         ". {\n whoami\n}\n",
         "cannot serve dns://.:53 - it is already defined (Corefile:7)"},
        {". {\n view a\n bind 127.0.0.1\n whoami\n}\n. {\n view b\n whoami\n}\n",
         "zone overlap listener capacity"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        assert_false(world_loads(cases[i][0], text, sizeof text));
        if (strstr(text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_block_of_a_zone_that_takes_a_question_answers_it),
        cmocka_unit_test(a_zone_without_a_taker_leaves_it_to_a_shorter_one),
        cmocka_unit_test(ds_goes_to_the_parents_side_among_those_that_take_it),
        cmocka_unit_test(all_expressions_of_a_view_must_be_true),
        cmocka_unit_test(a_view_without_expressions_takes_all),
        cmocka_unit_test(the_same_block_may_serve_several_zones_and_addresses),
        cmocka_unit_test_teardown(a_cached_answer_stays_in_its_view, teardown),
        cmocka_unit_test(labels_are_there_where_metadata_says_so),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
