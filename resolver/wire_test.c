#include "resolver/wire.h"

#include "base/cursor.h"
#include "resolver/rdata.h"
#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define TEST(name) cmocka_unit_test_teardown(name, release)
#define COUNT(a)   (sizeof(a) / sizeof *(a))

/* A question for www.test A, and its header without counts of records. */
#define HEAD     "0007 8180 0001 "
#define QUESTION " 'www.test' 0001 0001 "

static int start(void **state)
{
    return rdata_start();
}

static int release(void **state)
{
    build_release();
    return 0;
}

/* The verdict on exactly these octets: behind them lies what a sanitizer watches. */
static enum wire_verdict walk(struct msg *m, struct span packet)
{
    *m = (struct msg){.rr = build_keep(WIRE_RR_MAX * sizeof *m->rr),
                      .rr_cap = WIRE_RR_MAX};
    uint8_t *copy = malloc(packet.len == 0 ? 1 : packet.len);
    assert_non_null(copy);
    if (packet.len > 0)
        memcpy(copy, packet.at, packet.len);
    enum wire_verdict v = wire_walk((struct span){.at = copy, .len = packet.len}, m);
    free(copy);
    return v;
}

struct row {
    const char *why, *hex;
};

static void all_are(enum wire_verdict want, const struct row *rows, size_t n)
{
    struct msg m;

    for (size_t i = 0; i < n; i++) {
        enum wire_verdict got = walk(&m, build_bytes(rows[i].hex));
        if (got != want)
            fail_msg("%s: %d", rows[i].why, (int)got);
    }
}

/* ---- headers and questions ---- */

static void packets_without_a_whole_header_are_short(void **state)
{
    struct span q = build_query("www.test A");
    struct msg m;

    for (size_t len = 0; len < DNS_HEADER_LEN; len++)
        assert_int_equal(walk(&m, (struct span){.at = q.at, .len = len}), WIRE_SHORT);
}

static void a_query_is_indexed(void **state)
{
    struct msg m;

    build_walk(&m, build_query("www.test CH AAAA"));
    assert_int_equal(m.id, 7);
    assert_int_equal(m.flags, DNS_RD);
    assert_true(m.question);
    assert_int_equal(m.qname, DNS_HEADER_LEN);
    assert_int_equal(m.qname_len, 10);
    assert_int_equal(m.qtype, DNS_AAAA);
    assert_int_equal(m.qclass, DNS_CH);
    assert_int_equal(m.rr_n, 0);
    assert_int_equal(m.len, 26);
    assert_false(m.opt.present || m.edited || m.ttl_edited);
}

static void a_packet_cut_anywhere_is_malformed(void **state)
{
    struct span a = build_answer("! edns 1232\nwww.test SRV\n"
                                 "www.test 5 IN SRV 1 2 3 a.www.test\n"
                                 "authority\ntest 5 IN SOA ns.test h.test 1 2 3 4 5\n"
                                 "additional\na.www.test 5 IN A 192.0.2.1\n");
    struct msg m;

    for (size_t len = DNS_HEADER_LEN; len < a.len; len++)
        assert_int_equal(walk(&m, (struct span){.at = a.at, .len = len}), WIRE_FORMERR);
    assert_int_equal(walk(&m, a), WIRE_OK);
}

static void no_message_is_longer_than_65535_octets(void **state)
{
    uint8_t *p = build_keep(65536);
    struct span q = build_query("www.test A");
    struct msg m;

    memcpy(p, q.at, q.len);
    assert_int_equal(walk(&m, (struct span){.at = p, .len = 65535}), WIRE_OK);
    assert_int_equal(walk(&m, (struct span){.at = p, .len = 65536}), WIRE_FORMERR);
}

static void octets_behind_the_message_are_no_part_of_it(void **state)
{
    struct msg m;

    build_walk(&m, build_bytes(HEAD "0000 0000 0000" QUESTION "dead beef"));
    assert_int_equal(m.len, 26);
}

static void a_message_without_question_is_none_with_one(void **state)
{
    struct msg m;

    build_walk(&m, build_bytes("0007 8180 0000 0000 0000 0000"));
    assert_false(m.question);
    assert_int_equal(m.len, DNS_HEADER_LEN);
}

