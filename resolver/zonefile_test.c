#include "resolver/zonefile.h"

#include "base/hash.h"
#include "resolver/rdata.h"
#include "tests/unit/build.h"
#include "tests/unit/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

struct rig {
    struct arena arena;
    struct errors errs;
    struct name apex;
    struct zonedata *zone; /* NULL: there are errors */
};

static void load(struct rig *r, const char *text)
{
    struct source from = {.file = "db", .text = text_of(text)};
    assert_int_equal(hash_seed(), 0);
    assert_int_equal(rdata_start(), 0);
    assert_int_equal(name_parse(&r->apex, TEXT("example.org")), 0);
    arena_init(&r->arena, NULL, 0);
    errors_init(&r->errs);
    r->zone = zonefile_parse(&r->arena, from, &r->apex, NULL, &r->errs);
    assert_int_equal(r->zone == NULL, r->errs.n > 0);
}

static void unload(struct rig *r)
{
    arena_release(&r->arena);
    errors_release(&r->errs);
    build_release();
}

/* "TTL RDATA-IN-HEX ..." of the answer to one question; RDATA of addresses as such. */
static const char *found(struct rig *r, const char *name, uint16_t type)
{
    enum { ROOM = 1024 };
    struct name_key key;
    struct msg m = {0};
    char *out = build_keep(ROOM);
    size_t len = 0;
    name_key_init(&key, build_name(name));
    assert_true(zonedata_answer(r->zone, &(struct zone_question){&key, type, false},
                                &r->arena, &m) >= 0);
    msg_each_rr (rr, &m) {
        if (rr->section != SECTION_ANSWER)
            continue;
        len += (size_t)snprintf(out + len, ROOM - len, "%s%u ", len > 0 ? " " : "",
                                rr->ttl);
        for (uint16_t i = 0; i < rr->rdlen; i++)
            len += (size_t)snprintf(out + len, ROOM - len, "%02x",
                                    rr->base[rr->rdata + i]);
        assert_true(len < ROOM);
    }
    return out;
}

struct row {
    const char *text; /* behind a SOA, on line 3 */
    const char *name;
    uint16_t type;
    const char *found;
};

#define HEAD "$TTL 60\n@ SOA ns h 1 2 3 4 5\n"

static void expect(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char text[1024];
        struct rig r;
        snprintf(text, sizeof text, HEAD "%s", rows[i].text);
        load(&r, text);
        errors_print(&r.errs, stderr);
        assert_non_null(r.zone);
        assert_string_equal(found(&r, rows[i].name, rows[i].type), rows[i].found);
        unload(&r);
    }
}
#define EXPECT(rows) expect(rows, sizeof(rows) / sizeof *(rows))

static void ttl_and_class_stand_in_any_order_or_not_at_all(void **unused)
{
    static const struct row rows[] = {
        {"w A 10.0.0.1", "w.example.org", DNS_A, "60 0a000001"},
        {"w IN A 10.0.0.1", "w.example.org", DNS_A, "60 0a000001"},
        {"w 5 A 10.0.0.1", "w.example.org", DNS_A, "5 0a000001"},
        {"w 5 IN A 10.0.0.1", "w.example.org", DNS_A, "5 0a000001"},
        {"w in 5 a 10.0.0.1", "w.example.org", DNS_A, "5 0a000001"},
        {"w 0 A 10.0.0.1", "w.example.org", DNS_A, "0 0a000001"},
        {"w 1h30m A 10.0.0.1", "w.example.org", DNS_A, "5400 0a000001"},
        {"w 1W2d3S A 10.0.0.1", "w.example.org", DNS_A, "777603 0a000001"},
        {"w 2147483647 A 10.0.0.1", "w.example.org", DNS_A, "2147483647 0a000001"},
    };
    EXPECT(rows);
}

static void owner_is_the_one_before_where_a_line_begins_blank(void **unused)
{
    static const struct row rows[] = {
        {"w A 10.0.0.1\n A 10.0.0.2\n\t7 A 10.0.0.3", "w.example.org", DNS_A,
         "60 0a000001 60 0a000002 7 0a000003"},
        {"@ A 10.0.0.1\n", "example.org", DNS_A, "60 0a000001"},
        {" A 10.0.0.1\n", "example.org", DNS_A, "60 0a000001"},
        {"example.org. A 10.0.0.1", "example.org", DNS_A, "60 0a000001"},
        {"W\\.x A 10.0.0.1", "w\\.x.example.org", DNS_A, "60 0a000001"},
        {"w\\032x A 10.0.0.1", "w\\032x.example.org", DNS_A, "60 0a000001"},
    };
    EXPECT(rows);
}

