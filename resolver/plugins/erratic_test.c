#include "resolver/msg.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void load(struct world *w, const char *lines)
{
    char corefile[200];
    snprintf(corefile, sizeof corefile, ". {\nerratic {\n%s\n}\n}\n", lines);
    world_load(w, corefile);
}

/* One letter for each of eight questions: d(ropped), t(runcated), l(ate), or "." */
static void expect(const char *lines, const char *fates)
{
    struct world w;
    char seen[9] = "", text[SHOW_MAX];
    load(&w, lines);
    for (int i = 0; i < 8; i++) {
        uint64_t client = world_ask(&w, "a.test");
        show_reply(&w, client, text);
        bool none = strcmp(text, "none") == 0;
        bool late = none && resolver_in_flight(w.r) > 0;
        seen[i] = late ? 'l' : none ? 'd' : strstr(text, " tc\n") != NULL ? 't' : '.';
        world_run(&w, 1000);
        assert_int_equal(resolver_in_flight(w.r), 0);
        if (late)
            assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
    }
    assert_string_equal(seen, fates);
    world_close(&w);
}

static void every_nth_query_beginning_with_the_first_has_its_fate(void **unused)
{
    expect("", "d.d.d.d.");
    expect("drop", "d.d.d.d.");
    expect("drop 3", "d..d..d.");
    expect("drop 0", "........");
    expect("truncate 2", "t.t.t.t.");
    expect("delay 4", "l...l...");
    expect("delay 4 900ms", "l...l...");
    expect("delay 3\ntruncate 2", "l.tlt.l.");
    expect("drop 4\ntruncate 2", "d.t.d.t.");
}

static void a_late_answer_comes_at_its_time_and_whole(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    load(&w, "delay 1 50ms");
    struct world_question q = {.name = "A.test", .type = DNS_AAAA};
    uint64_t client = world_ask_as(&w, &q);
    world_run(&w, 49);
    assert_string_equal(show_reply(&w, client, text), "none");
    world_run(&w, 2);
    assert_string_equal(show_reply(&w, client, text),
                        "NOERROR aa\nAN A.test. 0 IN AAAA 2001:db8::53\n");
    world_close(&w);
}

static void only_addresses_are_served(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    load(&w, "drop 0");
    assert_string_equal(show_asked(&w, "a.test", DNS_A, text),
                        "NOERROR aa\nAN a.test. 0 IN A 192.0.2.53\n");
    assert_string_equal(show_asked(&w, "a.test", DNS_MX, text), "SERVFAIL\n");
    world_close(&w);
    load(&w, "delay 1\ntruncate 1"); /* a failure is neither */
    assert_string_equal(show_asked(&w, "a.test", DNS_MX, text), "SERVFAIL\n");
    world_close(&w);
}

static void a_large_answer_has_thirty_records(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    unsigned lines = 0;
    load(&w, "drop 0\nlarge");
    show_asked(&w, "a.test", DNS_A, text);
    for (const char *c = text; (c = strstr(c, "AN ")) != NULL; c++)
        lines++;
    assert_int_equal(lines, 30);
    world_close(&w);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"erratic {\n drop -1\n}", "-1"},
        {"erratic {\n drop 1 2\n}", "Wrong argument count"},
        {"erratic {\n truncate x\n}", "'x'"},
        {"erratic {\n delay 2 soon\n}", "soon"},
        {"erratic {\n delay 2 1s 3\n}", "Wrong argument count"},
        {"erratic {\n flap\n}", "flap"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_nth_query_beginning_with_the_first_has_its_fate),
        cmocka_unit_test(a_late_answer_comes_at_its_time_and_whole),
        cmocka_unit_test(only_addresses_are_served),
        cmocka_unit_test(a_large_answer_has_thirty_records),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("erratic", tests, NULL, NULL);
}