static void questions_that_are_malformed(void **state)
{
    static const struct row rows[] = {
        {"two questions", "0007 0100 0002 0000 0000 0000" QUESTION QUESTION},
        {"65535 questions", "0007 0100 ffff 0000 0000 0000" QUESTION},
        {"no body", "0007 0100 0001 0000 0000 0000"},
        {"name points at itself", "0007 0100 0001 0000 0000 0000 c00c 0001 0001"},
        {"name points forward", "0007 0100 0001 0000 0000 0000 c00e 00 0001 0001"},
        {"name points into the header", "0007 0100 0001 0000 0000 0000 c000 0001 0001"},
        {"label type 01", "0007 0100 0001 0000 0000 0000 41 00 0001 0001"},
        {"label type 10", "0007 0100 0001 0000 0000 0000 81 00 0001 0001"},
        {"label beyond the end", "0007 0100 0001 0000 0000 0000 3f 61"},
        {"no type", "0007 0100 0001 0000 0000 0000 'www.test' 0001 00"},
    };

    all_are(WIRE_FORMERR, rows, COUNT(rows));
}

/* A question whose name is made of `n` labels of 62 octets and one of `last`. */
static struct span long_question(size_t n, size_t last)
{
    uint8_t *p = build_keep(512);
    struct wr wr = wr_init(p, 512);

    wr_bytes(&wr, "\0\7\1\0\0\1\0\0\0\0\0\0", DNS_HEADER_LEN);
    for (size_t i = 0; i <= n; i++) {
        size_t len = i < n ? 62 : last;
        wr_u8(&wr, (uint8_t)len);
        memset(wr_take(&wr, len), 'x', len);
    }
    wr_bytes(&wr, "\0\0\1\0\1", 5);
    return (struct span){.at = p, .len = wr.at};
}

static void names_may_have_255_octets_and_no_more(void **state)
{
    struct msg m;

    assert_int_equal(walk(&m, long_question(3, 63)), WIRE_OK); /* 3 * 63 + 64 + 1 */
    assert_int_equal(m.qname_len, 254);
    assert_int_equal(walk(&m, long_question(4, 1)), WIRE_OK);
    assert_int_equal(m.qname_len, 255);
    assert_int_equal(walk(&m, long_question(4, 2)), WIRE_FORMERR);
    assert_int_equal(walk(&m, long_question(4, 62)), WIRE_FORMERR);
}

/* ---- names of records ---- */

static void owners_that_are_malformed(void **state)
{
    static const struct row rows[] = {
        {"points at itself",
         HEAD "0001 0000 0000" QUESTION "c01a 0001 0001 00000005 0000"},
        {"points forward",
         HEAD "0001 0000 0000" QUESTION "c01c 0001 0001 00000005 0000"},
        {"into the header",
         HEAD "0001 0000 0000" QUESTION "c00b ff00 0001 00000005 0000"},
        {"to the run it ends",
         HEAD "0001 0000 0000" QUESTION "0161 c01a ff00 0001 00000005 0000"},
        {"into the run it ends",
         HEAD "0001 0000 0000" QUESTION "0161 c01b ff00 0001 00000005 0000"},
        {"to a name that ends behind the message",
         HEAD "0002 0000 0000" QUESTION "c00c ff00 0001 00000005 0001 0c"
              "c026 ff00 0001 00000005 0000 00"},
        {"half a pointer", HEAD "0001 0000 0000" QUESTION "c0"},
        {"label type 10", HEAD "0001 0000 0000" QUESTION "80 ff00 0001 00000005 0000"},
    };

    all_are(WIRE_FORMERR, rows, COUNT(rows));
}

static void owners_may_be_compressed_in_any_backward_way(void **state)
{
    static const struct row rows[] = {
        {"the question", HEAD "0001 0000 0000" QUESTION "c00c ff00 0001 00000005 0000"},
        {"its suffix", HEAD "0001 0000 0000" QUESTION "c010 ff00 0001 00000005 0000"},
        {"its root", HEAD "0001 0000 0000" QUESTION "c015 ff00 0001 00000005 0000"},
        {"a label in front",
         HEAD "0001 0000 0000" QUESTION "0161 c00c ff00 0001 00000005 0000"},
        {"a chain", HEAD "0002 0000 0000" QUESTION "0161 c00c ff00 0001 00000005 0000"
                         " c01a ff00 0001 00000005 0000"},
    };

    all_are(WIRE_OK, rows, COUNT(rows));
}

