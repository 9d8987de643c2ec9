#include "config/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* The i-th error; fails when it is not there. */
static const struct error *error_of(const struct errors *errs, uint32_t i)
{
    assert_true(i < errs->n && i < errs->list_cap);
    return &errs->list[i];
}

enum policy { RANDOM, ROUND_ROBIN, SEQUENTIAL };

struct state {
    bool force;
    uint32_t fails;
    int64_t expire_us;
    enum policy policy;
    struct zones except;
    const char *custom;
};

struct fixture {
    struct arena arena;
    struct errors errs;
    struct corefile corefile;
    struct state state;
    struct reader rd;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -1;
    arena_init(&f->arena, NULL, 0);
    errors_init(&f->errs);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    errors_release(&f->errs);
    corefile_forget(&f->corefile);
    arena_release(&f->arena);
    free(f);
    return 0;
}

/* A reader of the first directive of a block with this text. */
static struct reader *read_from(struct fixture *f, const char *body)
{
    static const char *const known[] = {"forward", "log"};
    static const struct vocabulary words = {.words = known, .words_n = 2};
    const char *text = arena_printf(&f->arena, ". {\n%s\n}\n", body);
    assert_non_null(text);
    errors_release(&f->errs);
    struct source source = {"f", text_of(text)};
    corefile_forget(&f->corefile);
    assert_int_equal(corefile_parse(&f->arena, source, &words, &f->corefile, &f->errs),
                     0);
    assert_true(f->corefile.blocks[0].directives_n > 0);
    f->rd = reader_init(&f->corefile.blocks[0].directives[0], &f->arena, &f->errs);
    f->state = (struct state){0};
    return &f->rd;
}

static const char *last_error(const struct fixture *f)
{
    return f->errs.n == 0 ? "" : error_of(&f->errs, f->errs.n - 1)->text;
}

/* ---- moving on ---- */

/* Everything a plugin sees: occurrences as `<name args>`, options as `(name args)`. */
static const char *seen(struct fixture *f, const char *body)
{
    struct reader *rd = read_from(f, body);
    const char *out = "", *word;
    while (reader_next(rd)) {
        out = arena_printf(&f->arena, "%s<%s", out, reader_token(rd)->text);
        while (out != NULL && reader_arg(rd, &word))
            out = arena_printf(&f->arena, "%s %s", out, word);
        while (out != NULL && reader_block(rd)) {
            out = arena_printf(&f->arena, "%s(%s", out, reader_token(rd)->text);
            struct token_list args = reader_args(rd);
            for (uint32_t i = 0; i < args.n && out != NULL; i++)
                out = arena_printf(&f->arena, "%s %s", out, args.list[i].text);
            out = out == NULL ? NULL : arena_printf(&f->arena, "%s)", out);
        }
        out = out == NULL ? NULL : arena_printf(&f->arena, "%s>", out);
        assert_non_null(out);
    }
    return out;
}

