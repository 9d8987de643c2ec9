#include "server/proxy_header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define V2    "\r\n\r\n\0\r\nQUIT\n"
#define V4UDP "\x21\x12\0\x0c\x0a\0\0\7\xc0\0\2\1\x30\x39\0\x35"

/* Copied to the end of a block of its own, so that reading too far is seen. */
static enum proxy_found parse(const void *octets, size_t len, struct proxy_header *out)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, octets, len);
    enum proxy_found found =
        proxy_header_parse((struct span){.at = copy, .len = len}, out);
    free(copy);
    return found;
}

#define PARSE(literal, out) parse(literal, sizeof(literal) - 1, out)

static void is(const struct addr *a, const char *text)
{
    char got[ADDR_TEXT_MAX];
    assert_string_equal(addr_print(a, got), text);
}

static void version_2_tells_of_datagrams_and_streams(void **unused)
{
    struct proxy_header h;
    assert_int_equal(PARSE(V2 V4UDP "\0\1", &h), PROXY_WHOLE);
    assert_int_equal(h.len, 28);
    assert_int_equal(h.version, 2);
    assert_true(h.datagram && h.told);
    is(&h.source, "10.0.0.7:12345");
    is(&h.target, "192.0.2.1:53");
    assert_int_equal(PARSE(V2 "\x21\x21\0\x24"
                              "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
                              "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                              "\0\1\0\x35",
                           &h),
                     PROXY_WHOLE);
    assert_false(h.datagram);
    is(&h.source, "[2001:db8::7]:1");
    is(&h.target, "[2001:db8::1]:53");
}

static void what_stands_behind_the_addresses_is_part_of_the_header(void **unused)
{
    struct proxy_header h;
    assert_int_equal(PARSE(V2 "\x21\x11\0\x0f\x0a\0\0\7\xc0\0\2\1\x30\x39\0\x35\4\0\0"
                              "rest",
                           &h),
                     PROXY_WHOLE);
    assert_int_equal(h.len, 31);
    is(&h.source, "10.0.0.7:12345");
}

static void headers_without_a_client_leave_the_peer(void **unused)
{
    static const struct {
        const char *octets;
        size_t len;
    } rows[] = {
        {V2 "\x20\0\0\0", 16},                                       /* LOCAL */
        {V2 "\x20\x11\0\x0c\x0a\0\0\7\xc0\0\2\1\x30\x39\0\x35", 28}, /* LOCAL */
        {V2 "\x21\0\0\0", 16},                                       /* UNSPEC */
        {"PROXY UNKNOWN\r\n", 15},
        {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", 35},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct proxy_header h;
        assert_int_equal(parse(rows[i].octets, rows[i].len, &h), PROXY_WHOLE);
        assert_int_equal(h.len, rows[i].len);
        assert_false(h.told);
    }
}

static void version_1_is_a_line(void **unused)
{
    struct proxy_header h;
    assert_int_equal(PARSE("PROXY TCP4 10.0.0.7 192.0.2.1 12345 53\r\nrest", &h),
                     PROXY_WHOLE);
    assert_int_equal(h.len, 40);
    assert_int_equal(h.version, 1);
    assert_true(h.told && !h.datagram);
    is(&h.source, "10.0.0.7:12345");
    is(&h.target, "192.0.2.1:53");
    assert_int_equal(PARSE("PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n", &h),
                     PROXY_WHOLE);
    is(&h.target, "[2001:db8::1]:65535");
}

static void every_beginning_of_a_header_wants_more(void **unused)
{
    static const char v1[] = "PROXY TCP4 10.0.0.7 192.0.2.1 12345 53\r\n";
    static const char v2[] = V2 V4UDP;
    struct proxy_header h;
    for (size_t n = 0; n < sizeof v1 - 1; n++)
        assert_int_equal(parse(v1, n, &h), PROXY_SHORT);
    for (size_t n = 0; n < sizeof v2 - 1; n++)
        assert_int_equal(parse(v2, n, &h), PROXY_SHORT);
}

static void questions_are_not_headers(void **unused)
{
    struct proxy_header h;
    assert_int_equal(PARSE("\0\x1d\x12\x34\1", &h), PROXY_NONE);
    assert_int_equal(PARSE("\x16\3\1\2", &h), PROXY_NONE); /* TLS */
    assert_int_equal(PARSE("PROXIMA", &h), PROXY_NONE);
    assert_int_equal(PARSE("\r\n\r\n\1", &h), PROXY_NONE);
}

static void what_cannot_be_a_header_is_wrong(void **unused)
{
    static const char *const lines[] = {
        "PROXY \r\n",
        "PROXY TCP5 10.0.0.7 192.0.2.1 1 2\r\n",
        "PROXY TCP4 10.0.0.7 192.0.2.1 1\r\n",
        "PROXY TCP4 10.0.0.7 192.0.2.1 1 2 3\r\n",
        "PROXY TCP4 10.0.0.7 192.0.2.1 1 65536\r\n",
        "PROXY TCP4 10.0.0.7 192.0.2.1 -1 2\r\n",
        "PROXY TCP4 10.0.0.7  192.0.2.1 1 2\r\n",
        "PROXY TCP4 2001:db8::7 192.0.2.1 1 2\r\n",
        "PROXY TCP6 10.0.0.7 192.0.2.1 1 2\r\n",
        "PROXY TCP4 10.0.0.7 192.0.2.1 1 2\n",
    };
    struct proxy_header h;
    char long_line[200] = "PROXY UNKNOWN ";
    memset(long_line + 14, 'x', sizeof long_line - 14);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_int_equal(parse(lines[i], strlen(lines[i]), &h), PROXY_WRONG);
    assert_int_equal(parse(long_line, sizeof long_line, &h), PROXY_WRONG);
    assert_int_equal(PARSE(V2 "\x11\x12\0\x0c", &h), PROXY_WRONG);   /* version 1 */
    assert_int_equal(PARSE(V2 "\x22\x12\0\x0c", &h), PROXY_WRONG);   /* command 2 */
    assert_int_equal(PARSE(V2 "\x21\x42\0\x0c", &h), PROXY_WRONG);   /* family 4 */
    assert_int_equal(PARSE(V2 "\x21\x13\0\x0c", &h), PROXY_WRONG);   /* protocol 3 */
    assert_int_equal(PARSE(V2 "\x21\x12\xff\xff", &h), PROXY_WRONG); /* too long */
    assert_int_equal(PARSE(V2 "\x21\x12\0\4\x0a\0\0\7", &h), PROXY_WRONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2_tells_of_datagrams_and_streams),
        cmocka_unit_test(what_stands_behind_the_addresses_is_part_of_the_header),
        cmocka_unit_test(headers_without_a_client_leave_the_peer),
        cmocka_unit_test(version_1_is_a_line),
        cmocka_unit_test(every_beginning_of_a_header_wants_more),
        cmocka_unit_test(questions_are_not_headers),
        cmocka_unit_test(what_cannot_be_a_header_is_wrong),
    };
    return cmocka_run_group_tests_name("proxy_header", tests, NULL, NULL);
}
