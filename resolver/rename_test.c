#include "resolver/rename.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"
#include "tests/unit/build.h"
#include "tests/unit/reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TEST(name) cmocka_unit_test_teardown(name, release)

static struct encoder *encoder;

static int start(void **state)
{
    encoder = encoder_new();
    return encoder == NULL || hash_seed() < 0 || rdata_start() < 0 ? -1 : 0;
}

static int stop(void **state)
{
    encoder_free(encoder);
    return 0;
}

static int release(void **state)
{
    build_release();
    return 0;
}

static struct name_map map_of(const char *from, const char *to)
{
    const uint8_t *f = build_name(from), *t = build_name(to);

    return (struct name_map){.from = f,
                             .to = t,
                             .from_len = (uint8_t)name_len(f),
                             .to_len = (uint8_t)name_len(t)};
}

/* The answer under the map's other names. out->wire is NULL when there is none. */
static struct msg rename_to(struct span in, const struct name_map *map,
                            struct span question)
{
    struct msg m,
        out = {.rr = build_keep(WIRE_RR_MAX * sizeof *m.rr), .rr_cap = WIRE_RR_MAX};
    uint8_t *buffer = build_keep(65535);

    build_walk(&m, in);
    struct rename how = {.map = map, .question = question, .buffer = buffer};
    if (rename_response(encoder, &m, &how, &out) < 0)
        return (struct msg){.wire = NULL};
    return out;
}

static struct span packet_of(const struct msg *m)
{
    return (struct span){.at = m->wire, .len = m->len};
}

/* From cluster.local to cluster-b.local. */
static const char *renamed(const char *answer, const char *question)
{
    struct name_map map = map_of("cluster.local", "cluster-b.local");
    struct msg out = rename_to(build_answer(answer), &map, build_question(question));

    assert_non_null(out.wire);
    return build_text(packet_of(&out));
}

/* The question of `in` with its name mapped. */
static struct span mapped_question(const struct msg *in, const struct name_map *map)
{
    const uint8_t *name = in->wire + in->qname;
    uint8_t *to = build_keep(NAME_WIRE_MAX + 4);
    struct name n;

    if (!name_under(name, map->from, NULL))
        return (struct span){.at = name, .len = in->qname_len + 4u};
    assert_int_equal(rename_name(map, name, &n), 0);
    memcpy(to, n.wire, n.len);
    memcpy(to + n.len, name + in->qname_len, 4);
    return (struct span){.at = to, .len = n.len + 4u};
}

static void random_answers_are_what_the_reference_makes_of_them(void **state)
{
    static const char *const maps[][2] = {
        {"cluster.local", "cluster-b.local"},
        {"cluster.local", "b.cluster.local"},
        {"b.cluster.local", "cluster.local"},
        {"cluster.local", "x"},
        {"local", "a.very.deep.zone.example"},
        {"svc.cluster.local", "cluster.local"},
        {".", "r.test"},
        {"test", "."},
        {"cluster.local", "local"},
        {"local", "cluster.local"},
    };
    struct build_random r = {.state = 7};

    for (int i = 0; i < 4000; i++) {
        const char *const *pair = maps[build_below(&r, sizeof maps / sizeof *maps)];
        struct name_map map = map_of(pair[0], pair[1]);
        const char *unused;
        struct span in = build_answer(build_random_answer(&r, &unused));
        struct msg m;
        build_walk(&m, in);
        struct msg out = rename_to(in, &map, mapped_question(&m, &map));
        assert_non_null(out.wire);
        assert_string_equal(build_text(packet_of(&out)), reference_rename(in, &map));
        build_release();
    }
}

/* ---- what is renamed, and what is not ---- */

static void every_section_is_renamed(void **state)
{
    assert_string_equal(
        renamed("! aa\n_p._tcp.db.svc.cluster.local SRV\n"
                "_p._tcp.db.svc.cluster.local 5 SRV 0 50 80 db-0.db.svc.cluster.local\n"
                "authority\ncluster.local 5 SOA ns.dns.cluster.local "
                "hostmaster.cluster.local 1 2 3 4 5\n"
                "additional\ndb-0.db.svc.cluster.local 5 A 192.0.2.1\n",
                "_p._tcp.db.svc.cluster-b.local SRV"),
        build_text(build_answer(
            "! aa\n_p._tcp.db.svc.cluster-b.local SRV\n"
            "_p._tcp.db.svc.cluster-b.local 5 SRV 0 50 80 db-0.db.svc.cluster-b.local\n"
            "authority\ncluster-b.local 5 SOA ns.dns.cluster-b.local "
            "hostmaster.cluster-b.local 1 2 3 4 5\n"
            "additional\ndb-0.db.svc.cluster-b.local 5 A 192.0.2.1\n")));
}