static void origin_may_be_relative(void **unused)
{
    static const struct row rows[] = {
        {"$ORIGIN sub\nw A 10.0.0.1", "w.sub.example.org", DNS_A, "60 0a000001"},
        {"$ORIGIN a\n$ORIGIN b\n@ A 10.0.0.1", "b.a.example.org", DNS_A, "60 0a000001"},
        {"$origin sub.example.org. ; c\nw A 10.0.0.1", "w.sub.example.org", DNS_A,
         "60 0a000001"},
        {"$ORIGIN sub\nw CNAME x", "w.sub.example.org", DNS_CNAME,
         "60 0178 03737562 076578616d706c65 036f7267 00"},
        {"$ORIGIN sub\nw MX 1 x", "w.sub.example.org", DNS_MX,
         "60 0001 0178 03737562 076578616d706c65 036f7267 00"},
        {"w PTR @", "w.example.org", DNS_PTR, "60 076578616d706c65 036f7267 00"},
        {"w PTR x.", "w.example.org", DNS_PTR, "60 0178 00"},
    };
    /* The blanks are for the reader. */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct row row = rows[i];
        char *plain = build_keep(200);
        size_t len = 0;
        for (const char *p = row.found; *p != '\0'; p++) {
            if (*p != ' ' || p == row.found + 2)
                plain[len++] = *p;
        }
        row.found = plain;
        expect(&row, 1);
    }
}

static void lines_are_joined_in_parentheses_and_cut_at_comments(void **unused)
{
    static const struct row rows[] = {
        {"w ( A ; one\n\n 10.0.0.1 ) ; two", "w.example.org", DNS_A, "60 0a000001"},
        {"w A 10.0.0.1;c\nx A 10.0.0.2", "w.example.org", DNS_A, "60 0a000001"},
        {"; (\n\n  ; \"\nw A 10.0.0.1", "w.example.org", DNS_A, "60 0a000001"},
        {"w TXT \"a;(b\" c", "w.example.org", DNS_TXT, "60 04613b28620163"},
        {"w TXT ((a) b)", "w.example.org", DNS_TXT, "60 01610162"},
        {"w TXT ( \"a\n(\"\n b )", "w.example.org", DNS_TXT, "60 03610a280162"},
        {"w TXT \\;", "w.example.org", DNS_TXT, "60 013b"},
        {"w TXT \"\"", "w.example.org", DNS_TXT, "60 00"},
        {"w A 10.0.0.1\r\nx A 10.0.0.2\r\n", "w.example.org", DNS_A, "60 0a000001"},
    };
    EXPECT(rows);
}

static void data_of_every_type_is_ldns_business(void **unused)
{
    static const struct row rows[] = {
        {"w AAAA fd00::1", "w.example.org", DNS_AAAA,
         "60 fd000000000000000000000000000001"},
        {"w A \\# 4 0a000001", "w.example.org", DNS_A, "60 0a000001"},
        {"w TYPE65400 \\# 2 abcd", "w.example.org", 65400, "60 abcd"},
        {"w SRV 1 2 3 .", "w.example.org", DNS_SRV, "60 00010002000300"},
        {"w HTTPS 1 . port=443", "w.example.org", DNS_HTTPS,
         "60 00010000030002"
         "01bb"},
    };
    EXPECT(rows);
}

static void doubles_are_dropped_and_the_order_of_the_file_is_kept(void **unused)
{
    static const struct row rows[] = {
        {"w A 10.0.0.3\nw A 10.0.0.1\nx A 10.0.0.9\nw A 10.0.0.3\nw TXT a\nw A 10.0.0.2",
         "w.example.org", DNS_A, "60 0a000003 60 0a000001 60 0a000002"},
    };
    EXPECT(rows);
}

