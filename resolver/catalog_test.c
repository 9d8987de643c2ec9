#include "resolver/catalog.h"

#include "base/hash.h"
#include "resolver/rdata.h"
#include "resolver/zonefile.h"
#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define HEAD "$TTL 60\n@ SOA . . 1 2 3 4 5\n"
#define GOOD HEAD "@ NS invalid.\nversion TXT 2\n"

struct rig {
    struct arena arena;
    char why[CATALOG_WHY_MAX];
    const struct catalog *catalog;
};

static void begin(struct rig *r, const char *text)
{
    struct name apex;
    struct errors errs;
    errors_init(&errs);
    arena_init(&r->arena, NULL, 0);
    assert_int_equal(name_parse(&apex, text_of("cat.test")), 0);
    struct source from = {.file = "text", .text = text_of(text)};
    const struct zonedata *z = zonefile_parse(&r->arena, from, &apex, NULL, &errs);
    assert_non_null(z);
    r->catalog = catalog_read(z, &r->arena, r->why);
    errors_release(&errs);
}

static void end(struct rig *r)
{
    arena_release(&r->arena);
    build_release();
}

static void members_are_pointers_below_zones(void **unused)
{
    struct rig r;
    begin(&r, GOOD "One.Zones PTR A.Test.\n"
                   "coo.one.zones PTR Next.Test.\n"
                   "group.one.zones TXT x\n"
                   "two.zones PTR b.test.\n"
                   "two.zones TXT x\n"
                   "x.y.zones PTR deep.test.\n"
                   "x.zone PTR elsewhere.test.\n"
                   "coo.gone.zones PTR next.test.\n"
                   "coo.gone.zones PTR other.test.\n"
                   "version.ext TXT 3\n");
    assert_non_null(r.catalog);
    assert_int_equal(r.catalog->members.n, 2);
    const struct catalog_member *m = catalog_member(r.catalog, build_name("a.test"));
    assert_non_null(m);
    assert_memory_equal(m->label, "\3one", 4);
    assert_true(name_equal(m->coo, build_name("next.test")));
    m = catalog_member(r.catalog, build_name("b.test"));
    assert_memory_equal(m->label, "\3two", 4);
    assert_null(m->coo);
    assert_null(catalog_member(r.catalog, build_name("x.b.test")));
    end(&r);
}

static void version_may_be_in_pieces(void **unused)
{
    struct rig r;
    begin(&r, HEAD "@ NS invalid.\nversion TXT \"\" \"2\" \"\"\n");
    assert_non_null(r.catalog);
    assert_int_equal(r.catalog->members.n, 0);
    end(&r);
}

static void what_is_wrong_is_told(void **unused)
{
    static const char *const rows[][2] = {
        {HEAD "version TXT 2\n", "the catalog zone has no NS record"},
        {HEAD "@ NS invalid.\n", "exactly one version TXT record"},
        {GOOD "version TXT 1\n", "exactly one version TXT record"},
        {HEAD "@ NS invalid.\nversion TXT 1\n", "a version that is not \"2\""},
        {HEAD "@ NS invalid.\nversion TXT 22\n", "a version that is not \"2\""},
        {HEAD "@ NS invalid.\nversion TXT 2 2\n", "a version that is not \"2\""},
        {GOOD "a.zones PTR x.test.\na.zones PTR y.test.\n",
         "catalog member a.zones.cat.test. must have exactly one PTR record"},
        {GOOD "a.zones PTR x.test.\nb.zones PTR X.test.\n",
         "catalog member zone x.test. is listed twice"},
        {GOOD "a.zones PTR x.test.\ncoo.a.zones PTR y.test.\ncoo.a.zones PTR z.test.\n",
         "catalog member a.zones.cat.test. has more than one coo PTR record"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        begin(&r, rows[i][0]);
        assert_null(r.catalog);
        assert_non_null(strstr(r.why, rows[i][1]));
        end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_pointers_below_zones),
        cmocka_unit_test(version_may_be_in_pieces),
        cmocka_unit_test(what_is_wrong_is_told),
    };
    if (hash_seed() < 0 || rdata_start() < 0)
        return 1;
    return cmocka_run_group_tests_name("catalog", tests, NULL, NULL);
}
