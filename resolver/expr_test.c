#include "resolver/expr.h"

#include "resolver/plan.h"
#include "tests/unit/build.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* One question, asked over UDP by 10.8.1.2:4711 of [2001:db8::53]:53. */
struct rig {
    struct world w;
    struct arena arena;
    struct query q;
    struct plan_block block;
};

static void open_rig(struct rig *r)
{
    *r = (struct rig){0};
    world_open(&r->w);
    arena_init(&r->arena, NULL, 0);
    arena_init(&r->q.arena, NULL, 0);
    r->q.r = r->w.r;
    r->q.client = (struct client){.transport = TRANSPORT_UDP};
    assert_int_equal(addr_parse(&r->q.client.peer, TEXT("10.8.1.2:4711"), 0), 0);
    assert_int_equal(addr_parse(&r->q.client.local, TEXT("[2001:db8::53]:53"), 0), 0);
    const uint8_t *name = build_name("Www.Example.test");
    size_t len = name_len(name);
    uint8_t *lower = build_keep(len);
    name_lower(lower, name, len);
    r->q.request =
        (struct request){.id = 77,
                         .name = name,
                         .lower = lower,
                         .name_len = (uint8_t)len,
                         .type = DNS_AAAA,
                         .class = DNS_IN,
                         .opt = {.present = true, .dnssec_ok = true, .udp_size = 1400}};
    r->block.view = "office";
}

static void close_rig(struct rig *r)
{
    arena_release(&r->arena);
    arena_release(&r->q.arena);
    r->w.owned = false;
    world_close(&r->w);
    build_release();
}

/* Both ways, so that neither answer is the one that errors give. */
static void expect_all(const char *const *list, size_t n, bool truth)
{
    struct rig r;
    char why[EXPR_WHY_MAX], inverse[600];
    open_rig(&r);
    for (size_t i = 0; i < n; i++) {
        snprintf(inverse, sizeof inverse, "not (%s)", list[i]);
        const struct expr *e = expr_compile(&r.arena, list[i], why);
        const struct expr *not =
            e == NULL ? NULL : expr_compile(&r.arena, inverse, why);
        if (not == NULL)
            fail_msg("%s: %s", list[i], why);
        if (expr_true(e, &r.q, &r.block) != truth ||
            expr_true(not, &r.q, &r.block) == truth)
            fail_msg("%s: not %s", list[i], truth ? "true" : "false");
        assert_null(expr_warning(e));
    }
    close_rig(&r);
}
#define TRUE(list)  expect_all(list, sizeof(list) / sizeof *(list), true)
#define FALSE(list) expect_all(list, sizeof(list) / sizeof *(list), false)

static void functions_tell_of_the_question(void **unused)
{
    static const char *const list[] = {
        "bufsize() == 1400",
        "class() == 'IN'",
        "client_ip() == '10.8.1.2'",
        "do()",
        "id() == 77",
        "name() == 'www.example.test.'",
        "opcode() == 0",
        "port() == '4711'",
        "proto() == 'udp'",
        "server_ip() == '2001:db8::53'",
        "server_port() == '53'",
        "size() == 45",
        "type() == 'AAAA'",
    };
    TRUE(list);
}

static void texts_are_compared_searched_and_changed(void **unused)
{
    static const char *const yes[] = {
        "name() startsWith 'www.'",
        "name() endsWith '.test.'",
        "name() contains 'example'",
        "name() contains ''",
        "name() matches '^www\\\\..*\\\\.test\\\\.$'",
        "name() matches `^www\\..*\\.test\\.$`",
        "name() not matches 'xyz'",
        "upper(type()) == 'AAAA' and lower('AbC') == \"abc\"",
        "trim('  a b\t') == 'a b'",
        "len(trim('   ')) == 0",
        "client_ip() + ':' + port() == '10.8.1.2:4711'",
        "'abc' < 'abd' && 'ab' < 'abc' && 'b' > 'abc'",
        "'it\\'s' == \"it's\" && '\\x41\\n' == 'A\n'",
        "metadata('view/name') == ''",
    };
    static const char *const no[] = {
        "name() startsWith 'ww.'",
        "name() endsWith 'xwww.example.test.'",
        "name() contains 'EXAMPLE'",
        "name() not contains 'example'",
        "name() == 'Www.Example.test.'",
        "'' contains 'a'",
        "'a' >= 'b'",
    };
    TRUE(yes);
    FALSE(no);
}

