#include "base/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>

static struct addr addr_of(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse_ip(&a, text_of(text)), 0);
    return a;
}

static struct cidr cidr_of(const char *text)
{
    struct cidr c;
    assert_int_equal(cidr_parse(&c, text_of(text), NULL), 0);
    return c;
}

static struct name name_of(const char *text)
{
    struct name n;
    assert_int_equal(name_parse(&n, text_of(text)), 0);
    return n;
}

static void addresses_parse_with_and_without_port(void **unused)
{
    static const struct {
        const char *text, *printed, *ip;
        int family;
    } rows[] = {
        {"10.0.0.1", "10.0.0.1:53", "10.0.0.1", 4},
        {"10.0.0.1:0", "10.0.0.1:0", "10.0.0.1", 4},
        {"10.0.0.1:65535", "10.0.0.1:65535", "10.0.0.1", 4},
        {"255.255.255.255:5300", "255.255.255.255:5300", "255.255.255.255", 4},
        {"2001:db8::1", "[2001:db8::1]:53", "2001:db8::1", 6},
        {"2001:DB8:0:0::1", "[2001:db8::1]:53", "2001:db8::1", 6},
        {"[2001:db8::1]", "[2001:db8::1]:53", "2001:db8::1", 6},
        {"[2001:db8::1]:5300", "[2001:db8::1]:5300", "2001:db8::1", 6},
        {"::", "[::]:53", "::", 6},
        {"[::1]:1", "[::1]:1", "::1", 6},
        {"::ffff:10.0.0.1", "[::ffff:10.0.0.1]:53", "::ffff:10.0.0.1", 6},
        {"fe80::1%7", "[fe80::1%7]:53", "fe80::1%7", 6},
        {"[fe80::1%4294967295]:65535", "[fe80::1%4294967295]:65535",
         "fe80::1%4294967295", 6},
        {"fe80::1%lo", "[fe80::1%1]:53", "fe80::1%1", 6},
    };
    char out[ADDR_TEXT_MAX];
    struct addr a;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(addr_parse(&a, text_of(rows[i].text), 53), 0);
        assert_int_equal(a.family, rows[i].family);
        assert_string_equal(addr_print(&a, out), rows[i].printed);
        assert_string_equal(addr_print_ip(&a, out), rows[i].ip);
    }
}

static void text_that_is_no_address_is_refused(void **unused)
{
    const struct text rows[] = {
        TEXT(""),
        TEXT("10.0.0"),
        TEXT("10.0.0.256"),
        TEXT("10.0.0.01"),
        TEXT("10.0.0.1."),
        TEXT(" 10.0.0.1"),
        TEXT("10.0.0.1\0"),
        TEXT("10.0.0.1:"),
        TEXT("10.0.0.1:65536"),
        TEXT("10.0.0.1:4294967349"),
        TEXT("10.0.0.1:-1"),
        TEXT("10.0.0.1:+1"),
        TEXT("10.0.0.1:5x"),
        TEXT("10.0.0.1%lo"),
        TEXT("10.0.0.1/8"),
        TEXT(":53"),
        TEXT("[10.0.0.1]:53"),
        TEXT("[]"),
        TEXT("[::1"),
        TEXT("[::1]53"),
        TEXT("[::1]:"),
        TEXT("[::1]:53:53"),
        TEXT("::1]:53"),
        TEXT("[::1]]"),
        TEXT("1:2:3:4:5:6:7:8:9"),
        TEXT("::12345"),
        TEXT("fe80::1%"),
        TEXT("fe80::1%0"),
        TEXT("fe80::1%4294967296"),
        TEXT("fe80::1%no-such-if"),
        TEXT("fe80::1%interface-name-far-too-long"),
        TEXT("example.org"),
        TEXT("1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111"),
    };
    struct addr a;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(addr_parse(&a, rows[i], 53), -1);
}

static void bare_addresses_have_neither_port_nor_brackets(void **unused)
{
    static const char *const rows[] = {"10.0.0.1:53", "[::1]", "[::1]:53", ""};
    struct addr a;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(addr_parse_ip(&a, text_of(rows[i])), -1);
    assert_int_equal(addr_of("::1").port, 0);
}

