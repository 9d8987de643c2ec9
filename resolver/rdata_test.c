#include "resolver/rdata.h"

#include "base/hash.h"
#include "tests/unit/build.h"
#include "tests/unit/reference.h"

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

/* The steps of a type as letters: 4 = fixed octets, s S strings, n name, r rest, -
 * opaque. */
static const char *steps(uint16_t type)
{
    const struct rdata_layout *l = rdata_layout(type);
    char *out = build_keep(64), *at = out;

    if (!l->known)
        return "-";
    for (const struct rdata_field *f = l->field; f->step != RDATA_END; f++)
        if (f->step == RDATA_FIXED)
            at += snprintf(at, 8, "%u", f->len);
        else
            *at++ = "??sSnr"[f->step];
    return out;
}

static void layouts_are_those_of_the_rfcs(void **state)
{
    static const struct {
        uint16_t type;
        const char *steps;
    } rows[] = {
        {1, "4"},          {2, "n"},      {5, "n"},     {6, "nn44444"},
        {11, "4r"},        {12, "n"},     {13, "ss"},   {14, "nn"},
        {15, "2n"},        {16, "S"},     {17, "nn"},   {18, "2n"},
        {21, "2n"},        {26, "2nn"},   {28, "16"},   {33, "222n"},
        {35, "22sssn"},    {36, "2n"},    {39, "n"},    {43, "211r"},
        {46, "2114442nr"}, {47, "nr"},    {48, "211r"}, {50, "112ssr"},
        {51, "112s"},      {52, "111r"},  {64, "2nr"},  {65, "2nr"},
        {99, "S"},         {107, "2n"},   {108, "6"},   {109, "8"},
        {249, "n4422r"},   {250, "n62r"}, {257, "1sr"}, {256, "22r"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(steps(rows[i].type), rows[i].steps);
}

static void types_that_cannot_be_told_are_opaque(void **state)
{
    static const uint16_t types[] = {0,  10, 20, 22, 23, 29,    34,    38,   40,
                                     42, 45, 55, 61, 66, 65280, 65535, 32769};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_false(rdata_layout(types[i])->known);
        assert_false(rdata_layout(types[i])->has_names);
    }
}

/* RFC 3597 section 4: names only in the types of RFC 1035. */
static void only_the_types_of_rfc1035_are_compressed(void **state)
{
    for (uint32_t type = 0; type <= UINT16_MAX; type++) {
        bool old = type == 14 || type == 15 || type == 12 || (type >= 2 && type <= 9);
        assert_int_equal(rdata_layout((uint16_t)type)->compress, old);
    }
}

/* ldns counts the names of each type itself; HIP and its like have them out of our
 * reach. */
static void every_type_has_as_many_names_as_ldns_counts(void **state)
{
    for (uint16_t type = 1; type < 258; type++) {
        unsigned n = 0;
        for (const struct rdata_field *f = rdata_layout(type)->field;
             f->step != RDATA_END; f++)
            n += f->step == RDATA_NAME;
        assert_int_equal(n, reference_names_n(type));
    }
}

static void parts_alternate_between_octets_and_names(void **state)
{
    struct msg m;
    struct span a =
        build_answer("www.test NAPTR\n"
                     "www.test 5 IN NAPTR 1 2 \"u\" \"sip\" \"\" a.www.test\n"
                     "www.test 5 IN SOA ns.test h.test 1 2 3 4 5\n"
                     "www.test 5 IN TYPE65400 \\# 3 010203\n"
                     "www.test 5 IN TXT \"x\"\n");
    static const struct {
        bool is_name;
        uint32_t len;
    } want[] = {{false, 11}, {true, 12}, {true, 5}, {true, 4},
                {false, 20}, {false, 3}, {false, 2}};
    size_t n = 0;

    build_walk(&m, a);
    msg_each_rr (rr, &m) {
        struct rdata_part part = rdata_parts(rr);
        for (; rdata_next(rr, &part); n++) {
            assert_int_equal(part.is_name, want[n].is_name);
            assert_int_equal(part.len, want[n].len);
        }
        assert_int_equal(part.at, rr->rdata + rr->rdlen);
    }
    assert_int_equal(n, 7);
}

static void expanded_data_has_its_names_in_full(void **state)
{
    struct msg m;
    uint8_t out[64];
    struct span want = build_bytes("000a 'mail.www.test'");

    build_walk(&m, build_answer("www.test MX\nwww.test 5 IN MX 10 mail.www.test\n"));
    assert_true(m.rr[0].rdlen < want.len);
    assert_int_equal(rdata_len_plain(&m.rr[0]), want.len);
    rdata_expand(&m.rr[0], out);
    assert_memory_equal(out, want.at, want.len);
}

static void types_print_as_coredns_names_them_and_read_back(void **state)
{
    char room[RDATA_MNEMONIC_MAX];
    uint16_t back;

    for (uint32_t type = 0; type <= UINT16_MAX; type++) {
        const char *name = rdata_type_print((uint16_t)type, room);
        assert_int_equal(rdata_type_parse(text_of(name), &back), 0);
        assert_int_equal(back, type);
    }
    assert_string_equal(rdata_type_print(DNS_A, room), "A");
    assert_string_equal(rdata_type_print(DNS_ANY, room), "ANY");
    assert_string_equal(rdata_type_print(DNS_HTTPS, room), "HTTPS");
    assert_string_equal(rdata_type_print(65400, room), "TYPE65400");
    assert_string_equal(rdata_class_print(DNS_IN, room), "IN");
    assert_string_equal(rdata_class_print(7, room), "CLASS7");
}

static void rcodes_print_as_coredns_names_them_and_read_back(void **state)
{
    char room[RDATA_MNEMONIC_MAX];
    uint16_t back;

    for (uint16_t rcode = 0; rcode < 4096; rcode++) {
        const char *name = rcode_print(rcode, room);
        assert_int_equal(rcode_parse(text_of(name), &back), 0);
        assert_int_equal(back, rcode);
    }
    assert_string_equal(rcode_print(DNS_NOTIMP, room), "NOTIMP");
    assert_string_equal(rcode_print(16, room), "BADVERS");
    assert_string_equal(rcode_print(99, room), "RCODE99");
    assert_int_equal(rcode_parse(TEXT("badsig"), &back), 0);
    assert_int_equal(back, 16);
}

static void mnemonics_are_read_in_any_case_and_nothing_else_is(void **state)
{
    static const char *const bad[] = {"",        "AX",     "TYPE",        "TYPE65536",
                                      "TYPE-1",  "TYPE1x", "TYPE0000001", "CLASS1",
                                      "NOERROR", "A "};
    uint16_t out;

    assert_int_equal(rdata_type_parse(TEXT("aaaa"), &out), 0);
    assert_int_equal(out, DNS_AAAA);
    assert_int_equal(rdata_type_parse(TEXT("type28"), &out), 0);
    assert_int_equal(out, DNS_AAAA);
    assert_int_equal(rdata_class_parse(TEXT("ch"), &out), 0);
    assert_int_equal(out, DNS_CH);
    assert_int_equal(rdata_class_parse(TEXT("Class7"), &out), 0);
    assert_int_equal(out, 7);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(rdata_type_parse(text_of(bad[i]), &out), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(layouts_are_those_of_the_rfcs),
        TEST(types_that_cannot_be_told_are_opaque),
        TEST(only_the_types_of_rfc1035_are_compressed),
        TEST(every_type_has_as_many_names_as_ldns_counts),
        TEST(parts_alternate_between_octets_and_names),
        TEST(expanded_data_has_its_names_in_full),
        TEST(types_print_as_coredns_names_them_and_read_back),
        TEST(rcodes_print_as_coredns_names_them_and_read_back),
        TEST(mnemonics_are_read_in_any_case_and_nothing_else_is),
    };
    return cmocka_run_group_tests_name("rdata", tests, start, NULL);
}
