#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void a_listener_sheds_when_one_of_its_blocks_does(void **unused)
{
    struct world w;
    world_load(&w, "a.test b.test:5300 {\n whoami\n}\n"
                   "c.test {\n shed\n whoami\n}\n");
    assert_int_equal(w.plan->servers_n, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(w.plan->servers[i].shed, w.plan->servers[i].addr.port != 5300);
    world_close(&w);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {".", "shed 5"},
        {".", "shed\n shed"},
        {".", "shed {\n depth 5\n }"},
        {"tls://.", "shed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[256], text[512];
        snprintf(corefile, sizeof corefile, "%s {\n %s\n whoami\n}\n", cases[i][0],
                 cases[i][1]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, "plugin/shed"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_sheds_when_one_of_its_blocks_does),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("shed", tests, NULL, NULL);
}
