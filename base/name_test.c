#include "base/name.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A61 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct name name_of(const char *text)
{
    struct name n;
    assert_int_equal(name_parse(&n, text_of(text)), 0);
    return n;
}

/* 127 labels of one octet: the most a name can have. */
static struct name most_labels(char octet)
{
    struct name n = {.len = NAME_WIRE_MAX};
    for (unsigned i = 0; i < NAME_LABELS_MAX; i++) {
        n.wire[2 * i] = 1;
        n.wire[2 * i + 1] = (uint8_t)octet;
    }
    return n;
}

static void text_becomes_wire(void **unused)
{
    const struct {
        const char *text;
        struct text wire;
    } rows[] = {
        {".", TEXT("\0")},
        {"a", TEXT("\1a\0")},
        {"a.", TEXT("\1a\0")},
        {"www.Example.org", TEXT("\3www\7Example\3org\0")},
        {"a\\.b.c", TEXT("\3a.b\1c\0")},
        {"\\000\\255\\046.", TEXT("\3\0\377.\0")},
        {"\\\\\\\"\\;", TEXT("\3\\\";\0")},
        {"*.a b", TEXT("\1*\3a b\0")},
        {A63 ".x", TEXT("\77" A63 "\1x\0")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct name n = name_of(rows[i].text);
        assert_int_equal(n.len, rows[i].wire.len);
        assert_memory_equal(n.wire, rows[i].wire.at, n.len);
    }
}

static void text_that_is_no_name_is_refused(void **unused)
{
    static const char *const rows[] = {
        "",     "..",    ".a",    "a..b",    "a..",   "\\",    "a\\",     "\\2",
        "\\25", "\\25x", "\\256", "\\999.a", "\\1a2", "a" A63, A63 "a.b", "x." A63 "a",
    };
    struct name n;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(name_parse(&n, text_of(rows[i])), -1);
}

static void text_is_read_no_further_than_its_length(void **unused)
{
    struct name n;
    struct text cut = {.at = "\\1234", .len = 3};
    assert_int_equal(name_parse(&n, cut), -1);
    cut.len = 4;
    assert_int_equal(name_parse(&n, cut), 0);
    assert_int_equal(n.wire[1], 123);
}

static void names_of_255_octets_are_the_longest(void **unused)
{
    struct name n = name_of(A63 "." A63 "." A63 "." A61);
    assert_int_equal(n.len, 255);
    n = name_of(A63 "." A63 "." A63 "." A61 ".");
    assert_int_equal(n.len, 255);
    assert_int_equal(name_parse(&n, TEXT(A63 "." A63 "." A63 ".a" A61)), -1);
    assert_int_equal(name_parse(&n, TEXT(A63 "." A63 "." A63 "." A61 ".a")), -1);
    assert_int_equal(name_parse(&n, TEXT(A63 "." A63 "." A63 "." A63 "." A63)), -1);
}

static void names_print_with_escapes(void **unused)
{
    const struct {
        struct text wire;
        const char *text;
    } rows[] = {
        {TEXT("\0"), "."},
        {TEXT("\3WWW\2eu\0"), "WWW.eu."},
        {TEXT("\3a.b\1c\0"), "a\\.b.c."},
        {TEXT("\10.\\\"';()@\0"), "\\.\\\\\\\"\\'\\;\\(\\)\\@."},
        {TEXT("\5\0 \t\177\377\0"), "\\000\\032\\009\\127\\255."},
        {TEXT("\10!#*_-/~$\0"), "!#*_-/~$."},
    };
    char out[NAME_TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = name_print((const uint8_t *)rows[i].wire.at, out);
        assert_string_equal(out, rows[i].text);
        assert_int_equal(len, strlen(rows[i].text));
    }
}

static void every_octet_survives_printing_and_parsing(void **unused)
{
    char text[NAME_TEXT_MAX];
    for (unsigned c = 0; c < 256; c++) {
        const uint8_t wire[] = {3, 'x', (uint8_t)c, 'y', 1, (uint8_t)c, 0};
        name_print(wire, text);
        struct name n = name_of(text);
        assert_int_equal(n.len, sizeof wire);
        assert_memory_equal(n.wire, wire, sizeof wire);
    }
}

static void longest_text_fits(void **unused)
{
    char text[NAME_TEXT_MAX];
    struct name n = name_of(A63 "." A63 "." A63 "." A61);
    for (unsigned at = 0; n.wire[at] != 0; at += n.wire[at] + 1u)
        memset(n.wire + at + 1, 0xff, n.wire[at]);
    assert_int_equal(name_print(n.wire, text), 250 * 4 + 4);
    n = most_labels('\xff');
    assert_int_equal(name_print(n.wire, text), 127 * 5);
}

static void lengths_and_labels_are_counted(void **unused)
{
    struct name n = most_labels('a');
    assert_int_equal(name_len(n.wire), 255);
    assert_int_equal(name_labels(n.wire), 127);
    n = name_of(".");
    assert_int_equal(name_len(n.wire), 1);
    assert_int_equal(name_labels(n.wire), 0);
    n = name_of("a.bc.def");
    assert_int_equal(name_len(n.wire), 10);
    assert_int_equal(name_labels(n.wire), 3);
}

static void only_ascii_letters_get_lower(void **unused)
{
    uint8_t from[256], to[256];
    for (unsigned shift = 0; shift < 16; shift++) {
        for (unsigned c = 0; c < 256; c++)
            from[c] = (uint8_t)(c + shift);
        name_lower(to, from, 256 - shift);
        for (unsigned i = 0; i < 256 - shift; i++) {
            uint8_t c = from[i];
            assert_int_equal(to[i], c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
    }
    name_lower(from, from, sizeof from);
    name_lower(to, to, sizeof to);
    assert_memory_equal(from, to, 200);
}

static void names_compare_without_case(void **unused)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {".", ".", true},
        {".", "a", false},
        {"a", "A", true},
        {"Example.ORG", "eXAMPLE.org", true},
        {"www.kubernetes.example.ORG", "WWW.Kubernetes.Example.org", true},
        {"www.kubernetes.example.org", "www.kubernetes.example.orh", false},
        {"a.bc", "ab.c", false},
        {"a\\.b", "a.b", false},
        {"[", "{", false},
        {"@", "`", false},
        {"\\193", "\\225", false},
        {"aaaaaaa\\193", "aaaaaaa\\225", false},
        {"aaaaaaaZ", "AAAAAAAz", true},
        {"example.org", "example.or", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct name a = name_of(rows[i].a), b = name_of(rows[i].b);
        assert_int_equal(name_equal(a.wire, b.wire), rows[i].equal);
        assert_int_equal(name_equal(b.wire, a.wire), rows[i].equal);
        assert_int_equal(name_hash(a.wire) == name_hash(b.wire), rows[i].equal);
    }
}

static void zones_match_by_labels(void **unused)
{
    static const struct {
        const char *name, *zone;
        int prefix; /* -1 = outside */
    } rows[] = {
        {".", ".", 0},
        {"a.b", ".", 4},
        {"example", "example", 0},
        {"a.Example", "eXample", 2},
        {"notexample", "example", -1},
        {"a\\.example", "example", -1},
        {"example", "a.example", -1},
        {".", "example", -1},
        {"x.y.cluster.local", "cluster.local", 4},
        {"x.y.cluster.loca1", "cluster.local", -1},
        /* The octets of the zone, but inside a label: \007 is no length here. */
        {"x\\007example", "example", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct name n = name_of(rows[i].name), z = name_of(rows[i].zone);
        size_t prefix = 999;
        assert_int_equal(name_under(n.wire, z.wire, &prefix), rows[i].prefix >= 0);
        assert_int_equal(prefix, rows[i].prefix >= 0 ? rows[i].prefix : 999);
        assert_int_equal(name_under(n.wire, z.wire, NULL), rows[i].prefix >= 0);
    }
}

static void joining_keeps_to_255_octets(void **unused)
{
    struct name a = name_of("x.y.old"), zone = name_of("cluster.local"), out;
    assert_int_equal(name_join(&out, a.wire, 4, zone.wire), 0);
    assert_true(name_equal(out.wire, name_of("x.y.cluster.local").wire));
    assert_int_equal(out.len, 4 + zone.len);
    assert_int_equal(name_join(&out, a.wire, 0, zone.wire), 0);
    assert_true(name_equal(out.wire, zone.wire));

    a = most_labels('a');
    struct name fits = name_of("b"), over = name_of("bc");
    assert_int_equal(name_join(&out, a.wire, 252, fits.wire), 0);
    assert_int_equal(out.len, 255);
    assert_int_equal(name_len(out.wire), 255);
    assert_int_equal(name_join(&out, a.wire, 252, over.wire), -1);
}

static void hashes_of_a_name_are_those_of_its_suffixes(void **unused)
{
    static const char *const rows[] = {".", "a", "a.bb.ccc.dddd.eeeeeee.ffffffff.g",
                                       "WWW.Example.ORG", A63 "." A61 ".x"};
    uint32_t hashes[NAME_LABELS_MAX + 1];
    uint8_t offsets[NAME_LABELS_MAX + 1];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct name n = name_of(rows[i]);
        unsigned labels = name_hashes(n.wire, hashes, offsets);
        assert_int_equal(labels, name_labels(n.wire));
        assert_int_equal(offsets[labels], n.len - 1);
        for (unsigned l = 0; l <= labels; l++)
            assert_int_equal(hashes[l], name_hash(n.wire + offsets[l]));
    }
    struct name most = most_labels('q');
    assert_int_equal(name_hashes(most.wire, hashes, offsets), NAME_LABELS_MAX);
    assert_int_equal(offsets[NAME_LABELS_MAX], 254);
}

/* Labels of every length, changed in every octet and in case: all that must differ
 * does, all that must not does not. */
static void every_octet_of_a_label_counts_in_its_hash(void **unused)
{
    for (unsigned len = 1; len <= NAME_LABEL_MAX; len++) {
        struct name n = {.len = (uint8_t)(len + 2), .wire = {(uint8_t)len}};
        memset(n.wire + 1, 'k', len);
        uint32_t hash = name_hash(n.wire);
        for (unsigned i = 1; i <= len; i++) {
            n.wire[i] = 'K';
            assert_int_equal(name_hash(n.wire), hash);
            n.wire[i] = 'l';
            assert_int_not_equal(name_hash(n.wire), hash);
            n.wire[i] = 'k';
        }
    }
}

static void hashes_spread(void **unused)
{
    static uint8_t seen[1 << 16];
    char text[64];
    unsigned used = 0;
    for (unsigned i = 0; i < 65536; i++) {
        snprintf(text, sizeof text, "svc-%u.ns.svc.cluster.local", i);
        uint32_t slot = name_hash(name_of(text).wire) & 0xffff;
        used += seen[slot] == 0;
        seen[slot] = 1;
    }
    /* A random function fills 1 - 1/e of the slots: 41427. */
    assert_in_range(used, 40500, 42400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_wire),
        cmocka_unit_test(text_that_is_no_name_is_refused),
        cmocka_unit_test(text_is_read_no_further_than_its_length),
        cmocka_unit_test(names_of_255_octets_are_the_longest),
        cmocka_unit_test(names_print_with_escapes),
        cmocka_unit_test(every_octet_survives_printing_and_parsing),
        cmocka_unit_test(longest_text_fits),
        cmocka_unit_test(lengths_and_labels_are_counted),
        cmocka_unit_test(only_ascii_letters_get_lower),
        cmocka_unit_test(names_compare_without_case),
        cmocka_unit_test(zones_match_by_labels),
        cmocka_unit_test(joining_keeps_to_255_octets),
        cmocka_unit_test(hashes_of_a_name_are_those_of_its_suffixes),
        cmocka_unit_test(every_octet_of_a_label_counts_in_its_hash),
        cmocka_unit_test(hashes_spread),
    };
    if (hash_seed() < 0)
        return 1;
    return cmocka_run_group_tests_name("name", tests, NULL, NULL);
}
