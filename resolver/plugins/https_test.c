#include "base/limits.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t limit_of(const char *corefile)
{
    struct world w;
    world_load(&w, corefile);
    assert_int_equal(w.plan->servers[0].scheme, SCHEME_HTTPS);
    uint32_t max = w.plan->servers[0].https_max;
    world_close(&w);
    return max;
}

static void the_first_block_that_says_it_counts(void **unused)
{
    static const struct {
        const char *corefile;
        uint32_t max;
    } rows[] = {
        {"https://. {\nwhoami\n}\n", HTTPS_CLIENTS},
        {"https://. {\nhttps\nwhoami\n}\n", HTTPS_CLIENTS},
        {"https://. {\nhttps {\nmax_connections 7\n}\nwhoami\n}\n", 7},
        {"https://. {\nhttps {\nmax_connections 0\n}\nwhoami\n}\n", 0},
        {"https://. {\nhttps {\nmax_connections 7\n}\nwhoami\n}\n"
         "https://b.test {\nhttps {\nmax_connections 9\n}\nwhoami\n}\n",
         7},
        {"https://. {\nwhoami\n}\n"
         "https://b.test {\nhttps {\nmax_connections 9\n}\nwhoami\n}\n",
         9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(limit_of(rows[i].corefile), rows[i].max);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const rows[][2] = {
        {"https x", "Wrong argument count"},
        {"https {\nmax_connections\n}", "Wrong argument count"},
        {"https {\nmax_connections 1 2\n}", "Wrong argument count"},
        {"https {\nmax_connections abc\n}", "'abc'"},
        {"https {\nmax_connections -1\n}", "'-1'"},
        {"https {\nmax_connections 1\nmax_connections 2\n}", "already defined"},
        {"https {\nmax_connection 1\n}", "max_connection"},
    };
    char corefile[256], text[600];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(corefile, sizeof corefile, "https://. {\n%s\nwhoami\n}\n", rows[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        if (strstr(text, rows[i][1]) == NULL)
            fail_msg("'%s' gives: %s", rows[i][0], text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_block_that_says_it_counts),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("https", tests, NULL, NULL);
}