static void text_is_read_no_further_than_its_length(void **unused)
{
    struct addr a;
    struct text cut = {.at = "10.0.0.123:5399", .len = 13};
    assert_int_equal(addr_parse(&a, cut, 1), 0);
    assert_int_equal(a.port, 53);
    cut.len = 8;
    assert_int_equal(addr_parse(&a, cut, 1), 0);
    assert_int_equal(a.ip[3], 1);
}

static void no_address_prints_as_a_dash(void **unused)
{
    struct addr none = {0};
    char out[ADDR_TEXT_MAX];
    assert_string_equal(addr_print_ip(&none, out), "-");
}

static void every_part_of_an_address_counts(void **unused)
{
    struct addr a, b;
    assert_int_equal(addr_parse(&a, TEXT("[fe80::1%2]:53"), 0), 0);
    b = a;
    assert_true(addr_equal(&a, &b));
    b.port = 54;
    assert_false(addr_equal(&a, &b));
    b = a;
    b.scope = 3;
    assert_false(addr_equal(&a, &b));
    b = a;
    b.ip[15] = 2;
    assert_false(addr_equal(&a, &b));
    a = addr_of("0.0.0.0");
    b = addr_of("::");
    assert_false(addr_equal(&a, &b));
}

static void kernel_form_and_back_is_the_same(void **unused)
{
    static const char *const rows[] = {"10.0.0.1:53", "[2001:db8::1]:5300",
                                       "[fe80::1%2]:65535", "[::ffff:10.0.0.1]:1"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct addr a, b;
        struct sockaddr_storage s;
        assert_int_equal(addr_parse(&a, text_of(rows[i]), 0), 0);
        socklen_t len = addr_to_sockaddr(&a, &s);
        assert_int_equal(len, a.family == 4 ? sizeof(struct sockaddr_in)
                                            : sizeof(struct sockaddr_in6));
        assert_int_equal(s.ss_family, a.family == 4 ? AF_INET : AF_INET6);
        addr_from_sockaddr(&b, (struct sockaddr *)&s);
        assert_true(addr_equal(&a, &b));
    }
    struct sockaddr_storage foreign = {.ss_family = AF_UNIX};
    struct addr a;
    addr_from_sockaddr(&a, (struct sockaddr *)&foreign);
    assert_int_equal(a.family, 0);
}

static void ports_are_in_network_order_for_the_kernel(void **unused)
{
    struct addr a = addr_of("10.0.0.1");
    struct sockaddr_storage s;
    struct sockaddr_in in;
    a.port = 0x1234;
    addr_to_sockaddr(&a, &s);
    memcpy(&in, &s, sizeof in);
    assert_int_equal(in.sin_port, htons(0x1234));
    assert_int_equal(in.sin_addr.s_addr, htonl(0x0a000001));
}

static void prefixes_lose_their_host_bits(void **unused)
{
    static const struct {
        const char *text, *printed;
        bool host_bits;
    } rows[] = {
        {"10.96.0.0/12", "10.96.0.0/12", false},
        {"10.96.0.1/12", "10.96.0.0/12", true},
        {"10.112.0.0/11", "10.96.0.0/11", true},
        {"1.2.3.4/32", "1.2.3.4/32", false},
        {"1.2.3.4/31", "1.2.3.4/31", false},
        {"1.2.3.5/31", "1.2.3.4/31", true},
        {"255.255.255.255/0", "0.0.0.0/0", true},
        {"0.0.0.0/0", "0.0.0.0/0", false},
        {"2001:db8::/32", "2001:db8::/32", false},
        {"2001:db8::1/127", "2001:db8::/127", true},
        {"2001:db8::1/128", "2001:db8::1/128", false},
        {"ffff::/9", "ff80::/9", true},
        {"::/0", "::/0", false},
    };
    char out[ADDR_TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cidr c;
        bool host_bits = !rows[i].host_bits;
        assert_int_equal(cidr_parse(&c, text_of(rows[i].text), &host_bits), 0);
        assert_string_equal(cidr_print(&c, out), rows[i].printed);
        assert_int_equal(host_bits, rows[i].host_bits);
    }
}

