#include "resolver/plugin.h"

#include "resolver/rdata.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct question {
    const char *name;
    uint16_t type;
    const char *reply;
};

/* Asks all questions of a block that holds `text` in front of whoami, whose answer
 * shows that a question went on. */
static void expect(const char *text, const struct question *list, size_t n)
{
    char corefile[4096], reply[SHOW_MAX];
    struct world w;
    snprintf(corefile, sizeof corefile, ". {\n%s\nwhoami\n}\n", text);
    world_load(&w, corefile);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(show_asked(&w, list[i].name, list[i].type, reply),
                            list[i].reply);
    world_close(&w);
}
#define EXPECT(text, list) expect(text, list, sizeof(list) / sizeof *(list))

#define NEXT(name)                                                                     \
    "NOERROR aa\nAR " name ". 0 IN A 192.0.2.99\nAR _tcp." name                        \
    ". 0 IN SRV 0 0 1024 .\n"

static void records_are_made_from_the_question(void **unused)
{
    static const struct question list[] = {
        {"a.b.test", DNS_A, "NOERROR aa\nAN a.b.test. 60 IN A 10.9.0.1\n"},
        {"A.B.test", DNS_MX,
         "NOERROR aa\nAN A.B.test. 3600 IN MX 10 mail.a.test.\n"
         "NS b.test. 60 IN NS ns.b.test.\nAR mail.a.test. 60 IN A 10.9.0.2\n"},
        {"x.test", DNS_A, NEXT("x.test")},
    };
    EXPECT("template IN A b.test {\n answer \"{{ .Name }} 60 IN A 10.9.0.1\"\n}\n"
           "template IN MX b.test {\n match ^(.*)[.]b[.]test[.]$\n"
           "answer \"{{ .Name }} MX 10 mail.{{ index .Match 1 }}.test.\"\n"
           "additional \"mail.{{ index .Match 1 }}.test. 60 IN A 10.9.0.2\"\n"
           "authority \"{{ .Zone }} 60 IN NS ns.b.test.\"\n}",
           list);
}

static void zone_class_and_type_choose_the_template(void **unused)
{
    static const struct question list[] = {
        {"a.one.test", DNS_A, "NOERROR aa\nAN a.one.test. 60 IN TXT \"one A\"\n"},
        {"a.one.test", DNS_MX, "NOERROR aa\nAN a.one.test. 60 IN TXT \"any MX\"\n"},
        {"a.one.test", DNS_ANY, "NOERROR aa\nAN a.one.test. 60 IN TXT \"one A\"\n"},
        {"a.two.test", DNS_A, NEXT("a.two.test")},
    };
    EXPECT("template IN A one.test {\n"
           "answer \"{{ .Name }} 60 TXT \\\"one {{ .Type }}\\\"\"\n}\n"
           "template ANY ANY one.test {\n"
           "answer \"{{ .Name }} 60 TXT \\\"any {{ .Type }}\\\"\"\n}",
           list);
}

static void any_one_regex_will_do_and_none_is_servfail(void **unused)
{
    static const struct question list[] = {
        {"a.test", DNS_A, "NOERROR aa\nAN a.test. 60 IN A 10.0.0.1\n"},
        {"b.test", DNS_A, "NOERROR aa\nAN b.test. 60 IN A 10.0.0.1\n"},
        {"c.test", DNS_A, "SERVFAIL\n"},
    };
    EXPECT("template IN A . {\n match ^a ^b\n answer \"{{ .Name }} 60 A 10.0.0.1\"\n}",
           list);
}

static void fallthrough_goes_to_the_next_template_and_then_on(void **unused)
{
    static const struct question list[] = {
        {"a.test", DNS_A, "NOERROR aa\nAN a.test. 60 IN A 10.0.0.1\n"},
        {"b.test", DNS_A, "NOERROR aa\nAN b.test. 60 IN A 10.0.0.2\n"},
        {"c.test", DNS_A, NEXT("c.test")},
        {"c.other", DNS_A, "SERVFAIL\n"},
    };
    EXPECT("template IN A {\n match ^a\n answer \"{{ .Name }} 60 A 10.0.0.1\"\n"
           "fallthrough\n}\n"
           "template IN A {\n match ^b\n answer \"{{ .Name }} 60 A 10.0.0.2\"\n"
           "fallthrough test\n}",
           list);
}

