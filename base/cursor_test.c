#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const uint8_t octets[] = {0x80, 0x01, 0x02, 0xfe, 0xdc, 0xba, 0x98, 0x07};

static void integers_are_read_big_endian(void **unused)
{
    struct rd rd = rd_init(octets, sizeof octets);
    assert_int_equal(rd_u8(&rd), 0x80);
    assert_int_equal(rd_u16(&rd), 0x0102);
    assert_int_equal(rd_u32(&rd), 0xfedcba98);
    assert_int_equal(rd_u8(&rd), 0x07);
    assert_false(rd.failed);
    assert_int_equal(rd.at, rd.len);
}

static void reading_past_the_end_fails_for_good(void **unused)
{
    for (size_t len = 0; len < 4; len++) {
        struct rd rd = rd_init(octets, len);
        assert_int_equal(rd_u32(&rd), 0);
        assert_true(rd.failed);
        /* Even what would have fitted. */
        assert_int_equal(rd_u8(&rd), 0);
        assert_null(rd_take(&rd, 0));
        assert_int_equal(rd.at, 0);
    }
}

static void octets_are_borrowed_up_to_the_end(void **unused)
{
    struct rd rd = rd_init(octets, sizeof octets);
    struct span all = rd_bytes(&rd, sizeof octets);
    assert_ptr_equal(all.at, octets);
    assert_int_equal(all.len, sizeof octets);
    assert_int_equal(rd_bytes(&rd, 0).len, 0);
    assert_false(rd.failed);
    struct span none = rd_bytes(&rd, 1);
    assert_null(none.at);
    assert_int_equal(none.len, 0);
    assert_true(rd.failed);
}

static void lengths_near_the_largest_number_do_not_wrap(void **unused)
{
    uint8_t room[4];
    struct rd rd = rd_init(octets, sizeof octets);
    struct wr wr = wr_init(room, sizeof room);
    rd_u8(&rd);
    wr_u8(&wr, 1);
    assert_null(rd_take(&rd, SIZE_MAX));
    assert_null(wr_take(&wr, SIZE_MAX));
}

static void what_is_written_reads_back(void **unused)
{
    uint8_t room[8];
    struct wr wr = wr_init(room, sizeof room);
    wr_u8(&wr, 0x80);
    wr_u16(&wr, 0x0102);
    wr_u32(&wr, 0xfedcba98);
    wr_bytes(&wr, octets + 7, 1);
    wr_bytes(&wr, NULL, 0);
    assert_false(wr.failed);
    assert_memory_equal(room, octets, sizeof octets);
}

static void writing_past_the_end_fails_for_good(void **unused)
{
    uint8_t room[4] = {0, 0, 0, 0xee};
    struct wr wr = wr_init(room, 3);
    wr_u16(&wr, 0x1122);
    wr_u16(&wr, 0x3344);
    assert_true(wr.failed);
    wr_u8(&wr, 0x55); /* would have fitted */
    assert_int_equal(wr.at, 2);
    assert_int_equal(room[2], 0);
    assert_int_equal(room[3], 0xee);
}

static void only_written_octets_are_patched(void **unused)
{
    uint8_t room[8] = {0};
    struct wr wr = wr_init(room, sizeof room);
    wr_u32(&wr, 0);
    wr_patch_u16(&wr, 2, 0x1234);
    assert_int_equal(load_u32(room), 0x1234);
    wr_patch_u16(&wr, 3, 0x5678);
    wr_patch_u16(&wr, 6, 0x5678);
    assert_int_equal(load_u32(room), 0x1234);
    assert_int_equal(load_u32(room + 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_read_big_endian),
        cmocka_unit_test(reading_past_the_end_fails_for_good),
        cmocka_unit_test(octets_are_borrowed_up_to_the_end),
        cmocka_unit_test(lengths_near_the_largest_number_do_not_wrap),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(writing_past_the_end_fails_for_good),
        cmocka_unit_test(only_written_octets_are_patched),
    };
    return cmocka_run_group_tests_name("cursor", tests, NULL, NULL);
}
