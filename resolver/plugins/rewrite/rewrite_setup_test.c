/* What `rewrite` accepts, and why it refuses the rest. */
#include "resolver/plugins/rewrite/rewrite_rule.h"

#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static bool loads(const char *rule, char *text, size_t cap)
{
    char corefile[1024];
    snprintf(corefile, sizeof corefile, ". {\n    rewrite %s\n    whoami\n}\n", rule);
    text[0] = '\0';
    return world_loads(corefile, text, cap);
}

static void what_is_accepted(void **unused)
{
    static const char *const rows[] = {
        "name a.test b.test",
        "Stop NAME Suffix a b",
        "continue name regex (.*)\\.x {1}.y answer name (.*)\\.y {1}.x value (.*)\\.y "
        "{1}.x",
        "name exact a b answer auto",
        "name exact a b answer name (.*) {1}",
        "name suffix .a .b answer auto answer value (.*)\\.b {1}.a",
        "name regex (a)\\.test {9}.x",
        "name regex (a) {1}{1}.x",
        "name prefix .a b",
        "type ANY HINFO",
        "type any hinfo",
        "class CH IN",
        "ttl a.test 10",
        "ttl exact a.test 10-20",
        "ttl regex a 10-",
        "ttl suffix .a -10",
        "ttl a 4294967295",
        "rcode a NXDOMAIN NOERROR",
        "rcode substring a 3 0",
        "rcode a nxdomain 23",
        "cname a. b.",
        "cname regex (.*)\\.NET {1}.org",
        "edns0 local set 0xffee 0x61",
        "edns0 LOCAL SET 65518 text revert",
        "edns0 local append 0177756 {qname}",
        "edns0 local unset 0b11",
        "edns0 nsid set revert",
        "edns0 nsid unset",
        "edns0 subnet replace 0 128 revert",
        "edns0 subnet unset",
        "{\n name suffix .a .b\n answer name (.*)\\.b {1}.a\n}",
        "stop {\n name regex (.*) {1}\n answer auto\n}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        if (!loads(rows[i], text, sizeof text))
            fail_msg("rewrite %s: %s", rows[i], text);
    }
}