static void names_are_matched_by_labels_and_in_any_case(void **state)
{
    assert_string_equal(
        renamed("a.cluster.local MX\n"
                "a.CLUSTER.local 5 MX 1 xcluster.local\na.cluster.local 5 MX 2 "
                "cluster.local.evil.com\n"
                "a.cluster.local 5 MX 3 x\\.cluster.local\na.cluster.local 5 MX 4 "
                "q.cLuStEr.LoCaL\n"
                "a.cluster.local 5 MX 5 local\na.cluster.local 5 MX 6 .\n"
                "a.cluster.local 5 MX 7 cluster\\.local\n",
                "a.cluster-b.local MX"),
        build_text(build_answer(
            "a.cluster-b.local MX\n"
            "a.cluster-b.local 5 MX 1 xcluster.local\na.cluster-b.local 5 MX 2 "
            "cluster.local.evil.com\n"
            "a.cluster-b.local 5 MX 3 x\\.cluster.local\na.cluster-b.local 5 MX 4 "
            "q.cluster-b.local\n"
            "a.cluster-b.local 5 MX 5 local\na.cluster-b.local 5 MX 6 .\n"
            "a.cluster-b.local 5 MX 7 cluster\\.local\n")));
}

static void the_apex_is_renamed(void **state)
{
    assert_string_equal(
        renamed("cluster.local NS\ncluster.local 5 NS ns.dns.cluster.local\n"
                "authority\nlocal 5 NS cluster.local\n",
                "cluster-b.local NS"),
        build_text(build_answer("cluster-b.local NS\n"
                                "cluster-b.local 5 NS ns.dns.cluster-b.local\n"
                                "authority\nlocal 5 NS cluster-b.local\n")));
}

static void text_and_unknown_types_are_left_alone(void **state)
{
    static const char in[] = "a.cluster.local TXT\n"
                             "a.cluster.local 5 TXT \"x.cluster.local\"\n"
                             "a.cluster.local 5 TYPE65400 \\# 15 "
                             "07636c7573746572056c6f63616c00\n"
                             "a.cluster.local 5 CAA 0 issue \"cluster.local\"\n";
    static const char want[] = "a.cluster-b.local TXT\n"
                               "a.cluster-b.local 5 TXT \"x.cluster.local\"\n"
                               "a.cluster-b.local 5 TYPE65400 \\# 15 "
                               "07636c7573746572056c6f63616c00\n"
                               "a.cluster-b.local 5 CAA 0 issue \"cluster.local\"\n";

    assert_string_equal(renamed(in, "a.cluster-b.local TXT"),
                        build_text(build_answer(want)));
}

static void a_reverse_question_stays_and_its_targets_do_not(void **state)
{
    assert_string_equal(renamed("10.0.97.10.in-addr.arpa PTR\n"
                                "10.0.97.10.in-addr.arpa 5 PTR a.svc.cluster.local\n"
                                "10.0.97.10.in-addr.arpa 5 PTR b.svc.cluster.local\n",
                                "10.0.97.10.in-addr.arpa PTR"),
                        build_text(build_answer(
                            "10.0.97.10.in-addr.arpa PTR\n"
                            "10.0.97.10.in-addr.arpa 5 PTR a.svc.cluster-b.local\n"
                            "10.0.97.10.in-addr.arpa 5 PTR b.svc.cluster-b.local\n")));
}

static void nested_zones_are_mapped_once(void **state)
{
    struct name_map out = map_of("cluster.local", "b.cluster.local");
    struct name_map in = map_of("b.cluster.local", "cluster.local");
    struct span a = build_answer("x.cluster.local CNAME\n"
                                 "x.cluster.local 5 CNAME b.cluster.local\n");
    struct msg m = rename_to(a, &out, build_question("x.b.cluster.local CNAME"));

    assert_string_equal(build_text(packet_of(&m)),
                        build_text(build_answer("x.b.cluster.local CNAME\n"
                                                "x.b.cluster.local 5 CNAME "
                                                "b.b.cluster.local\n")));
    m = rename_to(packet_of(&m), &in, build_question("x.cluster.local CNAME"));
    assert_string_equal(build_text(packet_of(&m)), build_text(a));
}

