#include "resolver/msg.h"
#include "tests/unit/build.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static int teardown(void **unused)
{
    build_release();
    return 0;
}

enum { PASSES = -2, SILENT = -1 };

struct judged {
    const char *acl; /* lines of the block */
    const char *name;
    uint16_t type; /* 0: A */
    const char *peer;
    int ede; /* PASSES, SILENT, or the extended error of the answer */
};

/* whoami answers what passes. */
static int judge(const struct judged *j)
{
    struct world w;
    char corefile[600], text[80];
    snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", j->acl);
    world_load(&w, corefile);
    uint64_t client = world_ask_as(
        &w, &(struct world_question){
                .name = j->name, .type = j->type, .peer = j->peer, .edns = true});
    int ede = world_ede(&w, client, text, sizeof text);
    int rcode = world_rcode(&w, client);
    world_close(&w);
    if (rcode < 0)
        return SILENT;
    if (ede < 0)
        return PASSES;
    assert_int_equal(rcode, ede == EDE_BLOCKED ? DNS_REFUSED : DNS_NOERROR);
    return ede;
}

static void judge_all(const struct judged *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int ede = judge(&list[i]);
        if (ede != list[i].ede)
            fail_msg("%s\n%s from %s: %d, not %d", list[i].acl, list[i].name,
                     list[i].peer, ede, list[i].ede);
    }
}
#define JUDGE(list) judge_all(list, sizeof(list) / sizeof *(list))

static void the_first_policy_that_fits_decides(void **unused)
{
#define RULES                                                                          \
    "acl {\n allow net 10.1.0.0/16\n block type A net 10.0.0.0/8\n"                    \
    " filter type AAAA TXT net *\n drop net 2001:db8::1 192.0.2.7\n}"
    static const struct judged list[] = {
        {RULES, "a.test", DNS_A, "10.1.2.3", PASSES},
        {RULES, "a.test", DNS_A, "10.2.2.3", EDE_BLOCKED},
        {RULES, "a.test", DNS_MX, "10.2.2.3", PASSES},
        {RULES, "a.test", DNS_TXT, "10.2.2.3", EDE_FILTERED},
        {RULES, "a.test", DNS_AAAA, "2001:db8::2", EDE_FILTERED},
        {RULES, "a.test", DNS_A, "2001:db8::1", SILENT},
        {RULES, "a.test", DNS_A, "2001:db8::2", PASSES},
        {RULES, "a.test", DNS_A, "192.0.2.7", SILENT},
        {RULES, "a.test", DNS_A, "192.0.2.8", PASSES},
    };
    JUDGE(list);
}

static void a_missing_part_means_all(void **unused)
{
    static const struct judged list[] = {
        {"acl {\n block\n}", "a.test", 0, NULL, EDE_BLOCKED},
        {"acl {\n block type *\n}", "a.test", 0, "::1", EDE_BLOCKED},
        {"acl {\n block net *\n}", "a.test", DNS_ANY, "::1", EDE_BLOCKED},
        {"acl {\n BLOCK type MX type A\n}", "a.test", DNS_A, NULL, EDE_BLOCKED},
        {"acl {\n Filter net 10.0.0.0/8 type A net 192.0.2.0/24\n}", "a.test", DNS_A,
         NULL, EDE_FILTERED},
        {"acl {\n block TYPE A Net 192.0.2.0/24\n}", "a.test", DNS_A, NULL,
         EDE_BLOCKED},
        {"acl {\n block type * is not looked at\n}", "a.test", DNS_A, NULL,
         EDE_BLOCKED},
        {"acl {\n block type TYPE65280\n}", "a.test", 65280, NULL, EDE_BLOCKED},
    };
    JUDGE(list);
}

static void a_line_guards_its_zones_and_the_next_line_the_rest(void **unused)
{
#define TWO                                                                            \
    "acl a.test 10.0.0.0/8 {\n allow net 192.0.2.99\n block\n}\n"                      \
    "acl test {\n filter\n}"
    static const struct judged list[] = {
        {TWO, "x.A.test", 0, NULL, PASSES},
        {TWO, "x.a.test", 0, "192.0.2.1", EDE_BLOCKED},
        {TWO, "xa.test", 0, NULL, EDE_FILTERED},
        {TWO, "1.2.3.10.in-addr.arpa", DNS_PTR, "192.0.2.1", EDE_BLOCKED},
        {TWO, "other", 0, "192.0.2.1", PASSES},
        {"acl a..b {\n block\n}", "a.test", 0, NULL, PASSES},
        {"acl a..b b.test {\n block\n}", "b.test", 0, NULL, EDE_BLOCKED},
    };
    JUDGE(list);
}

