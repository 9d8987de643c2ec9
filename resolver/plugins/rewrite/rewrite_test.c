/* The way of questions down and of answers up, through a whole resolver. */
#include "base/cursor.h"
#include "resolver/msg.h"
#include "tests/unit/build.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static int teardown(void **unused)
{
    build_release();
    return 0;
}

static struct world w;
static uint64_t client;

static void load(const char *rules)
{
    char corefile[1024];
    snprintf(corefile, sizeof corefile, ". {\n%s\nforward . 10.0.0.1\n}\n", rules);
    world_load(&w, corefile);
}

static void ask(const char *name, uint16_t type)
{
    struct world_question q = {.name = name, .type = type, .transport = TRANSPORT_TCP};
    client = world_ask_as(&w, &q);
}

/* "www.test. A": the question of a message, letter for letter. */
static const char *question_of(const uint8_t *wire)
{
    char *out = build_keep(NAME_TEXT_MAX + 16);
    const uint8_t *name = wire + DNS_HEADER_LEN;
    size_t len = name_print(name, out);
    snprintf(out + len, 16, " %u", load_u16(name + name_len(name)));
    return out;
}

/* The upstream is asked this, and answers that. */
static void answer(const char *question, const char *text)
{
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_TCP);
    assert_string_equal(question_of(s->wire), question);
    struct span a = build_answer(text);
    uint8_t *wire = build_keep(a.len);
    memcpy(wire, a.at, a.len);
    memcpy(wire, s->wire, 2);
    resolver_datagram(w.r, s->conn, wire, a.len);
}

static const char *reply(void)
{
    return show_reply(&w, client, build_keep(SHOW_MAX));
}

struct story {
    const char *rules;
    const char *asked; /* type A */
    const char *sent;  /* NULL: nothing */
    const char *answer;
    const char *reply;
};

static void play(const struct story *s)
{
    char asked[NAME_TEXT_MAX + 16];
    load(s->rules);
    ask(s->asked, DNS_A);
    if (s->sent != NULL)
        answer(s->sent, s->answer);
    if (strcmp(reply(), s->reply) != 0)
        fail_msg("%s\n%s ->\n%s, not\n%s", s->rules, s->asked, reply(), s->reply);
    snprintf(asked, sizeof asked, "%s 1", s->asked);
    assert_string_equal(question_of(fake_io_reply(w.io, client)->wire), asked);
    world_close(&w);
}

static void play_all(const struct story *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        play(&list[i]);
}

/* ---- names ---- */

static void a_zone_is_mapped_both_ways_with_its_apex(void **unused)
{
#define ZONE "rewrite name suffix .out.test .in.test answer auto"
    static const struct story list[] = {
        {ZONE, "Www.out.test.", "www.in.test. 1",
         "! aa -ra\nwww.in.test A\nanswer\nwww.in.test 5 A 192.0.2.1\n",
         "NOERROR aa\nAN Www.out.test. 5 IN A 192.0.2.1\n"},
        {ZONE, "OUT.test.", "in.test. 1",
         "! aa -ra\nin.test A\nanswer\nin.test 5 A 192.0.2.1\n",
         "NOERROR aa\nAN OUT.test. 5 IN A 192.0.2.1\n"},
        {ZONE, "x.out.test.", "x.in.test. 1",
         "! -ra NXDOMAIN\nx.in.test A\nauthority\n"
         "in.test 5 SOA ns.IN.test host.in.test 1 2 3 4 5\n",
         "NXDOMAIN\nNS out.test. 5 IN SOA ns.out.test. host.out.test. 1 2 3 4 5\n"},
        {ZONE, "x.out.test.", "x.in.test. 1",
         "! -ra\nx.in.test A\nanswer\nX.IN.Test 5 CNAME y.in.test\n"
         "y.in.test 5 CNAME other.test\nadditional\nin.test 5 HTTPS 1 h.in.test\n"
         "xin.test 5 PTR x.in.test\nx.in.test 5 TXT \"x.in.test\"\n",
         "NOERROR\nAN x.out.test. 5 IN CNAME y.out.test.\n"
         "AN y.out.test. 5 IN CNAME other.test.\n"
         "AR out.test. 5 IN HTTPS 1 h.out.test.\n"
         "AR xin.test. 5 IN PTR x.out.test.\n"
         "AR x.out.test. 5 IN TXT \"x.in.test\"\n"},
        {ZONE, "xout.test.", "xout.test. 1",
         "! -ra\nxout.test A\nanswer\nxout.test 5 CNAME in.test\n",
         "NOERROR\nAN xout.test. 5 IN CNAME in.test.\n"},
        {ZONE, "x\\.out.test.", "x\\.out.test. 1",
         "! -ra\nx\\.out.test A\nanswer\nx\\.out.test 5 A 192.0.2.1\n",
         "NOERROR\nAN x\\.out.test. 5 IN A 192.0.2.1\n"},
    };
    play_all(list, sizeof list / sizeof *list);
}

