#include "resolver/edns.h"

#include "resolver/rdata.h"
#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TEST(name) cmocka_unit_test_teardown(name, release)

static int start(void **state)
{
    return rdata_start();
}

static int release(void **state)
{
    build_release();
    return 0;
}

static void options_come_one_after_another(void **state)
{
    struct span rdata = build_bytes("000a 0002 abcd  0003 0000  fde9 0001 ff");
    static const struct {
        uint16_t code;
        size_t len;
    } want[] = {{EDNS_COOKIE, 2}, {EDNS_NSID, 0}, {65001, 1}};
    struct edns_option o;
    size_t at = 0;

    for (size_t i = 0; i < 3; i++) {
        assert_true(edns_next(rdata, &at, &o));
        assert_int_equal(o.code, want[i].code);
        assert_int_equal(o.data.len, want[i].len);
    }
    assert_false(edns_next(rdata, &at, &o));
    assert_int_equal(at, rdata.len);
}

static void an_option_over_the_end_is_none(void **state)
{
    static const char *const bad[] = {"", "00", "000a00", "000a0001", "000a000201"};
    struct edns_option o;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t at = 0;
        assert_false(edns_next(build_bytes(bad[i]), &at, &o));
    }
}

static void the_first_option_of_a_code_is_found(void **state)
{
    struct span rdata = build_bytes("000a 0001 01  0003 0000  000a 0001 02");
    struct edns_option o;

    assert_true(edns_find(rdata, EDNS_COOKIE, &o));
    assert_int_equal(o.data.at[0], 1);
    assert_false(edns_find(rdata, EDNS_EDE, &o));
}

static void an_option_is_written_as_it_is_read(void **state)
{
    uint8_t room[16];
    struct wr wr = wr_init(room, sizeof room);
    struct span want = build_bytes("0003 0002 6869");

    edns_put(&wr, EDNS_NSID, (struct span){.at = (const uint8_t *)"hi", .len = 2});
    assert_false(wr.failed);
    assert_int_equal(wr.at, want.len);
    assert_memory_equal(room, want.at, want.len);
    edns_put(&wr, EDNS_NSID, (struct span){.at = room, .len = 7});
    assert_true(wr.failed);
}

static void an_option_beyond_16_bits_is_refused(void **state)
{
    uint8_t *room = build_keep(70000);
    struct wr wr = wr_init(room, 70000);

    edns_put(&wr, EDNS_PADDING, (struct span){.at = room, .len = 65536});
    assert_true(wr.failed);
    wr = wr_init(room, 70000);
    edns_put_opt(&wr, 1232, 0, false, (struct span){.at = room, .len = 65536});
    assert_true(wr.failed);
}

/* Octets of the text that are left, -1 when the option is. */
static int ede_text_len(size_t cap, const char *text)
{
    uint8_t room[64];
    struct wr wr = wr_init(room, cap);
    struct edns_option o;
    size_t at = 0;

    edns_put_ede(&wr, EDE_BLOCKED, text_of(text));
    assert_false(wr.failed);
    if (wr.at == 0)
        return -1;
    assert_true(edns_next((struct span){.at = room, .len = wr.at}, &at, &o));
    assert_int_equal(at, wr.at);
    assert_int_equal(o.code, EDNS_EDE);
    assert_int_equal(load_u16(o.data.at), EDE_BLOCKED);
    assert_memory_equal(o.data.at + 2, text, o.data.len - 2);
    return (int)o.data.len - 2;
}

static void the_text_of_an_error_is_cut_at_a_character(void **state)
{
    assert_int_equal(ede_text_len(64, ""), 0);
    assert_int_equal(ede_text_len(64, "silent"), 6);
    assert_int_equal(ede_text_len(12, "silent"), 6);
    assert_int_equal(ede_text_len(11, "silent"), 5);
    assert_int_equal(ede_text_len(6, "silent"), 0);
    assert_int_equal(ede_text_len(5, "silent"), -1);
    assert_int_equal(ede_text_len(0, "silent"), -1);
    assert_int_equal(ede_text_len(10, "ab\xc3\xa9\xc3\xa9"), 4);
    assert_int_equal(ede_text_len(11, "ab\xc3\xa9\xc3\xa9"), 4);
    assert_int_equal(ede_text_len(12, "ab\xc3\xa9\xc3\xa9"), 6);
    assert_int_equal(ede_text_len(9, "ab\xe2\x82\xac"), 2);
}

static void nothing_is_added_to_what_has_failed(void **state)
{
    uint8_t room[64];
    struct wr wr = wr_init(room, sizeof room);

    wr.failed = true;
    edns_put_ede(&wr, EDE_BLOCKED, TEXT("x"));
    assert_int_equal(wr.at, 0);
}

static void an_opt_record_is_read_back(void **state)
{
    uint8_t room[64] = "\0\7\x81\x80\0\0\0\0\0\0\0\1";
    struct wr wr = wr_init(room, sizeof room);
    struct span options = build_bytes("0003 0001 78");
    struct msg m;

    wr.at = DNS_HEADER_LEN;
    edns_put_opt(&wr, 1232, 1, true, options);
    assert_false(wr.failed);
    build_walk(&m, (struct span){.at = room, .len = wr.at});
    assert_true(m.opt.present && m.opt.dnssec_ok);
    assert_int_equal(m.opt.udp_size, 1232);
    assert_int_equal(m.opt.version, 0);
    assert_int_equal(m.rcode, DNS_BADVERS);
    assert_int_equal(m.opt.options.len, options.len);
    assert_memory_equal(m.opt.options.at, options.at, options.len);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(options_come_one_after_another),
        TEST(an_option_over_the_end_is_none),
        TEST(the_first_option_of_a_code_is_found),
        TEST(an_option_is_written_as_it_is_read),
        TEST(an_option_beyond_16_bits_is_refused),
        TEST(the_text_of_an_error_is_cut_at_a_character),
        TEST(nothing_is_added_to_what_has_failed),
        TEST(an_opt_record_is_read_back),
    };
    return cmocka_run_group_tests_name("edns", tests, start, NULL);
}
