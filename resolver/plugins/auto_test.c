#include "resolver/plugin.h"

#include "resolver/feed.h"
#include "tests/unit/build.h"
#include "tests/unit/capture.h"
#include "tests/unit/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

/* A directory of the test's own; % in a Corefile is its path. */
struct rig {
    struct world w;
    char dir[32];
    uint64_t now_us;
};

static const char *path_of(const struct rig *r, const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", r->dir, name);
    return path;
}

static void put(const struct rig *r, const char *name, const char *serial,
                const char *address)
{
    FILE *out = fopen(path_of(r, name), "w");
    assert_non_null(out);
    fprintf(out, "$TTL 60\n@ SOA ns h %s 2 3 4 5\nwww A %s\n", serial, address);
    assert_int_equal(fclose(out), 0);
}

static void make(struct rig *r)
{
    *r = (struct rig){.dir = "/tmp/auto-XXXXXX", .now_us = 1};
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(mkdir(path_of(r, "sub"), 0700), 0);
}

static void load(struct rig *r, const char *corefile)
{
    char text[1024];
    const char *mark = strchr(corefile, '%');
    snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - corefile), corefile, r->dir,
             mark + 1);
    world_load(&r->w, text);
    feeds_due_us(&r->w.plan->feeds, r->now_us);
}

static bool look(struct rig *r)
{
    r->now_us += 2000000;
    bool replaced = feeds_refresh(&r->w.plan->feeds, r->now_us);
    feeds_reclaim(&r->w.plan->feeds);
    return replaced;
}

static void end(struct rig *r)
{
    static const char *const files[] = {
        "db.a.test", "db.b.test", "sub/db.c.test", "sub/db.a.test", "x.zone",
        "db.a..b",   "db."};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(path_of(r, files[i]));
    rmdir(path_of(r, "sub"));
    rmdir(r->dir);
    world_close(&r->w);
}

/* The address of www in the zone, or the code. */
static const char *www(struct rig *r, const char *name)
{
    static char text[SHOW_MAX];
    show_asked(&r->w, name, DNS_A, text);
    *strrchr(text, '\n') = '\0';
    return strrchr(text, ' ') == NULL ? text : strrchr(text, ' ') + 1;
}

static void zones_are_named_by_their_files(void **unused)
{
    struct rig r;
    make(&r);
    put(&r, "db.a.test", "1", "192.0.2.1");
    put(&r, "sub/db.c.test", "1", "192.0.2.3");
    put(&r, "sub/db.a.test", "1", "192.0.2.4"); /* the first in order is used */
    put(&r, "x.zone", "1", "192.0.2.5");
    put(&r, "db.a..b", "1", "192.0.2.6");
    load(&r, "test {\n auto {\n directory %\n }\n}\n");
    assert_string_equal(www(&r, "www.a.test"), "192.0.2.1");
    assert_string_equal(www(&r, "www.c.test"), "192.0.2.3");
    assert_string_equal(www(&r, "www.x.test"), "REFUSED");
    end(&r);
}

static void template_names_them_otherwise(void **unused)
{
    static const char *const templates[] = {"{1}.{2}.test", "$1.${2}.test",
                                            "{a}.{b}.test"};
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        char corefile[200];
        struct rig r;
        make(&r);
        put(&r, "x.zone", "1", "192.0.2.5");
        snprintf(corefile, sizeof corefile,
                 "test {\n auto {\n directory %% (?P<a>.).(?P<b>zon)e %s\n }\n}\n",
                 templates[i]);
        load(&r, corefile);
        assert_string_equal(www(&r, "www.x.zon.test"), "192.0.2.5");
        end(&r);
    }
}

static void only_the_zones_of_the_line_are_asked(void **unused)
{
    struct rig r;
    make(&r);
    put(&r, "db.a.test", "1", "192.0.2.1");
    put(&r, "db.b.test", "1", "192.0.2.2");
    put(&r, "db.", "1", "192.0.2.9");
    load(&r, ". {\n auto b.test {\n directory %\n }\n whoami\n}\n");
    assert_string_equal(www(&r, "www.b.test"), "192.0.2.2");
    assert_string_equal(www(&r, "www.a.test"), "."); /* of whoami */
    end(&r);
}