/* A record owned by labels in front of a pointer to the question, 255 octets and one
 * more. */
static void names_are_measured_with_what_they_point_to(void **state)
{
    for (size_t over = 0; over <= 1; over++) {
        struct span q = long_question(3, 40);
        uint8_t *p = build_keep(1024);
        struct wr wr = wr_init(p, 1024);
        struct msg m;
        size_t question = 3 * 63 + 41 + 1, label = 255 - question - 1 + over;
        wr_bytes(&wr, q.at, q.len);
        p[7] = 1;
        wr_u8(&wr, (uint8_t)label);
        memset(wr_take(&wr, label), 'y', label);
        wr_bytes(&wr, "\xc0\x0c\xff\0\0\1\0\0\0\5\0\0", 12);
        assert_int_equal(walk(&m, (struct span){.at = p, .len = wr.at}),
                         over == 0 ? WIRE_OK : WIRE_FORMERR);
    }
}

/* A chain of `n` pointers, each to the one before, to the root of the question. */
static struct span pointer_chain(size_t n)
{
    uint8_t *p = build_keep(1024);
    struct wr wr = wr_init(p, 1024);
    struct span head =
        build_bytes(HEAD "0002 0000 0000" QUESTION "c00c ff00 0001 00000005");

    wr_bytes(&wr, head.at, head.len);
    wr_u16(&wr, (uint16_t)(2 * (n - 1)));
    for (size_t i = 0; i < n; i++)
        wr_u16(&wr, (uint16_t)(i == 0 ? 0xc015 : 0xc000 | (wr.at - 2)));
    wr_bytes(&wr, "\xff\0\0\1\0\0\0\5\0\0", 10);
    return (struct span){.at = p, .len = wr.at};
}

static void a_name_has_no_more_pointers_than_labels(void **state)
{
    struct msg m;
    struct name n;

    for (size_t hops = 126; hops <= 129; hops++) {
        struct span p = pointer_chain(hops);
        assert_int_equal(walk(&m, p), hops <= 127 ? WIRE_OK : WIRE_FORMERR);
        size_t end = wire_name(p, p.len - 12, &n);
        assert_int_equal(end, hops <= 127 ? p.len - 10 : 0);
    }
}

/* Without a question to point to, so that every label is looked at. */
static void owners_may_have_255_octets_and_no_more(void **state)
{
    for (size_t last = 1; last <= 2; last++) {
        struct span q = long_question(4, last);
        size_t len = q.len - DNS_HEADER_LEN - 4;
        uint8_t *p = build_keep(1024);
        struct wr wr = wr_init(p, 1024);
        struct msg m;
        struct name n;
        wr_bytes(&wr, "\0\7\x81\x80\0\0\0\2\0\0\0\0", DNS_HEADER_LEN);
        wr_bytes(&wr, q.at + DNS_HEADER_LEN, len);
        wr_bytes(&wr, "\xff\0\0\1\0\0\0\5\0\0", 10);
        wr_bytes(&wr, "\xc0\x0c\xff\0\0\1\0\0\0\5\0\0", 12);
        struct span packet = {.at = p, .len = wr.at};
        assert_int_equal(walk(&m, packet), last == 1 ? WIRE_OK : WIRE_FORMERR);
        assert_int_equal(wire_name(packet, DNS_HEADER_LEN, &n),
                         last == 1 ? DNS_HEADER_LEN + len : 0);
    }
}

/* ---- records ---- */

static void records_are_indexed(void **state)
{
    struct msg m;
    struct name n;
    struct span a = build_answer("! aa NXDOMAIN\nwww.test A\n"
                                 "www.test 7 IN CNAME x.test\nauthority\n"
                                 "test 4294967295 CH TXT \"abc\"\n");

    build_walk(&m, a);
    assert_int_equal(m.rr_n, 2);
    assert_int_equal(m.rcode, DNS_NXDOMAIN);
    assert_int_equal(m.rr[0].type, DNS_CNAME);
    assert_int_equal(m.rr[0].section, SECTION_ANSWER);
    assert_int_equal(m.rr[0].ttl, 7);
    msg_name(&m.rr[0], m.rr[0].rdata, &n);
    assert_true(name_equal(n.wire, build_name("x.test")));
    assert_int_equal(m.rr[1].section, SECTION_AUTHORITY);
    assert_int_equal(m.rr[1].class, DNS_CH);
    assert_int_equal(m.rr[1].ttl, UINT32_MAX); /* kept as it is */
    assert_int_equal(m.rr[1].rdlen, 4);
    assert_memory_equal(m.rr[1].base + m.rr[1].rdata, "\3abc", 4);
    assert_int_equal(m.len, a.len);
}