static void without_an_answer_part_records_stay(void **unused)
{
    static const struct story list[] = {
        {"rewrite name suffix .a.test .b.test", "Www.a.test.", "www.b.test. 1",
         "! -ra\nwww.b.test A\nanswer\nwww.b.test 5 A 192.0.2.1\n",
         "NOERROR\nAN www.b.test. 5 IN A 192.0.2.1\n"},
        {"rewrite name suffix .a.test .b.test", "a.test.", "a.test. 1",
         "! -ra\na.test A\nanswer\na.test 5 A 192.0.2.1\n",
         "NOERROR\nAN a.test. 5 IN A 192.0.2.1\n"},
        {"rewrite continue name prefix a bb", "a.test.", "bb.test. 1",
         "! -ra\nbb.test A\nanswer\nx.bb.test 5 CNAME bb.test\n",
         "NOERROR\nAN x.bb.test. 5 IN CNAME bb.test.\n"},
    };
    play_all(list, sizeof list / sizeof *list);
}

static void auto_brings_back_the_name_and_what_is_below(void **unused)
{
    static const struct story list[] = {
        {"rewrite name exact a.test b.test", "A.test.", "b.test. 1",
         "! -ra\nb.test A\nanswer\nB.test 5 CNAME x.b.test\nx.B.test 5 CNAME c.test\n"
         "c.test 5 MX 1 b.test\nauthority\nb.test 5 SOA b.test h.b.test 1 2 3 4 5\n",
         "NOERROR\nAN A.test. 5 IN CNAME x.a.test.\nAN x.a.test. 5 IN CNAME c.test.\n"
         "AN c.test. 5 IN MX 1 A.test.\n"
         "NS A.test. 5 IN SOA A.test. h.b.test. 1 2 3 4 5\n"},
        {"rewrite name regex (.*)\\.a\\. {1}.b answer auto", "x.a.", "x.b. 1",
         "! -ra\nx.b A\nanswer\nx.b 5 CNAME y.b\n",
         "NOERROR\nAN x.a. 5 IN CNAME y.b.\n"},
        {"rewrite name suffix a.test b.test answer auto", "xa.test.", "xb.test. 1",
         "! -ra\nxb.test A\nanswer\nxb.test 5 CNAME B.test\n",
         "NOERROR\nAN xa.test. 5 IN CNAME a.test.\n"},
    };
    play_all(list, sizeof list / sizeof *list);
}