static void text_that_is_no_prefix_is_refused(void **unused)
{
    static const char *const rows[] = {
        "",         "10.0.0.0",    "10.0.0.0/",    "/8",          "10.0.0.0/33",
        "::/129",   "10.0.0.0/x",  "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0/8",
        "[::1]/64", "fe80::%1/64", "10.0.0.0/256", "10.0.0.0/ 8",
    };
    struct cidr c;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(cidr_parse(&c, text_of(rows[i]), NULL), -1);
}

static void prefixes_contain_what_agrees_in_their_bits(void **unused)
{
    static const struct {
        const char *prefix, *ip;
        bool inside;
    } rows[] = {
        {"10.96.0.0/12", "10.96.0.0", true},
        {"10.96.0.0/12", "10.111.255.255", true},
        {"10.96.0.0/12", "10.112.0.0", false},
        {"10.96.0.0/12", "10.95.255.255", false},
        {"10.96.0.0/16", "10.96.255.255", true},
        {"10.96.0.0/16", "10.97.0.0", false},
        {"1.2.3.4/32", "1.2.3.4", true},
        {"1.2.3.4/32", "1.2.3.5", false},
        {"0.0.0.0/0", "255.255.255.255", true},
        {"0.0.0.0/0", "::", false},
        {"::/0", "0.0.0.0", false},
        {"::/0", "ffff::", true},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"2001:db8::1/128", "2001:db8::1", true},
        {"2001:db8::1/128", "2001:db8::", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cidr c = cidr_of(rows[i].prefix);
        struct addr a = addr_of(rows[i].ip);
        assert_int_equal(cidr_contains(&c, &a), rows[i].inside);
    }
}

