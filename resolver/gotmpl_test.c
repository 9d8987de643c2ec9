#include "resolver/gotmpl.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* The data of one query for `ip-10-0f.test. A`, matched by a pattern with groups. */
struct rig {
    struct arena arena;
    struct pattern_scratch *scratch;
    struct pattern_found found;
    struct gotmpl_data data;
    char out[1024];
};

#define REGEX "^ip-(?P<a>[0-9]+)-(?P<hex>[0-9a-f]*)(-x)?[.](test)[.]$"

static void begin(struct rig *r)
{
    char why[PATTERN_WHY_MAX];
    *r = (struct rig){0};
    arena_init(&r->arena, NULL, 0);
    const struct pattern *p = pattern_new(&r->arena, REGEX, 0, why);
    assert_non_null(p);
    assert_int_equal(
        pattern_match(p, &r->scratch, text_of("ip-10-0f.test."), &r->found),
        PATTERN_MATCH);
    r->data = (struct gotmpl_data){.zone = text_of("test."),
                                   .name = text_of("ip-10-0f.test."),
                                   .class = text_of("IN"),
                                   .type = text_of("A"),
                                   .remote = text_of("192.0.2.1"),
                                   .regex = text_of(REGEX),
                                   .pattern = p,
                                   .found = &r->found,
                                   .question = {text_of("IP-10-0f.test."), 1, 1},
                                   .id = 4711,
                                   .flags = 0x0110};
}

static void end(struct rig *r)
{
    pattern_scratch_free(r->scratch);
    arena_release(&r->arena);
}

/* What a template gives, or "error: WHY". */
static const char *run(struct rig *r, const char *source)
{
    char why[GOTMPL_WHY_MAX];
    const struct gotmpl *t = gotmpl_new(&r->arena, text_of(source), why);
    if (t == NULL)
        fail_msg("%s: %s", source, why);
    struct gotmpl_out out = {.at = r->out, .cap = sizeof r->out - 1};
    if (gotmpl_run(t, &r->data, &r->arena, &out) < 0)
        snprintf(r->out, sizeof r->out, "error: %s", out.error);
    else
        r->out[out.len] = '\0';
    return r->out;
}

struct row {
    const char *source, *expected;
};

