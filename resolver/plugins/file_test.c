#include "tests/unit/build.h"
#include "tests/unit/capture.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define ZONE                                                                           \
    "$TTL 60\n@ SOA ns h 1 2 3 4 5\nwww A 192.0.2.1\nalias CNAME nowhere\n"            \
    "x.empty A 192.0.2.2\n"

/* A zone file of the test's own; % in a Corefile is its path. */
struct rig {
    struct world w;
    char path[32];
    char corefile[2048];
};

static void prepare(struct rig *r, const char *zone, const char *corefile)
{
    size_t len = 0;
    snprintf(r->path, sizeof r->path, "/tmp/file-XXXXXX");
    int fd = mkstemp(r->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, zone, strlen(zone)), strlen(zone));
    close(fd);
    for (const char *p = corefile; *p != '\0'; p++)
        len += (size_t)snprintf(r->corefile + len, sizeof r->corefile - len, "%.*s",
                                *p == '%' ? 32 : 1, *p == '%' ? r->path : p);
    assert_true(len < sizeof r->corefile);
}

static void begin(struct rig *r, const char *zone, const char *corefile)
{
    prepare(r, zone, corefile);
    world_load(&r->w, r->corefile);
}

static void end(struct rig *r)
{
    world_close(&r->w);
    unlink(r->path);
}

struct row {
    const char *name;
    uint16_t type;
    const char *reply;
};

static void expect(struct rig *r, const struct row *rows, size_t n)
{
    char *text = build_keep(SHOW_MAX);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(show_asked(&r->w, rows[i].name, rows[i].type, text),
                            rows[i].reply);
    build_release();
}
#define EXPECT(r, rows) expect(r, rows, sizeof(rows) / sizeof *(rows))

static void zones_are_those_of_the_line_or_else_of_the_block(void **unused)
{
    static const struct row rows[] = {
        {"WWW.a.test", DNS_A, "NOERROR aa\nAN WWW.a.test. 60 IN A 192.0.2.1\n"},
        {"www.b.test", DNS_A, "NOERROR aa\nAN www.b.test. 60 IN A 192.0.2.1\n"},
        {"www.c.test", DNS_A, "NOERROR aa\nAN www.c.test. 60 IN A 192.0.2.1\n"},
        {"nx.c.test", DNS_A,
         "NXDOMAIN aa\nNS c.test. 60 IN SOA ns.c.test. h.c.test. 1 2 3 4 5\n"},
        {"d.test", DNS_A, "REFUSED\n"}, /* no plugin left */
    };
    struct rig r;
    begin(&r, ZONE, "a.test b.test {\n file %\n}\n. {\n file % c.test\n}\n");
    EXPECT(&r, rows);
    end(&r);
}

static void longest_zone_answers(void **unused)
{
    static const struct row rows[] = {
        {"www.sub.test", DNS_A, "NOERROR aa\nAN www.sub.test. 60 IN A 192.0.2.1\n"},
        {"www.test", DNS_A, "NOERROR aa\nAN www.test. 60 IN A 192.0.2.1\n"},
    };
    struct rig r;
    begin(&r, ZONE, ". {\n file % test sub.test\n}\n");
    EXPECT(&r, rows);
    end(&r);
}

static void last_of_two_files_for_a_zone_is_used(void **unused)
{
    static const struct row rows[] = {
        {"www.test", DNS_A, "NOERROR aa\nAN www.test. 60 IN A 192.0.2.1\n"},
    };
    struct capture c;
    struct rig r;
    capture_start(&c);
    begin(&r, ZONE, ". {\n file /nonexistent/db test\n file % TEST\n}\n");
    assert_non_null(strstr(capture_stop(&c), "Corefile:3: plugin/file: zone test. has "
                                             "two files; the last is used"));
    EXPECT(&r, rows);
    end(&r);
}

static void reverse_zones_can_be_written_as_prefixes(void **unused)
{
    static const struct row rows[] = {
        {"www.10.in-addr.arpa", DNS_A,
         "NOERROR aa\nAN www.10.in-addr.arpa. 60 IN A 192.0.2.1\n"},
    };
    struct rig r;
    begin(&r, ZONE, ". {\n file % 10.0.0.0/8\n}\n");
    EXPECT(&r, rows);
    end(&r);
}

