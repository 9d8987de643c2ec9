#include "resolver/plugin.h"

#include "base/log.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void one_block_that_asks_is_enough(void **unused)
{
    struct world w;
    world_load(&w, ".:53 {\n whoami\n}\n.:54 {\n debug\n whoami\n}\n");
    assert_true(w.plan->debug);
    world_close(&w);
    log_enable_debug(false);
}

static void without_the_word_there_are_no_debug_lines(void **unused)
{
    struct world w;
    world_load(&w, ". {\n whoami\n}\n");
    assert_false(w.plan->debug);
    world_close(&w);
}

static void it_takes_no_argument(void **unused)
{
    char text[ERROR_TEXT_MAX];
    assert_false(world_loads(". {\n debug loud\n whoami\n}\n", text, sizeof text));
    assert_string_equal(text, "plugin/debug: Wrong argument count or unexpected line "
                              "ending after 'loud': 'debug' takes no argument");
    log_enable_debug(false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_block_that_asks_is_enough),
        cmocka_unit_test(without_the_word_there_are_no_debug_lines),
        cmocka_unit_test(it_takes_no_argument),
    };
    return cmocka_run_group_tests_name("debug", tests, NULL, NULL);
}