static void lists_and_ranges_are_searched(void **unused)
{
    static const char *const yes[] = {
        "type() in ['A', 'AAAA']", "type() not in ['A', 'MX',]", "id() in [1, 77]",
        "id() in 70..77",          "id() not in 78..100",        "-5 in -9..-1",
        "do() in [true]",          "not (type() in [])",
    };
    static const char *const no[] = {
        "type() in ['aaaa', 28]",
        "id() in ['77']",
        "id() in 9..1",
        "do() in [false]",
    };
    TRUE(yes);
    FALSE(no);
}

static void subnets_hold_addresses_of_their_family(void **unused)
{
    static const char *const yes[] = {
        "incidr(client_ip(), '10.8.0.0/16')",
        "incidr(client_ip(), '10.8.1.2/32')",
        "incidr(server_ip(), '2001:db8::/32')",
        "incidr(client_ip(), '0.0.0.0/0')",
        "incidr('192.0.2.1', '192.0.2.' + '0/24')",
    };
    static const char *const no[] = {
        "incidr(client_ip(), '10.9.0.0/16')",
        "incidr(client_ip(), '::/0')",
        "incidr(server_ip(), '0.0.0.0/0')",
    };
    TRUE(yes);
    FALSE(no);
}

static void operators_bind_as_in_expr_lang(void **unused)
{
    static const char *const yes[] = {
        "true || false && false",
        "true or false and false",
        "not false and true",
        "not (true and false)",
        "!false",
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "10 - 3 - 2 == 5",
        "-2 * -3 == 6",
        "7 % 4 == 3",
        "1 + 1 in [2]",
        "2 < 3 == true || false",
        "not not true",
        "1 - -1 == 2",
        "true == (1 < 2)",
        "( ( ( (true) ) ) )",
    };
    static const char *const no[] = {"(true || false) && false",
                                     "!true || false",
                                     "1 != 1",
                                     "2 <= 1",
                                     "2 > 2",
                                     "1 >= 2"};
    TRUE(yes);
    FALSE(no);
}

/* As in CoreDNS an error ends all, and `not` cannot make it a yes. */
static void what_cannot_be_computed_is_false_either_way(void **unused)
{
    static const char *const list[] = {
        "incidr('here', '10.0.0.0/8')",
        "not incidr('here', '10.0.0.0/8')",
        "not incidr('10.0.0.1', '10.0.0.0/' + '33')",
        "1 % 0 == 0 || true",
        "9223372036854775 * 9223372036854775 > 0 || true",
        "not (9223372036854775 * 9223372036854775 == 0)",
    };
    struct rig r;
    char why[EXPR_WHY_MAX];
    open_rig(&r);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const struct expr *e = expr_compile(&r.arena, list[i], why);
        assert_non_null(e);
        assert_false(expr_true(e, &r.q, &r.block));
    }
    close_rig(&r);
}

static void the_right_side_is_looked_at_only_when_it_matters(void **unused)
{
    static const char *const yes[] = {"true || 1 % 0 == 0", "!(false && 1 % 0 == 0)",
                                      "true or incidr('x', 'y')"};
    struct rig r;
    char why[EXPR_WHY_MAX];
    open_rig(&r);
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        const struct expr *e = expr_compile(&r.arena, yes[i], why);
        assert_non_null(e);
        assert_true(expr_true(e, &r.q, &r.block));
    }
    close_rig(&r);
}

static void what_nobody_can_mean_is_told(void **unused)
{
    static const char *const cases[][2] = {
        {"name()", "it gives a text and is never true"},
        {"1 + 1", "it gives a number and is never true"},
        {"[true]", "it gives a list and is never true"},
        {"incidr(client_ip(), '10.0.0.0/33') || do()", "'10.0.0.0/33' is no subnet"},
    };
    struct rig r;
    char why[EXPR_WHY_MAX];
    open_rig(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct expr *e = expr_compile(&r.arena, cases[i][0], why);
        assert_non_null(e);
        assert_non_null(expr_warning(e));
        assert_memory_equal(expr_warning(e), cases[i][1], strlen(cases[i][1]));
        assert_false(expr_true(e, &r.q, &r.block));
    }
    close_rig(&r);
}

