#include "base/cursor.h"
#include "resolver/msg.h"
#include "tests/unit/build.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static int teardown(void **unused)
{
    build_release();
    return 0;
}

/* A resolv.conf of the test's own; % in a Corefile is its path. */
static char path[32];

static void load(struct world *w, const char *file, const char *corefile)
{
    char text[800];
    snprintf(path, sizeof path, "/tmp/autopath-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file, strlen(file)), strlen(file));
    close(fd);
    const char *mark = strchr(corefile, '%');
    snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - corefile), corefile, path,
             mark + 1);
    world_load(w, text);
}

static void end(struct world *w)
{
    world_close(w);
    unlink(path);
}

#define SEARCH "# ours\nsearch a.test b.test. C.test\nnameserver 127.0.0.1\n"
#define BLOCK  ". {\n autopath %\n forward . 10.0.0.1\n}\n"

/* "www.test.": what was asked of the upstream. */
static const char *asked(const struct fake_sent *s)
{
    char *out = build_keep(NAME_TEXT_MAX);
    name_print(s->wire + DNS_HEADER_LEN, out);
    return out;
}

struct step {
    const char *asked, *answer;
};

static const char *play(const char *file, const char *name, const struct step *steps)
{
    struct world w;
    char *text = build_keep(SHOW_MAX);
    load(&w, file, BLOCK);
    uint64_t client = world_ask(&w, name);
    for (; steps->asked != NULL; steps++) {
        struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
        assert_string_equal(asked(s), steps->asked);
        struct world_answer a = {.message = build_answer(steps->answer)};
        world_answer(&w, s, &a);
    }
    world_expect_silence(&w);
    show_reply(&w, client, text);
    end(&w);
    return text;
}

#define NX(name)                                                                       \
    {                                                                                  \
        name ".", "! -ra aa NXDOMAIN\n" name " A\n"                                    \
    }

static void suffixes_are_tried_until_one_exists(void **unused)
{
    static const struct step third[] = {
        NX("Www.a.test"),
        NX("Www.b.test"),
        {"Www.c.test.",
         "! -ra aa\nWww.c.test A\nwww.c.test 60 CNAME x.test\nx.test 50 A 192.0.2.1\n"
         "authority\ntest 60 NS n.test\n"},
        {0}};
    static const struct step bare[] = {
        NX("www.x.a.test"),
        NX("www.x.b.test"),
        NX("www.x.c.test"),
        {"www.x.", "! -ra\nwww.x A\nwww.x 60 A 192.0.2.1\n"},
        {0}};
    assert_string_equal(play(SEARCH, "Www.a.test", third),
                        "NOERROR aa\nAN Www.a.test. 60 IN CNAME Www.c.test.\n"
                        "AN Www.c.test. 60 IN CNAME x.test.\n"
                        "AN x.test. 50 IN A 192.0.2.1\nNS test. 60 IN NS n.test.\n");
    assert_string_equal(play(SEARCH, "www.x.a.test", bare),
                        "NOERROR\nAN www.x.a.test. 60 IN CNAME www.x.\n"
                        "AN www.x. 60 IN A 192.0.2.1\n");
}

static void any_answer_but_nxdomain_ends_the_search(void **unused)
{
    static const struct step first[] = {
        {"www.a.test.", "! -ra aa\nwww.a.test A\nwww.a.test 60 CNAME x.test\n"
                        "x.test 50 A 192.0.2.1\n"},
        {0}};
    static const struct step nodata[] = {NX("www.a.test"),
                                         {"www.b.test.",
                                          "! -ra aa\nwww.b.test A\nauthority\n"
                                          "b.test 5 SOA n.test h.test 1 2 3 4 5\n"},
                                         {0}};
    static const struct step refused[] = {
        NX("www.a.test"), {"www.b.test.", "! -ra REFUSED\nwww.b.test A\n"}, {0}};
    assert_string_equal(play(SEARCH, "www.a.test", first),
                        "NOERROR aa\nAN www.a.test. 60 IN CNAME x.test.\n"
                        "AN x.test. 50 IN A 192.0.2.1\n");
    assert_string_equal(play(SEARCH, "www.a.test", nodata),
                        "NOERROR aa\nNS b.test. 5 IN SOA n.test. h.test. 1 2 3 4 5\n");
    assert_string_equal(play(SEARCH, "www.a.test", refused), "REFUSED\n");
}

static void when_nothing_exists_the_first_answer_stands(void **unused)
{
    static const struct step none[] = {{"www.a.test.",
                                        "! -ra aa NXDOMAIN\nwww.a.test A\nauthority\n"
                                        "a.test 5 SOA n.test h.test 1 2 3 4 5\n"},
                                       NX("www.b.test"),
                                       NX("www.c.test"),
                                       NX("www"),
                                       {0}};
    assert_string_equal(play(SEARCH, "www.a.test", none),
                        "NXDOMAIN aa\nNS a.test. 5 IN SOA n.test. h.test. 1 2 3 4 5\n");
}

static void names_that_no_search_made_are_left_alone(void **unused)
{
    static const char *const names[] = {"a.test", "www.b.test", "xa.test", "www.test"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char answer[100], name[40];
        snprintf(answer, sizeof answer, "! -ra NXDOMAIN\n%s A\n", names[i]);
        snprintf(name, sizeof name, "%s.", names[i]);
        struct step steps[] = {{name, answer}, {0}};
        assert_string_equal(play(SEARCH, names[i], steps), "NXDOMAIN\n");
    }
}

