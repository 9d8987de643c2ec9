#include "resolver/plugin.h"

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* The only error of a block with this line. */
static void expect_refusal(const char *line, const char *words)
{
    char text[256];
    struct errors errs;
    errors_init(&errs);
    snprintf(text, sizeof text, ". {\n %s\n whoami\n}\n", line);
    struct config *c =
        config_load_text("Corefile", text_of(text), plugin_vocabulary(), &errs);
    assert_true(c == NULL || c->flawed);
    config_free(c);
    assert_int_equal(errs.n, 1);
    assert_int_equal(errs.list[0].at.line, 2);
    assert_non_null(strstr(errs.list[0].text, words));
    errors_release(&errs);
}

static void every_plugin_of_the_list_is_found_by_its_name(void **unused)
{
    const struct vocabulary *v = plugin_vocabulary();
    uint32_t n = 0;
    for (const struct plugin *const *p = plugin_list; *p != NULL; p++, n++) {
        assert_ptr_equal(plugin_find((*p)->name), *p);
        assert_string_equal(v->words[n], (*p)->name);
        assert_non_null((*p)->setup);
        assert_non_null((*p)->help);
        assert_non_null((*p)->synopsis);
    }
    assert_int_equal(n, v->words_n);
    assert_null(plugin_find("kubernetes"));
    assert_null(plugin_find(""));
}

/* How far down the list a plugin stands. */
static int place_of(const char *name)
{
    int place = 0;
    while (plugin_list[place] != NULL && strcmp(plugin_list[place]->name, name) != 0)
        place++;
    assert_non_null(plugin_list[place]);
    return place;
}

static void order_is_coredns(void **unused)
{
    static const char *const order[] = {"multisocket", "bind", "errors",
                                        "log",         "file", "whoami"};
    for (size_t i = 1; i < sizeof order / sizeof *order; i++)
        assert_true(place_of(order[i - 1]) < place_of(order[i]));
}

static void a_plugin_we_do_not_have_is_told_apart_from_a_misspelt_one(void **unused)
{
    expect_refusal("route53 example.org.:Z1", "'route53' is not supported");
    expect_refusal("proxy . 10.0.0.1", "replaced it by `forward`");
    expect_refusal("federation cluster.local", "removed it");
    expect_refusal("unbound", "external plugin");
    expect_refusal("on startup ls", "starts no programs");
    expect_refusal("whoamy", "did you mean 'whoami'");
    expect_refusal("nosuchthing", "Unknown directive 'nosuchthing'");
}

static void kubernetes_is_answered_with_the_line_for_outside(void **unused)
{
    expect_refusal("kubernetes east.local in-addr.arpa",
                   "Service subnet: cluster east.local 10.97.0.0/16, and in its block "
                   "domain east.local");
    expect_refusal("kubernetes cluster.local in-addr.arpa {\n pods insecure\n }",
                   "Service subnet: cluster cluster.local 10.97.0.0/16");
    expect_refusal("kubernetes 10.96.0.0/16 ip6.arpa {\n ttl 30\n }",
                   "Service subnet: cluster cluster-b.local 10.97.0.0/16");
    expect_refusal("kubernetes",
                   "Service subnet: cluster cluster-b.local 10.97.0.0/16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_plugin_of_the_list_is_found_by_its_name),
        cmocka_unit_test(order_is_coredns),
        cmocka_unit_test(a_plugin_we_do_not_have_is_told_apart_from_a_misspelt_one),
        cmocka_unit_test(kubernetes_is_answered_with_the_line_for_outside),
    };
    return cmocka_run_group_tests_name("plugin", tests, NULL, NULL);
}