static void lines_and_blocks_are_seen_as_caddy_shows_them(void **state)
{
    static const char *const rows[][2] = {
        {"log", "<log>"},
        {"log a b", "<log a b>"},
        {"log a\nlog b", "<log a><log b>"},
        {"log {\n a 1\n b\n}", "<log(a 1)(b)>"},
        {"log x {\n a 1 2\n}\nlog y {\n b\n}", "<log x(a 1 2)><log y(b)>"},
        {"log x { }\nlog", "<log x><log>"},
        {"log {\n}\nlog", "<log><log>"},
        {"log \"a\nb\" c\nlog", "<log a\nb c><log>"},
        {"log {\n a \"x\ny\" z\n b\n}", "<log(a x\ny z)(b)>"},
        {"log x { a 1 }\nlog",
         "<log x(a 1 })><log>"}, /* the brace is taken, and ends */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(seen(*state, rows[i][0]), rows[i][1]);
}

static void errors_carry_the_place_and_the_plugin(void **state)
{
    struct fixture *f = *state;
    const char *word;
    struct reader *rd = read_from(f, "log a\nlog {\n b c\n}");
    assert_int_equal(reader_error(rd, "early"),
                     -1); /* before any token: the first one */
    assert_int_equal(error_of(&f->errs, 0)->at.line, 2);
    reader_next(rd);
    reader_arg(rd, &word);
    reader_next(rd);
    reader_block(rd);
    assert_int_equal(reader_error(rd, "wrong %s", reader_token(rd)->text), -1);
    assert_int_equal(error_of(&f->errs, 1)->at.line, 4);
    assert_string_equal(last_error(f), "plugin/log: wrong b");
}

static void one_argument_means_one(void **state)
{
    static const char *const rows[][2] = {
        {"log a", ""},
        {"log a {\n}", ""},
        {"log",
         "plugin/log: Wrong argument count or unexpected line ending after 'log'"},
        {"log a b",
         "plugin/log: Wrong argument count or unexpected line ending after 'b'"},
        {"log {\n}", "plugin/log: Unexpected token '{', expecting argument"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *word = "";
        struct reader *rd = read_from(f, rows[i][0]);
        reader_next(rd);
        assert_int_equal(reader_one(rd, &word), rows[i][1][0] == '\0' ? 0 : -1);
        assert_ptr_equal(strstr(last_error(f), rows[i][1]), last_error(f));
        if (f->errs.n == 0)
            assert_string_equal(word, "a");
    }
}

static void no_argument_means_none(void **state)
{
    struct fixture *f = *state;
    struct reader *rd = read_from(f, "log {\n}");
    reader_next(rd);
    assert_int_equal(reader_no_arg(rd), 0);
    rd = read_from(f, "log yes");
    reader_next(rd);
    assert_int_equal(reader_no_arg(rd), -1);
    assert_string_equal(
        last_error(f),
        "plugin/log: Wrong argument count or unexpected line ending after "
        "'yes': 'log' takes no argument");
}

/* ---- values ---- */

static void numbers_lie_between_their_bounds(void **state)
{
    static const struct {
        const char *word;
        int rc;
        uint32_t n;
    } rows[] = {
        {"0", -1, 0},   {"1", 0, 1},    {"010", 0, 10},        {"100", 0, 100},
        {"101", -1, 0}, {"-1", -1, 0},  {"+1", -1, 0},         {"1x", -1, 0},
        {"", -1, 0},    {"1.0", -1, 0}, {"4294967297", -1, 0}, {"0x1", -1, 0},
    };
    struct fixture *f = *state;
    struct reader *rd = read_from(f, "log");
    reader_next(rd);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t n = 0;
        assert_int_equal(reader_u32(rd, rows[i].word, 1, 100, &n), rows[i].rc);
        assert_int_equal(n, rows[i].n);
    }
    assert_string_equal(last_error(f),
                        "plugin/log: invalid number '0x1': expected 1 to 100");
}

static void wrong_durations_are_told_in_gos_words(void **state)
{
    static const char *const rows[][2] = {
        {"often", "plugin/log: time: invalid duration \"often\""},
        {"5", "plugin/log: time: missing unit in duration \"5\""},
        {"1d", "plugin/log: time: unknown unit in duration \"1d\""},
    };
    struct fixture *f = *state;
    struct reader *rd = read_from(f, "log");
    int64_t us;
    reader_next(rd);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(reader_duration(rd, rows[i][0], &us), -1);
        assert_ptr_equal(strstr(last_error(f), rows[i][1]), last_error(f));
    }
    assert_int_equal(reader_duration(rd, "1m", &us), 0);
    assert_true(us == 60000000);
}

/* ---- options ---- */

static int parse_custom(struct reader *rd, void *state)
{
    struct state *s = state;
    struct token_list args = reader_args(rd);
    if (args.n != 2)
        return reader_error_args(rd);
    s->custom = args.list[1].text;
    return 0;
}

static const char *const POLICIES[] = {"random", "round_robin", "sequential", NULL};

#define FIELD(name) offsetof(struct state, name)
static const struct option OPTIONS[] = {
    {.name = "force_tcp", .kind = OPTION_FLAG, .offset = FIELD(force)},
    {.name = "max_fails", .kind = OPTION_U32, .offset = FIELD(fails), .max = 1000},
    {.name = "expire", .kind = OPTION_DURATION, .offset = FIELD(expire_us)},
    {.name = "policy", .kind = OPTION_WORD, .offset = FIELD(policy), .words = POLICIES},
    {.name = "except", .kind = OPTION_ZONES, .offset = FIELD(except)},
    {.name = "pair", .kind = OPTION_CUSTOM, .parse = parse_custom},
    {.name = "tls", .kind = OPTION_REFUSED, .help = "TLS comes later"},
    {.name = "timeout",
     .kind = OPTION_DURATION,
     .offset = FIELD(expire_us),
     .min = 1000,
     .max = 90000000},
};
#define OPTIONS_N (sizeof OPTIONS / sizeof *OPTIONS)

static int run_options(struct fixture *f, const char *body)
{
    struct reader *rd = read_from(f, body);
    int rc = 0;
    while (reader_next(rd)) {
        reader_args(rd);
        if (reader_options(rd, OPTIONS, OPTIONS_N, &f->state) < 0)
            rc = -1;
    }
    return rc;
}