static void the_last_search_or_domain_line_counts(void **unused)
{
    static const struct step domain[] = {
        NX("www.d.test"), {"www.", "! -ra\nwww A\nwww 60 A 192.0.2.1\n"}, {0}};
    static const struct step none[] = {NX("www.a.test"), {0}};
    assert_string_equal(play(SEARCH "domain d.test", "www.d.test", domain),
                        "NOERROR\nAN www.d.test. 60 IN CNAME www.\n"
                        "AN www. 60 IN A 192.0.2.1\n");
    assert_string_equal(play("nameserver ::1\n", "www.a.test", none), "NXDOMAIN aa\n");
    assert_string_equal(play("search a.test\nsearch\n", "www.a.test", none),
                        "NXDOMAIN aa\n");
}

static void names_outside_its_zones_are_left_alone(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    struct world_question q = {.name = "www.a.test"};
    load(&w, SEARCH, ". {\n autopath b.test other %\n forward . 10.0.0.1\n}\n");
    assert_string_equal(show_through(&w, &q, "! -ra NXDOMAIN\nwww.a.test A\n", text),
                        "NXDOMAIN\n");
    end(&w);
}

/* What the search finds is judged like any question (reliability H1). */
static void policy_holds_for_each_name_of_the_search(void **unused)
{
    static const char *const acls[] = {"b.test", "a.test", "."};
    for (size_t i = 0; i < 3; i++) {
        struct world w;
        char text[SHOW_MAX], corefile[300];
        snprintf(corefile, sizeof corefile,
                 ". {\n autopath %%\n acl %s {\n block\n }\n hosts {\n"
                 " 192.0.2.1 www.b.test\n }\n}\n",
                 acls[i]);
        load(&w, SEARCH, corefile);
        show_asked(&w, "www.a.test", DNS_A, text);
        assert_null(strstr(text, "192.0.2.1"));
        end(&w);
    }
}

/* hosts says SERVFAIL, without an error, for names it does not have. */
static void a_plugins_own_no_goes_on_with_the_search(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    load(&w, SEARCH, ". {\n autopath %\n hosts {\n 192.0.2.1 www.c.test\n }\n}\n");
    assert_string_equal(show_asked(&w, "www.a.test", DNS_A, text),
                        "NOERROR aa\nAN www.a.test. 3600 IN CNAME www.c.test.\n"
                        "AN www.c.test. 3600 IN A 192.0.2.1\n");
    assert_string_equal(show_asked(&w, "no.a.test", DNS_A, text), "SERVFAIL\n");
    end(&w);
}

static void a_server_that_is_away_ends_the_search(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    load(&w, SEARCH, BLOCK);
    uint64_t client = world_ask(&w, "www.a.test");
    struct world_answer a = {.message =
                                 build_answer("! -ra aa NXDOMAIN\nwww.a.test A\n")};
    world_answer(&w, world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP), &a);
    world_run(&w, 11000);
    assert_string_equal(show_reply(&w, client, text), "NXDOMAIN aa\n");
    for (struct fake_sent *s; (s = fake_io_take(w.io)) != NULL;)
        assert_true(strcmp(asked(s), "www.b.test.") == 0 || asked(s)[0] == '.');
    end(&w);
}

static void the_search_goes_through_the_cache(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    load(&w, SEARCH, ". {\n autopath %\n cache\n forward . 10.0.0.1\n}\n");
    uint64_t client = world_ask(&w, "www.a.test");
    static const char *const answers[] = {
        "! -ra NXDOMAIN\nwww.a.test A\nauthority\ntest 60 SOA n.test h.test 1 2 3 4 9\n",
        "! -ra\nwww.b.test A\nwww.b.test 60 A 192.0.2.1\n"};
    for (int i = 0; i < 2; i++) {
        struct world_answer a = {.message = build_answer(answers[i])};
        world_answer(&w, world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP), &a);
    }
#define FOUND(ttl)                                                                     \
    "AN www.a.test. " #ttl " IN CNAME www.b.test.\n"                                   \
    "AN www.b.test. " #ttl " IN A 192.0.2.1\n"
    assert_string_equal(show_reply(&w, client, text), "NOERROR\n" FOUND(60));
    world_run(&w, 5000);
    struct world_question q = {.name = "www.a.test"};
    assert_string_equal(show_through(&w, &q, NULL, text), "NOERROR aa\n" FOUND(55));
    end(&w);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"autopath", "no resolv-conf specified"},
        {"autopath @kubernetes", "search lists of @kubernetes are not known here"},
        {"autopath /nonexistent/resolv.conf",
         "plugin/autopath: failed to parse \"/nonexistent/resolv.conf\""},
        {"autopath /etc/passwd {\n x\n}", "x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        if (strstr(text, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], text);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(suffixes_are_tried_until_one_exists),
        TEST(any_answer_but_nxdomain_ends_the_search),
        TEST(when_nothing_exists_the_first_answer_stands),
        TEST(names_that_no_search_made_are_left_alone),
        TEST(the_last_search_or_domain_line_counts),
        TEST(names_outside_its_zones_are_left_alone),
        TEST(policy_holds_for_each_name_of_the_search),
        TEST(a_plugins_own_no_goes_on_with_the_search),
        TEST(a_server_that_is_away_ends_the_search),
        TEST(the_search_goes_through_the_cache),
        TEST(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("autopath", tests, NULL, NULL);
}
