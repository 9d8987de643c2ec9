#include "resolver/msg.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void a_question_for_every_type_gets_one_record(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    world_load(&w, ". {\n any\n whoami\n}\n");
    assert_string_equal(show_asked(&w, "A.test", DNS_ANY, text),
                        "NOERROR\nAN A.test. 8482 IN HINFO \"ANY obsoleted\" "
                        "\"See RFC 8482\"\n");
    assert_string_equal(show_asked(&w, ".", DNS_ANY, text),
                        "NOERROR\nAN . 8482 IN HINFO \"ANY obsoleted\" "
                        "\"See RFC 8482\"\n");
    world_close(&w);
}

static void other_types_go_on(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    world_load(&w, ". {\n any\n whoami\n}\n");
    assert_memory_equal(show_asked(&w, "a.test", DNS_HINFO, text), "NOERROR aa\nAR",
                        13);
    world_close(&w);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"any x", "Wrong argument count"},
        {"any {\n}", "Unexpected token '{', expecting argument"},
        {"any\nany {\n x\n}", "Unexpected token '{', expecting argument"},
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
        cmocka_unit_test(a_question_for_every_type_gets_one_record),
        cmocka_unit_test(other_types_go_on),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("any", tests, NULL, NULL);
}
