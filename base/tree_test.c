#include "base/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char text[] =
    "{\"name\":\"a\\\"\\n-7\",\"n\":12,\"up\":true,\"list\":[\"x\",{}]}";

static void members_are_found_by_their_names(void **unused)
{
    cJSON *root = tree_parse(text, strlen(text));
    assert_string_equal(tree_text_of(root, "name"), "a\"\n-7");
    assert_true(tree_number_of(root, "n") > 11.5);
    assert_true(tree_is(root, "up"));
    assert_false(tree_is(root, "n"));
    assert_string_equal(tree_get(root, "list")->child->valuestring, "x");
    tree_free(root);
}

static void what_is_not_there_is_nothing(void **unused)
{
    cJSON *root = tree_parse(text, strlen(text));
    assert_string_equal(tree_text_of(root, "nothing"), "");
    assert_true(tree_number_of(root, "nothing") < 0.5);
    assert_false(tree_is(root, "nothing"));
    assert_null(tree_get(NULL, "name"));
    assert_string_equal(tree_text_of(NULL, "name"), "");
    tree_free(root);
    tree_free(NULL);
}

static void what_is_no_json_is_no_tree(void **unused)
{
    assert_null(tree_parse("{\"a\":", 5));
    assert_null(tree_parse("", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_by_their_names),
        cmocka_unit_test(what_is_not_there_is_nothing),
        cmocka_unit_test(what_is_no_json_is_no_tree),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
