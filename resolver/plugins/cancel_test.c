#include "resolver/msg.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* Milliseconds until a client whose upstream is silent hears SERVFAIL. */
static unsigned patience_ms(const char *lines)
{
    struct world w;
    char corefile[200];
    unsigned ms = 0;
    snprintf(corefile, sizeof corefile, ". {\n%s\n forward . 10.0.0.1\n}\n", lines);
    world_load(&w, corefile);
    uint64_t client = world_ask(&w, "a.test");
    while (world_rcode(&w, client) < 0 && ms < 20000) {
        world_run(&w, 1);
        ms++;
    }
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    world_close(&w);
    return ms;
}

static void what_takes_longer_is_given_up(void **unused)
{
    assert_int_equal(patience_ms("cancel 300ms"), 300);
    assert_int_equal(patience_ms("cancel 1ms"), 1);
    assert_true(patience_ms("cancel") <= 5001);
    assert_int_equal(patience_ms("cancel 1000h"), patience_ms(""));
}

static void an_answer_in_time_is_not_touched(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    world_load(&w, ". {\n cancel 100ms\n forward . 10.0.0.1\n}\n");
    uint64_t client = world_ask(&w, "a.test");
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    world_run(&w, 40);
    world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
    assert_string_equal(show_reply(&w, client, text),
                        "NOERROR\nAN a.test. 60 IN A 192.0.2.1\n");
    world_close(&w);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"cancel 0", "expected more than 0"},
        {"cancel -1s", "expected more than 0"},
        {"cancel soon", "soon"},
        {"cancel 1s 2s", "Wrong argument count"},
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
        cmocka_unit_test(what_takes_longer_is_given_up),
        cmocka_unit_test(an_answer_in_time_is_not_touched),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("cancel", tests, NULL, NULL);
}