static void what_is_no_expression_is_refused_with_its_column(void **unused)
{
    static const char *const cases[][2] = {
        {"", "unexpected end: expected a function"},
        {"true &&", "unexpected end"},
        {"(true", "unexpected end: expected ')'"},
        {"true)", "unexpected ')' at column 5"},
        {"true true", "unexpected 'true' at column 6: expected an operator"},
        {"&& true", "unexpected '&&' at column 1"},
        {"foo()", "unexpected 'foo' at column 1"},
        {"name", "unexpected end: expected '('"},
        {"name(1)", "name() takes 0 arguments, not 1"},
        {"name(", "unexpected end"},
        {"incidr(client_ip())", "incidr() takes 2 arguments, not 1"},
        {"incidr(1, 2)", "incidr() takes a text, not a number"},
        {"len(,)", "unexpected ','"},
        {"(1, 2)", "unexpected ',' at column 3"},
        {"port() == 53", "'==' between a text and a number"},
        {"type() in 'A'", "'in' between a text and a text"},
        {"[1] in [1]", "'in' between a list and a list"},
        {"1 && true", "'&&' between a number and a truth"},
        {"not 'a'", "'not' in front of a text"},
        {"not type() == 'A'", "'not' in front of a text"},
        {"-true", "'-' in front of a truth"},
        {"true < false", "'<' between a truth and a truth"},
        {"'a' - 'b'", "'-' between a text and a text"},
        {"name() matches type()", "must be a text written there"},
        {"name() matches '(?=a)'", "(?=a)"},
        {"'abc", "begins at column 1 does not end"},
        {"'a\\.b'", "'\\.' means nothing"},
        {"'\\xg1'", "means nothing"},
        {"1.5 == 1", "numbers are whole"},
        {"0x10 == 16", "numbers are whole"},
        {"99999999999999999999 == 1", "too large"},
        {"[1, 2", "expected ',' or ']'"},
        {"[name()]", "unexpected 'name'"},
        {"[[1]]", "unexpected '['"},
        {"1..'a'", "'..' between a number and a text"},
        {"true ? 1 : 2", "unexpected '?' at column 6"},
        {"name() not == 'a'", "expected in, contains"},
        {"6 / 2 == 3", "unexpected '/'"},
        {"type() == 'A'; true", "unexpected ';'"},
        {"\xff", "unexpected"},
    };
    struct rig r;
    char why[EXPR_WHY_MAX];
    open_rig(&r);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (expr_compile(&r.arena, cases[i][0], why) != NULL)
            fail_msg("%s: accepted", cases[i][0]);
        if (strstr(why, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], why);
    }
    close_rig(&r);
}

static void nesting_has_an_end(void **unused)
{
    struct rig r;
    char text[800], why[EXPR_WHY_MAX];
    static const char *const parts[][3] = {{"(", "true", ")"},
                                           {"!", "true", ""},
                                           {"1 + (", "1", ")"},
                                           {"lower(", "'a'", ")"}};
    open_rig(&r);
    for (size_t p = 0; p < 4; p++) {
        for (int deep = 10; deep <= 100; deep += 90) {
            size_t len = 0;
            for (int i = 0; i < deep; i++)
                len +=
                    (size_t)snprintf(text + len, sizeof text - len, "%s", parts[p][0]);
            len += (size_t)snprintf(text + len, sizeof text - len, "%s", parts[p][1]);
            for (int i = 0; i < deep; i++)
                len +=
                    (size_t)snprintf(text + len, sizeof text - len, "%s", parts[p][2]);
            const struct expr *e = expr_compile(&r.arena, text, why);
            assert_int_equal(e != NULL, deep == 10);
            if (e == NULL)
                assert_non_null(strstr(why, "nested more than"));
            else
                expr_true(e, &r.q, &r.block);
        }
    }
    close_rig(&r);
}

/* Longer than all the room there is for texts of one question. */
static void texts_that_grow_too_long_make_it_false(void **unused)
{
    struct rig r;
    char text[2000] = "len(name()", why[EXPR_WHY_MAX];
    size_t len = strlen(text);
    open_rig(&r);
    for (int i = 0; i < 120; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, " + name()");
    snprintf(text + len, sizeof text - len, ") > 0");
    const struct expr *e = expr_compile(&r.arena, text, why);
    assert_non_null(e);
    assert_false(expr_true(e, &r.q, &r.block));
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_tell_of_the_question),
        cmocka_unit_test(texts_are_compared_searched_and_changed),
        cmocka_unit_test(lists_and_ranges_are_searched),
        cmocka_unit_test(subnets_hold_addresses_of_their_family),
        cmocka_unit_test(operators_bind_as_in_expr_lang),
        cmocka_unit_test(what_cannot_be_computed_is_false_either_way),
        cmocka_unit_test(the_right_side_is_looked_at_only_when_it_matters),
        cmocka_unit_test(what_nobody_can_mean_is_told),
        cmocka_unit_test(what_is_no_expression_is_refused_with_its_column),
        cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(texts_that_grow_too_long_make_it_false),
    };
    return cmocka_run_group_tests_name("expr", tests, NULL, NULL);
}