static void data_must_be_what_its_type_demands(void **state)
{
#define RECORD(data) HEAD "0001 0000 0000" QUESTION "c00c " data
    static const struct row bad[] = {
        {"A of 3", RECORD("0001 0001 00000005 0003 010203")},
        {"A of 5", RECORD("0001 0001 00000005 0005 0102030405")},
        {"A of 16", RECORD("0001 0001 00000005 0010 00112233445566778899aabbccddeeff")},
        {"AAAA of 4", RECORD("001c 0001 00000005 0004 01020304")},
        {"A without data", RECORD("0001 0001 00000005 0000")},
        {"CNAME without data", RECORD("0005 0001 00000005 0000 c00c")},
        {"CNAME and more", RECORD("0005 0001 00000005 0003 c00c 00")},
        {"CNAME over its end", RECORD("0005 0001 00000005 0001 c00c")},
        {"CNAME to itself", RECORD("0005 0001 00000005 0002 c026")},
        {"CNAME forward", RECORD("0005 0001 00000005 0002 c028 00")},
        {"MX without name", RECORD("000f 0001 00000005 0002 000a")},
        {"SRV cut", RECORD("0021 0001 00000005 0005 0001000200")},
        {"SOA with 19 octets of times",
         RECORD(
             "0006 0001 00000005 0017 c00c c00c 00000000 00000000 00000000 00000000 000000")},
        {"TXT string over its end", RECORD("0010 0001 00000005 0002 0261 62")},
        {"TXT second string over its end",
         RECORD("0010 0001 00000005 0004 0161 0261 62")},
        {"TXT without string", RECORD("0010 0001 00000005 0000")},
        {"HINFO with one string", RECORD("000d 0001 00000005 0002 0161")},
        {"HINFO with three", RECORD("000d 0001 00000005 0006 0161 0161 0161")},
        {"SVCB without target", RECORD("0040 0001 00000005 0002 0001")},
        {"more than is there", RECORD("ff00 0001 00000005 0001")},
    };
    static const struct row good[] = {
        {"A", RECORD("0001 0001 00000005 0004 01020304")},
        {"A of another class", RECORD("0001 0003 00000005 0003 010203")},
        {"AAAA of another class", RECORD("001c 0003 00000005 0000")},
        {"SRV with a compressed target",
         RECORD("0021 0001 00000005 0008 000100020003 c00c")},
        {"SVCB without parameters", RECORD("0040 0001 00000005 0003 0001 00")},
        {"SVCB with parameters",
         RECORD("0041 0001 00000005 0009 0001 00 000100030268")},
        {"TXT with an empty string", RECORD("0010 0001 00000005 0001 00")},
        {"unknown type of any octets", RECORD("ff78 0001 00000005 0003 c0ffff")},
    };
#undef RECORD

    all_are(WIRE_FORMERR, bad, COUNT(bad));
    all_are(WIRE_OK, good, COUNT(good));
}

static void counts_must_match(void **state)
{
    static const struct row rows[] = {
        {"answer missing", HEAD "0001 0000 0000" QUESTION},
        {"additional missing", HEAD "0000 0000 0001" QUESTION},
        {"65535 of each",
         HEAD "ffff ffff ffff" QUESTION "c00c ff00 0001 00000005 0000"},
    };
    struct msg m = {.rr_cap = 1};
    struct rr one;
    struct span two =
        build_bytes(HEAD "0002 0000 0000" QUESTION "c00c ff00 0001 00000005 0000"
                         "c00c ff00 0001 00000005 0000");

    all_are(WIRE_FORMERR, rows, COUNT(rows));
    m.rr = &one;
    assert_int_equal(wire_walk(two, &m), WIRE_FORMERR); /* more than the index holds */
}

