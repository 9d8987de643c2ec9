#include "resolver/pages.h"

#include "tests/unit/capture.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* The pages of a Corefile as `KIND ADDRESS` after each other. */
static const char *pages_of(const char *corefile, char text[512])
{
    static const char *const kinds[] = {"metrics", "health", "ready"};
    struct world w;
    world_load(&w, corefile);
    text[0] = '\0';
    for (const struct page_place *p = w.plan->pages.first; p != NULL; p = p->next) {
        size_t len = strlen(text);
        char addr[ADDR_TEXT_MAX];
        snprintf(text + len, 512 - len, "%s%s %s:%u", len > 0 ? ", " : "",
                 kinds[p->kind], addr_print_ip(&p->addr, addr), p->addr.port);
    }
    world_close(&w);
    return text;
}

static void addresses_are_coredns_s(void **unused)
{
    static const char *const cases[][2] = {
        {"prometheus\n health\n ready",
         "ready -:8181, health -:8080, metrics 127.0.0.1:9153"},
        {"health :80", "health -:80"},
        {"health :0", "health -:0"}, /* any free port, as in CoreDNS's own examples */
        {"health localhost:{$NOT_SET}", "health 127.0.0.1:0"},
        {"health 10.0.0.1:80", "health 10.0.0.1:80"},
        {"ready [2001:db8::1]:80", "ready 2001:db8::1:80"},
        {"prometheus localhost:80", "metrics 127.0.0.1:80"},
        {"health :80\n ready :80", "ready -:80, health -:80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n %s\n whoami\n}\n", cases[i][0]);
        assert_string_equal(pages_of(corefile, text), cases[i][1]);
    }
}

static void page_of_several_blocks_is_there_once(void **unused)
{
    char text[512];
    assert_string_equal(pages_of("a {\n health\n whoami\n}\nb {\n health\n whoami\n}\n"
                                 "c {\n health :1\n whoami\n}\n",
                                 text),
                        "health -:8080, health -:1");
}

static void other_words_are_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"ready a b", "plugin/ready: Wrong argument count"},
        {"health 8080", "plugin/health: address 8080: expected [HOST]:PORT"},
        {"health :65536", "address :65536"},
        {"health :http", "address :http"},
        {"health 2001:db8::1:80", "address 2001:db8::1:80"},
        {"health example.org:80", "address example.org:80"},
        {"health []:80", "address []:80"},
        {"ready\n ready", "this plugin can only be used once per Server Block"},
        {"prometheus\n prometheus",
         "this plugin can only be used once per Server Block"},
        {"health {\n lameduck\n }", "Wrong argument count"},
        {"health {\n lameduck -1s\n }", "-1s"},
        {"health {\n lame 1s\n }", "unknown property 'lame': expected lameduck"},
        {"ready {\n monitor sometimes\n }", "sometimes"},
        {"prometheus {\n runtime_metrics\n }", "'runtime_metrics' is not supported"},
        {"prometheus {\n tls x\n }", "'tls' is not supported"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n %s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        if (strstr(text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], text);
    }
}

static void longest_lameduck_counts(void **unused)
{
    struct world w;
    world_load(&w, "a {\n health {\n lameduck 5s\n }\n whoami\n}\n"
                   "b {\n health :1 {\n lameduck 2s\n }\n whoami\n}\n");
    assert_int_equal(w.plan->lameduck_us, 5000000);
    world_close(&w);
}

static void ready_says_that_monitoring_changes_nothing(void **unused)
{
    struct capture c;
    char text[512];
    capture_start(&c);
    bool loads = world_loads(". {\n ready {\n monitor continuously\n }\n whoami\n}\n",
                             text, sizeof text);
    assert_non_null(strstr(capture_stop(&c), "[WARNING] Corefile:2: plugin/ready: "
                                             "monitor continuously changes nothing"));
    assert_true(loads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_coredns_s),
        cmocka_unit_test(page_of_several_blocks_is_there_once),
        cmocka_unit_test(other_words_are_refused),
        cmocka_unit_test(longest_lameduck_counts),
        cmocka_unit_test(ready_says_that_monitoring_changes_nothing),
    };
    return cmocka_run_group_tests_name("pages", tests, NULL, NULL);
}