static void options_fill_their_fields(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_options(f, "forward . x {\n force_tcp\n max_fails 7\n"
                                    " expire 1h30m\n policy sequential\n except a b\n"
                                    " except c a..b\n pair 1 2\n}"),
                     0);
    assert_int_equal(f->errs.n, 0);
    assert_true(f->state.force);
    assert_int_equal(f->state.fails, 7);
    assert_true(f->state.expire_us == INT64_C(5400000000));
    assert_int_equal(f->state.policy, SEQUENTIAL);
    assert_int_equal(f->state.except.n, 3);
    assert_string_equal(f->state.custom, "2");
}

static void options_stand_on_one_line_where_coredns_lets_them(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_options(f, "forward . x { max_fails 1 }\nforward . y"), 0);
    assert_int_equal(f->state.fails, 1);
    assert_int_equal(run_options(f, "forward . x { except a b }\nforward . y"), 0);
    assert_int_equal(f->state.except.n, 2);
    assert_int_equal(run_options(f, "forward . x { force_tcp }\nforward . y"), -1);
    assert_int_equal(f->errs.n, 1);
    assert_non_null(
        strstr(last_error(f), "after '}': put the '}' on a line of its own"));
    assert_int_equal(run_options(f, "forward . x { pair 1 2 }\nforward . y"), -1);
    assert_int_equal(f->errs.n, 1);
}

static void wrong_options_are_told_with_a_mend(void **state)
{
    static const char *const rows[][2] = {
        {"polici random", "unknown property 'polici', did you mean 'policy'?"},
        {"nosuch x",
         "unknown property 'nosuch': expected force_tcp, max_fails, expire, "
         "policy, except, pair or timeout"},
        {"policy fastest",
         "unknown policy 'fastest': expected random, round_robin or sequential"},
        {"max_fails 1001", "max_fails: invalid number '1001': expected 0 to 1000"},
        {"max_fails",
         "Wrong argument count or unexpected line ending after 'max_fails'"},
        {"max_fails 1 2", "Wrong argument count or unexpected line ending after '2'"},
        {"expire -1s", "expire can't be negative: -1s"},
        {"timeout 0s", "timeout must be positive: 0s"},
        {"timeout 1us", "timeout is too short: 1us: expected at least 1ms"},
        {"timeout 2m", "timeout is too long: 2m: expected at most 1m30s"},
        {"force_tcp yes", "Wrong argument count or unexpected line ending after 'yes'"},
        {"except", "Wrong argument count or unexpected line ending after 'except'"},
        {"tls a b", "property 'tls' is not supported: TLS comes later"},
        {"pair 1", "Wrong argument count or unexpected line ending after '1'"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *body = arena_printf(&f->arena, "forward . x {\n%s\n}", rows[i][0]);
        assert_non_null(body);
        assert_int_equal(run_options(f, body), -1);
        assert_int_equal(f->errs.n, 1);
        assert_int_equal(error_of(&f->errs, 0)->at.line, 3);
        const char *text = last_error(f) + strlen("plugin/forward: ");
        assert_ptr_equal(strstr(text, rows[i][1]), text);
    }
}

static void reading_goes_on_after_a_wrong_option(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run_options(f, "forward . x {\n nosuch {\n  inner {\n  }\n }\n"
                                    " max_fails 3\n tls a b\n expire x y\n}\n"
                                    "forward . y {\n polici z\n force_tcp\n}"),
                     -1);
    assert_int_equal(f->errs.n, 4);
    assert_int_equal(error_of(&f->errs, 0)->at.line, 3);
    assert_int_equal(error_of(&f->errs, 1)->at.line, 8);
    assert_int_equal(error_of(&f->errs, 2)->at.line, 9);
    assert_int_equal(error_of(&f->errs, 3)->at.line, 12);
    assert_int_equal(f->state.fails, 3);
    assert_true(f->state.force);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lines_and_blocks_are_seen_as_caddy_shows_them),
        TEST(errors_carry_the_place_and_the_plugin),
        TEST(one_argument_means_one),
        TEST(no_argument_means_none),
        TEST(numbers_lie_between_their_bounds),
        TEST(wrong_durations_are_told_in_gos_words),
        TEST(options_fill_their_fields),
        TEST(options_stand_on_one_line_where_coredns_lets_them),
        TEST(wrong_options_are_told_with_a_mend),
        TEST(reading_goes_on_after_a_wrong_option),
    };
    return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