/* ---- OPT and TSIG ---- */

static void opt_is_taken_out_of_the_index(void **state)
{
    struct msg m;
    struct span p = build_bytes(HEAD "0000 0000 0002" QUESTION
                                     "00 0029 1000 12 00 8000 0006 000a 0002 abcd"
                                     "c00c ff00 0001 00000005 0000");

    build_walk(&m, p);
    assert_true(m.opt.present && m.opt.dnssec_ok);
    assert_int_equal(m.opt.udp_size, 4096);
    assert_int_equal(m.opt.version, 0);
    assert_int_equal(m.rcode, 0x120);
    assert_int_equal(m.opt_at, 26);
    assert_int_equal(m.opt.options.len, 6);
    assert_int_equal(m.rr_n, 1);
    assert_int_equal(m.len, p.len);
}

static void an_opt_needs_no_room_in_the_index(void **state)
{
    struct msg m = {.rr = NULL};
    struct span p =
        build_bytes(HEAD "0000 0000 0001" QUESTION "00 0029 1000 00000000 0000");

    assert_int_equal(wire_walk(p, &m), WIRE_OK);
    assert_true(m.opt.present);
}

static void opts_that_are_malformed(void **state)
{
#define OPT "00 0029 1000 00000000 "
    static const struct row rows[] = {
        {"two", HEAD "0000 0000 0002" QUESTION OPT "0000" OPT "0000"},
        {"in the answer", HEAD "0001 0000 0000" QUESTION OPT "0000"},
        {"in the authority", HEAD "0000 0001 0000" QUESTION OPT "0000"},
        {"owned by a name",
         HEAD "0000 0000 0001" QUESTION "0161 00 0029 1000 00000000 0000"},
        {"owned by a pointer to the root",
         HEAD "0000 0000 0001" QUESTION "c015 0029 1000 00000000 0000"},
        {"option over its end",
         HEAD "0000 0000 0001" QUESTION OPT "0006 000a 0003 abcd"},
        {"half an option head", HEAD "0000 0000 0001" QUESTION OPT "0003 000a 00"},
        {"option and an octet",
         HEAD "0000 0000 0001" QUESTION OPT "0007 000a 0002 abcd 00"},
        {"data missing", HEAD "0000 0000 0001" QUESTION OPT "0001"},
    };
#undef OPT

    all_are(WIRE_FORMERR, rows, COUNT(rows));
}

#define TSIG "00 00fa 00ff 00000000 0011 00 000000000000 012c 0000 0007 0000 0000 "

static void a_tsig_comes_last_or_not_at_all(void **state)
{
    static const struct row good[] = {
        {"last", HEAD "0000 0000 0002" QUESTION "c00c ff00 0001 00000005 0000" TSIG},
        {"behind OPT",
         HEAD "0000 0000 0002" QUESTION "00 0029 1000 00000000 0000" TSIG},
    };
    static const struct row bad[] = {
        {"two", HEAD "0000 0000 0002" QUESTION TSIG TSIG},
        {"not last",
         HEAD "0000 0000 0002" QUESTION TSIG "c00c ff00 0001 00000005 0000"},
        {"in front of OPT",
         HEAD "0000 0000 0002" QUESTION TSIG "00 0029 1000 00000000 0000"},
        {"in the answer", HEAD "0001 0000 0000" QUESTION TSIG},
    };

    all_are(WIRE_OK, good, COUNT(good));
    all_are(WIRE_FORMERR, bad, COUNT(bad));
}

/* ---- bounded work ---- */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The packet's own cost, the least of some runs. */
static uint64_t cost_ns(struct span packet, enum wire_verdict want)
{
    struct msg m = {.rr = build_keep(WIRE_RR_MAX * sizeof *m.rr),
                    .rr_cap = WIRE_RR_MAX};
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < 5; i++) {
        uint64_t begin = now_ns();
        assert_int_equal(wire_walk(packet, &m), want);
        uint64_t took = now_ns() - begin;
        least = took < least ? took : least;
    }
    return least;
}

/* Records of an unknown type without data, the first owned by `labels` labels, each
 * other by a pointer to what `target` says. */