static void signatures_are_dropped_and_ad_is_cleared(void **state)
{
    assert_string_equal(
        renamed("! aa ad\na.cluster.local A\na.cluster.local 5 A 192.0.2.1\n"
                "a.cluster.local 5 RRSIG A 8 3 5 20300101000000 20200101000000 7 "
                "cluster.local YWJj\n"
                "authority\na.cluster.local 5 NSEC b.cluster.local A\n"
                "a.cluster.local 5 NSEC3 1 0 1 ab 2vptu5timamqttgl4luu9kg21e0aor3s A\n"
                "cluster.local 5 DS 1 8 2 abcdef\n",
                "a.cluster-b.local A"),
        build_text(
            build_answer("! aa\na.cluster-b.local A\na.cluster-b.local 5 A 192.0.2.1\n"
                         "authority\ncluster-b.local 5 DS 1 8 2 abcdef\n")));
}

static void the_clients_spelling_is_that_of_its_names(void **state)
{
    struct name_map map = map_of("cluster.local", "cluster-b.local");
    struct span q = build_question("ApP.sVc.CLUSTER-B.local A");
    struct msg out = rename_to(build_answer("app.svc.cluster.local A\n"
                                            "app.svc.cluster.local 5 CNAME "
                                            "b.svc.cluster.local\n"),
                               &map, q);
    struct name owner;

    assert_memory_equal(out.wire + DNS_HEADER_LEN, q.at, q.len);
    msg_owner(&out.rr[0], &owner);
    assert_int_equal(owner.len, q.len - 4);
    assert_memory_equal(owner.wire, q.at, owner.len);
    msg_name(&out.rr[0], out.rr[0].rdata, &owner);
    assert_true(name_equal(owner.wire, build_name("b.svc.cluster-b.local")));
}

static void the_answers_code_and_flags_stay(void **state)
{
    struct name_map map = map_of("cluster.local", "cluster-b.local");
    struct span in =
        build_bytes("0007 8793 0001 0000 0000 0001 'a.cluster.local' 0001 0001"
                    "00 0029 04d0 01000000 0000");
    struct msg out = rename_to(in, &map, build_question("a.cluster-b.local A"));

    assert_int_equal(out.id, 7);
    assert_int_equal(out.flags, 0x8793);
    assert_int_equal(out.rcode, 0x13);
    assert_false(out.opt.present);
    assert_false(out.edited);
    assert_int_equal(out.qname_len, 19);
}

/* An answer from several buffers is renamed as well. */
static void records_of_other_buffers_are_renamed(void **state)
{
    struct name_map map = map_of("cluster.local", "cluster-b.local");
    struct msg m, other, out = {.rr = build_keep(8 * sizeof *out.rr), .rr_cap = 8};
    uint8_t *buffer = build_keep(65535);

    build_walk(&m, build_answer("a.cluster.local A\na.cluster.local 5 CNAME "
                                "b.cluster.local\n"));
    build_walk(&other, build_answer("b.cluster.local MX\nb.cluster.local 5 MX 1 "
                                    "c.cluster.local\n"));
    m.rr[m.rr_n++] = other.rr[0];
    m.edited = true;
    struct rename how = {.map = &map,
                         .question = build_question("a.cluster-b.local A"),
                         .buffer = buffer};
    assert_int_equal(rename_response(encoder, &m, &how, &out), 0);
    assert_string_equal(
        build_text(packet_of(&out)),
        build_text(build_answer("a.cluster-b.local A\n"
                                "a.cluster-b.local 5 CNAME b.cluster-b.local\n"
                                "b.cluster-b.local 5 MX 1 "
                                "c.cluster-b.local\n")));
}

/* ---- sizes ---- */

/* Labels of together `len` octets, without a root. */
static void put_labels(struct wr *wr, size_t len)
{
    while (len > 0) {
        size_t label = len > 64 ? (len == 65 ? 62 : 63) : len - 1;
        wr_u8(wr, (uint8_t)label);
        memset(wr_take(wr, label), 'x', label);
        len -= label + 1;
    }
}

/* One record of `type` with a name of `len` octets under cluster.local: its owner, or
 * in its data behind `before` octets; written whole or with its end as a pointer. */
static struct span long_name(size_t len, uint16_t type, size_t before, bool pointer)
{
    uint8_t *p = build_keep(1024);
    struct wr wr = wr_init(p, 1024);
    struct span q = build_question("q.cluster.local A");
    size_t at = 0, prefix_len = len - 15;

