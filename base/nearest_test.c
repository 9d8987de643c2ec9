#include "base/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *const WORDS[] = {"forward", "cache", "errors", "loop", "log"};
#define WORDS_N (sizeof WORDS / sizeof WORDS[0])

static void the_nearest_word_is_a_slip_away(void **unused)
{
    static const char *const rows[][2] = {
        {"forward", "forward"}, {"forwrad", "forward"}, {"foward", "forward"},
        {"CACHE", "cache"},     {"lgo", "log"},         {"lop", "loop"},
        {"cahce", "cache"},     {"xyz", NULL},          {"", NULL},
        {"kubernetes", NULL},   {"fwd", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *near = nearest_word(rows[i][0], WORDS, WORDS_N);
        if (rows[i][1] == NULL)
            assert_null(near);
        else
            assert_string_equal(near == NULL ? rows[i][0] : near, rows[i][1]);
    }
    char longer[200];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_null(nearest_word(longer, WORDS, WORDS_N));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_word_is_a_slip_away),
    };
    return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