/* As in CoreDNS one `fallthrough` serves all file directives of the block. */
static void missing_names_fall_through_where_told(void **unused)
{
    static const struct row rows[] = {
        {"nx.a.test", DNS_A,
         "NOERROR aa\nAR nx.a.test. 0 IN A 192.0.2.99\n"
         "AR _tcp.nx.a.test. 0 IN SRV 0 0 1024 .\n"},
        {"nx.b.test", DNS_A,
         "NXDOMAIN aa\nNS b.test. 60 IN SOA ns.b.test. h.b.test. 1 2 3 4 5\n"},
        {"www.a.test", DNS_TXT, /* the name is there: only its type is not */
         "NOERROR aa\nNS a.test. 60 IN SOA ns.a.test. h.a.test. 1 2 3 4 5\n"},
        {"alias.a.test", DNS_A, /* what it leads to is asked anew, from the top */
         "NOERROR aa\nAN alias.a.test. 60 IN CNAME nowhere.a.test.\n"},
        {"empty.a.test", DNS_A, /* only x.empty has records */
         "NOERROR aa\nAR empty.a.test. 0 IN A 192.0.2.99\n"
         "AR _tcp.empty.a.test. 0 IN SRV 0 0 1024 .\n"},
        {"alias.b.test", DNS_A,
         "NXDOMAIN aa\nAN alias.b.test. 60 IN CNAME nowhere.b.test.\n"
         "NS b.test. 60 IN SOA ns.b.test. h.b.test. 1 2 3 4 5\n"},
    };
    struct rig r;
    begin(&r, ZONE,
          ". {\n file % a.test\n file % b.test {\n fallthrough a.test\n }\n"
          " whoami\n}\n");
    EXPECT(&r, rows);
    end(&r);
}

static void names_of_other_zones_go_on(void **unused)
{
    static const struct row rows[] = {
        {"x.elsewhere", DNS_A,
         "NOERROR aa\nAR x.elsewhere. 0 IN A 192.0.2.99\n"
         "AR _tcp.x.elsewhere. 0 IN SRV 0 0 1024 .\n"},
    };
    struct rig r;
    begin(&r, ZONE, ". {\n file % a.test\n whoami\n}\n");
    EXPECT(&r, rows);
    end(&r);
}

static void file_that_cannot_be_read_is_a_warning_and_servfail(void **unused)
{
    struct world w;
    struct capture c;
    char text[128];
    capture_start(&c);
    world_load(&w, "test {\n file /nonexistent/db\n whoami\n}\n");
    assert_string_equal(
        capture_stop(&c),
        "[WARNING] plugin/file: Failed to open /nonexistent/db: No such file "
        "or directory: its zones answer SERVFAIL; trying again in "
        "1m0s\n");
    struct world_question q = {.name = "www.test", .edns = true};
    uint64_t client = world_ask_as(&w, &q);
    assert_int_equal(world_rcode(&w, client), DNS_SERVFAIL);
    assert_int_equal(world_ede(&w, client, text, sizeof text), EDE_NOT_READY);
    world_close(&w);
}

static void error_in_the_file_is_told_with_file_and_line(void **unused)
{
    struct errors errs;
    struct rig r;
    errors_init(&errs);
    prepare(&r, ZONE "bad A 1\nworse B\n", "test {\n file %\n}\n");
    struct registry *reg = registry_new();
    assert_non_null(reg);
    struct config *c =
        config_load_text("Corefile", text_of(r.corefile), plugin_vocabulary(), &errs);
    assert_non_null(c);
    assert_null(plan_build(c, reg, &(struct plan_flags){0}, &errs));
    assert_int_equal(errs.n, 2);
    assert_string_equal(errs.list[0].at.file, r.path);
    assert_int_equal(errs.list[0].at.line, 6);
    assert_int_equal(errs.list[1].at.line, 7);
    errors_release(&errs);
    registry_free(reg);
    unlink(r.path);
}