static void directory_is_followed(void **unused)
{
    struct rig r;
    struct capture c;
    make(&r);
    put(&r, "db.a.test", "1", "192.0.2.1");
    load(&r, ". {\n auto {\n directory %\n reload 1s\n }\n}\n");
    assert_false(look(&r));
    capture_start(&c);
    put(&r, "db.b.test", "1", "192.0.2.2");
    put(&r, "db.a.test", "2", "192.0.2.11");
    assert_true(look(&r));
    assert_string_equal(www(&r, "www.a.test"), "192.0.2.11");
    assert_string_equal(www(&r, "www.b.test"), "192.0.2.2");
    put(&r, "db.a.test", "2", "192.0.2.111"); /* the serial says: no change */
    put(&r, "db.b.test", "2", "192.0.2");
    assert_true(look(&r));
    assert_string_equal(www(&r, "www.a.test"), "192.0.2.11");
    assert_string_equal(www(&r, "www.b.test"), "192.0.2.2");
    assert_false(look(&r));
    unlink(path_of(&r, "db.a.test"));
    assert_true(look(&r));
    assert_string_equal(www(&r, "www.a.test"), "REFUSED");
    const char *lines = capture_stop(&c);
    assert_non_null(strstr(lines, "Inserting zone `b.test.' from: /tmp/auto-"));
    assert_non_null(strstr(lines, "db.b.test:3 - "));
    assert_non_null(strstr(lines, "Deleting zone `a.test.'"));
    end(&r);
}

static void directory_that_is_away_takes_no_zone_along(void **unused)
{
    struct rig r;
    struct capture c;
    char away[40];
    make(&r);
    put(&r, "db.a.test", "1", "192.0.2.1");
    load(&r, ". {\n auto {\n directory %\n reload 1s\n }\n}\n");
    snprintf(away, sizeof away, "%s.away", r.dir);
    assert_int_equal(rename(r.dir, away), 0);
    capture_start(&c);
    assert_false(look(&r));
    assert_false(look(&r));
    const char *lines = capture_stop(&c);
    assert_non_null(strstr(lines, "could not read directory"));
    assert_ptr_equal(strchr(lines, '\n'), strrchr(lines, '\n')); /* once */
    assert_string_equal(www(&r, "www.a.test"), "192.0.2.1");
    assert_int_equal(rename(away, r.dir), 0);
    end(&r);
}

static void mistakes_are_told(void **unused)
{
    static const char *const cases[][2] = {
        {"auto {\n directory\n }", "Wrong argument count"},
        {"auto {\n directory /tmp (\n }", "could not parse regex: ("},
        {"auto {\n directory /tmp x {1}\n }", "Need at least one sub expression"},
        {"auto {\n directory /tmp (x)\n }", "Wrong argument count"},
        {"auto {\n directory /tmp (x) {1} more\n }", "Wrong argument count"},
        {"auto {\n directory /dev/null/x\n }", "Unable to access root path"},
        {"auto {\n reload\n }", "Wrong argument count"},
        {"auto {\n reload -1s\n }", "can't be negative"},
        {"auto {\n directori /tmp\n }", "did you mean 'directory'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, "test {\n %s\n}\n", cases[i][0]);
        assert_false(world_loads(corefile, text, sizeof text));
        assert_non_null(strstr(text, "plugin/auto: "));
        assert_non_null(strstr(text, cases[i][1]));
    }
}

static void what_coredns_loads_loads(void **unused)
{
    static const char *const cases[] = {
        "auto", "auto {\n upstream 8.8.8.8\n }", "auto {\n directory /nonexistent\n }",
        "auto {\n directory /nonexistent\n }\n auto x.test {\n reload 0\n }"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char corefile[200], text[512];
        snprintf(corefile, sizeof corefile, "test {\n %s\n}\n", cases[i]);
        assert_true(world_loads(corefile, text, sizeof text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_are_named_by_their_files),
        cmocka_unit_test(template_names_them_otherwise),
        cmocka_unit_test(only_the_zones_of_the_line_are_asked),
        cmocka_unit_test(directory_is_followed),
        cmocka_unit_test(directory_that_is_away_takes_no_zone_along),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(what_coredns_loads_loads),
    };
    return cmocka_run_group_tests_name("auto", tests, NULL, NULL);
}
