#include "resolver/outside.h"
#include "resolver/plan.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define ERROR_ROOM 600

/* ---- a world with TLS in it ---- */

static struct outside_tls_server made; /* the last; texts are the plan's */
static unsigned alive;

static void *fake_server_new(const struct outside_tls_server *files, char *reason)
{
    made = *files;
    if (strcmp(files->cert, files->key) == 0) {
        snprintf(reason, OUTSIDE_REASON_MAX, "the key is not the certificate's");
        return NULL;
    }
    return (char *)&alive + alive++; /* each is another */
}

static unsigned renewed, refused;

static int fake_renew(void *tls, const struct outside_tls_server *files, char *reason)
{
    bool good = strcmp(files->key, "key") == 0;
    renewed += good;
    refused += !good;
    snprintf(reason, OUTSIDE_REASON_MAX, "%s", good ? "whose" : "no key");
    return good ? 0 : -1;
}

/* What of several is joined, and whose policy counts. */
static uint32_t joined, policy_of_joined;

static void *fake_join(const void *const *list, uint32_t n, uint32_t policy)
{
    joined = n;
    policy_of_joined = policy;
    alive++;
    return &joined;
}

static void fake_free(void *tls)
{
    alive--;
}

static const struct outside outside = {.tls_server_new = fake_server_new,
                                       .tls_server_renew = fake_renew,
                                       .tls_server_join = fake_join,
                                       .tls_free = fake_free};

static struct plan *load(struct registry *reg, const char *corefile, char *text,
                         size_t cap)
{
    struct errors errs;
    struct plan_flags flags = {.outside = &outside};
    errors_init(&errs);
    struct config *config =
        config_load_text("Corefile", text_of(corefile), plugin_vocabulary(), &errs);
    struct plan *plan = config == NULL ? NULL : plan_build(config, reg, &flags, &errs);
    text[0] = '\0';
    if (plan == NULL)
        snprintf(text, cap, "%u: %s", errs.list[0].at.line, errs.list[0].text);
    errors_release(&errs);
    return plan;
}

static struct registry *make_registry(void)
{
    struct registry *reg = registry_new();
    assert_non_null(reg);
    return reg;
}

static char folder[] = "/tmp/isthmus-tls-XXXXXX";

static void write_text(const char *name, const char *octets)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(octets, f);
    fclose(f);
}

static void write_file(const char *name)
{
    write_text(name, name);
}

static int set_up(void **unused)
{
    assert_non_null(mkdtemp(folder));
    write_file("cert");
    write_file("key");
    write_file("ca");
    return 0;
}

