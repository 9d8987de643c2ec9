#include "base/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void assert_text(struct text t, const char *wanted)
{
    assert_int_equal(t.len, strlen(wanted));
    assert_memory_equal(t.at, wanted, t.len);
}

static void lines_come_without_their_ends(void **unused)
{
    struct text rest = TEXT("a b\n\n c");
    assert_text(text_line(&rest), "a b");
    assert_text(text_line(&rest), "");
    assert_int_equal(rest.len, 2);
    assert_text(text_line(&rest), " c");
    assert_int_equal(rest.len, 0);
    assert_text(text_line(&rest), "");
}

static void words_stand_between_blanks(void **unused)
{
    struct text line = TEXT(" \tone  two\r"), nothing = TEXT(" \v\f ");
    assert_text(text_word(&line), "one");
    assert_text(text_word(&line), "two");
    assert_text(text_word(&line), "");
    assert_text(text_word(&line), "");
    assert_text(text_word(&nothing), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_without_their_ends),
        cmocka_unit_test(words_stand_between_blanks),
    };
    return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