static struct span chain(size_t len, size_t labels, bool to_previous)
{
    uint8_t *p = build_keep(len);
    struct wr wr = wr_init(p, len);
    uint16_t n = 0, target = DNS_HEADER_LEN;

    wr_bytes(&wr, "\0\7\x81\x80\0\0\0\0\0\0\0\0", DNS_HEADER_LEN);
    for (size_t i = 0; i < labels; i++)
        wr_u16(&wr, 0x0161);
    wr_u8(&wr, 0);
    wr_bytes(&wr, "\xff\0\0\1\0\0\0\0\0\0", 10);
    for (n = 1; wr.cap - wr.at >= 12; n++) {
        uint16_t own = (uint16_t)wr.at;
        wr_u16(&wr, (uint16_t)(0xc000u | target));
        wr_bytes(&wr, "\xff\0\0\1\0\0\0\0\0\0", 10);
        if (to_previous && own < 0x4000)
            target = own;
    }
    store_u16(p + 6, n);
    return (struct span){.at = p, .len = wr.at};
}

static void chains_of_pointers_end_early(void **state)
{
    struct span udp = chain(1216, 120, true), tcp = chain(65535, 120, true);

    /* Generous: sanitizers and a busy machine are slower than the 20 us and 2 ms we
     * want. */
    assert_true(cost_ns(udp, WIRE_FORMERR) < 1000000);
    assert_true(cost_ns(tcp, WIRE_FORMERR) < 50000000);
}

static void long_owners_shared_by_all_records_are_charged(void **state)
{
    assert_true(cost_ns(chain(65535, 126, false), WIRE_FORMERR) < 50000000);
    assert_true(cost_ns(chain(1216, 126, false), WIRE_FORMERR) < 1000000);
}

static void sixteen_thousand_options_are_walked_in_one_pass(void **state)
{
    size_t options = 4 * 16000, head = DNS_HEADER_LEN + 11;
    uint8_t *p = build_keep(head + options);

    memcpy(p, "\0\7\1\0\0\0\0\0\0\0\0\1\0\0\x29\x10\0\0\0\0\0", head - 2);
    store_u16(p + head - 2, (uint16_t)options);
    assert_true(cost_ns((struct span){.at = p, .len = head + options}, WIRE_OK) <
                20000000);
}

static void forty_three_tsigs_end_at_the_second(void **state)
{
    uint8_t *p = build_keep(DNS_HEADER_LEN + 43 * 28);
    struct wr wr = wr_init(p, DNS_HEADER_LEN + 43 * 28);
    struct span tsig = build_bytes(TSIG);

    wr_bytes(&wr, "\0\7\1\0\0\0\0\0\0\0\0\x2b", DNS_HEADER_LEN);
    for (int i = 0; i < 43; i++)
        wr_bytes(&wr, tsig.at, tsig.len);
    assert_false(wr.failed);
    assert_true(cost_ns((struct span){.at = p, .len = wr.at}, WIRE_FORMERR) < 1000000);
}

/* A whole message of 64 kB, as large as answers get: legal, whatever the budget. */
static void four_thousand_records_under_a_common_name_pass(void **state)
{
    uint8_t *p = build_keep(65535);
    struct wr wr = wr_init(p, 65535);
    struct span q =
        build_query("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z A");
    struct msg m;
    uint16_t n = 0;

    wr_bytes(&wr, q.at, q.len);
    for (; wr.cap - wr.at >= 16; n++) {
        wr_u16(&wr, n % 2 == 0 || n > 1000 ? 0xc00e : 0xc010);
        wr_bytes(&wr, "\0\1\0\1\0\0\0\5\0\4\1\2\3\4", 14);
    }
    store_u16(p + 6, n);
    assert_true(n > 4000);
    build_walk(&m, (struct span){.at = p, .len = wr.at});
    assert_int_equal(m.rr_n, n);
}

/* ---- names ---- */

static void a_name_is_copied_with_what_it_points_to(void **state)
{
    struct span m = build_bytes("'test' 03777777 c000 0161 c006 ff");
    struct name n;

    assert_int_equal(wire_name(m, 6, &n), 12);
    assert_int_equal(n.len, 10);
    assert_memory_equal(n.wire, build_name("www.test"), n.len);
    assert_int_equal(wire_name(m, 12, &n), 16);
    assert_memory_equal(n.wire, build_name("a.www.test"), n.len);
    assert_int_equal(wire_name_len(m.at, 12), n.len);
    assert_int_equal(wire_name_len(m.at, 5), 1);
}