static int tear_down(void **unused)
{
    const char *const names[] = {"cert", "key", "ca"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

/* The folder stands for each %s. */
static struct plan *load_in_folder(struct registry *reg, const char *form, char *text,
                                   size_t cap)
{
    char corefile[1024];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(corefile, sizeof corefile, form, folder, folder);
#pragma GCC diagnostic pop
    return load(reg, corefile, text, cap);
}

/* ---- tests ---- */

static void files_and_options_reach_the_listener(void **unused)
{
    static const struct {
        const char *line;
        enum client_auth auth;
        const char *ca;
    } rows[] = {
        {"tls cert key", CLIENT_AUTH_NONE, NULL},
        {"tls cert key ca", CLIENT_AUTH_NONE, "ca"},
        {"tls cert key ca {\nclient_auth nocert\n}", CLIENT_AUTH_NONE, "ca"},
        {"tls cert key {\nclient_auth request\n}", CLIENT_AUTH_REQUEST, NULL},
        {"tls cert key {\nclient_auth require\n}", CLIENT_AUTH_REQUIRE, NULL},
        {"tls cert key ca {\nclient_auth verify_if_given\n}",
         CLIENT_AUTH_VERIFY_IF_GIVEN, "ca"},
        {"tls cert key ca {\nclient_auth require_and_verify\n}",
         CLIENT_AUTH_REQUIRE_AND_VERIFY, "ca"},
        {"tls nowhere nothing\ntls cert key", CLIENT_AUTH_NONE, NULL},
    };
    struct registry *reg = make_registry();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char form[256], text[ERROR_ROOM];
        snprintf(form, sizeof form, "tls://. {\nroot %%s\n%s\nwhoami\n}\n",
                 rows[i].line);
        struct plan *plan = load_in_folder(reg, form, text, sizeof text);
        assert_string_equal(text, "");
        assert_int_equal(plan->servers[0].scheme, SCHEME_TLS);
        assert_int_equal(plan->servers[0].addr.port, 853);
        assert_non_null(plan->servers[0].tls.settings);
        assert_string_equal(made.cert, "cert");
        assert_string_equal(made.key, "key");
        assert_int_equal(made.client_auth, rows[i].auth);
        assert_int_equal(made.ca == NULL, rows[i].ca == NULL);
        plan_free(plan);
        assert_int_equal(alive, 0);
    }
    registry_free(reg);
}

static void a_key_log_lies_under_root(void **unused)
{
    char text[ERROR_ROOM], path[64];
    struct registry *reg = make_registry();
    struct plan *plan = load_in_folder(
        reg, "tls://. {\nroot %s\ntls cert key {\nkeylog log\n}\nwhoami\n}\n", text,
        sizeof text);
    assert_string_equal(text, "");
    snprintf(path, sizeof path, "%s/log", folder);
    assert_string_equal(made.keylog, path);
    plan_free(plan);
    registry_free(reg);
}

static void blocks_of_one_address_share_what_one_of_them_says(void **unused)
{
    char text[ERROR_ROOM];
    struct registry *reg = make_registry();
    struct plan *plan = load_in_folder(reg,
                                       "tls://a.test {\nroot %s\ntls cert key\n"
                                       "whoami\n}\ntls://b.test {\nwhoami\n}\n"
                                       ". {\nroot %s\ntls cert key\nwhoami\n}\n",
                                       text, sizeof text);
    assert_string_equal(text, "");
    assert_int_equal(plan->servers_n, 2);
    assert_non_null(plan->servers[0].tls.settings);
    assert_null(plan->servers[1].tls.settings); /* dns:// is not concerned */
    plan_free(plan);
    registry_free(reg);
}

static void of_several_the_strictest_says_what_clients_show(void **unused)
{
    static const struct {
        const char *first, *second, *third;
        uint32_t policy;
    } rows[] = {
        {"", "", "", 2},
        {"client_auth require_and_verify", "", "client_auth request", 0},
        {"", "client_auth require", "client_auth request", 1},
        {"client_auth request", "client_auth request", "", 1},
    };
    struct registry *reg = make_registry();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char corefile[1024], text[ERROR_ROOM];
        snprintf(corefile, sizeof corefile,
                 "(t) {\nroot %s\nwhoami\n}\n"
                 "tls://a.test {\nimport t\ntls cert key {\n%s\n}\n}\n"
                 "tls://b.test tls://c.test {\nimport t\ntls cert key {\n%s\n}\n}\n"
                 "tls://d.test {\nimport t\ntls cert key {\n%s\n}\n}\n",
                 folder, rows[i].first, rows[i].second, rows[i].third);
        joined = 0;
        struct plan *plan = load(reg, corefile, text, sizeof text);
        assert_string_equal(text, "");
        assert_int_equal(joined, 3);
        assert_int_equal(policy_of_joined, rows[i].policy);
        assert_ptr_equal(plan->servers[0].tls.settings, &joined);
        plan_free(plan);
        assert_int_equal(alive, 0);
    }
    registry_free(reg);
}

static void look(struct plan *plan)
{
    static uint64_t now_us = 1000000;
    feeds_due_us(&plan->feeds, now_us);
    now_us += 60000000;
    assert_false(feeds_refresh(&plan->feeds, now_us)); /* no worker is concerned */
}

