#include "config/tape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct token words[] = {{"a", {"f", 1}}, {"b", {"f", 1}}, {"c", {"f", 2}}};
static struct token others[] = {{"x", {"g", 1}}, {"y", {"g", 1}}};
static struct arena arena;

static int setup(void **unused)
{
    arena_init(&arena, NULL, 0);
    return 0;
}

static int teardown(void **unused)
{
    arena_release(&arena);
    return 0;
}

static void splice(struct tape *t, struct token *list, uint32_t n)
{
    struct tokens tokens = {list, n, n};
    assert_int_equal(tape_splice(t, &tokens), 0);
}

static void assert_taken(struct tape *t, const char *text)
{
    assert_non_null(tape_peek(t));
    tape_take(t);
    assert_string_equal(t->current.text, text);
}

static void a_splice_comes_before_what_is_left(void **unused)
{
    struct tape t = {.arena = &arena};
    splice(&t, words, 3);
    assert_taken(&t, "a");
    splice(&t, others, 2);
    assert_taken(&t, "x");
    splice(&t, words, 0);
    assert_taken(&t, "y");
    assert_taken(&t, "b");
    assert_taken(&t, "c");
    assert_null(tape_peek(&t));
    splice(&t, others, 1);
    assert_taken(&t, "x");
}

static void the_lexer_is_read_below_all_lists(void **unused)
{
    struct errors errs;
    struct lexer lexer;
    errors_init(&errs);
    assert_int_equal(
        lexer_init(&lexer, &arena, (struct source){"h", TEXT("m n o")}, &errs), 0);
    struct tape t = {.arena = &arena, .lexer = &lexer};
    splice(&t, words, 1);
    assert_taken(&t, "a");
    assert_taken(&t, "m");
    assert_string_equal(tape_peek(&t)->text, "n");
    splice(&t, others, 1); /* before the token that was seen, not taken */
    assert_taken(&t, "x");
    assert_taken(&t, "n");
    assert_non_null(tape_peek(&t));
    tape_drop(&t);
    assert_null(tape_peek(&t));
    assert_null(tape_peek(&t));
}

static void a_dropped_token_was_never_there(void **unused)
{
    struct tape t = {.arena = &arena};
    splice(&t, words, 3);
    assert_true(tape_new_line(&t, tape_peek(&t))); /* nothing before it */
    assert_taken(&t, "a");
    assert_false(tape_new_line(&t, tape_peek(&t)));
    tape_drop(&t);
    assert_string_equal(t.current.text, "a");
    assert_true(tape_new_line(&t, tape_peek(&t)));
    assert_taken(&t, "c");
}

static void splices_at_the_end_do_not_nest(void **unused)
{
    struct tape t = {.arena = &arena};
    for (int i = 0; i < 1000; i++) {
        splice(&t, words, 1);
        assert_taken(&t, "a");
    }
    assert_true(t.cap < 10);
}

static void splices_nest_as_deep_as_they_must(void **unused)
{
    struct tape t = {.arena = &arena};
    for (int i = 0; i < 1000; i++) {
        splice(&t, words, 2);
        assert_taken(&t, "a");
    }
    for (int i = 0; i < 1000; i++)
        assert_taken(&t, "b");
    assert_null(tape_peek(&t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_splice_comes_before_what_is_left),
        cmocka_unit_test(the_lexer_is_read_below_all_lists),
        cmocka_unit_test(a_dropped_token_was_never_there),
        cmocka_unit_test(splices_at_the_end_do_not_nest),
        cmocka_unit_test(splices_nest_as_deep_as_they_must),
    };
    return cmocka_run_group_tests_name("tape", tests, setup, teardown);
}
