/* Bodies in chunks, in any pieces; and what is not quite such a body. */
#include "server/chunks.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct body {
    char text[256];
    size_t len;
    enum chunks_got got;
    size_t left; /* octets behind its end */
};

static struct body read_in_pieces(const char *octets, size_t len, size_t piece)
{
    struct chunks c = {0};
    struct body b = {0};
    for (size_t at = 0; at < len && b.got == CHUNKS_MORE; at += piece) {
        struct span in = {(const uint8_t *)octets + at,
                          len - at < piece ? len - at : piece};
        struct span data;
        while ((b.got = chunks_take(&c, &in, &data)) == CHUNKS_DATA) {
            memcpy(b.text + b.len, data.at, data.len);
            b.len += data.len;
        }
        b.left = in.len + (len - at < piece ? 0 : len - at - piece);
    }
    return b;
}

static void bodies_come_in_any_pieces(void **unused)
{
    static const struct {
        const char *octets, *body;
        size_t left;
    } rows[] = {
        {"0\r\n\r\n", "", 0},
        {"3\r\nabc\r\n0\r\n\r\n", "abc", 0},
        {"3\r\nabc\r\n0\r\n\r\nGET", "abc", 3},
        {"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc", 0},
        {"A\r\n0123456789\r\na\r\n0123456789\r\n00000000\r\n\r\n",
         "01234567890123456789", 0},
        {"00000003\r\nabc\r\n0\r\n\r\n", "abc", 0},
        {"3\r\n\r\n\r\r\n0\r\n\r\n", "\r\n\r", 0},
        {"3;a=b\r\nabc\r\n0;c\r\n\r\n", "abc", 0},
        {"3 \t; a=\"b;\"\r\nabc\r\n0\r\n\r\n", "abc", 0},
        {"3\r\nabc\r\n0\r\nX: y\r\nContent-Length:\t4 \r\n\r\nrest", "abc", 4},
        {"0\r\nempty:\r\n\r\n", "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = strlen(rows[i].octets);
        for (size_t piece = 1; piece <= len; piece++) {
            struct body b = read_in_pieces(rows[i].octets, len, piece);
            assert_int_equal(b.got, CHUNKS_END);
            assert_string_equal(b.text, rows[i].body);
            assert_int_equal(b.left, rows[i].left);
        }
        for (size_t part = 0; part < len - rows[i].left; part++)
            assert_int_equal(read_in_pieces(rows[i].octets, part, 7).got, CHUNKS_MORE);
    }
}

static void nothing_else_is_one(void **unused)
{
    static const char *const rows[] = {
        "\r\n",           "x\r\n",          "-1\r\n",           "+1\r\n",
        " 1\r\n",         "0x1\r\n",        "\r\n0\r\n\r\n",    "3\nabc",
        "3\r\nabc\n",     "3\r\nabcd",      "3\r\nabc\r0",      "3\r\nabc0\r\n",
        "3\r\rabc",       "3 \r\nabc",      "3 3\r\n",          "3;a\nabc",
        "3;a\rb\r\n",     "3;\x01\r\n",     "000000003\r\n",    "100000000\r\n",
        ";a\r\n",         "0\r\nX y\r\n",   "0\r\nX\r\n",       "0\r\n: y\r\n",
        "0\r\n X: y\r\n", "0\r\nX : y\r\n", "0\r\nX: y\n",      "0\r\nX: y\r\r",
        "0\r\n\r\r",      "0\r\nX: \x7f",   "0\r\nX: y\r\n\tz", "0\n\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t piece = 1; piece <= strlen(rows[i]); piece++) {
            struct body b = read_in_pieces(rows[i], strlen(rows[i]), piece);
            if (b.got != CHUNKS_FLAWED)
                fail_msg("%s: %d", rows[i], b.got);
        }
    }
    assert_int_equal(read_in_pieces("3;\0\r\n", 5, 5).got, CHUNKS_FLAWED);
}

/* What comes of many chunks, or lines, of one kind: `n` of them are good, one more is
 * not. */
static enum chunks_got repeat(const char *octets, unsigned n)
{
    struct chunks c = {0};
    enum chunks_got got = CHUNKS_MORE;
    for (unsigned i = 0; i < n && got == CHUNKS_MORE; i++) {
        struct span in = {(const uint8_t *)octets, strlen(octets)}, data;
        while ((got = chunks_take(&c, &in, &data)) == CHUNKS_DATA)
            ;
    }
    return got;
}

static void bodies_have_bounds(void **unused)
{
    assert_int_equal(repeat("1\r\nx\r\n", ANSWER_MAX), CHUNKS_MORE);
    assert_int_equal(repeat("1\r\nx\r\n", ANSWER_MAX + 1), CHUNKS_TOO_LONG);
    assert_int_equal(repeat("ffff\r\n", 1), CHUNKS_MORE);
    assert_int_equal(repeat("10000\r\n", 1), CHUNKS_TOO_LONG);
    assert_int_equal(repeat("ffffffff\r\n", 1), CHUNKS_TOO_LONG);
    assert_int_equal(repeat("1;234567\r\nx\r\n", CHUNKS_ASIDE_MAX / 7), CHUNKS_MORE);
    assert_int_equal(repeat("1;234567\r\nx\r\n", CHUNKS_ASIDE_MAX / 7 + 1),
                     CHUNKS_FLAWED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_come_in_any_pieces),
        cmocka_unit_test(nothing_else_is_one),
        cmocka_unit_test(bodies_have_bounds),
    };
    return cmocka_run_group_tests_name("chunks", tests, NULL, NULL);
}
