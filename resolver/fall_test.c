#include "resolver/fall.h"

#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* What these words behind `fallthrough` let through. */
static bool lets_through(const char *words, const char *name)
{
    static const char *const known[] = {"file"};
    static const struct vocabulary vocabulary = {.words = known, .words_n = 1};
    struct arena a;
    struct errors errs;
    struct corefile file;
    struct fall fall = {0};
    arena_init(&a, NULL, 0);
    errors_init(&errs);
    const char *text = arena_printf(&a, ". {\n file %s\n}\n", words);
    assert_non_null(text);
    struct source from = {.file = "Corefile", .text = text_of(text)};
    assert_int_equal(corefile_parse(&a, from, &vocabulary, &file, &errs), 0);
    struct reader rd = reader_init(&file.blocks[0].directives[0], &a, &errs);
    assert_true(reader_next(&rd));
    assert_int_equal(fall_read(&rd, &fall), 0);
    bool through = fall_through(&fall, build_name(name));
    errors_release(&errs);
    corefile_forget(&file);
    arena_release(&a);
    build_release();
    return through;
}

static void without_zones_every_name_falls_through(void **unused)
{
    assert_true(lets_through("", "www.test"));
    assert_true(lets_through("", "."));
}

static void with_zones_only_names_in_them_do(void **unused)
{
    assert_true(lets_through("a.test B.TEST", "www.a.test"));
    assert_true(lets_through("a.test B.TEST", "b.test"));
    assert_false(lets_through("a.test b.test", "xa.test"));
    assert_false(lets_through("a.test b.test", "test"));
    assert_true(lets_through("10.0.0.0/8", "1.2.3.10.in-addr.arpa"));
}

static void nothing_falls_through_unasked(void **unused)
{
    struct fall none = {0};
    assert_false(fall_through(&none, build_name("www.test")));
    build_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_zones_every_name_falls_through),
        cmocka_unit_test(with_zones_only_names_in_them_do),
        cmocka_unit_test(nothing_falls_through_unasked),
    };
    return cmocka_run_group_tests_name("fall", tests, NULL, NULL);
}