static void explicit_answer_rules_see_owners_or_values(void **unused)
{
#define EXPLICIT(more) "rewrite name suffix .a .b " more
    static const char answer_text[] =
        "! -ra\nx.b A\nanswer\nX.B 5 CNAME y.b\ny.b 5 SRV 1 2 3 z.b\n";
    static const struct story list[] = {
        {EXPLICIT("answer name (.*)\\.b {1}.A"), "x.a.", "x.b. 1", answer_text,
         "NOERROR\nAN x.a. 5 IN CNAME y.b.\nAN y.a. 5 IN SRV 1 2 3 z.b.\n"},
        {EXPLICIT("answer value ^(.*)\\.b\\.$ {1}.a"), "x.a.", "x.b. 1", answer_text,
         "NOERROR\nAN x.b. 5 IN CNAME y.a.\nAN y.b. 5 IN SRV 1 2 3 z.a.\n"},
        {EXPLICIT("answer name (.*)\\.c {1}.d answer name (.*)\\.b {1}.c"), "x.a.",
         "x.b. 1", answer_text,
         "NOERROR\nAN x.d. 5 IN CNAME y.b.\nAN y.d. 5 IN SRV 1 2 3 z.b.\n"},
        {EXPLICIT("answer auto value (.*)\\.b {1}.c"), "x.a.", "x.b. 1", answer_text,
         "NOERROR\nAN x.a. 5 IN CNAME y.c.\nAN y.a. 5 IN SRV 1 2 3 z.c.\n"},
    };
    play_all(list, sizeof list / sizeof *list);
}

static void rules_chain_and_are_undone_backwards(void **unused)
{
    static const struct story list[] = {
        {"rewrite continue name suffix .a .b answer auto\n"
         "rewrite name suffix .b .c answer auto",
         "x.a.", "x.c. 1", "! -ra\nx.c A\nanswer\nx.c 5 CNAME y.c\n",
         "NOERROR\nAN x.a. 5 IN CNAME y.a.\n"},
        {"rewrite name suffix .a .b answer auto\n"
         "rewrite name suffix .b .c answer auto",
         "x.a.", "x.b. 1", "! -ra\nx.b A\nanswer\nx.b 5 CNAME y.c\n",
         "NOERROR\nAN x.a. 5 IN CNAME y.c.\n"},
        {"rewrite continue ttl suffix .a 60\nrewrite name suffix .a .b answer auto",
         "x.a.", "x.b. 1", "! -ra\nx.b A\nanswer\nx.b 5 CNAME y.b\n",
         "NOERROR\nAN x.a. 60 IN CNAME y.a.\n"},
    };
    play_all(list, sizeof list / sizeof *list);
}

#define L60 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void names_that_grow_too_long_are_servfail(void **unused)
{
#define GROW   "rewrite name suffix .o .inside-is-longer answer auto"
#define SHRINK "rewrite name suffix .outside-is-longer .i answer auto"
    static const char longest[] = L60 "." L60 "." L60 "." L60 ".o.";
    static const struct story list[] = {
        {GROW, longest, NULL, NULL, "SERVFAIL\n"},
        {SHRINK, "x.outside-is-longer.", "x.i. 1",
         "! aa\nx.i A\nanswer\nx.i 5 CNAME " L60 "." L60 "." L60 "." L60 ".i\n",
         "SERVFAIL\n"},
        {"rewrite name suffix .o .i answer value ^(x)$ x\n", "x.o.", "x.i. 1",
         "! -ra\nx.i A\nanswer\nx.i 5 A 192.0.2.1\n",
         "NOERROR\nAN x.i. 5 IN A 192.0.2.1\n"},
        {"rewrite name suffix .o .i answer value (.*)\\.i {1}..o\n", "x.o.", "x.i. 1",
         "! aa\nx.i A\nanswer\nx.i 5 CNAME y.i\n", "SERVFAIL\n"},
    };
    play_all(list, sizeof list / sizeof *list);
}

