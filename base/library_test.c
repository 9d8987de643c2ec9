#include "base/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

struct functions {
    LIBRARY_FIELD(strlen)
    LIBRARY_FIELD(strchr)
};

static const struct library_call two[] = {
    {"strlen", offsetof(struct functions, strlen)},
    {"strchr", offsetof(struct functions, strchr)},
};

static void what_is_called_is_what_the_library_has(void **unused)
{
    struct functions f = {0};
    void *handle = library_open("libc.so.6", two, 2, &f);
    assert_non_null(handle);
    assert_int_equal(f.strlen("isthmus"), 7);
    assert_string_equal(f.strchr("isthmus", 'm'), "mus");
    library_close(handle);
}

static void no_library_is_no_handle(void **unused)
{
    struct functions f = {0};
    assert_null(library_open("libisthmus-has-no-such.so.1", two, 2, &f));
    library_close(NULL);
}

static void a_library_without_one_of_the_functions_is_none(void **unused)
{
    struct functions f = {0};
    static const struct library_call odd[] = {
        {"strlen", offsetof(struct functions, strlen)},
        {"isthmus_has_no_such", offsetof(struct functions, strchr)},
    };
    assert_null(library_open("libc.so.6", odd, 2, &f));
    assert_null(f.strchr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_called_is_what_the_library_has),
        cmocka_unit_test(no_library_is_no_handle),
        cmocka_unit_test(a_library_without_one_of_the_functions_is_none),
    };
    return cmocka_run_group_tests_name("library", tests, NULL, NULL);
}