static void prefixes_overlap_when_one_holds_the_other(void **unused)
{
    static const struct {
        const char *a, *b;
        bool overlap, equal;
    } rows[] = {
        {"10.0.0.0/8", "10.96.0.0/12", true, false},
        {"10.0.0.0/8", "10.0.0.0/9", true, false},
        {"10.0.0.0/8", "10.255.0.0/8", true, true},
        {"10.0.0.0/9", "10.128.0.0/9", false, false},
        {"10.0.0.0/24", "10.0.1.0/24", false, false},
        {"0.0.0.0/0", "1.2.3.4/32", true, false},
        {"0.0.0.0/0", "::/0", false, false},
        {"2001:db8::/32", "2001:db8:ffff::/48", true, false},
        {"2001:db8::/32", "2001:db9::/32", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cidr a = cidr_of(rows[i].a), b = cidr_of(rows[i].b);
        assert_int_equal(cidr_overlap(&a, &b), rows[i].overlap);
        assert_int_equal(cidr_overlap(&b, &a), rows[i].overlap);
        assert_int_equal(cidr_equal(&a, &b), rows[i].equal);
    }
}

static void nth_address_stays_inside(void **unused)
{
    static const struct {
        const char *prefix;
        uint64_t n;
        const char *ip; /* NULL = outside */
    } rows[] = {
        {"10.96.0.0/12", 10, "10.96.0.10"},
        {"10.96.0.0/12", 0, "10.96.0.0"},
        {"10.96.0.0/12", 256, "10.96.1.0"},
        {"10.96.0.0/12", (1u << 20) - 1, "10.111.255.255"},
        {"10.96.0.0/12", 1u << 20, NULL},
        {"10.0.0.8/29", 7, "10.0.0.15"},
        {"10.0.0.8/29", 8, NULL},
        {"10.0.0.8/29", 10, NULL},
        {"10.0.0.0/28", 10, "10.0.0.10"},
        {"1.2.3.4/32", 0, "1.2.3.4"},
        {"1.2.3.4/32", 1, NULL},
        {"0.0.0.0/0", UINT32_MAX, "255.255.255.255"},
        {"0.0.0.0/0", UINT64_C(1) << 32, NULL},
        {"fd00::/108", 10, "fd00::a"},
        {"fd00::/108", 1u << 20, NULL},
        {"fd00::/64", UINT64_MAX, "fd00::ffff:ffff:ffff:ffff"},
        {"fd00::/65", UINT64_MAX, NULL},
        {"fd00::/65", UINT64_MAX / 2, "fd00::7fff:ffff:ffff:ffff"},
        {"::/0", UINT64_MAX, "::ffff:ffff:ffff:ffff"},
        {"fd00::1/128", 1, NULL},
    };
    char out[ADDR_TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cidr c = cidr_of(rows[i].prefix);
        struct addr a;
        int rc = cidr_nth(&c, rows[i].n, &a);
        assert_int_equal(rc, rows[i].ip == NULL ? -1 : 0);
        if (rc == 0)
            assert_string_equal(addr_print_ip(&a, out), rows[i].ip);
    }
}

static void reverse_names_give_prefixes(void **unused)
{
    static const struct {
        const char *name, *prefix;
    } rows[] = {
        {"4.3.2.1.in-addr.arpa", "1.2.3.4/32"},
        {"4.3.2.1.IN-ADDR.Arpa", "1.2.3.4/32"},
        {"255.0.10.in-addr.arpa", "10.0.255.0/24"},
        {"10.in-addr.arpa", "10.0.0.0/8"},
        {"in-addr.arpa", "0.0.0.0/0"},
        {"ip6.arpa", "::/0"},
        {"8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8::/32"},
        {"B.D.0.1.0.0.2.ip6.arpa", "2001:db0::/28"},
        {"F.ip6.arpa", "f000::/4"},
        {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
         "2001:db8::1/128"},
    };
    char out[ADDR_TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct name n = name_of(rows[i].name);
        struct cidr c;
        assert_int_equal(cidr_from_reverse(&c, n.wire), 0);
        assert_string_equal(cidr_print(&c, out), rows[i].prefix);
    }
}

static void other_names_are_no_reverse_names(void **unused)
{
    static const char *const rows[] = {
        ".",
        "arpa",
        "example.org",
        "4.3.2.1.in-addr.arpa.example",
        "in-addr.arpb",
        "0.4.3.2.1.in-addr.arpa",
        "256.in-addr.arpa",
        "01.in-addr.arpa",
        "00.in-addr.arpa",
        "1000.in-addr.arpa",
        "x.in-addr.arpa",
        "-1.in-addr.arpa",
        "0-27.2.1.in-addr.arpa",
        "1\\.2.in-addr.arpa",
        "1.x.2.in-addr.arpa",
        "g.ip6.arpa",
        "10.ip6.arpa",
        "\\000.ip6.arpa",
        "\\000.in-addr.arpa",
        "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct name n = name_of(rows[i]);
        struct cidr c;
        assert_int_equal(cidr_from_reverse(&c, n.wire), -1);
    }
}

static void prefixes_expand_to_reverse_zones(void **unused)
{
    static const struct {
        const char *prefix;
        unsigned n;
        const char *first, *last;
    } rows[] = {
        {"10.0.0.0/24", 1, "0.0.10.in-addr.arpa.", "0.0.10.in-addr.arpa."},
        {"10.0.0.0/8", 1, "10.in-addr.arpa.", "10.in-addr.arpa."},
        {"10.0.0.0/15", 2, "0.10.in-addr.arpa.", "1.10.in-addr.arpa."},
        {"10.96.0.0/12", 16, "96.10.in-addr.arpa.", "111.10.in-addr.arpa."},
        {"10.0.0.0/17", 128, "0.0.10.in-addr.arpa.", "127.0.10.in-addr.arpa."},
        {"10.0.0.0/27", 32, "0.0.0.10.in-addr.arpa.", "31.0.0.10.in-addr.arpa."},
        {"1.2.3.4/32", 1, "4.3.2.1.in-addr.arpa.", "4.3.2.1.in-addr.arpa."},
        {"128.0.0.0/1", 128, "128.in-addr.arpa.", "255.in-addr.arpa."},
        {"0.0.0.0/0", 1, "in-addr.arpa.", "in-addr.arpa."},
        {"2001:db8::/32", 1, "8.b.d.0.1.0.0.2.ip6.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa."},
        {"2001:db8::/29", 8, "8.b.d.0.1.0.0.2.ip6.arpa.", "f.b.d.0.1.0.0.2.ip6.arpa."},
        {"2001:db8::/28", 1, "b.d.0.1.0.0.2.ip6.arpa.", "b.d.0.1.0.0.2.ip6.arpa."},
        {"2001:db8:5400::/39", 2, "4.5.8.b.d.0.1.0.0.2.ip6.arpa.",
         "5.5.8.b.d.0.1.0.0.2.ip6.arpa."},
        {"2001:db8::/115", 2,
         "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
         "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
        {"2001:db8::1/128", 1,
         "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
         "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
        {"::/0", 1, "ip6.arpa.", "ip6.arpa."},
    };
    char text[NAME_TEXT_MAX];
    struct name n;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cidr c = cidr_of(rows[i].prefix);
        assert_int_equal(cidr_reverse_zones(&c), rows[i].n);
        cidr_reverse_zone(&c, 0, &n);
        name_print(n.wire, text);
        assert_string_equal(text, rows[i].first);
        cidr_reverse_zone(&c, rows[i].n - 1, &n);
        name_print(n.wire, text);
        assert_string_equal(text, rows[i].last);
        assert_int_equal(n.len, name_len(n.wire));
    }
}

/* Whatever the length, the zones are distinct parts of the prefix and together all of
 * it. */
static void reverse_zones_cover_their_prefix(void **unused)
{
    static const char *const ips[] = {"203.187.90.165", "2001:db8:a5c3:5a96::f0e1"};
    for (size_t f = 0; f < 2; f++) {
        struct addr a = addr_of(ips[f]);
        for (unsigned bits = 0; bits <= (f == 0 ? 32 : 128); bits++) {
            struct cidr c = {.family = a.family, .bits = (uint8_t)bits}, part,
                        before = {0};
            for (unsigned b = 0; b < bits; b++)
                c.ip[b / 8] |= (uint8_t)(a.ip[b / 8] & 0x80 >> b % 8);
            unsigned zones = cidr_reverse_zones(&c);
            for (unsigned i = 0; i < zones; i++) {
                struct name n;
                cidr_reverse_zone(&c, i, &n);
                assert_int_equal(cidr_from_reverse(&part, n.wire), 0);
                assert_true(cidr_overlap(&c, &part));
                assert_true(part.bits >= c.bits);
                assert_int_equal(zones, 1u << (part.bits - c.bits));
                assert_false(cidr_equal(&part, &before));
                before = part;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_parse_with_and_without_port),
        cmocka_unit_test(text_that_is_no_address_is_refused),
        cmocka_unit_test(bare_addresses_have_neither_port_nor_brackets),
        cmocka_unit_test(text_is_read_no_further_than_its_length),
        cmocka_unit_test(no_address_prints_as_a_dash),
        cmocka_unit_test(every_part_of_an_address_counts),
        cmocka_unit_test(kernel_form_and_back_is_the_same),
        cmocka_unit_test(ports_are_in_network_order_for_the_kernel),
        cmocka_unit_test(prefixes_lose_their_host_bits),
        cmocka_unit_test(text_that_is_no_prefix_is_refused),
        cmocka_unit_test(prefixes_contain_what_agrees_in_their_bits),
        cmocka_unit_test(prefixes_overlap_when_one_holds_the_other),
        cmocka_unit_test(nth_address_stays_inside),
        cmocka_unit_test(reverse_names_give_prefixes),
        cmocka_unit_test(other_names_are_no_reverse_names),
        cmocka_unit_test(prefixes_expand_to_reverse_zones),
        cmocka_unit_test(reverse_zones_cover_their_prefix),
    };
    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