static void what_it_cannot_do_is_refused(void **unused)
{
    static const char *const cases[][2] = {
        {"file", "Wrong argument count"},
        {"file {\n }", "Wrong argument count"},
        {"file % {\n reload -1s\n }", "reload can't be negative"},
        {"file /nonexistent/db {\n reload 0\n }", "could not read /nonexistent/db"},
        {"file % {\n reload often\n }", "invalid duration"},
        {"file % {\n reload_by_mtime 1\n }", "Wrong argument count"},
        {"file % {\n falltrough\n }", "did you mean 'fallthrough'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        struct rig r;
        snprintf(corefile, sizeof corefile, "test {\n %s\n}\n", cases[i][0]);
        prepare(&r, ZONE, corefile);
        assert_false(world_loads(r.corefile, text, sizeof text));
        assert_non_null(strstr(text, "plugin/file: "));
        assert_non_null(strstr(text, cases[i][1]));
        unlink(r.path);
    }
}

static void write_zone(const struct rig *r, const char *text)
{
    FILE *out = fopen(r->path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

#define NEXT_ZONE(serial, address)                                                     \
    "$TTL 60\n@ SOA ns h " serial " 2 3 4 5\nwww A " address "\n; " address "\n"

static const char *www(struct rig *r)
{
    static char text[SHOW_MAX];
    show_asked(&r->w, "www.test", DNS_A, text);
    char *end = strrchr(text, '\n');
    *end = '\0';
    return strrchr(text, ' ') + 1;
}

static void changed_file_is_a_changed_zone(void **unused)
{
    struct rig r;
    struct capture c;
    begin(&r, ZONE, "test {\n file % {\n reload 1s\n }\n}\n");
    struct feeds *feeds = &r.w.plan->feeds;
    feeds_due_us(feeds, 0);
    assert_false(feeds_refresh(feeds, 1000001)); /* nothing has changed */
    write_zone(&r, NEXT_ZONE("2", "192.0.2.22"));
    assert_true(feeds_refresh(feeds, 2000002));
    feeds_reclaim(feeds);
    assert_string_equal(www(&r), "192.0.2.22");
    capture_start(&c);
    write_zone(&r, NEXT_ZONE("2", "192.0.2.233"));
    assert_false(feeds_refresh(feeds, 3000003));
    write_zone(&r, "$TTL 60\n@ SOA ns h 3 2 3 4 5\nwww A 192.0.2\n");
    assert_false(feeds_refresh(feeds, 4000004));
    const char *lines = capture_stop(&c);
    assert_non_null(strstr(lines, "has changed, but not the serial 2 of zone test."));
    assert_non_null(strstr(lines, "zone test. stays as it is: /tmp/file-"));
    assert_string_equal(www(&r), "192.0.2.22");
    unlink(r.path);
    assert_false(feeds_refresh(feeds, 5000005));
    assert_string_equal(www(&r), "192.0.2.22");
    write_zone(&r, NEXT_ZONE("1", "192.0.2.4")); /* back is a change too */
    assert_true(feeds_refresh(feeds, 6000006));
    assert_string_equal(www(&r), "192.0.2.4");
    end(&r);
}

static void file_may_come_later(void **unused)
{
    struct rig r;
    prepare(&r, ZONE, "test {\n file % {\n reload 1s\n reload_by_mtime\n }\n}\n");
    unlink(r.path);
    world_load(&r.w, r.corefile);
    struct feeds *feeds = &r.w.plan->feeds;
    feeds_due_us(feeds, 0);
    write_zone(&r, NEXT_ZONE("7", "192.0.2.7"));
    feeds_refresh(feeds, 1000001);
    assert_string_equal(www(&r), "192.0.2.7");
    write_zone(&r, NEXT_ZONE("7", "192.0.2.88"));
    assert_true(feeds_refresh(feeds, 2000002));
    assert_string_equal(www(&r), "192.0.2.88");
    end(&r);
}

static void cname_that_leads_out_is_looked_up(void **unused)
{
    static const struct row rows[] = {
        {"x.a.test", DNS_A,
         "NOERROR aa\nAN x.a.test. 60 IN CNAME www.b.test.\n"
         "AN www.b.test. 60 IN A 192.0.2.1\n"},
        {"x.a.test", DNS_CNAME, "NOERROR aa\nAN x.a.test. 60 IN CNAME www.b.test.\n"},
        {"nx.a.test", DNS_A,
         "NXDOMAIN aa\nAN nx.a.test. 60 IN CNAME gone.b.test.\n"
         "NS b.test. 60 IN SOA ns.b.test. h.b.test. 1 2 3 4 5\n"},
        {"x.a.test", DNS_MX,
         "NOERROR aa\nAN x.a.test. 60 IN CNAME www.b.test.\n"
         "NS b.test. 60 IN SOA ns.b.test. h.b.test. 1 2 3 4 5\n"},
        {"far.a.test", DNS_A, "NOERROR aa\nAN far.a.test. 60 IN CNAME far.\n"},
        {"bad.a.test", DNS_A, "SERVFAIL aa\nAN bad.a.test. 60 IN CNAME x.c.test.\n"},
    };
    struct rig r;
    begin(&r,
          ZONE "x CNAME www.b.test.\nnx CNAME gone.b.test.\nfar CNAME far.\n"
               "bad CNAME x.c.test.\n",
          "test {\n file % a.test b.test\n}\nc.test {\n file /nonexistent/db\n}\n");
    EXPECT(&r, rows);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_are_those_of_the_line_or_else_of_the_block),
        cmocka_unit_test(longest_zone_answers),
        cmocka_unit_test(last_of_two_files_for_a_zone_is_used),
        cmocka_unit_test(reverse_zones_can_be_written_as_prefixes),
        cmocka_unit_test(missing_names_fall_through_where_told),
        cmocka_unit_test(names_of_other_zones_go_on),
        cmocka_unit_test(file_that_cannot_be_read_is_a_warning_and_servfail),
        cmocka_unit_test(error_in_the_file_is_told_with_file_and_line),
        cmocka_unit_test(what_it_cannot_do_is_refused),
        cmocka_unit_test(changed_file_is_a_changed_zone),
        cmocka_unit_test(file_may_come_later),
        cmocka_unit_test(cname_that_leads_out_is_looked_up),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
