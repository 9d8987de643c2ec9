#include "base/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void a_tree_is_printed_and_read_back(void **unused)
{
    struct tree t = {0};
    cJSON *root = tree_object(&t), *list = tree_array(&t);
    tree_text(&t, root, "name", "%s-%d", "a\"\n", 7);
    tree_number(&t, root, "n", 12);
    tree_bool(&t, root, "up", true);
    tree_add_text(&t, list, "x");
    tree_add(&t, list, tree_object(&t));
    tree_put(&t, root, "list", list);
    char *text = tree_print(&t, root);
    assert_string_equal(
        text, "{\"name\":\"a\\\"\\n-7\",\"n\":12,\"up\":true,\"list\":[\"x\",{}]}");
    cJSON *back = tree_parse(text, strlen(text));
    assert_string_equal(tree_text_of(back, "name"), "a\"\n-7");
    assert_true(tree_number_of(back, "n") > 11.5);
    assert_true(tree_is(back, "up"));
    assert_false(tree_is(back, "n"));
    assert_string_equal(tree_text_of(back, "nothing"), "");
    assert_null(tree_get(NULL, "name"));
    tree_free(back);
    tree_free(root);
    free(text);
}

static void what_is_no_utf8_is_a_question_mark(void **unused)
{
    static const char *const cases[][2] = {
        {"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z", NULL},
        {"\xff", "?"},
        {"a\x80z", "a?z"},
        {"\xc0\xaf", "??"},
        {"\xe0\x80\x80", "???"},
        {"\xed\xa0\x80", "???"},
        {"\xf4\x90\x80\x80", "????"},
        {"\xc3", "?"},
        {"\xe2\x82", "??"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tree t = {0};
        cJSON *root = tree_object(&t), *list = tree_array(&t);
        const char *in = cases[i][0], *out = cases[i][1] == NULL ? in : cases[i][1];
        tree_text(&t, root, "a", "%s", in);
        tree_add_text(&t, list, in);
        assert_string_equal(tree_text_of(root, "a"), out);
        assert_string_equal(list->child->valuestring, out);
        tree_free(root);
        tree_free(list);
    }
}

static void a_failure_sticks(void **unused)
{
    struct tree t = {0};
    cJSON *root = tree_object(&t);
    tree_put(&t, root, "gone", NULL);
    assert_true(t.failed);
    assert_null(tree_print(&t, root));
    tree_text(&t, NULL, "x", "y");
    tree_put(&t, NULL, "x", tree_array(&t)); /* freed */
    tree_free(root);
}

static void what_is_no_json_is_no_tree(void **unused)
{
    assert_null(tree_parse("{\"a\":", 5));
    assert_null(tree_parse("", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_is_printed_and_read_back),
        cmocka_unit_test(what_is_no_utf8_is_a_question_mark),
        cmocka_unit_test(a_failure_sticks),
        cmocka_unit_test(what_is_no_json_is_no_tree),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
