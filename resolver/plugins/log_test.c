#include "tests/unit/capture.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* What a block of these lines logs for one question. */
static const char *logged(const char *lines, const char *name, struct capture *c)
{
    struct world w;
    char corefile[512];
    snprintf(corefile, sizeof corefile, ". {\n %s\n whoami\n}\n", lines);
    world_load(&w, corefile);
    capture_start(c);
    world_ask(&w, name);
    capture_stop(c);
    world_close(&w);
    return c->text;
}

static void default_line_is_coredns(void **unused)
{
    struct capture c;
    assert_string_equal(
        logged("log", "WWW.test", &c),
        "[INFO] 192.0.2.99:1024 - 1 \"A IN www.test. udp 26 false 512\" "
        "NOERROR qr,aa,rd 82 0.000000000s\n");
}

struct row {
    const char *lines, *name, *text;
};

static void expect(const struct row *rows, size_t n)
{
    struct capture c;
    for (size_t i = 0; i < n; i++)
        assert_string_equal(logged(rows[i].lines, rows[i].name, &c), rows[i].text);
}
#define EXPECT(rows) expect(rows, sizeof(rows) / sizeof *(rows))

static void first_rule_whose_name_covers_the_question_decides(void **unused)
{
    static const struct row rows[] = {
        {"log a.test B.test \"{name}\"", "x.a.test", "[INFO] x.a.test.\n"},
        {"log a.test B.test \"{name}\"", "b.test", "[INFO] b.test.\n"},
        {"log a.test B.test \"{name}\"", "c.test", ""},
        {"log a.test \"1 {type}\"\n log . \"2 {type}\"", "a.test", "[INFO] 1 A\n"},
        {"log a.test \"1 {type}\"\n log . \"2 {type}\"", "b.test", "[INFO] 2 A\n"},
        {"log a.test \"1 {type}\" {\n class error\n }\n log . \"2 {type}\"", "a.test",
         ""},
    };
    EXPECT(rows);
}

static void a_format_is_the_last_of_several_arguments_with_a_brace(void **unused)
{
    static const struct row rows[] = {
        {"log . \"{type} {name}\"", "www.test", "[INFO] A www.test.\n"},
        {"log {type}", "www.test", ""},
        {"log \"\" \"{name}\"", "www.test", "[INFO] www.test.\n"},
        {"log a..b test \"{name}\"", "www.test", "[INFO] www.test.\n"},
        {"log {type}", "x.{type}",
         "[INFO] 192.0.2.99:1024 - 1 \"A IN x.{type}. udp 26 false 512\" NOERROR "
         "qr,aa,rd 82 0.000000000s\n"},
    };
    EXPECT(rows);
}

/* A zone with which each kind of answer can be had. */
#define ZONE                                                                           \
    "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nsub NS ns.sub\n"          \
    "alias CNAME nowhere\n"

static const char *const kinds[] = {"success", "denial", "error"};

/* Whether a question of a zone (or of what is not there) is logged for a class. */
static bool is_logged(const char *path, const char *class, const char *name)
{
    struct world w;
    struct capture c;
    char corefile[512];
    snprintf(corefile, sizeof corefile,
             ". {\n log . \"{name}\" {\n class %s\n }\n file %s test\n}\n"
             "whoami.test {\n log . \"{name}\" {\n class %s\n }\n whoami\n}\n",
             class, path, class);
    world_load(&w, corefile);
    capture_start(&c);
    world_ask(&w, name);
    capture_stop(&c);
    world_close(&w);
    return c.text[0] != '\0';
}

static void each_answer_has_one_class(void **unused)
{
    static const struct {
        const char *name, *class;
    } rows[] = {{"ns.test", "success"},     {"x.sub.test", "success"},
                {"whoami.test", "success"}, {"nx.test", "denial"},
                {"test", "denial"},         {"alias.test", "denial"},
                {"elsewhere", "error"}};
    char path[] = "/tmp/log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, ZONE, sizeof ZONE - 1), sizeof ZONE - 1);
    close(fd);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < 3; k++) {
            bool wanted = strcmp(kinds[k], rows[i].class) == 0;
            assert_int_equal(is_logged(path, kinds[k], rows[i].name), wanted);
        }
        assert_true(is_logged(path, "all", rows[i].name));
        assert_true(is_logged(path, "error denial success", rows[i].name));
    }
    unlink(path);
}

static void failures_are_logged_as_if_they_were_answers(void **unused)
{
    struct world w;
    struct capture c;
    world_load(&w, ". {\n log\n}\n");
    capture_start(&c);
    world_ask(&w, "www.test");
    assert_string_equal(
        capture_stop(&c),
        "[INFO] 192.0.2.99:1024 - 1 \"A IN www.test. udp 26 false 512\" "
        "SERVFAIL qr,rd 26 0.000000000s\n");
    world_close(&w);
}

/* `erratic` and `acl` send nothing; the name is the client's, whatever became of it. */
static void dropped_questions_are_logged_as_errors(void **unused)
{
    static const struct row rows[] = {
        {"log . \"{name} {rcode} {>rflags} {rsize}\"\n acl {\n drop\n }", "WWW.test",
         "[INFO] www.test. - - 0\n"},
        {"log . \"{name} {type}\" {\n class error\n }\n"
         "rewrite continue type A MX\n rewrite name a.test b.test\n acl {\n drop\n }",
         "A.test", "[INFO] a.test. MX\n"},
        {"log {\n class success denial\n }\n acl {\n drop\n }", "www.test", ""},
    };
    EXPECT(rows);
}

static void what_is_wrong_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"log {\n class\n }", "Wrong argument count"},
        {"log {\n class good\n }", "invalid Class: good"},
        {"log {\n clas all\n }", "did you mean 'class'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n %s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, "plugin/log: "));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_line_is_coredns),
        cmocka_unit_test(first_rule_whose_name_covers_the_question_decides),
        cmocka_unit_test(a_format_is_the_last_of_several_arguments_with_a_brace),
        cmocka_unit_test(each_answer_has_one_class),
        cmocka_unit_test(failures_are_logged_as_if_they_were_answers),
        cmocka_unit_test(dropped_questions_are_logged_as_errors),
        cmocka_unit_test(what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