static void response_codes_are_sent_with_records_but_servfail_without(void **unused)
{
    static const struct question list[] = {
        {"nx.test", DNS_A,
         "NXDOMAIN aa\nNS test. 60 IN SOA ns.test. h.test. 1 60 60 60 60\n"},
        {"nx.test", DNS_MX, "SERVFAIL\n"},
        {"nx.test", DNS_TXT, "REFUSED aa\n"},
        {"nx.test", DNS_AAAA, "NOERROR aa\n"},
    };
    EXPECT("template IN A {\n rcode NXDOMAIN\n"
           "authority \"test. 60 IN SOA ns.test. h.test. (1 60 60 60 60)\"\n}\n"
           "template IN MX {\n rcode SERVFAIL\n answer \"a.test. A 10.0.0.1\"\n}\n"
           "template IN TXT {\n rcode REFUSED\n}\n"
           "template IN AAAA {\n rcode NOERROR\n}",
           list);
}

static void an_extended_error_goes_to_clients_that_speak_edns(void **unused)
{
    struct world w;
    char text[64];
    world_load(&w, ". {\n template IN A {\n rcode NXDOMAIN\n"
                   "ederror 15 \"by policy\"\n}\n}\n");
    struct world_question q = {.name = "a.test", .edns = true};
    uint64_t client = world_ask_as(&w, &q);
    assert_int_equal(world_rcode(&w, client), DNS_NXDOMAIN);
    assert_int_equal(world_ede(&w, client, text, sizeof text), 15);
    assert_string_equal(text, "by policy");
    q.edns = false;
    client = world_ask_as(&w, &q);
    assert_int_equal(world_rcode(&w, client), DNS_NXDOMAIN);
    assert_int_equal(world_ede(&w, client, text, sizeof text), -1);
    world_close(&w);
}

static void a_target_is_looked_up_through_the_listener(void **unused)
{
    static const struct question list[] = {
        {"www.test", DNS_A,
         "NOERROR aa\nAN www.test. 60 IN CNAME web.test.\n"
         "AN web.test. 60 IN A 10.0.0.1\n"},
        {"www.test", DNS_TXT, "NOERROR aa\nAN www.test. 60 IN CNAME web.test.\n"},
        {"lost.test", DNS_A, "NOERROR aa\nAN lost.test. 60 IN CNAME gone.test.\n"},
    };
    EXPECT("template IN ANY www.test {\n answer \"{{ .Name }} 60 CNAME web.test.\"\n}\n"
           "template IN A web.test {\n answer \"{{ .Name }} 60 A 10.0.0.1\"\n}\n"
           "template IN A lost.test {\n answer \"{{ .Name }} 60 CNAME gone.test\"\n}\n"
           "template IN A gone.test {\n rcode SERVFAIL\n}",
           list);
}

static void a_target_that_leads_back_ends(void **unused)
{
    static const struct question list[] = {
        {"a.test", DNS_A,
         "NOERROR aa\nAN a.test. 60 IN CNAME self.test.\n"
         "AN self.test. 60 IN CNAME self.test.\n"},
    };
    EXPECT("template IN A test {\n answer \"{{ .Name }} 60 CNAME self.test.\"\n}",
           list);
}

static void a_record_that_is_none_is_servfail_and_an_empty_one_is_left_out(
    void **unused)
{
    static const struct question list[] = {
        {"a.test", DNS_A, "SERVFAIL\n"},
        {"a.test", DNS_MX, "SERVFAIL\n"},
        {"a.test", DNS_TXT, "SERVFAIL\n"},
        {"a.test", DNS_AAAA, "NOERROR aa\nAN a.test. 60 IN AAAA 2001:db8::1\n"},
        {"b.test", DNS_AAAA, "NOERROR aa\n"},
    };
    EXPECT("template IN A {\n answer \"{{ .Name }} 60 IN A {{ .Group.none }}\"\n}\n"
           "template IN MX {\n answer \"{{ index .Match 3 }}\"\n}\n"
           "template IN TXT {\n answer \"a.test. 60 IN\"\n}\n"
           "template IN AAAA {\n answer \"{{ if eq .Name `a.test.` }}{{ .Name }} 60 "
           "AAAA 2001:db8::1{{ end }}\"\n}",
           list);
}

