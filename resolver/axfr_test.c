#include "resolver/axfr.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "base/limits.h"
#include "resolver/rdata.h"
#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define SOA  "test 60 IN SOA ns.test h.test 5 2 3 4 5\n"
#define HEAD "! id 7 -rd -ra aa\ntest AXFR\nanswer\n"
#define ID   7

static struct axfr *begin(void)
{
    struct name apex;
    assert_int_equal(hash_seed(), 0);
    assert_int_equal(rdata_start(), 0);
    assert_int_equal(name_parse(&apex, text_of("Test")), 0);
    struct axfr *a = axfr_new(&apex, ID);
    assert_non_null(a);
    return a;
}

static void zone_comes_in_several_messages(void **unused)
{
    struct axfr *a = begin();
    assert_int_equal(axfr_message(a, build_answer(HEAD SOA "test 60 IN NS ns.test\n")),
                     AXFR_MORE);
    assert_int_equal(axfr_message(a, build_answer(HEAD "Ns.test 60 IN A 192.0.2.1\n"
                                                       "ns.other 60 IN A 192.0.2.1\n")),
                     AXFR_MORE);
    assert_int_equal(axfr_message(a, build_answer(HEAD SOA)), AXFR_DONE);
    assert_int_equal(axfr_records(a), 5);
    assert_int_equal(axfr_outside(a), 1);
    axfr_seal(a, false);
    struct zone *z = axfr_take(a);
    assert_int_equal(z->serial, 5);
    struct zonedata_place at = {0};
    assert_int_equal(zonedata_next(z->data, &at)->type, DNS_NS);
    assert_int_equal(zonedata_next(z->data, &at)->type, DNS_A);
    assert_null(zonedata_next(z->data, &at));
    zone_done(z);
    axfr_free(a);
    build_release();
}

static void everything_else_is_bad(void **unused)
{
    static const char *const rows[][2] = {
        {"! id 8\ntest AXFR\nanswer\n" SOA, "not an answer to our question"},
        {"! id 7\nother AXFR\nanswer\n" SOA, "not an answer to our question"},
        {"! id 7\ntest SOA\nanswer\n" SOA, "not an answer to our question"},
        {"! id 7 -qr\ntest AXFR\nanswer\n" SOA, "not an answer to our question"},
        {"! id 7 REFUSED\ntest AXFR\n", "the primary says REFUSED"},
        {"! id 7 tc\ntest AXFR\nanswer\n" SOA, "a truncated answer"},
        {HEAD, "a message without records"},
        {HEAD "test 60 IN NS ns.test\n", "it does not begin with the SOA of the zone"},
        {HEAD "x.test 60 IN SOA ns.test h.test 5 2 3 4 5\n",
         "it does not begin with the SOA of the zone"},
        {HEAD SOA "x.test 60 IN SOA ns.test h.test 5 2 3 4 5\n",
         "an SOA of another zone"},
        {HEAD SOA "test 60 IN SOA ns.test h.test 6 2 3 4 5\n",
         "another SOA at the end than at the beginning"},
        {HEAD SOA "test 60 IN SOA n.test h.test 5 2 3 4 5\n",
         "another SOA at the end than at the beginning"},
        {HEAD SOA SOA "test 60 IN NS ns.test\n", "records behind the end of the zone"},
        {HEAD SOA "test 60 CH TXT \"x\"\n", "a record that no zone has"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct axfr *a = begin();
        assert_int_equal(axfr_message(a, build_answer(rows[i][0])), AXFR_BAD);
        assert_string_equal(axfr_reason(a), rows[i][1]);
        axfr_free(a);
    }
    struct axfr *a = begin();
    assert_int_equal(axfr_message(a, build_bytes("0007 8400 0000 0001")), AXFR_BAD);
    assert_string_equal(axfr_reason(a), "a malformed message");
    axfr_free(a);
    build_release();
}

static void endless_one_ends(void **unused)
{
    struct axfr *a = begin();
    static char text[16384];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", HEAD);
    for (unsigned i = 0; i < 300; i++)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "x.test 60 IN A 10.0.0.1\n");
    struct span first = build_answer(HEAD SOA), more = build_answer(text);
    assert_int_equal(axfr_message(a, first), AXFR_MORE);
    /* Only the limit is of interest: a few records, and octets without end. */
    struct span padded = {build_keep(UINT16_MAX), UINT16_MAX};
    memcpy((void *)(uintptr_t)padded.at,
           build_answer(HEAD "x.test 60 IN A 10.0.0.1\n").at,
           build_answer(HEAD "x.test 60 IN A 10.0.0.1\n").len);
    assert_int_equal(axfr_message(a, more), AXFR_MORE);
    size_t octets = first.len + more.len;
    while (axfr_message(a, padded) == AXFR_MORE)
        octets += padded.len;
    assert_in_range(octets, ZONE_OCTETS_MAX / 10 * 9, ZONE_OCTETS_MAX);
    assert_string_equal(axfr_reason(a), "more than a zone may have");
    axfr_free(a);
    build_release();
}