static void a_name_that_is_malformed_is_not_copied(void **state)
{
    static const char *const bad[] = {
        "c00e 0000", "c000", "0161 c000", "0161 c001", "40",
        "80 00",     "0361", "0161",      "c0",        "",
    };
    struct name n;

    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(wire_name(build_bytes(bad[i]), 0, &n), 0);
}

/* ---- answers ---- */

static void an_answer_carries_our_question(void **state)
{
    static const struct {
        const char *hex;
        bool answers;
    } rows[] = {
        {"0007 8180 0001 0000 0000 0000 'www.test' 0001 0001", true},
        {"0007 8180 0001 0000 0000 0000 'wWw.TEST' 0001 0001", true},
        {"0007 8180 0001 ffff 0000 0000 'www.test' 0001 0001 ff",
         true}, /* walked later */
        {"0007 0180 0001 0000 0000 0000 'www.test' 0001 0001", false},
        {"0007 8980 0001 0000 0000 0000 'www.test' 0001 0001", false},
        {"0007 8180 0000 0000 0000 0000 'www.test' 0001 0001", false},
        {"0007 8180 0002 0000 0000 0000 'www.test' 0001 0001", false},
        {"0007 8180 0001 0000 0000 0000 'xww.test' 0001 0001", false},
        {"0007 8180 0001 0000 0000 0000 'www.test' 001c 0001", false},
        {"0007 8180 0001 0000 0000 0000 'www.test' 0001 0003", false},
        {"0007 8180 0001 0000 0000 0000 'www.test' 0001 00", false},
        {"0007 8180 0001 0000 0000 0000 'w.ww.test' 0001 0001", false},
        {"0007 8180 0001 0000 0000 0000 03777777 c000 0001 0001", false},
        {"0007 8180 0001", false},
        {"", false},
    };
    struct span asked = build_question("www.test A");

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(wire_answers(build_bytes(rows[i].hex), asked),
                         rows[i].answers);
}

/* '@' and '`', '[' and '{' differ by the bit of the case and are no letters. */
static void only_letters_have_a_case(void **state)
{
    struct span asked = build_question("a@[ A");

    assert_false(wire_answers(
        build_bytes("0007 8180 0001 0000 0000 0000 03 41607b 00 0001 0001"), asked));
    assert_true(wire_answers(
        build_bytes("0007 8180 0001 0000 0000 0000 03 41405b 00 0001 0001"), asked));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(packets_without_a_whole_header_are_short),
        TEST(a_query_is_indexed),
        TEST(a_packet_cut_anywhere_is_malformed),
        TEST(no_message_is_longer_than_65535_octets),
        TEST(octets_behind_the_message_are_no_part_of_it),
        TEST(a_message_without_question_is_none_with_one),
        TEST(questions_that_are_malformed),
        TEST(names_may_have_255_octets_and_no_more),
        TEST(owners_that_are_malformed),
        TEST(owners_may_be_compressed_in_any_backward_way),
        TEST(names_are_measured_with_what_they_point_to),
        TEST(a_name_has_no_more_pointers_than_labels),
        TEST(owners_may_have_255_octets_and_no_more),
        TEST(records_are_indexed),
        TEST(data_must_be_what_its_type_demands),
        TEST(counts_must_match),
        TEST(opt_is_taken_out_of_the_index),
        TEST(an_opt_needs_no_room_in_the_index),
        TEST(opts_that_are_malformed),
        TEST(a_tsig_comes_last_or_not_at_all),
        TEST(chains_of_pointers_end_early),
        TEST(long_owners_shared_by_all_records_are_charged),
        TEST(sixteen_thousand_options_are_walked_in_one_pass),
        TEST(forty_three_tsigs_end_at_the_second),
        TEST(four_thousand_records_under_a_common_name_pass),
        TEST(a_name_is_copied_with_what_it_points_to),
        TEST(a_name_that_is_malformed_is_not_copied),
        TEST(an_answer_carries_our_question),
        TEST(only_letters_have_a_case),
    };
    return cmocka_run_group_tests_name("wire", tests, start, NULL);
}