/* Guarding any of the names must be enough, by whichever rule they came together. */
static void what_either_name_is_denied_is_denied(void **unused)
{
#define SUFFIX "rewrite name suffix .out.test .in.test answer auto\n"
    static const struct judged list[] = {
        {SUFFIX "acl in.test {\n block\n}", "x.out.test", 0, NULL, EDE_BLOCKED},
        {SUFFIX "acl out.test {\n block\n}", "x.out.test", 0, NULL, EDE_BLOCKED},
        {SUFFIX "acl other.test {\n block\n}", "x.out.test", 0, NULL, PASSES},
        {SUFFIX "acl out.test {\n allow\n}\nacl in.test {\n block\n}", "x.out.test", 0,
         NULL, EDE_BLOCKED},
        {SUFFIX "acl in.test {\n allow\n}\nacl out.test {\n block\n}", "x.out.test", 0,
         NULL, EDE_BLOCKED},
        {SUFFIX "acl in.test {\n allow\n}\nacl out.test {\n drop\n}", "x.in.test", 0,
         NULL, PASSES},
        {"rewrite type TXT A\nacl {\n block type A\n}", "x.test", DNS_TXT, NULL,
         EDE_BLOCKED},
        {"rewrite type TXT A\nacl {\n block type TXT\n}", "x.test", DNS_TXT, NULL,
         EDE_BLOCKED},
        {"rewrite name exact a.test b.test\nacl b.test {\n block\n}", "A.test", 0, NULL,
         EDE_BLOCKED},
#define CLUSTER "cluster b.lan {\n dns 10.0.0.1\n}\n"
        {CLUSTER "acl svc.cluster.local {\n block\n}", "x.svc.b.lan", 0, NULL,
         EDE_BLOCKED},
        {CLUSTER "acl b.lan {\n block\n}", "x.b.lan", 0, NULL, EDE_BLOCKED},
        {CLUSTER "acl cluster.local {\n allow\n}\nacl b.lan {\n filter\n}", "x.b.lan",
         0, NULL, EDE_FILTERED},
        {CLUSTER "acl cluster.local {\n block\n}", "x.lan", 0, NULL, PASSES},
    };
    JUDGE(list);
}

/* The cache stands behind acl: what one client may have is no answer for another. */
static void a_cached_answer_is_judged_again(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    world_load(&w, ". {\n acl {\n allow net 10.0.0.0/8\n block\n }\n cache\n"
                   " forward . 10.0.0.1\n}\n");
    struct world_question good = {.name = "a.test", .peer = "10.9.9.9"};
    struct world_question bad = {.name = "a.test", .peer = "192.0.2.1"};
    assert_string_equal(
        show_through(&w, &good, "! -ra\na.test A\na.test 60 A 192.0.2.1\n", text),
        "NOERROR\nAN a.test. 60 IN A 192.0.2.1\n");
    assert_string_equal(show_through(&w, &good, NULL, text),
                        "NOERROR aa\nAN a.test. 60 IN A 192.0.2.1\n");
    assert_string_equal(show_through(&w, &bad, NULL, text), "REFUSED\n");
    bad.transport = TRANSPORT_TCP;
    assert_string_equal(show_through(&w, &bad, NULL, text), "REFUSED\n");
    world_close(&w);
}

static void what_cannot_be_meant_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"acl {\n deny\n}", "unexpected token \"deny\""},
        {"acl {\n block type NONE\n}", "expect legal QTYPE"},
        {"acl {\n block type a\n}", "expect legal QTYPE"},
        {"acl {\n block net 10.0.0.0/33\n}", "illegal CIDR notation \"10.0.0.0/33\""},
        {"acl {\n block net 10.0.0\n}", "illegal CIDR notation \"10.0.0\""},
        {"acl {\n block net host.test\n}", "illegal CIDR notation"},
        {"acl {\n block A\n}", "unexpected token \"A\"; expect 'type | net'"},
        {"acl {\n block type net 10.0.0.0/8\n}", "no token specified in \"type\""},
        {"acl {\n block net NET 10.0.0.0/8\n}", "no token specified in \"net\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_policy_that_fits_decides),
        cmocka_unit_test(a_missing_part_means_all),
        cmocka_unit_test(a_line_guards_its_zones_and_the_next_line_the_rest),
        cmocka_unit_test(what_either_name_is_denied_is_denied),
        cmocka_unit_test_teardown(a_cached_answer_is_judged_again, teardown),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests_name("acl", tests, NULL, NULL);
}