static void what_is_refused_and_why(void **unused)
{
    static const char *const rows[][2] = {
        {"", "no rule type specified"},
        {"nme a b", "invalid rule type \"nme\", did you mean \"name\"?"},
        {"whatever a b", "expected name, type, class"},
        {"stop", "stop rule must begin with a rule type"},
        {"continue", "continue rule must begin with a rule type"},
        {"answer name a b", "response rewrites must begin with a name rule"},
        {"name a", "too few arguments for a name rule"},
        {"name sufix .a .b", "name rule supports only exact, prefix"},
        {"name suffix .a .b auto", "invalid arguments for suffix rule"},
        {"name suffix .a .b auto x", "did you mean `answer auto`?"},
        {"name suffix .a .b answer auto answer", "type missing for answer rule"},
        {"name suffix .a .b answer all", "invalid type \"all\" for answer rule"},
        {"name suffix .a .b answer name x", "2 arguments required"},
        {"name suffix .a .b answer auto name (.*) {1}", "cannot be combined"},
        {"name suffix .a .b answer name ( x", "invalid regex matching pattern: ("},
        {"name suffix .a .b answer value (.*) {1}{2}", "more subexpressions"},
        {"name regex ( b", "invalid regex matching pattern: ("},
        {"name regex (a)\\1 b", "back references are not in RE2's language"},
        {"name regex a {0}.x", "uses more subexpressions"},
        {"name regex (a) {1}.{2}", "uses more subexpressions"},
        {"name exact a *.x", "invalid regex matching pattern: *.x."},
        {"name exact {0} x", "uses more subexpressions"},
        {"type NOSUCH A", "invalid type \"NOSUCH\""},
        {"type A", "type rules must have exactly two arguments"},
        {"class IN NO", "invalid class \"NO\""},
        {"ttl a", "wrong number (1) of arguments for a ttl rule"},
        {"ttl a -", "invalid TTL '-'"},
        {"ttl a 20-10", "invalid TTL '20-10'"},
        {"ttl a 4294967296", "invalid TTL '4294967296'"},
        {"ttl a 1s", "invalid TTL '1s'"},
        {"ttl a 1-2-3", "invalid TTL '1-2-3'"},
        {"ttl under a 10", "unknown kind of match 'under'"},
        {"ttl regex ( 10", "invalid regex matching pattern"},
        {"rcode a NXDOMAIN", "wrong number (2) of arguments for a rcode rule"},
        {"rcode a 24 0", "invalid matching RCODE '24'"},
        {"rcode a 0 WHAT", "invalid replacement RCODE 'WHAT'"},
        {"cname a", "wrong number (1) of arguments for a cname rule"},
        {"cname under a b", "unknown cname rewrite type: under"},
        {"edns0 local", "too few arguments for an EDNS0 rule"},
        {"edns0 cookie set", "invalid rule type \"cookie\""},
        {"edns0 local put 1 x", "invalid action: \"put\""},
        {"edns0 local set 1", "EDNS0 local rules have CODE DATA [revert]"},
        {"edns0 local unset", "one word, CODE"},
        {"edns0 local set 65536 x", "invalid option code '65536'"},
        {"edns0 local set -1 x", "invalid option code '-1'"},
        {"edns0 local set x1 x", "invalid option code 'x1'"},
        {"edns0 local set 1 0x123", "pairs of hex digits"},
        {"edns0 local set 1 0xzz", "pairs of hex digits"},
        {"edns0 local set 1 {nosuch}", "unsupported variable name \"{nosuch}\""},
        {"edns0 local set 1 {a/b/c}", "unsupported variable name"},
        {"edns0 local set 1 {/b}", "unsupported variable name"},
        {"edns0 local set 1 {a/}", "unsupported variable name"},
        {"edns0 nsid set 1", "EDNS0 NSID rules"},
        {"edns0 subnet set 33 0", "invalid IPv4 bit mask length 33"},
        {"edns0 subnet set 32 129", "invalid IPv6 bit mask length 129"},
        {"edns0 subnet set 24", "V4BITS V6BITS"},
        {"edns0 subnet unset 24", "nothing behind subnet unset"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        if (loads(rows[i][0], text, sizeof text) || strstr(text, rows[i][1]) == NULL ||
            strncmp(text, "plugin/rewrite: ", 16) != 0)
            fail_msg("rewrite %s: %s, not: %s", rows[i][0], text, rows[i][1]);
    }
}

static void data_of_an_option_is_limited(void **unused)
{
    char rule[600], text[512];
    snprintf(rule, sizeof rule, "edns0 local set 1 %0396d", 7);
    assert_true(loads(rule, text, sizeof text));
    snprintf(rule, sizeof rule, "edns0 local set 1 %0397d", 7);
    assert_false(loads(rule, text, sizeof text));
    assert_non_null(strstr(text, "expected at most 396"));
}

static void every_bad_rule_is_told_in_its_line(void **unused)
{
    struct errors errs;
    struct arena arena;
    struct token tokens[] = {
        {"rewrite", {"C", 2}}, {"nme", {"C", 2}},  {"a", {"C", 2}}, {"b", {"C", 2}},
        {"rewrite", {"C", 3}}, {"stop", {"C", 3}}, {"{", {"C", 3}}, {"type", {"C", 4}},
        {"A", {"C", 4}},       {"NO", {"C", 4}},   {"}", {"C", 5}},
    };
    struct directive d = {.name = "rewrite", .tokens = tokens, .tokens_n = 11};
    errors_init(&errs);
    arena_init(&arena, NULL, 0);
    struct setup s = {.arena = &arena, .errs = &errs};
    assert_int_equal(rewrite_setup(&s, &d), -1);
    assert_int_equal(errs.n, 2);
    assert_int_equal(errs.list[0].at.line, 2);
    assert_int_equal(errs.list[1].at.line, 3);
    errors_release(&errs);
    arena_release(&arena);
}

static void every_kind_of_rule_has_its_help(void **unused)
{
    for (size_t i = 0; i < REWRITE_KINDS_N; i++) {
        assert_true(strlen(rewrite_kinds[i].help) > 10);
        assert_true(strlen(rewrite_kinds[i].args) > 0);
    }
    assert_string_equal(rewrite_kinds[REWRITE_NAME].name, "name");
    assert_string_equal(rewrite_kinds[REWRITE_EDNS0].name, "edns0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted),
        cmocka_unit_test(what_is_refused_and_why),
        cmocka_unit_test(data_of_an_option_is_limited),
        cmocka_unit_test(every_bad_rule_is_told_in_its_line),
        cmocka_unit_test(every_kind_of_rule_has_its_help),
    };
    return cmocka_run_group_tests_name("rewrite_setup", tests, NULL, NULL);
}