static void a_regex_that_costs_too_much_is_servfail(void **unused)
{
    char name[80];
    struct world w;
    world_load(&w, ". {\n template IN A {\n match ^(a+)+[.][^t]\n rcode NXDOMAIN\n"
                   "fallthrough\n}\nwhoami\n}\n");
    memset(name, 'a', 60);
    memcpy(name + 60, ".test", 6);
    assert_int_equal(world_rcode(&w, world_ask(&w, name)), DNS_SERVFAIL);
    world_close(&w);
}

static void what_templates_see(void **unused)
{
    static const struct question list[] = {
        {"Ab.test", DNS_TXT,
         "NOERROR aa\nAN Ab.test. 60 IN TXT \"Ab.test.\" \"16\" \"1\" \"192.0.2.99\" "
         "\"test.\" \"ab\" \"true\"\n"},
    };
    EXPECT("template ANY ANY test {\n match ^(?P<l>[^.]*)[.]\n"
           "answer \"{{ .Name }} 60 {{ .Class }} {{ .Type }} {{ .Question.Name }} "
           "{{ .Question.Qtype }} {{ .Question.Qclass }} {{ .Remote }} {{ .Zone }} "
           "{{ .Group.l }} {{ .Message.RecursionDesired }}\"\n}",
           list);
}

static void what_cannot_be_meant_is_refused_with_its_place(void **unused)
{
    static const struct {
        const char *block, *text;
    } list[] = {
        {"template", "Wrong argument count or unexpected line ending after 'template': "
                     "expected `template CLASS TYPE [ZONE...]`"},
        {"template XX A",
         "invalid query class XX: expected IN, CH, HS or ANY, in capitals"},
        {"template in A",
         "invalid query class in: expected IN, CH, HS or ANY, in capitals"},
        {"template IN NOSUCH",
         "invalid RR class NOSUCH: expected a type of records such as AAAA, or ANY, in "
         "capitals"},
        {"template IN A {\n rcode SUCCESS\n}",
         "unknown rcode SUCCESS: expected NOERROR, NXDOMAIN, REFUSED, SERVFAIL or "
         "another in capitals"},
        {"template IN A {\n match a(?=b)\n}",
         "could not parse regex: a(?=b), look-ahead is not in RE2's language, at "
         "character 2"},
        {"template IN A {\n match\n}",
         "Wrong argument count or unexpected line ending after 'match': expected `match REGEX...`"},
        {"template IN A {\n answer \"{{ .Foo }}\"\n}",
         "could not compile template: {{ .Foo }}, .Foo is not offered here: it is asked "
         "of the data of a template"},
        {"template IN A {\n ederror 65536\n}",
         "invalid number '65536': expected 0 to 65535"},
        {"template IN A {\n ederror 1 a b\n}",
         "Wrong argument count or unexpected line ending after 'b': expected `ederror CODE [TEXT]`"},
        {"template IN A {\n answers x\n}",
         "unknown property 'answers', did you mean 'answer'?"},
        {"template IN A {\n expr true\n}",
         "property 'expr' is not supported: expressions are offered in `view` only: use match "
         "and the functions of templates"},
    };
    char corefile[512], text[ERROR_TEXT_MAX], expected[ERROR_TEXT_MAX];
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        snprintf(corefile, sizeof corefile, ". {\n%s\n}\n", list[i].block);
        snprintf(expected, sizeof expected, "plugin/template: %s", list[i].text);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_string_equal(text, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_made_from_the_question),
        cmocka_unit_test(zone_class_and_type_choose_the_template),
        cmocka_unit_test(any_one_regex_will_do_and_none_is_servfail),
        cmocka_unit_test(fallthrough_goes_to_the_next_template_and_then_on),
        cmocka_unit_test(response_codes_are_sent_with_records_but_servfail_without),
        cmocka_unit_test(an_extended_error_goes_to_clients_that_speak_edns),
        cmocka_unit_test(a_target_is_looked_up_through_the_listener),
        cmocka_unit_test(a_target_that_leads_back_ends),
        cmocka_unit_test(
            a_record_that_is_none_is_servfail_and_an_empty_one_is_left_out),
        cmocka_unit_test(a_regex_that_costs_too_much_is_servfail),
        cmocka_unit_test(what_templates_see),
        cmocka_unit_test(what_cannot_be_meant_is_refused_with_its_place),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