    wr_bytes(&wr, "\0\7\x81\x80\0\1\0\1\0\0\0\0", DNS_HEADER_LEN);
    wr_bytes(&wr, q.at, q.len);
    if (type != DNS_A) {
        wr_bytes(&wr, "\xc0\x0c", 2);
        wr_u16(&wr, type);
        wr_bytes(&wr, "\0\1\0\0\0\5\0\0", 8);
        at = wr.at;
        wr_take(&wr, before);
    }
    put_labels(&wr, prefix_len);
    wr_bytes(&wr, pointer ? "\xc0\x0e" : "\7cluster\5local", pointer ? 2 : 15);
    if (type == DNS_A)
        wr_bytes(&wr, "\0\1\0\1\0\0\0\5\0\4\1\2\3\4", 14);
    else
        store_u16(p + at - 2, (uint16_t)(wr.at - at));
    assert_false(wr.failed);
    return (struct span){.at = p, .len = wr.at};
}

static void names_grow_to_255_octets_and_no_further(void **state)
{
    static const struct {
        uint16_t type;
        size_t before;
    } rows[] = {{DNS_A, 0}, {DNS_CNAME, 0}, {DNS_MX, 2}, {DNS_SRV, 6}, {DNS_HTTPS, 2}};
    struct name_map map = map_of("cluster.local", "cluster-b.local");
    struct span question = build_question("q.cluster-b.local A");

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t len = 253; len <= 257; len++) {
            struct span plain = long_name(len - 2, rows[i].type, rows[i].before, false);
            struct span pointer =
                long_name(len - 2, rows[i].type, rows[i].before, true);
            assert_int_equal(rename_to(plain, &map, question).wire != NULL, len <= 255);
            assert_int_equal(rename_to(pointer, &map, question).wire != NULL,
                             len <= 255);
        }
    }
}

static void a_question_grows_to_255_octets_and_no_further(void **state)
{
    struct name_map map = map_of("cluster-b.local", "cluster-long.local");

    for (size_t len = 253; len <= 257; len++) {
        struct name in, out;
        struct wr wr = wr_init(in.wire, sizeof in.wire);
        put_labels(&wr, len - 3 - 17);
        wr_bytes(&wr, map.from, map.from_len);
        assert_false(wr.failed);
        assert_int_equal(rename_name(&map, in.wire, &out), len <= 255 ? 0 : -1);
        if (len <= 255) {
            assert_int_equal(out.len, len);
            assert_int_equal(name_len(out.wire), len);
        }
    }
}

static void a_name_elsewhere_is_no_question_of_ours(void **state)
{
    struct name_map map = map_of("cluster-b.local", "cluster.local");
    struct name out;

    assert_int_equal(rename_name(&map, build_name("xcluster-b.local"), &out), -1);
    assert_int_equal(rename_name(&map, build_name("A.CLUSTER-B.LOCAL"), &out), 0);
    assert_memory_equal(out.wire, build_name("A.cluster.local"), out.len);
    assert_int_equal(rename_name(&map, build_name("cluster-b.local"), &out), 0);
    assert_memory_equal(out.wire, map.to, out.len);
}

/* 600 addresses under one name, and 600 targets with one end. */
static void what_was_shared_stays_shared(void **state)
{
    struct name_map map = map_of("cluster.local", "a.rather.long.zone.example");
    size_t grown = map.to_len - map.from_len;

    for (int srv = 0; srv <= 1; srv++) {
        char *text = build_keep(600 * 64), *at = text;
        at += snprintf(at, 64, "a.svc.cluster.local PTR\n");
        for (int i = 0; i < 600; i++)
            at += snprintf(at, 64,
                           srv ? "a.svc.cluster.local 5 PTR p%d.svc.cluster.local\n"
                               : "a.svc.cluster.local 5 A 10.0.0.%d\n",
                           srv ? i : i % 256);
        struct span in = build_answer(text);
        struct msg out =
            rename_to(in, &map, build_question("a.svc.a.rather.long.zone.example PTR"));
        assert_int_equal(out.rr_n, 600);
        assert_int_equal(out.len, in.len + grown);
    }
}