/* Compression makes little of what is large once it is kept. */
static void records_count_in_full(void **unused)
{
    struct axfr *a = begin();
    static char text[65536];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", HEAD), octets = 0;
    char label[64];
    memset(label, 'a', 63);
    label[63] = '\0';
    for (unsigned i = 0; i < 200; i++) /* outside of the zone, so that none is kept */
        len +=
            (size_t)snprintf(text + len, sizeof text - len,
                             "%s.%s.%s.other 60 IN A 10.0.0.1\n", label, label, label);
    struct span more = build_answer(text);
    assert_true(more.len * 10 < len);
    assert_int_equal(axfr_message(a, build_answer(HEAD SOA)), AXFR_MORE);
    while (octets < ZONE_OCTETS_MAX / 5 && axfr_message(a, more) == AXFR_MORE)
        octets += more.len;
    assert_true(octets < ZONE_OCTETS_MAX / 5);
    assert_string_equal(axfr_reason(a), "more than a zone may have");
    axfr_free(a);
    build_release();
}

static void question_can_be_answered(void **unused)
{
    struct name apex;
    uint32_t serial;
    const char *why;
    uint8_t wire[NAME_WIRE_MAX + 16];
    axfr_free(begin());
    assert_int_equal(name_parse(&apex, text_of("test")), 0);
    size_t len = axfr_ask(&apex, DNS_SOA, ID, wire);
    assert_string_equal(build_text((struct span){wire, len}),
                        build_text(build_bytes("0007 0000 0001 0000 0000 0000 'test' "
                                               "0006 0001")));
    assert_int_equal(axfr_serial(&apex, ID,
                                 build_answer("! id 7\ntest SOA\nanswer\n" SOA),
                                 &serial, &why),
                     0);
    assert_int_equal(serial, 5);
    assert_int_equal(
        axfr_serial(&apex, ID, build_answer("! id 7\ntest SOA\n"), &serial, &why), -1);
    assert_string_equal(why, "no SOA in the answer");
    assert_int_equal(axfr_serial(&apex, ID,
                                 build_answer("! id 7\ntest SOA\nanswer\nx" SOA),
                                 &serial, &why),
                     -1);
    assert_int_equal(axfr_serial(&apex, ID, build_answer("! id 7 SERVFAIL\ntest SOA\n"),
                                 &serial, &why),
                     -1);
    assert_string_equal(why, "the primary says SERVFAIL");
    build_release();
}

/* Each of their labels is a name of its own. */
static void deep_names_count_for_what_they_take(void **unused)
{
    struct axfr *a = begin();
    uint8_t message[DNS_HEADER_LEN + NAME_WIRE_MAX + 14] = {0, ID, 0x84, 0, [7] = 1};
    struct name owner;
    char text[NAME_TEXT_MAX];
    size_t octets = 0;
    assert_int_equal(axfr_message(a, build_answer(HEAD SOA)), AXFR_MORE);
    enum axfr_verdict v = AXFR_MORE;
    for (unsigned i = 0; v == AXFR_MORE && octets < ZONE_OCTETS_MAX / 40; i++) {
        size_t len =
            (size_t)snprintf(text, sizeof text, "%*s%06u.test", 2 * 118, "", i);
        for (size_t k = 0; k < 2 * 118; k++)
            text[k] = k % 2 == 0 ? 'a' : '.';
        assert_int_equal(name_parse(&owner, (struct text){text, len}), 0);
        struct wr wr = wr_init(message, sizeof message);
        wr.at = DNS_HEADER_LEN;
        wr_bytes(&wr, owner.wire, owner.len);
        wr_u16(&wr, DNS_A);
        wr_u16(&wr, DNS_IN);
        wr_u32(&wr, 60);
        wr_u16(&wr, 4);
        wr_u32(&wr, 0xc0000201);
        octets += wr.at;
        v = axfr_message(a, (struct span){message, wr.at});
    }
    assert_int_equal(v, AXFR_BAD);
    assert_string_equal(axfr_reason(a), "more than a zone may have");
    axfr_free(a);
    build_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zone_comes_in_several_messages),
        cmocka_unit_test(everything_else_is_bad),
        cmocka_unit_test(endless_one_ends),
        cmocka_unit_test(records_count_in_full),
        cmocka_unit_test(deep_names_count_for_what_they_take),
        cmocka_unit_test(question_can_be_answered),
    };
    return cmocka_run_group_tests_name("axfr", tests, NULL, NULL);
}