static void check(const struct row *rows, size_t n)
{
    struct rig r;
    begin(&r);
    for (size_t i = 0; i < n; i++) {
        const char *got = run(&r, rows[i].source);
        if (strcmp(got, rows[i].expected) != 0)
            fail_msg("%s: got '%s', expected '%s'", rows[i].source, got,
                     rows[i].expected);
    }
    end(&r);
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void text_and_fields(void **unused)
{
    static const struct row rows[] = {
        {"", ""},
        {"plain { text } }}", "plain { text } }}"},
        {"{{ .Name }} 60 {{.Class}} {{.Type}}", "ip-10-0f.test. 60 IN A"},
        {"{{.Zone}}{{.Remote}}", "test.192.0.2.1"},
        {"{{.Regex}}", REGEX},
        {"{{.Question.Name}} {{.Question.Qtype}} {{.Question.Qclass}}",
         "IP-10-0f.test. 1 1"},
        {"{{.Message.Id}} {{.Message.RecursionDesired}} {{.Message.CheckingDisabled}}",
         "4711 true true"},
        {"{{.Message.Response}} {{.Message.Opcode}} {{.Message.Rcode}}", "false 0 0"},
        {"{{(index .Message.Question 0).Name}}", "IP-10-0f.test."},
        {"{{$.Name}}{{with .Question}}{{.Qtype}}{{$.Zone}}{{end}}",
         "ip-10-0f.test.1test."},
        {"{{.Meta \"x/y\"}}|{{with .Meta `a`}}no{{else}}none{{end}}", "|none"},
    };
    CHECK(rows);
}

static void groups_and_matches(void **unused)
{
    static const struct row rows[] = {
        {"{{.Group.a}}.{{.Group.hex}}", "10.0f"},
        {"{{index .Match 0}} {{index .Match 1}} {{index .Match 4}}",
         "ip-10-0f.test. 10 test"},
        {"[{{index .Match 3}}]", "[]"},
        {"{{index .Group \"a\"}}{{index .Group \"1\"}}{{index .Group \"0\"}}",
         "1010ip-10-0f.test."},
        {"{{.Group.none}}", "<no value>"},
        {"[{{index .Group \"none\"}}]", "[]"},
        {"{{with .Group}}{{.a}}{{end}}", "10"},
        {"{{len .Match}} {{len .Name}}", "5 14"},
        {"{{if .Group.none}}yes{{else}}no{{end}}", "no"},
        {"{{index .Match 5}}", "error: index: out of range"},
        {"{{index .Match -1}}", "error: index: out of range"},
        {"{{index .Name 0}}", "105"},
    };
    CHECK(rows);
}

static void blanks_are_trimmed_where_it_says_so(void **unused)
{
    static const struct row rows[] = {
        {"a {{- 1 -}} b", "a1b"},      {"a {{- 1 }} b", "a1 b"},
        {"a {{ 1 -}}\n\t b", "a 1b"},  {"a {{-1}} b", "a -1 b"},
        {"a{{/* nothing */}}b", "ab"}, {"a {{- /* {{ }} */ -}} b", "ab"},
        {"{{\n.Zone\n}}", "test."},
    };
    CHECK(rows);
}

static void conditions(void **unused)
{
    static const struct row rows[] = {
        {"{{if eq .Type \"A\"}}v4{{else}}other{{end}}", "v4"},
        {"{{if eq .Type \"MX\"}}1{{else if eq .Type \"A\"}}2{{else}}3{{end}}", "2"},
        {"{{if 0}}1{{else if \"\"}}2{{else if false}}3{{else}}4{{end}}", "4"},
        {"{{if .Match}}m{{end}}{{if .Question}}q{{end}}", "mq"},
        {"{{if $x := .Group.a}}{{$x}}{{else}}[{{$x}}]{{end}}", "10"},
        {"{{with .Group.a}}<{{.}}>{{end}}", "<10>"},
        {"{{with index .Match 3}}{{.}}{{else}}empty{{end}}", "empty"},
        {"{{with index .Match 3}}1{{else with .Zone}}{{.}}{{else}}3{{end}}", "test."},
        {"{{with $y := .Zone}}{{$y}}{{.}}{{end}}{{.Type}}", "test.test.A"},
        {"{{if true}}{{if false}}1{{else}}{{with .Zone}}{{.}}{{end}}{{end}}{{end}}",
         "test."},
    };
    CHECK(rows);
}

static void loops(void **unused)
{
    static const struct row rows[] = {
        {"{{range .Match}}<{{.}}>{{end}}", "<ip-10-0f.test.><10><0f><><test>"},
        {"{{range $m := .Match}}{{$m}},{{end}}", "ip-10-0f.test.,10,0f,,test,"},
        {"{{range $i, $m := .Match}}{{$i}}={{$m}} {{end}}",
         "0=ip-10-0f.test. 1=10 2=0f 3= 4=test "},
        {"{{range 3}}{{.}}{{end}}{{range 0}}x{{else}}none{{end}}", "012none"},
        {"{{range 9}}{{if eq . 2}}{{continue}}{{end}}{{if eq . 5}}{{break}}{{end}}"
         "{{.}}{{end}}|{{.Zone}}",
         "0134|test."},
        {"{{range $i := 2}}{{range 2}}{{$i}}{{.}} {{end}}{{end}}", "00 01 10 11 "},
        {"{{range 3}}{{with $.Zone}}{{continue}}{{end}}x{{end}}{{.Type}}", "A"},
        {"{{range 3}}{{with $.Zone}}{{break}}{{end}}x{{end}}{{.Type}}", "A"},
        {"{{$n := 0}}{{range .Match}}{{$n = len .}}{{end}}{{$n}}", "4"},
        {"{{range .Message.Question}}{{.Qtype}}{{end}}", "1"},
        {"{{range 100000000}}{{end}}", "error: the template runs for too long"},
    };
    CHECK(rows);
}

static void functions(void **unused)
{
    static const struct row rows[] = {
        {"{{and .Zone .Type}} {{and \"\" .Type}}|{{or \"\" .Type}} {{or .Zone 1}}",
         "A |A test."},
        {"{{and true (index .Match 9)}}", "error: index: out of range"},
        {"{{or true (index .Match 9)}}{{and 0 (index .Match 9)}}", "true0"},
        {"{{not 0}}{{not .Zone}}", "truefalse"},
        {"{{eq 1 2 3 1}} {{eq \"a\" \"b\"}} {{ne 1 2}} {{eq true true}}",
         "true false true true"},
        {"{{lt 1 2}}{{le 2 2}}{{gt -1 1}}{{ge -1 -2}}", "truetruefalsetrue"},
        {"{{lt \"a\" \"ab\"}}{{gt \"b\" \"ab\"}}{{lt -3 -2}}", "truetruetrue"},
        {"{{slice .Name 3 5}} {{slice .Zone 2}} {{slice .Type}}", "10 st. A"},
        {"{{slice .Type 2}}", "error: slice: out of range"},
        {"{{print 1 2 \"a\" \"b\" true}}|{{println 1 \"a\"}}|", "1 2abtrue|1 a\n|"},
        {"{{parseInt .Group.hex 16 8}} {{parseInt \"0x1F\" 0 64}} {{parseInt \"z\" 36 0}}",
         "15 31 35"},
        {"{{parseInt \"18446744073709551615\" 10 64}}", "18446744073709551615"},
        {"{{parseInt \"256\" 10 8}}", "error: parseInt: the number has too many bits"},
        {"{{parseInt \"18446744073709551616\" 10 64}}",
         "error: parseInt: the number has too many bits"},
        {"{{parseInt \"\" 10 8}}", "error: parseInt: the text is no number"},
        {"{{parseInt \"-1\" 10 8}}", "error: parseInt: the text is no number"},
    };
    CHECK(rows);
}

static void pipelines_and_parentheses(void **unused)
{
    static const struct row rows[] = {
        {"{{.Group.hex | printf \"%s-%s\" .Group.a}}", "10-0f"},
        {"{{\"7f\" | printf \"%s%s\" \"0x\" | len}}", "4"},
        {"{{printf \"%d\" (parseInt .Group.hex 16 8)}}", "15"},
        {"{{((.Zone))}}{{(.Question).Qtype}}", "test.1"},
        {"{{.Zone | eq \"test.\" | not}}", "false"},
        {"{{\"\" | or .Zone}}{{.Type | and .Zone}}", "test.A"},
        {"{{$x := .Group.a | printf \"<%s>\"}}{{$y := $x}}{{$y}}", "<10>"},
        {"{{printf \"%s%s\" (\"a\" | printf \"%s1\") (\"b\" | printf \"%s2\")}}",
         "a1b2"},
    };
    CHECK(rows);
}

static void printf_is_that_of_go(void **unused)
{
    static const struct row rows[] = {
        {"{{printf \"%d|%5d|%-5d|%05d|%+d|% d\" 42 42 42 42 42 42}}",
         "42|   42|42   |00042|+42| 42"},
        {"{{printf \"%x %X %#x %08b %o\" 255 255 255 5 8}}", "ff FF 0xff 00000101 10"},
        {"{{printf \"%05d %5d %.3d\" -42 -42 7}}", "-0042   -42 007"},
        {"{{printf \"%s|%5s|%-5s|%.2s|%v\" \"abc\" \"abc\" \"abc\" \"abc\" \"abc\"}}",
         "abc|  abc|abc  |ab|abc"},
        {"{{printf \"%q %x %t %v %%\" \"a\\\"b\" \"hi\" true false}}",
         "\"a\\\"b\" 6869 true false %"},
        {"{{printf \"%c\" 65}}", "A"},
        {"{{printf \"%d\" .Zone}}", "error: printf: this verb takes no text"},
        {"{{printf \"%s\" .Message.Id}}", "error: printf: this verb takes no number"},
        {"{{printf \"%s\" .Group.none}}", "error: a key that .Group does not have"},
    };
    CHECK(rows);
}

static void constants(void **unused)
{
    static const struct row rows[] = {
        {"{{\"a\\tb\\x41\\u00e9\\101\\\\\"}}{{`raw\\n`}}", "a\tbA\xc3\xa9"
                                                           "A\\raw\\n"},
        {"{{0x1F}} {{0b101}} {{0o17}} {{017}} {{-5}} {{+5}} {{0}}",
         "31 5 15 15 -5 5 0"},
        {"{{true}}{{false}}", "truefalse"},
        {"{{\"}}\"}}", "}}"},
    };
    CHECK(rows);
}

static void check_refused(const struct row *rows, size_t n)
{
    struct arena arena;
    char why[GOTMPL_WHY_MAX];
    arena_init(&arena, NULL, 0);
    for (size_t i = 0; i < n; i++) {
        if (gotmpl_new(&arena, text_of(rows[i].source), why) != NULL)
            fail_msg("%s was accepted", rows[i].source);
        if (strcmp(why, rows[i].expected) != 0)
            fail_msg("%s: got '%s', expected '%s'", rows[i].source, why,
                     rows[i].expected);
    }
    arena_release(&arena);
}
#define REFUSED(rows) check_refused(rows, sizeof(rows) / sizeof *(rows))

static void what_is_not_offered_is_refused(void **unused)
{
    static const struct row rows[] = {
        {"{{", "a {{ has no }}"},
        {"{{.Name", "a {{ has no }}"},
        {"{{}}", "there is nothing between {{ and }}"},
        {"{{.Nme}}", ".Nme is not offered here: it is asked of the data of a template"},
        {"{{.Name.Foo}}", ".Foo is not offered here: it is asked of a text"},
        {"{{.Message.Answer}}",
         ".Answer is not offered here: it is asked of a message"},
        {"{{.Message}}", "a message cannot be printed: take a part of it"},
        {"{{.Match}}", "a list cannot be printed: take a part of it"},
        {"{{.Group}}", "a map cannot be printed: take a part of it"},
        {"{{.}}", "the data of a template cannot be printed: take a part of it"},
        {"{{.Var.x}}",
         ".Var needs the option `var`, which is not in this version of isthmus"},
        {"{{$.Meta \"a\"}}", ".Meta stands first in a command: .Meta \"label\""},
        {"{{.Meta}}", ".Meta takes at least 1 arguments"},
        {"{{randInt 1 2}}", "function \"randInt\" not defined"},
        {"{{html .Name}}", "html is not offered here"},
        {"{{define \"x\"}}{{end}}", "{{define}} is not offered here"},
        {"{{template \"x\"}}", "{{template}} is not offered here"},
    };
    REFUSED(rows);
}

static void blocks_that_do_not_match_are_refused(void **unused)
{
    static const struct row rows[] = {
        {"{{if .Name}}", "an {{end}} is missing"},
        {"{{end}}", "{{end}} has no {{if}}, {{with}} or {{range}}"},
        {"{{else}}", "{{else}} has no {{if}}, {{with}} or {{range}}"},
        {"{{if 1}}{{else}}{{else}}{{end}}",
         "{{else}} has no {{if}}, {{with}} or {{range}}"},
        {"{{range 1}}{{else}}{{break}}{{end}}", "{{break}} outside of {{range}}"},
        {"{{continue}}", "{{continue}} outside of {{range}}"},
        {"{{if}}{{end}}", "a value is missing"},
        {"{{if 1 }}{{else with 2}}{{end}}", "'with' has no place here"},
        {"{{range .Group}}{{end}}", "range over a map is not offered here"},
        {"{{range .Name}}{{end}}", "range over a text is not offered here"},
        {"{{range $i, $e := 2}}{{end}}", "range over a number sets one variable only"},
    };
    REFUSED(rows);
}

static void calls_that_cannot_be_meant_are_refused(void **unused)
{
    static const struct row rows[] = {
        {"{{.Name .Zone}}", "only a function takes arguments"},
        {"{{.Name | .Zone}}", "only a function can follow |"},
        {"{{.Name |}}", "only a function can follow |"},
        {"{{eq 1}}", "eq takes at least 2 arguments"},
        {"{{eq 1 \"1\"}}", "eq compares a number with a text"},
        {"{{lt true false}}", "lt: expected numbers or texts, not true or false"},
        {"{{index .Name \"a\"}}", "index: a text has a number for a key, not a text"},
        {"{{index 1 1}}", "index: expected a list, a map or a text, not a number"},
        {"{{len 1}}", "len: expected a text or a list, not a number"},
        {"{{parseInt 1 10 8}}", "parseInt: expected a text, not a number"},
        {"{{not 1 2}}", "not takes at most 1 arguments"},
        {"{{print not}}", "not has to stand first: put it into ( )"},
        {"{{printf .Name}}", "printf: its format must be a quoted text"},
        {"{{printf \"%d %d\" 1}}", "printf: its format wants 2 values, it has 1"},
        {"{{printf \"%w\" 1}}", "printf: %w is not offered here"},
        {"{{printf \"%s\" .Match}}", "printf: a list cannot be printed"},
        {"{{$x}}", "undefined variable \"$x\""},
        {"{{$x = 1}}", "undefined variable \"$x\""},
        {"{{if $x := 1}}{{end}}{{$x}}", "undefined variable \"$x\""},
        {"{{$x := 1}}{{$x = \"a\"}}", "$x is a number and cannot become a text"},
        {"{{$a, $b := .Match}}", "only range sets two variables"},
        {"{{$ := 1}}", "$ cannot be set"},
        {"{{(.Name}}", "a ( has no )"},
        {"{{.Name)}}", "a ) has no ("},
    };
    REFUSED(rows);
}

static void words_that_go_has_not_are_refused(void **unused)
{
    static const struct row rows[] = {
        {"{{1.5}}", "only whole numbers are offered"},
        {"{{1e3}}", "only whole numbers are offered"},
        {"{{.Group.1}}", "a field's name begins with a letter: use index"},
        {"{{'a'}}", "a character in '' is not offered: use its number"},
        {"{{\"abc}}", "a quoted text has no end"},
        {"{{\"\\q\"}}", "a backslash escape that Go does not have"},
        {"{{/* x }}", "a comment must end in */}}"},
        {"{{.Name & .Zone}}", "a character that belongs to no word"},
        {"{{99999999999999999999}}", "a number of more than 64 bits"},
        {"{{nil}}", "nil is not offered here"},
    };
    REFUSED(rows);
}

/* `n` times the text. */
static const char *repeat(struct arena *a, const char *text, int n)
{
    size_t len = strlen(text);
    char *out = arena_alloc(a, len * (size_t)n + 1);
    assert_non_null(out);
    for (int i = 0; i < n; i++)
        memcpy(out + len * (size_t)i, text, len);
    return out;
}

static void what_is_nested_has_a_limit_and_not_the_machine(void **unused)
{
    struct arena a;
    char why[GOTMPL_WHY_MAX];
    arena_init(&a, NULL, 0);
    static const struct {
        const char *open, *close;
        bool refused;
        int n;
    } rows[] = {
        {"{{with .Question}}", "{{end}}", true, 100000},
        {"{{range 1}}", "{{end}}", false, 32},
        {"{{range 1}}", "{{end}}", true, 33},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *source =
            arena_printf(&a, "%s%s", repeat(&a, rows[i].open, rows[i].n),
                         repeat(&a, rows[i].close, rows[i].n));
        assert_non_null(source);
        assert_int_equal(gotmpl_new(&a, text_of(source), why) == NULL, rows[i].refused);
    }
    const char *deep =
        arena_printf(&a, "{{%s1%s}}", repeat(&a, "(", 50000), repeat(&a, ")", 50000));
    assert_non_null(deep);
    assert_null(gotmpl_new(&a, text_of(deep), why));
    assert_string_equal(why, "parentheses are nested more than 32 deep");
    arena_release(&a);
}

static void more_text_than_there_is_room_for_is_an_error(void **unused)
{
    struct rig r;
    begin(&r);
    assert_string_equal(run(&r, "{{range 100}}{{$.Name}}{{end}}"),
                        "error: the text is too long");
    end(&r);
}

static void only_text_without_actions_is_constant(void **unused)
{
    static const struct {
        const char *source;
        bool constant;
    } rows[] = {
        {"a 60 IN A 1.2.3.4", true},
        {"a{{/* b */}}c", true},
        {"a {{ .Name }}", false},
    };
    struct arena a;
    char why[GOTMPL_WHY_MAX];
    arena_init(&a, NULL, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct gotmpl *t = gotmpl_new(&a, text_of(rows[i].source), why);
        assert_non_null(t);
        assert_int_equal(gotmpl_is_constant(t), rows[i].constant);
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_and_fields),
        cmocka_unit_test(groups_and_matches),
        cmocka_unit_test(blanks_are_trimmed_where_it_says_so),
        cmocka_unit_test(conditions),
        cmocka_unit_test(loops),
        cmocka_unit_test(functions),
        cmocka_unit_test(pipelines_and_parentheses),
        cmocka_unit_test(printf_is_that_of_go),
        cmocka_unit_test(constants),
        cmocka_unit_test(what_is_not_offered_is_refused),
        cmocka_unit_test(blocks_that_do_not_match_are_refused),
        cmocka_unit_test(calls_that_cannot_be_meant_are_refused),
        cmocka_unit_test(words_that_go_has_not_are_refused),
        cmocka_unit_test(what_is_nested_has_a_limit_and_not_the_machine),
        cmocka_unit_test(more_text_than_there_is_room_for_is_an_error),
        cmocka_unit_test(only_text_without_actions_is_constant),
    };
    return cmocka_run_group_tests_name("gotmpl", tests, NULL, NULL);
}
