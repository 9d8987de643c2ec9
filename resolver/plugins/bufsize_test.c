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

/* The size an upstream is told; 0: it is told none. */
static uint16_t told(const char *lines, uint16_t size)
{
    struct world w;
    struct msg m;
    char corefile[200];
    snprintf(corefile, sizeof corefile, ". {\n%s\n forward . 10.0.0.1\n}\n", lines);
    world_load(&w, corefile);
    struct world_question q = {.name = "a.test", .edns = size > 0, .udp_size = size};
    world_ask_as(&w, &q);
    struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
    build_walk(&m, (struct span){.at = s->wire, .len = s->len});
    uint16_t result = m.opt.present ? m.opt.udp_size : 0;
    world_close(&w);
    return result;
}

static void a_larger_size_is_lowered_and_a_smaller_one_kept(void **unused)
{
    assert_int_equal(told("bufsize", 4096), 1232);
    assert_int_equal(told("bufsize", 1233), 1232);
    assert_int_equal(told("bufsize", 1232), 1232);
    assert_int_equal(told("bufsize 512", 1232), 512);
    assert_int_equal(told("bufsize 4096", 1400), 1400);
}

static void a_client_without_edns_is_given_none(void **unused)
{
    assert_int_equal(told("bufsize 512", 0), told("", 0));
}

static void a_reply_keeps_to_the_lowered_size(void **unused)
{
    struct world w;
    char text[SHOW_MAX], answer[2000] = "! -ra\na.test A\n";
    world_load(&w, ". {\n bufsize 512\n forward . 10.0.0.1\n}\n");
    size_t len = strlen(answer);
    for (int i = 0; i < 40; i++)
        len += (size_t)snprintf(answer + len, sizeof answer - len,
                                "a.test 5 A 192.0.2.%d\n", i);
    struct world_question q = {.name = "a.test", .edns = true, .udp_size = 4096};
    show_through(&w, &q, answer, text);
    assert_memory_equal(text, "NOERROR tc\n", 11);
    world_close(&w);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"bufsize 511", "511"},
        {"bufsize 4097", "4097"},
        {"bufsize big", "big"},
        {"bufsize 512 512", "Wrong argument count"},
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
        cmocka_unit_test_teardown(a_larger_size_is_lowered_and_a_smaller_one_kept,
                                  teardown),
        cmocka_unit_test_teardown(a_client_without_edns_is_given_none, teardown),
        cmocka_unit_test_teardown(a_reply_keeps_to_the_lowered_size, teardown),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("bufsize", tests, NULL, NULL);
}