/* RFC 2308 section 4, and RFC 1035 section 5.1 where there is no $TTL. */
static void missing_ttl_comes_from_what_was_said_before(void **unused)
{
    static const struct row rows[] = {
        {"@ SOA ns h 1 2 3 4 5\nw A 10.0.0.1", "w.example.org", DNS_A, "5 0a000001"},
        {"@ 9 SOA ns h 1 2 3 4 5\nw A 10.0.0.1", "w.example.org", DNS_A, "9 0a000001"},
        {"@ 9 SOA ns h 1 2 3 4 5\nw 7 A 10.0.0.1\nx A 10.0.0.2", "x.example.org", DNS_A,
         "7 0a000002"},
        {"$TTL 60\n@ 9 SOA ns h 1 2 3 4 5\nw 7 A 10.0.0.1\nx A 10.0.0.2",
         "x.example.org", DNS_A, "60 0a000002"},
        {"$TTL 0\n@ SOA ns h 1 2 3 4 5\nx A 10.0.0.2", "x.example.org", DNS_A,
         "0 0a000002"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        load(&r, rows[i].text);
        assert_non_null(r.zone);
        assert_string_equal(found(&r, rows[i].name, rows[i].type), rows[i].found);
        unload(&r);
    }
}

static void what_is_wrong_is_told_with_its_line(void **unused)
{
    static const struct {
        const char *text; /* from line 3 */
        uint32_t line;
        const char *words;
    } rows[] = {
        {"w A 10.0.0", 3, "A 10.0.0"},
        {"w A 10.0.0.1 10.0.0.2", 3, "A 10.0.0.1 10.0.0.2"},
        {"w A fd00::1", 3, "fd00::1"},
        {"w AAAA fe80::1%1", 3, "fe80::1%1"},
        {"w A", 3, "'A'"},
        {"w", 3, "no type and data: 'w'"},
        {"\n\nw A (\n 10.0.0\n )\n", 5, "10.0.0"},
        {"w NOSUCH x", 3, "unknown type: 'NOSUCH'"},
        {"w CH A 10.0.0.1", 3, "class: expected IN: 'CH'"},
        {"w ANY x", 3, "type: no record of a zone has it: 'ANY'"},
        {"w OPT \\# 0", 3, "type: no record of a zone has it: 'OPT'"},
        {"w A \\# 3 0a0000", 3, "0a0000"},
        {"w NS \\# 2 c00c", 3, "c00c"},
        {"w 2147483648 A 10.0.0.1", 3, "TTL: expected seconds"},
        {"w 1x A 10.0.0.1", 3, "TTL: expected seconds"},
        {"$TTL x", 3, "$TTL: expected seconds"},
        {"$TTL", 3, "$TTL: expected seconds"},
        {"$ORIGIN", 3, "$ORIGIN: no domain name"},
        {"$ORIGIN a..b", 3, "$ORIGIN: no domain name: 'a..b'"},
        {"$ORIGIN a b", 3, "one word too many: 'b'"},
        {"$INCLUDE", 3, "$INCLUDE: expected FILE [ORIGIN]"},
        {"$INCLUDE /nonexistent/db", 3, "could not read /nonexistent/db"},
        {"$GENERATE 1-2", 3, "$GENERATE: expected FIRST-LAST"},
        {"$GENERATE 1-2 a$ A 10.0.0", 3, "10.0.0"},
        {"a..b A 10.0.0.1", 3, "no domain name: 'a..b'"},
        {"w TXT \"a\nb\"", 3, "a quoted text has no end on its line"},
        {"w TXT ( \"a\nb )\nx A 10.0.0.1", 3, "a quoted text has no end"},
        {"w TXT ( a", 3, "parentheses do not match"},
        {"w TXT a ) b", 3, "parentheses do not match"},
        {"x.test. SOA ns h 1 2 3 4 5", 3, "the SOA is not that of the zone: 'x.test.'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        struct rig r;
        snprintf(text, sizeof text, HEAD "%s", rows[i].text);
        load(&r, text);
        assert_null(r.zone);
        assert_string_equal(r.errs.list[0].at.file, "db");
        assert_int_equal(r.errs.list[0].at.line, rows[i].line);
        assert_non_null(strstr(r.errs.list[0].text, rows[i].words));
        unload(&r);
    }
}

static void all_errors_are_told(void **unused)
{
    struct rig r;
    load(&r, HEAD "w A 1\nx A 10.0.0.1\ny NOSUCH 1\nz TXT )\nv A 10.0.0.1\n$NO\n");
    assert_int_equal(r.errs.n, 4);
    assert_int_equal(r.errs.list[3].at.line, 8);
    unload(&r);
}

static void a_zone_needs_its_soa_and_ttls(void **unused)
{
    static const char *const rows[][2] = {
        {"", "no SOA record for origin example.org."},
        {"w 5 A 10.0.0.1", "no SOA record for origin example.org."},
        {"w A 10.0.0.1\n@ SOA ns h 1 2 3 4 5",
         "no TTL: begin the file with `$TTL 3600`"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig r;
        load(&r, rows[i][0]);
        assert_null(r.zone);
        assert_non_null(strstr(r.errs.list[0].text, rows[i][1]));
        unload(&r);
    }
}

/* `. { file db.sub }`, and what `dig AXFR` prints. */
static void soa_may_stand_below_the_apex_and_a_second_is_passed_over(void **unused)
{
    struct rig r;
    load(&r, "$ORIGIN sub.example.org.\n@ 9 SOA ns h 1 2 3 4 5\n@ NS ns\n"
             "w A 10.0.0.1\n@ SOA ns h 2 2 3 4 5\n");
    assert_non_null(r.zone);
    assert_string_equal(found(&r, "w.sub.example.org", DNS_A), "9 0a000001");
    assert_string_equal(found(&r, "v.sub.example.org", DNS_A), "");
    assert_int_equal(zonedata_times(zonedata_soa(r.zone)).serial, 1);
    unload(&r);
}

static void lines_may_be_made_and_files_included(void **unused)
{
    char path[] = "/tmp/zonefile-XXXXXX", text[300];
    static const char more[] = "$TTL 9\nw A 10.0.1.1\n$ORIGIN deep.example.org.\n"
                               "@ A 10.0.1.2\n";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, more, sizeof more - 1), sizeof more - 1);
    close(fd);
    snprintf(text, sizeof text,
             HEAD "$GENERATE 1-3 h$ A 10.0.0.$\n$INCLUDE %s sub\n$INCLUDE %s ; again\n"
                  "x A 10.0.0.9\n",
             path, path);
    static const char *const rows[][2] = {
        {"h2.example.org", "60 0a000002"}, {"w.sub.example.org", "9 0a000101"},
        {"w.example.org", "9 0a000101"},   {"deep.example.org", "9 0a000102"},
        {"x.example.org", "60 0a000009"},  {"h4.example.org", ""},
    };
    struct rig r;
    load(&r, text);
    unlink(path);
    assert_non_null(r.zone);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(found(&r, rows[i][0], DNS_A), rows[i][1]);
    unload(&r);
}

static void files_that_include_each_other_end(void **unused)
{
    char path[] = "/tmp/zonefile-XXXXXX", text[100];
    struct rig r;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    int len = snprintf(text, sizeof text, "$INCLUDE %s\n", path);
    assert_int_equal(write(fd, text, (size_t)len), len);
    close(fd);
    load(&r, text);
    unlink(path);
    assert_null(r.zone);
    assert_non_null(strstr(r.errs.list[0].text, "nested too deep"));
    assert_string_equal(r.errs.list[0].at.file, path);
    unload(&r);
}

static void nul_octets_are_no_zone(void **unused)
{
    static const char text[] = HEAD "w TXT a\0b\n";
    struct source from = {.file = "db", .text = {.at = text, .len = sizeof text - 1}};
    struct rig r;
    load(&r, HEAD);
    assert_null(zonefile_parse(&r.arena, from, &r.apex, NULL, &r.errs));
    assert_non_null(strstr(r.errs.list[0].text, "NUL"));
    unload(&r);
}

static void what_nobody_wants_is_not_read_to_its_end(void **unused)
{
    static const _Atomic bool stop = true;
    struct source from = {.file = "db", .text = text_of(HEAD "not even a record\n")};
    struct rig r;
    load(&r, HEAD);
    assert_null(zonefile_parse(&r.arena, from, &r.apex, &stop, &r.errs));
    assert_int_equal(r.errs.n, 0);
    unload(&r);
}

static void records_outside_are_passed_over_with_one_warning(void **unused)
{
    struct rig r;
    struct capture c;
    capture_start(&c);
    load(&r, HEAD "example.net. A 10.0.0.1\nxexample.org. A 10.0.0.1\nw A 10.0.0.2\n");
    assert_string_equal(
        capture_stop(&c),
        "[WARNING] db: records outside of the zone example.org. are passed over: 2\n");
    assert_string_equal(found(&r, "w.example.org", DNS_A), "60 0a000002");
    unload(&r);
}

static void cname_beside_other_data_is_warned_of(void **unused)
{
    static const char *const rows[] = {"w A 10.0.0.1\nw CNAME x",
                                       "w CNAME x\nw CNAME y"};
    for (size_t i = 0; i < 2; i++) {
        char text[200];
        struct rig r;
        struct capture c;
        snprintf(text, sizeof text, HEAD "%s", rows[i]);
        capture_start(&c);
        load(&r, text);
        assert_non_null(strstr(capture_stop(&c), "w.example.org. has other records"));
        unload(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ttl_and_class_stand_in_any_order_or_not_at_all),
        cmocka_unit_test(owner_is_the_one_before_where_a_line_begins_blank),
        cmocka_unit_test(origin_may_be_relative),
        cmocka_unit_test(lines_are_joined_in_parentheses_and_cut_at_comments),
        cmocka_unit_test(data_of_every_type_is_ldns_business),
        cmocka_unit_test(doubles_are_dropped_and_the_order_of_the_file_is_kept),
        cmocka_unit_test(missing_ttl_comes_from_what_was_said_before),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(all_errors_are_told),
        cmocka_unit_test(a_zone_needs_its_soa_and_ttls),
        cmocka_unit_test(soa_may_stand_below_the_apex_and_a_second_is_passed_over),
        cmocka_unit_test(lines_may_be_made_and_files_included),
        cmocka_unit_test(files_that_include_each_other_end),
        cmocka_unit_test(nul_octets_are_no_zone),
        cmocka_unit_test(what_nobody_wants_is_not_read_to_its_end),
        cmocka_unit_test(records_outside_are_passed_over_with_one_warning),
        cmocka_unit_test(cname_beside_other_data_is_warned_of),
    };
    return cmocka_run_group_tests_name("zonefile", tests, NULL, NULL);
}
