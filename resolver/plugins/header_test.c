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

struct rule {
    const char *lines;
    uint16_t asked;    /* flags of the question besides RD */
    const char *flags; /* of the upstream's answer, for build_answer() */
    uint16_t sent, replied;
    bool cached; /* with `cache` above it */
};

static void play(const struct rule *rule)
{
    struct world w;
    char corefile[300], answer[100];
    snprintf(corefile, sizeof corefile,
             ". {\n%s header {\n%s\n }\n forward . 10.0.0.1\n}\n",
             rule->cached ? "cache\n" : "", rule->lines);
    snprintf(answer, sizeof answer, "! -ra %s\na.test A\n", rule->flags);
    world_load(&w, corefile);
    struct world_question q = {.name = "a.test", .flags = rule->asked};
    uint64_t client = world_ask_as(&w, &q);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    assert_int_equal(s->wire[2] << 8 | s->wire[3], rule->sent);
    struct world_answer a = {.message = build_answer(answer)};
    world_answer(&w, s, &a);
    uint16_t flags = world_flags(&w, client);
    if (flags != (DNS_QR | rule->replied))
        fail_msg("%s: %04x, not %04x", rule->lines, flags, DNS_QR | rule->replied);
    world_close(&w);
}

static void rules_set_and_clear_bits_of_either_way(void **unused)
{
    static const struct rule list[] = {
        {"response set ra", 0, "", DNS_RD, DNS_RD | DNS_RA, false},
        {"response set aa ra", 0, "", DNS_RD, DNS_RD | DNS_RA | DNS_AA, false},
        {"response clear aa", 0, "aa", DNS_RD, DNS_RD, false},
        {"response clear rd", 0, "aa", DNS_RD, DNS_AA, false},
        {"query clear rd", 0, "aa -rd", 0, DNS_AA, false},
        {"QUERY Clear RD\nResponse SET Ra", 0, "-rd", 0, DNS_RA, false},
        {"response clear rd", 0, "aa", DNS_RD | DNS_AD, DNS_AA, true},
        {"query set aa", DNS_CD, "cd", DNS_RD | DNS_CD, DNS_RD | DNS_CD, false},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        play(&list[i]);
}

static void the_last_word_on_a_bit_counts(void **unused)
{
    static const struct rule list[] = {
        {"response set ra\nresponse clear ra", 0, "ra", DNS_RD, DNS_RD, false},
        {"response clear ra\nresponse set ra", 0, "", DNS_RD, DNS_RD | DNS_RA, false},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        play(&list[i]);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"header", "no rule"},
        {"header {\n set ra\n}", "invalid selector=set"},
        {"header {\n response ra\n}", "unknown flag action=ra"},
        {"header {\n response set\n}", "Wrong argument count"},
        {"header {\n response\n}", "Wrong argument count"},
        {"header {\n response set cd\n}", "unknown/unsupported flag=cd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(rules_set_and_clear_bits_of_either_way, teardown),
        cmocka_unit_test_teardown(the_last_word_on_a_bit_counts, teardown),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
