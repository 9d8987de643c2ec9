#include "resolver/plugins/tsig_keys.h"

#include "base/cursor.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define KEY "secret a.key AAAA\n"

static void what_must_be_signed_is_refused_without(void **unused)
{
    static const struct {
        const char *options;
        bool a, mx; /* refused */
    } rows[] = {
        {"", false, false},
        {"require all", true, true},
        {"require none", false, false},
        {"require MX", false, true},
        {"require MX\n require A", true, false},    /* the last line counts */
        {"require all\n require none", true, true}, /* but for `all`, as in CoreDNS */
        {"require_opcode QUERY", true, true},
        {"require_opcode NOTIFY UPDATE", false, false},
        {"require_opcode all", true, true},
        {"require_opcode none", false, false},
    };
    char corefile[300], text[SHOW_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        snprintf(corefile, sizeof corefile,
                 "test {\n tsig {\n " KEY " %s\n }\n whoami\n}\n", rows[i].options);
        world_load(&w, corefile);
        show_asked(&w, "www.test", DNS_A, text);
        assert_int_equal(strcmp(text, "REFUSED\n") == 0, rows[i].a);
        show_asked(&w, "www.test", DNS_MX, text);
        assert_int_equal(strcmp(text, "REFUSED\n") == 0, rows[i].mx);
        world_close(&w);
    }
}

static void only_names_of_its_zones_must_be(void **unused)
{
    struct world w;
    char text[SHOW_MAX];
    world_load(&w, ". {\n tsig a.test {\n require all\n }\n whoami\n}\n");
    assert_string_equal(show_asked(&w, "www.a.test", DNS_A, text), "REFUSED\n");
    assert_string_not_equal(show_asked(&w, "www.test", DNS_A, text), "REFUSED\n");
    world_close(&w);
}

/* A question with a TSIG record of a key that nobody has. */
static uint64_t ask_signed(struct world *w, const char *name)
{
    uint8_t wire[400];
    struct name n;
    struct client client = {.transport = TRANSPORT_UDP,
                            .handle = ++w->client,
                            .peer = {.family = 4, .port = 1024, .ip = {192, 0, 2, 9}}};
    struct wr wr = wr_init(wire, sizeof wire);
    assert_int_equal(name_parse(&n, text_of(name)), 0);
    wr_u32(&wr, 7 << 16);
    wr_u32(&wr, 1 << 16);
    wr_u32(&wr, 1);
    wr_bytes(&wr, n.wire, n.len);
    wr_u32(&wr, DNS_A << 16 | DNS_IN);
    wr_bytes(&wr, "\1x\0\0\372\0\377\0\0\0\0\0\57\13hmac-sha256\0", 26);
    wr_bytes(&wr, (uint8_t[8]){0, 0, 0, 0, 0, 0, 1, 44}, 8);
    wr_u16(&wr, 18);
    wr_bytes(&wr, (uint8_t[18]){0}, 18);
    wr_u16(&wr, 7);
    wr_u32(&wr, 0);
    assert_false(wr.failed);
    resolver_query(w->r, &client, wire, wr.at);
    return client.handle;
}

static void signed_questions_are_for_it_alone(void **unused)
{
    static const struct {
        const char *corefile;
        int rcode;
    } rows[] = {
        {"test {\n whoami\n}\n", DNS_REFUSED},
        {"test {\n forward . 10.0.0.1\n}\n", DNS_REFUSED},
        {"test {\n tsig {\n " KEY " }\n whoami\n}\n", DNS_NOTAUTH},
        {"test {\n tsig other {\n " KEY " }\n whoami\n}\n", DNS_REFUSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        world_load(&w, rows[i].corefile);
        assert_int_equal(world_rcode(&w, ask_signed(&w, "www.test")), rows[i].rcode);
        world_close(&w);
    }
}

static void mistakes_are_told(void **unused)
{
    static const char *const cases[][2] = {
        {"tsig {\n secret a.key\n }", "Wrong argument count"},
        {"tsig {\n secret a.key AAAA BBBB\n }", "Wrong argument count"},
        {"tsig {\n secret a.key ????\n }", "key 'a.key': its secret is no base64"},
        {"tsig {\n secret a..key AAAA\n }", "key 'a..key': its name is no domain name"},
        {"tsig {\n secret a.key AAAA\n secret A.KEY. AAAA\n }",
         "key 'A.KEY.': it is defined twice"},
        {"tsig {\n secrets /nonexistent/keys\n }", "could not read /nonexistent/keys"},
        {"tsig {\n require\n }", "Wrong argument count"},
        {"tsig {\n require BOGUS\n }", "unknown query type 'BOGUS'"},
        {"tsig {\n require_opcode BOGUS\n }", "unknown opcode 'BOGUS'"},
        {"tsig\n tsig", "this plugin can only be used once per Server Block"},
        {"tsig {\n secrt a AAAA\n }", "did you mean 'secret'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, "test {\n %s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

/* Whatever octets a file of keys has, reading it ends. */
static void files_of_keys_end(void **unused)
{
    static const char whole[] =
        "/* a */ key \"x.\" { // b\n algorithm hmac-sha256; # c\n secret \"AAAA\";\n};\n"
        "key y{secret AAAA;}";
    char path[] = "/tmp/tsig-XXXXXX", corefile[100], text[512];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    snprintf(corefile, sizeof corefile,
             "test {\n tsig {\n secrets %s\n }\n whoami\n}\n", path);
    for (size_t len = 0; len <= sizeof whole - 1; len++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, whole, len, 0), len);
        bool loads = world_loads(corefile, text, sizeof text);
        assert_true(loads || strstr(text, "plugin/tsig: ") != NULL);
        assert_true(loads || len < sizeof whole - 1);
    }
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_be_signed_is_refused_without),
        cmocka_unit_test(only_names_of_its_zones_must_be),
        cmocka_unit_test(signed_questions_are_for_it_alone),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(files_of_keys_end),
    };
    return cmocka_run_group_tests_name("tsig", tests, NULL, NULL);
}
