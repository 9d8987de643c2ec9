#include "resolver/zonefile.h"

#include "base/cursor.h"
#include "resolver/rdata.h"

#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

struct rig {
    uint8_t room[8192];
    struct zonefile_record record;
    struct errors errs;
};

static int read_text(struct rig *r, const char *text)
{
    struct zonefile_room room = {r->room, sizeof r->room};
    assert_int_equal(rdata_start(), 0);
    errors_init(&r->errs);
    int rc = zonefile_record(text_of(text), room, &r->record, &r->errs);
    assert_int_equal(rc<0, r->errs.n> 0);
    errors_release(&r->errs);
    return rc;
}

/* The record as ldns understands it: owner, then type, class, TTL, length, data. */
static void check_against_ldns(const struct rig *r, const char *text)
{
    uint8_t *wire = NULL;
    size_t len = 0;
    ldns_rr *rr = NULL;
    ldns_rdf *root = ldns_dname_new_frm_str(".");
    ldns_status status = ldns_rr_new_frm_str(&rr, text, ZONEFILE_TTL_S, root, NULL);
    if (status != LDNS_STATUS_OK)
        fail_msg("%s: %s", text, ldns_get_errorstr_by_id(status));
    assert_int_equal(ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &len), 0);
    const struct zonefile_record *got = &r->record;
    size_t head = got->owner.len;
    assert_memory_equal(wire, got->owner.wire, head);
    assert_int_equal(load_u16(wire + head), got->type);
    assert_int_equal(load_u16(wire + head + 2), got->class);
    assert_int_equal(load_u32(wire + head + 4), got->ttl);
    assert_int_equal(load_u16(wire + head + 8), got->rdata.len);
    assert_memory_equal(wire + head + 10, got->rdata.at, got->rdata.len);
    free(wire);
    ldns_rr_free(rr);
    ldns_rdf_deep_free(root);
}

static void records_are_what_ldns_makes_of_them(void **unused)
{
    static const char *const texts[] = {
        "a.test. 60 IN A 192.0.2.1",
        "a.test 60 A 192.0.2.1",
        "a.test. A 192.0.2.1",
        "A.Test. CH TXT \"hello\" world",
        "a.test. 1h30m IN AAAA 2001:db8::1",
        "a.test. 0 IN CNAME b.test",
        "a.test. 60 IN NS .",
        "1.2.0.192.in-addr.arpa. 60 IN PTR Host.Test.",
        "a.test. 60 IN MX 10 mail.test.",
        "_x._tcp.a.test. 60 IN SRV 1 2 65535 target.test.",
        "a.test. 60 IN SOA ns.test. h.test. ( 4294967295 60 1h 60 60 )",
        "a.test. 60 IN SOA ns h (1 60\n 60 60 60) ; the end",
        "a.test. 60 IN HINFO \"a b\" c",
        "a.test. 60 IN TXT \"a\\\"b\\\\c\\065 ; d\" e\\ f",
        "a.test. 60 IN TXT \"\"",
        "a.test. 60 IN DNAME b.test.",
        "a.test. 60 IN CAA 0 issue \"ca.test\"",
        "a.test. 60 IN NAPTR 1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:x@y!\" .",
        "a.test. 60 IN KX 1 relative",
        "a.test. 60 IN SSHFP 1 1 123456789abcdef67890123456789abcdef67890",
        "a.test. 60 IN TYPE65400 \\# 3 abcdef",
        "a.test. 60 IN A \\# 4 c0000201",
        "a.test. 60 IN HTTPS 1 . alpn=h3",
        "*.a.test. 60 IN A 192.0.2.1",
        "a\\.b.test. 60 IN A 192.0.2.1",
    };
    struct rig r;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (read_text(&r, texts[i]) != 1)
            fail_msg("%s was refused", texts[i]);
        check_against_ldns(&r, texts[i]);
    }
}

