#include "resolver/plugin.h"

#include "resolver/feed.h"
#include "resolver/rdata.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

/* A hosts file of the test's own; % in a Corefile is its path. */
struct rig {
    struct world w;
    char path[32];
};

static void write_file(const struct rig *r, const char *text)
{
    FILE *out = fopen(r->path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void begin(struct rig *r, const char *file, const char *corefile)
{
    char text[2048];
    snprintf(r->path, sizeof r->path, "/tmp/hosts-XXXXXX");
    int fd = mkstemp(r->path);
    assert_true(fd >= 0);
    close(fd);
    write_file(r, file);
    /* The path stands in the Corefile once at most. */
    const char *mark = strchr(corefile, '%');
    int before = mark == NULL ? (int)strlen(corefile) : (int)(mark - corefile);
    snprintf(text, sizeof text, "%.*s%s%s", before, corefile,
             mark == NULL ? "" : r->path, mark == NULL ? "" : mark + 1);
    world_load(&r->w, text);
}

static void end(struct rig *r)
{
    world_close(&r->w);
    unlink(r->path);
}

struct question {
    const char *name;
    uint16_t type;
    const char *reply;
};

static void expect(struct rig *r, const struct question *list, size_t n)
{
    char text[SHOW_MAX];
    for (size_t i = 0; i < n; i++)
        assert_string_equal(show_asked(&r->w, list[i].name, list[i].type, text),
                            list[i].reply);
}
#define EXPECT(r, list) expect(r, list, sizeof(list) / sizeof *(list))

/* whoami stands behind hosts: its answer shows that a question was sent on. */
#define NEXT(name)                                                                     \
    "NOERROR aa\nAR " name ". 0 IN A 192.0.2.99\nAR _tcp." name                        \
    ". 0 IN SRV 0 0 1024 .\n"

static void file_and_corefile_answer_together_file_first(void **unused)
{
    static const struct question list[] = {
        {"a.test", DNS_A,
         "NOERROR aa\nAN a.test. 3600 IN A 10.0.0.1\nAN a.test. 3600 IN A 10.0.0.9\n"},
        {"b.test", DNS_A, "NOERROR aa\nAN b.test. 3600 IN A 10.0.0.1\n"},
        {"own.test", DNS_A, "NOERROR aa\nAN own.test. 3600 IN A 10.0.0.9\n"},
        {"a.test", DNS_AAAA, "NOERROR aa\nAN a.test. 3600 IN AAAA 2001:db8::1\n"},
    };
    struct rig r;
    begin(&r, "10.0.0.1 a.test b.test\n2001:db8::1 a.test\n",
          ". {\n hosts % {\n 10.0.0.9 a.test own.test\n }\n}\n");
    EXPECT(&r, list);
    end(&r);
}

static void lines_that_are_no_entry_are_passed_over(void **unused)
{
    static const struct question list[] = {
        {"good.test", DNS_A, "NOERROR aa\nAN good.test. 3600 IN A 10.0.0.2\n"},
        {"x.test", DNS_A, "SERVFAIL\n"},
        {"late.test", DNS_AAAA, "NOERROR aa\nAN late.test. 3600 IN AAAA fe80::1\n"},
        {"mapped.test", DNS_A, "NOERROR aa\nAN mapped.test. 3600 IN A 10.0.0.4\n"},
        {"last.test", DNS_A, "NOERROR aa\nAN last.test. 3600 IN A 10.0.0.5\n"},
    };
    struct rig r;
    begin(&r,
          "# 10.0.0.1 x.test\n\n10.0.0.1\nnot-an-ip x.test\n10.0.0.256 x.test\n"
          "10.0.0.1 x..test\n\t10.0.0.2\tgood.test # x.test\r\n"
          "fe80::1%nowhere0 late.test\n::ffff:10.0.0.4 mapped.test\n10.0.0.5 last.test",
          ". {\n hosts %\n}\n");
    EXPECT(&r, list);
    end(&r);
}

static void a_name_known_by_another_type_has_an_empty_answer(void **unused)
{
    static const struct question list[] = {
        {"a.test", DNS_AAAA, "NOERROR aa\n"},
        {"a.test", DNS_MX, "NOERROR aa\n"},
        {"six.test", DNS_A, "NOERROR aa\n"},
    };
    struct rig r;
    begin(&r, "10.0.0.1 a.test\n2001:db8::6 six.test\n",
          ". {\n hosts % {\n fallthrough\n }\n whoami\n}\n");
    EXPECT(&r, list);
    end(&r);
}

static void an_unknown_name_is_servfail_without_fallthrough(void **unused)
{
    static const struct question list[] = {
        {"nx.test", DNS_A, "SERVFAIL\n"},
        {"nx.test", DNS_TXT, "SERVFAIL\n"},
    };
    struct rig r;
    begin(&r, "10.0.0.1 a.test\n", ". {\n hosts %\n whoami\n}\n");
    EXPECT(&r, list);
    end(&r);
}

static void fallthrough_sends_on_what_lies_in_its_zones(void **unused)
{
    static const struct question list[] = {
        {"nx.in.test", DNS_A, NEXT("nx.in.test")},
        {"nx.out.test", DNS_A, "SERVFAIL\n"},
        {"a.in.test", DNS_A, "NOERROR aa\nAN a.in.test. 3600 IN A 10.0.0.1\n"},
    };
    struct rig r;
    begin(&r, "10.0.0.1 a.in.test\n",
          ". {\n hosts % {\n fallthrough in.test\n }\n whoami\n}\n");
    EXPECT(&r, list);
    end(&r);
}

static void fallthrough_unsupported_sends_other_types_on(void **unused)
{
    static const struct question list[] = {
        {"a.test", DNS_MX, NEXT("a.test")},
        {"a.test", DNS_AAAA, "NOERROR aa\n"},
    };
    struct rig r;
    begin(&r, "10.0.0.1 a.test\n",
          ". {\n hosts % {\n fallthrough\n fallthrough_unsupported\n }\n whoami\n}\n");
    EXPECT(&r, list);
    end(&r);
}

static void names_outside_the_zones_are_neither_read_nor_answered(void **unused)
{
    static const struct question list[] = {
        {"a.in.test", DNS_A, "NOERROR aa\nAN a.in.test. 3600 IN A 10.0.0.1\n"},
        {"a.out.test", DNS_A, NEXT("a.out.test")},
        {"2.0.0.10.in-addr.arpa", DNS_PTR, NEXT("2.0.0.10.in-addr.arpa")},
    };
    struct rig r;
    begin(&r, "10.0.0.1 a.in.test\n10.0.0.2 a.out.test\n",
          ". {\n hosts % in.test\n whoami\n}\n");
    EXPECT(&r, list);
    end(&r);
}

#define SIX "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"

static void addresses_lead_to_all_their_names_from_any_zone(void **unused)
{
    static const struct question list[] = {
        {"1.0.0.10.in-addr.arpa", DNS_PTR,
         "NOERROR aa\nAN 1.0.0.10.in-addr.arpa. 3600 IN PTR a.test.\n"
         "AN 1.0.0.10.in-addr.arpa. 3600 IN PTR b.test.\n"
         "AN 1.0.0.10.in-addr.arpa. 3600 IN PTR own.test.\n"},
        {SIX, DNS_PTR, "NOERROR aa\nAN " SIX ". 3600 IN PTR six.test.\n"},
        {"2.0.0.10.in-addr.arpa", DNS_PTR, NEXT("2.0.0.10.in-addr.arpa")},
        {"0.0.10.in-addr.arpa", DNS_PTR, NEXT("0.0.10.in-addr.arpa")},
        {"3.0.0.10.in-addr.arpa", DNS_PTR, NEXT("3.0.0.10.in-addr.arpa")},
        {"nonsense.test", DNS_PTR, NEXT("nonsense.test")},
    };
    struct rig r;
    begin(&r, "10.0.0.1 a.test b.test\n2001:db8::1 six.test\n10.0.0.3 *.star.test\n",
          ". {\n hosts % test {\n 10.0.0.1 own.test\n }\n whoami\n}\n");
    EXPECT(&r, list);
    end(&r);
}

static void no_reverse_sends_every_address_on(void **unused)
{
    static const struct question list[] = {
        {"1.0.0.10.in-addr.arpa", DNS_PTR, NEXT("1.0.0.10.in-addr.arpa")},
        {"a.test", DNS_A, "NOERROR aa\nAN a.test. 3600 IN A 10.0.0.1\n"},
        {"own.test", DNS_A, "NOERROR aa\nAN own.test. 3600 IN A 10.0.0.1\n"},
    };
    struct rig r;
    begin(&r, "10.0.0.1 a.test\n",
          ". {\n hosts % {\n 10.0.0.1 own.test\n no_reverse\n }\n whoami\n}\n");
    EXPECT(&r, list);
    end(&r);
}

static void a_wildcard_stands_for_exactly_one_label(void **unused)
{
    static const struct question list[] = {
        {"x.star.test", DNS_A, "NOERROR aa\nAN x.star.test. 3600 IN A 10.0.0.1\n"},
        {"star.test", DNS_A, "SERVFAIL\n"},
        {"x.y.star.test", DNS_A, "SERVFAIL\n"},
        {"own.star.test", DNS_A, "NOERROR aa\nAN own.star.test. 3600 IN A 10.0.0.2\n"},
        {"own.star.test", DNS_AAAA,
         "NOERROR aa\nAN own.star.test. 3600 IN AAAA 2001:db8::1\n"},
        {"x.star.test", DNS_TXT, "NOERROR aa\n"},
    };
    struct rig r;
    begin(&r, "10.0.0.1 *.star.test\n2001:db8::1 *.star.test\n10.0.0.2 own.star.test\n",
          ". {\n hosts %\n}\n");
    EXPECT(&r, list);
    end(&r);
}

static void names_match_in_any_case_and_ttl_is_as_written(void **unused)
{
    static const struct question list[] = {
        {"A.TesT", DNS_A, "NOERROR aa\nAN A.TesT. 77 IN A 10.0.0.1\n"},
        {"1.0.0.10.IN-ADDR.arpa", DNS_PTR,
         "NOERROR aa\nAN 1.0.0.10.IN-ADDR.arpa. 77 IN PTR a.test.\n"},
    };
    struct rig r;
    begin(&r, "10.0.0.1 a.TEST\n", ". {\n hosts % {\n ttl 77\n }\n}\n");
    EXPECT(&r, list);
    end(&r);
}

static void a_changed_file_is_read_again_and_a_lost_one_is_kept(void **unused)
{
    static const struct question first[] = {
        {"a.test", DNS_A, "NOERROR aa\nAN a.test. 3600 IN A 10.0.0.1\n"}};
    static const struct question second[] = {
        {"a.test", DNS_A, "SERVFAIL\n"},
        {"longer.test", DNS_A, "NOERROR aa\nAN longer.test. 3600 IN A 10.0.0.2\n"},
        {"own.test", DNS_A, "NOERROR aa\nAN own.test. 3600 IN A 10.0.0.9\n"},
    };
    struct rig r;
    begin(&r, "10.0.0.1 a.test\n",
          ". {\n hosts % {\n 10.0.0.9 own.test\n reload 1s\n }\n}\n");
    struct feeds *feeds = &r.w.plan->feeds;
    assert_int_equal(feeds_due_us(feeds, 1), 1000001);
    EXPECT(&r, first);
    assert_false(feeds_refresh(feeds, 1000001)); /* nothing has changed */
    write_file(&r, "10.0.0.2 longer.test\n");
    EXPECT(&r, first);
    assert_true(feeds_refresh(feeds, 2000001));
    EXPECT(&r, second);
    feeds_reclaim(feeds);
    EXPECT(&r, second);
    unlink(r.path);
    assert_false(feeds_refresh(feeds, 3000001));
    EXPECT(&r, second);
    end(&r);
}

static void a_file_that_was_empty_is_read_when_it_is_filled(void **unused)
{
    static const struct question before[] = {{"a.test", DNS_A, "SERVFAIL\n"}};
    static const struct question after[] = {
        {"a.test", DNS_A, "NOERROR aa\nAN a.test. 3600 IN A 10.0.0.1\n"}};
    struct rig r;
    begin(&r, "", ". {\n hosts % {\n reload 1s\n }\n}\n");
    struct feeds *feeds = &r.w.plan->feeds;
    assert_int_equal(feeds_due_us(feeds, 1), 1000001);
    EXPECT(&r, before);
    write_file(&r, "10.0.0.1 a.test\n");
    feeds_refresh(feeds, 1000001);
    EXPECT(&r, after);
    end(&r);
}

static void an_address_with_more_names_than_a_message_holds_is_truncated(void **unused)
{
    size_t cap = 1 << 20, len = 0;
    char *file = malloc(cap), text[SHOW_MAX];
    assert_non_null(file);
    for (int i = 0; i < 20000; i++)
        len += (size_t)snprintf(file + len, cap - len, "0.0.0.0 bad%d.test\n", i);
    struct rig r;
    begin(&r, file, ". {\n hosts %\n}\n");
    uint64_t client =
        world_ask_as(&r.w, &(struct world_question){.name = "0.0.0.0.in-addr.arpa",
                                                    .type = DNS_PTR});
    assert_string_equal(show_reply(&r.w, client, text), "NOERROR aa tc\n");
    assert_string_equal(show_asked(&r.w, "bad19999.test", DNS_A, text),
                        "NOERROR aa\nAN bad19999.test. 3600 IN A 0.0.0.0\n");
    end(&r);
    free(file);
}

static void what_cannot_be_meant_is_refused_with_its_place(void **unused)
{
    static const struct {
        const char *corefile, *text;
    } list[] = {
        {". {\n hosts {\n reload -1s\n }\n}\n",
         "plugin/hosts: reload can't be negative: -1s"},
        {". {\n hosts {\n ttl 0\n }\n}\n",
         "plugin/hosts: ttl: invalid number '0': expected 1 to 65535"},
        {". {\n hosts {\n fallthrough_unsupported\n }\n}\n",
         "plugin/hosts: fallthrough_unsupported requires fallthrough"},
        {". {\n hosts {\n fallthrough\n 10.0.0.1 a.test\n }\n}\n",
         "plugin/hosts: unknown property '10.0.0.1': lines with addresses stand before "
         "`fallthrough`"},
        {". {\n hosts\n hosts\n}\n",
         "plugin/hosts: this plugin can only be used once per Server Block"},
        {". {\n hosts /dev/null/x\n}\n",
         "plugin/hosts: unable to access hosts file '/dev/null/x': Not a directory"},
    };
    char text[ERROR_TEXT_MAX];
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        assert_false(world_loads(list[i].corefile, text, sizeof text));
        assert_string_equal(text, list[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_and_corefile_answer_together_file_first),
        cmocka_unit_test(lines_that_are_no_entry_are_passed_over),
        cmocka_unit_test(a_name_known_by_another_type_has_an_empty_answer),
        cmocka_unit_test(an_unknown_name_is_servfail_without_fallthrough),
        cmocka_unit_test(fallthrough_sends_on_what_lies_in_its_zones),
        cmocka_unit_test(fallthrough_unsupported_sends_other_types_on),
        cmocka_unit_test(names_outside_the_zones_are_neither_read_nor_answered),
        cmocka_unit_test(addresses_lead_to_all_their_names_from_any_zone),
        cmocka_unit_test(no_reverse_sends_every_address_on),
        cmocka_unit_test(a_wildcard_stands_for_exactly_one_label),
        cmocka_unit_test(names_match_in_any_case_and_ttl_is_as_written),
        cmocka_unit_test(a_changed_file_is_read_again_and_a_lost_one_is_kept),
        cmocka_unit_test(a_file_that_was_empty_is_read_when_it_is_filled),
        cmocka_unit_test(an_address_with_more_names_than_a_message_holds_is_truncated),
        cmocka_unit_test(what_cannot_be_meant_is_refused_with_its_place),
    };
    return cmocka_run_group_tests_name("hosts", tests, NULL, NULL);
}
