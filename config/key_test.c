#include "config/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* The i-th error; fails when it is not there. */
static const struct error *error_of(const struct errors *errs, uint32_t i)
{
    assert_true(i < errs->n && i < errs->list_cap);
    return &errs->list[i];
}

static struct arena arena;

static int setup(void **unused)
{
    arena_init(&arena, NULL, 0);
    return 0;
}

static int teardown(void **unused)
{
    arena_release(&arena);
    return 0;
}

static const char *zones_text(const struct zones *zones)
{
    const char *out = "";
    for (uint32_t i = 0; i < zones->n && out != NULL; i++) {
        char text[NAME_TEXT_MAX];
        name_print(zones->list[i].wire, text);
        out = arena_printf(&arena, "%s%s%s", out, i > 0 ? " " : "", text);
    }
    assert_non_null(out);
    return out;
}

static struct key parsed(const char *text)
{
    struct key key;
    struct errors errs;
    errors_init(&errs);
    assert_int_equal(key_parse(&arena, text, (struct where){"f", 1}, &key, &errs), 0);
    assert_int_equal(errs.n, 0);
    return key;
}

static void keys_have_scheme_zone_and_port(void **unused)
{
    static const struct {
        const char *text;
        enum scheme scheme;
        unsigned port;
        bool written;
        const char *zone;
    } rows[] = {
        {".", SCHEME_DNS, 53, false, "."},
        {"Example.ORG", SCHEME_DNS, 53, false, "example.org."},
        {"example.org.:5353", SCHEME_DNS, 5353, true, "example.org."},
        {"dns://.:54", SCHEME_DNS, 54, true, "."},
        {"tls://.", SCHEME_TLS, 853, false, "."},
        {"quic://x", SCHEME_QUIC, 853, false, "x."},
        {"grpc://x", SCHEME_GRPC, 443, false, "x."},
        {"https://x", SCHEME_HTTPS, 443, false, "x."},
        {"https3://x:8443", SCHEME_HTTPS3, 8443, true, "x."},
        {"unix:///tmp/x", SCHEME_UNIX, 0, false, "/tmp/x."},
        {"x:+53", SCHEME_DNS, 53, true, "x."},
        {"x:0", SCHEME_DNS, 0, true, "x."},
        {"x:065535", SCHEME_DNS, 65535, true, "x."},
        {"10.0.0.1", SCHEME_DNS, 53, false, "10.0.0.1."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key key = parsed(rows[i].text);
        assert_int_equal(key.scheme, rows[i].scheme);
        assert_int_equal(key.port, rows[i].port);
        assert_int_equal(key.port_written, rows[i].written);
        assert_string_equal(zones_text(&key.zones), rows[i].zone);
    }
}

static void what_is_not_understood_is_part_of_the_zone(void **unused)
{
    static const char *const rows[][2] = {
        {"example.org:dns", "example.org:dns."},
        {"foo://example.org:53", "foo://example.org."},
        {"TLS://x", "tls://x."},
        {"10.0.0.0/33", "10.0.0.0/33."},
        {"b\xc3\xbc"
         "cher.test",
         "b\\195\\188cher.test."},
        {"example.org{", "example.org{."},
        {"2001:db8::1", "2001:db8:."}, /* port 1 */
        {"x:99999999999999999999", "x:99999999999999999999."},
        {"a,b", "a,b."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key key = parsed(rows[i][0]);
        assert_string_equal(zones_text(&key.zones), rows[i][1]);
    }
}

static void prefixes_become_their_reverse_zones(void **unused)
{
    static const struct {
        const char *text, *first, *last;
        unsigned n;
    } rows[] = {
        {"10.0.0.0/24", "0.0.10.in-addr.arpa.", "0.0.10.in-addr.arpa.", 1},
        {"10.1.2.3/24:53", "2.1.10.in-addr.arpa.", "2.1.10.in-addr.arpa.", 1},
        {"10.0.0.0/15", "0.10.in-addr.arpa.", "1.10.in-addr.arpa.", 2},
        {"10.96.0.0/12", "96.10.in-addr.arpa.", "111.10.in-addr.arpa.", 16},
        {"10.0.0.0/17", "0.0.10.in-addr.arpa.", "127.0.10.in-addr.arpa.", 128},
        {"10.0.0.0/27", "0.0.0.10.in-addr.arpa.", "31.0.0.10.in-addr.arpa.", 32},
        {"0.0.0.0/0", "in-addr.arpa.", "in-addr.arpa.", 1},
        {"2001:db8::/32", "8.b.d.0.1.0.0.2.ip6.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", 1},
        {"2001:db8::/29:53", "8.b.d.0.1.0.0.2.ip6.arpa.", "f.b.d.0.1.0.0.2.ip6.arpa.",
         8},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key key = parsed(rows[i].text);
        assert_int_equal(key.zones.n, rows[i].n);
        struct zones first = {key.zones.list, 1, 1};
        struct zones last = {key.zones.list + key.zones.n - 1, 1, 1};
        assert_string_equal(zones_text(&first), rows[i].first);
        assert_string_equal(zones_text(&last), rows[i].last);
    }
}

static void bad_keys_are_refused_in_words(void **unused)
{
    static const char *const rows[][2] = {
        {"a..b", "zone is not a valid domain name: a..b"},
        {".:53{", "zone is not a valid domain name: .:53{: a blank is missing"},
        {":53", "zone is not a valid domain name: "},
        {"", "expecting data after last colon: \"\""},
        {"example.org:", "expecting data after last colon: \"example.org:\""},
        {"0:1::/32", "invalid CIDR 0:1::/32"},
        {"::/0", "invalid CIDR ::/0"},
        {"x:70000", "address 70000: invalid port"},
        {"x:-1", "address -1: invalid port"},
        {"a1234567890123456789012345678901234567890123456789012345678901234.test",
         "zone is not a valid domain name: a123"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct key key;
        struct errors errs;
        struct where at = {"f", 7};
        errors_init(&errs);
        assert_int_equal(key_parse(&arena, rows[i][0], at, &key, &errs), -1);
        assert_int_equal(errs.n, 1);
        assert_int_equal(error_of(&errs, 0)->at.line, 7);
        assert_ptr_equal(strstr(error_of(&errs, 0)->text, rows[i][1]),
                         error_of(&errs, 0)->text);
        errors_release(&errs);
    }
}

static void zone_arguments_are_normalised_or_dropped(void **unused)
{
    static const struct {
        const char *text;
        int rc;
    } rows[] = {
        {"tls://Example.org:853", 0},
        {"10.0.0.0/15", 0},
        {"x:70000", 0},
        {"a..b", 1},
        {"y:", 1},
        {"::/0", 1},
    };
    struct zones zones = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(zones_add(&arena, &zones, rows[i].text), rows[i].rc);
    assert_string_equal(zones_text(&zones),
                        "example.org. 0.10.in-addr.arpa. 1.10.in-addr.arpa. x.");
}

static void the_longest_zone_matches(void **unused)
{
    struct zones zones = {0};
    struct name name;
    assert_null(zones_match(&zones, (const uint8_t *)""));
    assert_int_equal(zones_add(&arena, &zones, "org"), 0);
    assert_int_equal(zones_add(&arena, &zones, "example.org"), 0);
    assert_int_equal(zones_add(&arena, &zones, "b.example.org"), 0);
    assert_int_equal(name_parse(&name, TEXT("a.EXAMPLE.org")), 0);
    assert_ptr_equal(zones_match(&zones, name.wire), &zones.list[1]);
    assert_int_equal(name_parse(&name, TEXT("example.org")), 0);
    assert_ptr_equal(zones_match(&zones, name.wire), &zones.list[1]);
    assert_int_equal(name_parse(&name, TEXT("badexample.org")), 0);
    assert_ptr_equal(zones_match(&zones, name.wire), &zones.list[0]);
    assert_int_equal(name_parse(&name, TEXT("example.com")), 0);
    assert_null(zones_match(&zones, name.wire));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_have_scheme_zone_and_port),
        cmocka_unit_test(what_is_not_understood_is_part_of_the_zone),
        cmocka_unit_test(prefixes_become_their_reverse_zones),
        cmocka_unit_test(bad_keys_are_refused_in_words),
        cmocka_unit_test(zone_arguments_are_normalised_or_dropped),
        cmocka_unit_test(the_longest_zone_matches),
    };
    return cmocka_run_group_tests_name("key", tests, setup, teardown);
}