static void blanks_and_comments_around_a_record_do_not_matter(void **unused)
{
    static const char *const texts[] = {
        "  a.test. 60 IN A 192.0.2.1  ",
        "\n\n; comment\n a.test. 60 IN A 192.0.2.1\n",
        "a.test.\t60\tIN\tA\t192.0.2.1 ; comment",
        "a.test IN 60 A 192.0.2.1",
        "a.test. 60 IN A 192.0.2.1\nb.test. 60 IN A 192.0.2.2\n",
    };
    struct rig r;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(read_text(&r, texts[i]), 1);
        check_against_ldns(&r, "a.test. 60 IN A 192.0.2.1");
    }
}

static void a_text_without_a_record_is_none(void **unused)
{
    static const char *const texts[] = {"", "  ", "\n\t\n", "; only a comment", "\r\n"};
    struct rig r;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(read_text(&r, texts[i]), 0);
}

static void a_long_text_becomes_several_strings(void **unused)
{
    char text[700] = "a.test. TXT \"";
    struct rig r;
    memset(text + strlen(text), 'x', 600);
    text[613] = '"';
    assert_int_equal(read_text(&r, text), 1);
    assert_int_equal(r.record.rdata.len, 603);
    assert_int_equal(r.record.rdata.at[0], 255);
    assert_int_equal(r.record.rdata.at[256], 255);
    assert_int_equal(r.record.rdata.at[512], 90);
}

static void what_is_no_record_is_refused(void **unused)
{
    static const char *const texts[] = {
        "a.test.",
        "a.test. 60 IN",
        "a.test. 60 IN A",
        "a.test. 60 IN A 192.0.2.256",
        "a.test. 60 IN A 192.0.2.1 x",
        "a.test. 60 IN A <no value>",
        "a.test. 60 IN AAAA fe80::1%lo",
        "a.test. 60 IN MX mail.test.",
        "a.test. 60 IN MX 65536 mail.test.",
        "a.test. 60 IN MX 1h mail.test.",
        "a.test. 60 IN SRV 1 2 3",
        "a.test. 60 IN SOA ns h 1 2 3 4",
        "a.test. 60 IN SOA ns h 4294967296 2 3 4 5",
        "a.test. 60 IN TXT",
        "a.test. 60 IN TXT \"open",
        "a.test. 60 IN TXT \"\\256\"",
        "a.test. 60 IN CNAME a..b",
        "a.test. 60 IN NOSUCH x",
        "a.test. 60 IN OPT x",
        "a.test. 60 IN ANY",
        "a.test. 60 ANY A 192.0.2.1",
        "a.test. 99999999999 IN A 192.0.2.1",
        "a..test. 60 IN A 192.0.2.1",
        "$TTL 60",
        "; a comment\nx.test. 60 IN",
        "a.test. 60 IN SOA ns h ( 1 2 3 4 5",
    };
    struct rig r;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (read_text(&r, texts[i]) != -1)
            fail_msg("%s was taken", texts[i]);
    }
}

static void every_length_of_room_is_respected(void **unused)
{
    static const char text[] = "a.test. 60 IN SOA ns.test. h.test. 1 2 3 4 5";
    for (size_t len = 0; len < 256; len++) {
        uint8_t *at = malloc(len + 1);
        struct zonefile_record record;
        struct errors errs;
        assert_non_null(at);
        errors_init(&errs);
        struct zonefile_room room = {at, len};
        int rc = zonefile_record(TEXT(text), room, &record, &errs);
        assert_int_equal(rc == 1, len >= 112);
        errors_release(&errs);
        free(at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_what_ldns_makes_of_them),
        cmocka_unit_test(blanks_and_comments_around_a_record_do_not_matter),
        cmocka_unit_test(a_text_without_a_record_is_none),
        cmocka_unit_test(a_long_text_becomes_several_strings),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(every_length_of_room_is_respected),
    };
    return cmocka_run_group_tests_name("zonefile_record", tests, NULL, NULL);
}