static void a_pattern_over_budget_is_servfail(void **unused)
{
    static const char bad[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0.test.";
    static const struct story list[] = {
        {"rewrite name regex ^(([a-z])+.)+$ x", bad, NULL, NULL, "SERVFAIL\n"},
        {"rewrite ttl regex ^(([a-z])+.)+$ 5", bad, NULL, NULL, "SERVFAIL\n"},
        {"rewrite name suffix .o .i answer value ^(([a-z])+.)+$ x", "x.o.", "x.i. 1",
         "! -ra\nx.i A\nanswer\n"
         "x.i 5 CNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0.test\n",
         "SERVFAIL\n"},
    };
    play_all(list, sizeof list / sizeof *list);
}

/* ---- reverse names ---- */

static void the_only_zone_of_a_block_names_addresses(void **unused)
{
#define PTR "1.2.0.192.in-addr.arpa"
    static const char text[] =
        "! -ra\n" PTR " PTR\nanswer\n" PTR " 5 PTR x.IN.test\n" PTR " 5 PTR IN.test\n";
    static const struct {
        const char *rules, *reply;
    } rows[] = {
        {ZONE,
         "NOERROR\nAN " PTR ". 5 IN PTR x.out.test.\nAN " PTR ". 5 IN PTR out.test.\n"},
        {ZONE "\nrewrite name suffix .c .d answer auto",
         "NOERROR\nAN " PTR ". 5 IN PTR x.IN.test.\nAN " PTR ". 5 IN PTR IN.test.\n"},
        {"rewrite name suffix out.test in.test answer auto",
         "NOERROR\nAN " PTR ". 5 IN PTR x.IN.test.\nAN " PTR ". 5 IN PTR IN.test.\n"},
        {ZONE "\nrewrite name regex (.*)arpa {1}arpa answer value (.*)in\\.test {1}q",
         "NOERROR\nAN " PTR ". 5 IN PTR x.q.\nAN " PTR ". 5 IN PTR q.\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        load(rows[i].rules);
        ask(PTR, DNS_PTR);
        answer(PTR ". 12", text);
        assert_string_equal(reply(), rows[i].reply);
        world_close(&w);
    }
}

static void other_ptr_questions_are_left_alone(void **unused)
{
    load(ZONE);
    ask("x.test", DNS_PTR);
    answer("x.test. 12", "! -ra\nx.test PTR\nanswer\nx.test 5 PTR x.in.test\n");
    assert_string_equal(reply(), "NOERROR\nAN x.test. 5 IN PTR x.in.test.\n");
    world_close(&w);
}

/* ---- the other rules ---- */

static void types_ttls_and_codes_change(void **unused)
{
    static const char two[] =
        "! -ra\nx.a A\nanswer\nx.a 5 A 192.0.2.1\nadditional\ny.a 90 A 192.0.2.2\n";
#define TWO(x, y)                                                                      \
    "NOERROR\nAN x.a. " x " IN A 192.0.2.1\nAR y.a. " y " IN A 192.0.2.2\n"
    static const struct story list[] = {
        {"rewrite type A AAAA", "x.a.", "x.a. 28",
         "! -ra\nx.a AAAA\nanswer\nx.a 5 AAAA ::1\n",
         "NOERROR\nAN x.a. 5 IN AAAA ::1\n"},
        {"rewrite continue type A AAAA", "x.a.", "x.a. 28",
         "! -ra\nx.a AAAA\nanswer\nx.a 5 AAAA ::1\n",
         "NOERROR\nAN x.a. 5 IN AAAA ::1\n"},
        {"rewrite ttl x.a 7", "X.a.", "X.a. 1", two,
         "NOERROR\nAN X.a. 7 IN A 192.0.2.1\nAR y.a. 7 IN A 192.0.2.2\n"},
        {"rewrite ttl y.a 7", "x.a.", "x.a. 1", two, TWO("5", "90")},
        {"rewrite ttl suffix .a 6-60", "x.a.", "x.a. 1", two, TWO("6", "60")},
        {"rewrite ttl suffix .a -60", "x.a.", "x.a. 1", two, TWO("5", "60")},
        {"rewrite ttl suffix .a 60-", "x.a.", "x.a. 1", two, TWO("60", "90")},
        {"rewrite rcode suffix .a NOERROR REFUSED", "x.a.", "x.a. 1", "! -ra\nx.a A\n",
         "REFUSED\n"},
        {"rewrite rcode suffix .a NXDOMAIN REFUSED", "x.a.", "x.a. 1", "! -ra\nx.a A\n",
         "NOERROR\n"},
        {"rewrite continue rcode x.a NOERROR NXDOMAIN\n"
         "rewrite rcode x.a NXDOMAIN NOERROR",
         "x.a.", "x.a. 1", "! -ra NXDOMAIN\nx.a A\n", "NXDOMAIN\n"},
    };
    play_all(list, sizeof list / sizeof *list);
}

static void classes_change(void **unused)
{
    struct span q = build_bytes("0007 0100 0001 0000 0000 0000 'x.test' 0001 0003");
    struct client c = {.transport = TRANSPORT_UDP, .handle = 1};
    load("rewrite class CH IN");
    resolver_query(w.r, &c, q.at, q.len);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    assert_int_equal(load_u16(s->wire + s->len - 2), DNS_IN);
    world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
    const struct fake_reply *r = fake_io_reply(w.io, 1);
    assert_memory_equal(r->wire + DNS_HEADER_LEN, q.at + DNS_HEADER_LEN,
                        q.len - DNS_HEADER_LEN);
    world_close(&w);
}

static void failures_keep_their_code_and_the_question(void **unused)
{
    static const struct {
        const char *rules;
        int rcode;
    } rows[] = {
        {ZONE, DNS_SERVFAIL},
        {ZONE "\n", DNS_SERVFAIL},
        {"rewrite rcode suffix .out.test SERVFAIL NXDOMAIN", DNS_NXDOMAIN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char corefile[256];
        snprintf(corefile, sizeof corefile, ". {\n%s\nforward other. 10.0.0.1\n}\n",
                 rows[i].rules);
        world_load(&w, corefile);
        ask("Www.out.test", DNS_A);
        assert_int_equal(world_rcode(&w, client), rows[i].rcode);
        assert_string_equal(question_of(fake_io_reply(w.io, client)->wire),
                            "Www.out.test. 1");
        world_close(&w);
    }
}

/* ---- cname ---- */

static void a_changed_target_is_looked_up(void **unused)
{
    load("rewrite cname suffix .old. .new.");
    ask("x.test", DNS_A);
    answer("x.test. 1",
           "! aa -ra\nx.test A\nanswer\nx.test 5 CNAME y.test\n"
           "y.test 5 CNAME Z.old\nz.old 5 CNAME w.old\nw.old 5 A 192.0.2.1\n"
           "authority\nold 5 NS ns.old\n");
    answer("z.new. 1", "! -ra\nz.new A\nanswer\nz.new 9 A 192.0.2.9\n");
    assert_string_equal(reply(), "NOERROR aa\n"
                                 "AN x.test. 5 IN CNAME y.test.\n"
                                 "AN y.test. 5 IN CNAME z.new.\n"
                                 "AN z.new. 9 IN A 192.0.2.9\n"
                                 "NS old. 5 IN NS ns.old.\n");
    world_close(&w);
}

static void what_the_look_up_does_not_find_is_left_out(void **unused)
{
    load("rewrite cname exact b.test c.test");
    ask("a.test", DNS_A);
    answer("a.test. 1", "! -ra\na.test A\nanswer\na.test 5 CNAME b.test\n"
                        "b.test 5 A 192.0.2.1\n");
    answer("c.test. 1", "! NXDOMAIN -ra\nc.test A\n");
    assert_string_equal(reply(), "NOERROR\nAN a.test. 5 IN CNAME c.test.\n");
    world_close(&w);
}

static void a_target_that_leads_to_itself_ends(void **unused)
{
    load("rewrite cname regex (.*) {1}");
    ask("a.test", DNS_A);
    for (unsigned i = 0; i < 9; i++)
        answer(i == 0 ? "a.test. 1" : "b.test. 1",
               i == 0 ? "! -ra\na.test A\nanswer\na.test 5 CNAME b.test\n"
                      : "! -ra\nb.test A\nanswer\nb.test 5 CNAME b.test\n");
    world_expect_silence(&w);
    assert_true(text_starts(text_of(reply()), TEXT("NOERROR\nAN a.test. 5 IN CNAME "
                                                   "b.test.\n")));
    world_close(&w);
}

static void cname_rules_go_backwards_and_names_come_back(void **unused)
{
    load("rewrite continue name suffix .o .i answer auto\n"
         "rewrite continue cname exact b.i c.x\nrewrite cname prefix d. b.");
    ask("a.o", DNS_A);
    answer("a.i. 1", "! -ra\na.i A\nanswer\na.i 5 CNAME d.i\nd.i 5 A 192.0.2.1\n");
    answer("b.i. 1", "! -ra\nb.i A\nanswer\nb.i 5 A 192.0.2.2\n");
    answer("c.x. 1", "! -ra\nc.x A\nanswer\nc.x 5 A 192.0.2.3\nk.i 5 A 192.0.2.4\n");
    assert_string_equal(reply(), "NOERROR\nAN a.o. 5 IN CNAME c.x.\n"
                                 "AN c.x. 5 IN A 192.0.2.3\n"
                                 "AN k.i. 5 IN A 192.0.2.4\n");
    world_close(&w);
}

/* ---- one mapping for the message, or record by record ---- */

static void lower(char *text)
{
    name_lower((uint8_t *)text, (const uint8_t *)text, strlen(text));
}

/* An explicit rule that never matches makes every record be looked at. */
static void both_ways_of_mapping_agree(void **unused)
{
    static const char *const rules[] = {
        "rewrite name suffix .outer .cluster.local answer auto",
        "rewrite name suffix .outer .cluster.local answer auto value ^never$ x",
    };
    struct build_random random = {.state = 4};
    for (unsigned round = 0; round < 300; round++) {
        const char *question;
        const char *text = build_random_answer(&random, &question);
        struct name inside, outside, outer, local;
        char asked[NAME_TEXT_MAX], *shown[2];
        size_t before;
        assert_int_equal(name_parse(&inside, text_of(question)), 0);
        assert_int_equal(name_parse(&local, TEXT("cluster.local")), 0);
        assert_int_equal(name_parse(&outer, TEXT("outer")), 0);
        if (!name_under(inside.wire, local.wire, &before))
            continue;
        assert_int_equal(name_join(&outside, inside.wire, before, outer.wire), 0);
        name_print(outside.wire, asked);
        name_lower(inside.wire, inside.wire, inside.len);
        for (unsigned i = 0; i < 2; i++) {
            uint8_t sent[DNS_HEADER_LEN + NAME_WIRE_MAX + 4] = {0};
            memcpy(sent + DNS_HEADER_LEN, inside.wire, inside.len);
            sent[DNS_HEADER_LEN + inside.len + 1] = DNS_A;
            load(rules[i]);
            ask(asked, DNS_A);
            answer(question_of(sent), text);
            shown[i] = build_keep(SHOW_MAX);
            show_reply(&w, client, shown[i]);
            lower(shown[i]);
            world_close(&w);
        }
        if (strcmp(shown[0], shown[1]) != 0)
            fail_msg("%s\n%s\n%s", text, shown[0], shown[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zone_is_mapped_both_ways_with_its_apex),
        cmocka_unit_test(without_an_answer_part_records_stay),
        cmocka_unit_test(auto_brings_back_the_name_and_what_is_below),
        cmocka_unit_test(explicit_answer_rules_see_owners_or_values),
        cmocka_unit_test(rules_chain_and_are_undone_backwards),
        cmocka_unit_test(names_that_grow_too_long_are_servfail),
        cmocka_unit_test(a_pattern_over_budget_is_servfail),
        cmocka_unit_test(the_only_zone_of_a_block_names_addresses),
        cmocka_unit_test(other_ptr_questions_are_left_alone),
        cmocka_unit_test(types_ttls_and_codes_change),
        cmocka_unit_test(classes_change),
        cmocka_unit_test(failures_keep_their_code_and_the_question),
        cmocka_unit_test(a_changed_target_is_looked_up),
        cmocka_unit_test(what_the_look_up_does_not_find_is_left_out),
        cmocka_unit_test(a_target_that_leads_to_itself_ends),
        cmocka_unit_test(cname_rules_go_backwards_and_names_come_back),
        cmocka_unit_test(both_ways_of_mapping_agree),
    };
    return cmocka_run_group_tests_name("rewrite", tests, NULL, teardown);
}