/* Input offsets that a pointer reaches, and output offsets that none does. */
static void names_that_move_out_of_reach_are_written_again(void **state)
{
    struct name_map map = map_of("cluster.local", "a.rather.long.zone.example");
    uint8_t *p = build_keep(32768);
    struct wr wr = wr_init(p, 32768);
    struct span q = build_query("q.cluster.local SRV");
    struct span srv = build_bytes("c00c 0021 0001 00000005 0008 000100020003 c00c");
    struct span far = build_bytes("'far.example' 0001 0001 00000005 0004 c0000201");

    wr_bytes(&wr, q.at, q.len);
    for (int i = 0; i < 500; i++)
        wr_bytes(&wr, srv.at, srv.len);
    uint16_t at = (uint16_t)wr.at;
    wr_bytes(&wr, far.at, far.len);
    wr_u16(&wr, 0xc000 | at);
    wr_bytes(&wr, "\0\1\0\1\0\0\0\5\0\4\1\2\3\4", 14);
    store_u16(p + 6, 502);
    assert_true(at < 0x4000);
    struct msg out = rename_to((struct span){.at = p, .len = wr.at}, &map,
                               build_question("q.a.rather.long.zone.example SRV"));
    assert_int_equal(out.rr_n, 502);
    assert_true(out.rr[500].owner >= 0x4000);
    assert_true(msg_owner_is(&out.rr[501], build_name("far.example")));
}

/* RFC 2782: the target is not compressed, RFC 3597 section 4. */
static void targets_of_newer_types_stay_uncompressed(void **state)
{
    struct name_map map = map_of("cluster.local", "cluster-b.local");
    struct span in =
        build_bytes("0007 8180 0001 0002 0000 0000 'a.cluster.local' 0021 0001"
                    "c00c 0021 0001 00000005 0017 000100020003 'a.cluster.local'"
                    "c00c 0005 0001 00000005 0002 c00c");
    struct span want =
        build_bytes("0007 8180 0001 0002 0000 0000 'a.cluster-b.local' 0021 0001"
                    "c00c 0021 0001 00000005 0019 000100020003 'a.cluster-b.local'"
                    "c00c 0005 0001 00000005 0002 c00c");
    struct msg out = rename_to(in, &map, build_question("a.cluster-b.local SRV"));

    assert_int_equal(out.len, want.len);
    assert_memory_equal(out.wire, want.at, want.len);
}

static void an_answer_that_outgrows_a_message_is_refused(void **state)
{
    struct name_map map = map_of("cluster.local", "a.rather.long.zone.example");
    uint8_t *p = build_keep(65535);
    struct wr wr = wr_init(p, 65535);
    struct span q = build_query("q.cluster.local SRV");
    struct span srv = build_bytes("c00c 0021 0001 00000005 0008 000100020003 c00c");
    uint16_t n = 0;

    wr_bytes(&wr, q.at, q.len);
    for (; wr.cap - wr.at >= srv.len; n++)
        wr_bytes(&wr, srv.at, srv.len);
    store_u16(p + 6, n);
    struct span in = {.at = p, .len = wr.at};
    struct span question = build_question("q.a.rather.long.zone.example SRV");
    assert_null(rename_to(in, &map, question).wire);
    store_u16(p + 6, 1000);
    assert_int_equal(rename_to(in, &map, question).rr_n, 1000);
}

static void an_index_too_small_is_refused(void **state)
{
    struct name_map map = map_of("cluster.local", "cluster-b.local");
    struct msg m, out = {.rr = build_keep(sizeof *out.rr), .rr_cap = 1};

    build_walk(&m, build_answer("a.cluster.local A\na.cluster.local 5 A 192.0.2.1\n"
                                "a.cluster.local 5 A 192.0.2.2\n"));
    struct rename how = {.map = &map,
                         .question = build_question("a.cluster-b.local A"),
                         .buffer = build_keep(65535)};
    assert_int_equal(rename_response(encoder, &m, &how, &out), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(random_answers_are_what_the_reference_makes_of_them),
        TEST(every_section_is_renamed),
        TEST(names_are_matched_by_labels_and_in_any_case),
        TEST(the_apex_is_renamed),
        TEST(text_and_unknown_types_are_left_alone),
        TEST(a_reverse_question_stays_and_its_targets_do_not),
        TEST(nested_zones_are_mapped_once),
        TEST(signatures_are_dropped_and_ad_is_cleared),
        TEST(the_clients_spelling_is_that_of_its_names),
        TEST(the_answers_code_and_flags_stay),
        TEST(records_of_other_buffers_are_renamed),
        TEST(names_grow_to_255_octets_and_no_further),
        TEST(a_question_grows_to_255_octets_and_no_further),
        TEST(a_name_elsewhere_is_no_question_of_ours),
        TEST(what_was_shared_stays_shared),
        TEST(names_that_move_out_of_reach_are_written_again),
        TEST(targets_of_newer_types_stay_uncompressed),
        TEST(an_answer_that_outgrows_a_message_is_refused),
        TEST(an_index_too_small_is_refused),
    };
    return cmocka_run_group_tests_name("rename", tests, start, stop);
}