static void files_that_change_are_taken_when_they_go_together(void **unused)
{
    char text[ERROR_ROOM], old[64], new[64];
    struct registry *reg = make_registry();
    struct plan *plan = load_in_folder(
        reg, "tls://. {\nroot %s\ntls cert key ca\nwhoami\n}\n", text, sizeof text);
    assert_string_equal(text, "");
    renewed = refused = 0;
    look(plan);
    assert_int_equal(renewed + refused, 0);
    write_text("key", "another");
    for (unsigned i = 1; i <= 3; i++) {
        look(plan);
        assert_int_equal(refused, i); /* it is tried again */
    }
    assert_int_equal(renewed, 0);
    snprintf(old, sizeof old, "%s/key", folder);
    snprintf(new, sizeof new, "%s/new", folder);
    assert_int_equal(unlink(old), 0);
    look(plan); /* between two files */
    assert_int_equal(renewed, 0);
    write_file("key");
    assert_int_equal(rename(old, new), 0);
    assert_int_equal(symlink(new, old), 0);
    look(plan);
    look(plan);
    assert_int_equal(renewed, 1);
    write_text("ca", "more");
    look(plan);
    look(plan);
    assert_int_equal(renewed, 2);
    plan_free(plan);
    assert_int_equal(alive, 0);
    unlink(old);
    rename(new, old);
    write_file("ca");
    registry_free(reg);
}

static void without_it_a_tls_key_is_clear_text(void **unused)
{
    char text[ERROR_ROOM];
    struct registry *reg = make_registry();
    struct plan *plan = load(reg, "tls://. {\nwhoami\n}\n", text, sizeof text);
    assert_non_null(plan);
    assert_null(plan->servers[0].tls.settings);
    plan_free(plan);
    registry_free(reg);
}

static void what_will_not_do_is_told_with_its_line(void **unused)
{
    static const char *const rows[][2] = {
        {"tls", "3: plugin/tls: isthmus gets no certificates by ACME"},
        {"tls {\nacme dns.test\n}", "3: plugin/tls: isthmus gets no certificates"},
        {"tls cert", "3: plugin/tls: Wrong argument count or unexpected line ending "
                     "after 'cert'"},
        {"tls cert key ca more", "3: plugin/tls: Wrong argument count"},
        {"tls cert nowhere", "3: plugin/tls: error reading /tmp/isthmus-tls-"},
        {"tls cert cert",
         "3: plugin/tls: could not load cert and cert: the key is not "},
        {"tls cert key {\nclient_auth maybe\n}", "4: plugin/tls: "},
        {"tls cert key {\nclient_auth\n}", "4: plugin/tls: "},
        {"tls cert key {\nkeylog\n}", "4: plugin/tls: Wrong argument count"},
        {"tls cert key {\nkeylogs x\n}", "4: plugin/tls: "},
        {"tls cert key {\nemail a@b\n}", "4: plugin/tls: property 'email' is not"},
    };
    struct registry *reg = make_registry();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char form[256], text[ERROR_ROOM];
        snprintf(form, sizeof form, "tls://. {\nroot %%s\n%s\nwhoami\n}\n", rows[i][0]);
        assert_null(load_in_folder(reg, form, text, sizeof text));
        if (strncmp(text, rows[i][1], strlen(rows[i][1])) != 0)
            fail_msg("'%s' gives: %s", rows[i][0], text);
        assert_int_equal(alive, 0);
    }
    registry_free(reg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_options_reach_the_listener),
        cmocka_unit_test(a_key_log_lies_under_root),
        cmocka_unit_test(blocks_of_one_address_share_what_one_of_them_says),
        cmocka_unit_test(of_several_the_strictest_says_what_clients_show),
        cmocka_unit_test(files_that_change_are_taken_when_they_go_together),
        cmocka_unit_test(without_it_a_tls_key_is_clear_text),
        cmocka_unit_test(what_will_not_do_is_told_with_its_line),
    };
    return cmocka_run_group_tests_name("tls", tests, set_up, tear_down);
}
