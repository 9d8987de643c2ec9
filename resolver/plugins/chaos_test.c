#include "resolver/msg.h"

#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static const char *told(struct world *w, const char *name, uint16_t type,
                        uint16_t class, char text[SHOW_MAX])
{
    struct world_question q = {
        .name = name, .type = type, .class = class, .transport = TRANSPORT_TCP};
    return show_reply(w, world_ask_as(w, &q), text);
}

static void its_names_have_texts_in_class_ch(void **unused)
{
    static const char *const list[][2] = {
        {"version.bind", "NOERROR\nAN version.bind. 0 CH TXT \"v1\"\n"},
        {"Version.Server", "NOERROR\nAN Version.Server. 0 CH TXT \"v1\"\n"},
        {"authors.bind",
         "NOERROR\nAN authors.bind. 0 CH TXT \"A\"\nAN authors.bind. 0 CH TXT \"B C\"\n"},
    };
    struct world w;
    char text[SHOW_MAX];
    world_load(&w, ". {\n chaos v1 A \"B C\"\n}\n");
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_string_equal(told(&w, list[i][0], DNS_TXT, DNS_CH, text), list[i][1]);
    world_close(&w);
}

static void the_host_names_itself(void **unused)
{
    struct world w;
    char text[SHOW_MAX], host[256] = "", expected[400];
    gethostname(host, sizeof host - 1);
    world_load(&w, ". {\n chaos\n}\n");
    snprintf(expected, sizeof expected, "NOERROR\nAN id.server. 0 CH TXT \"%s\"\n",
             host);
    assert_string_equal(told(&w, "id.server", DNS_TXT, DNS_CH, text), expected);
    snprintf(expected, sizeof expected, "NOERROR\nAN hostname.bind. 0 CH TXT \"%s\"\n",
             host);
    assert_string_equal(told(&w, "hostname.bind", DNS_TXT, DNS_CH, text), expected);
    world_close(&w);
}

static void other_questions_go_on(void **unused)
{
    static const struct {
        const char *name;
        uint16_t type, class;
    } list[] = {
        {"version.bind", DNS_TXT, DNS_IN},  {"version.bind", DNS_A, DNS_CH},
        {"bind", DNS_TXT, DNS_CH},          {"x.version.bind", DNS_TXT, DNS_CH},
        {"version.binds", DNS_TXT, DNS_CH}, {"version.bind", DNS_TXT, DNS_HS},
    };
    struct world w;
    char text[SHOW_MAX];
    world_load(&w, ". {\n chaos v1\n}\n");
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_string_equal(told(&w, list[i].name, list[i].type, list[i].class, text),
                            "SERVFAIL\n");
    world_close(&w);
}

static void without_it_class_ch_is_not_served(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    world_load(&w, ". {\n whoami\n}\n");
    assert_string_equal(told(&w, "version.bind", DNS_TXT, DNS_CH, text), "REFUSED\n");
    world_close(&w);
}

static void a_text_is_cut_to_what_a_string_holds(void **unused)
{
    struct world w;
    char version[301], corefile[400], text[SHOW_MAX], expected[400];
    memset(version, 'v', 300);
    version[300] = '\0';
    snprintf(corefile, sizeof corefile, ". {\n chaos %s\n}\n", version);
    snprintf(expected, sizeof expected,
             "NOERROR\nAN version.bind. 0 CH TXT \"%.255s\"\n", version);
    world_load(&w, corefile);
    assert_string_equal(told(&w, "version.bind", DNS_TXT, DNS_CH, text), expected);
    world_close(&w);
}

static void it_has_no_options(void **unused)
{
    char text[512];
    assert_false(world_loads(". {\n chaos v {\n hidden\n }\n}\n", text, sizeof text));
    assert_non_null(strstr(text, "plugin/chaos: unknown property 'hidden'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_names_have_texts_in_class_ch),
        cmocka_unit_test(the_host_names_itself),
        cmocka_unit_test(other_questions_go_on),
        cmocka_unit_test(without_it_class_ch_is_not_served),
        cmocka_unit_test(it_has_no_options),
        cmocka_unit_test(a_text_is_cut_to_what_a_string_holds),
    };
    return cmocka_run_group_tests_name("chaos", tests, NULL, NULL);
}
