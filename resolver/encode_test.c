#include "resolver/encode.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "resolver/edns.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"
#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arena, release)

static struct arena arena;
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

static int open_arena(void **state)
{
    arena_init(&arena, NULL, 0);
    return 0;
}

static int release(void **state)
{
    arena_release(&arena);
    build_release();
    return 0;
}

static struct encode_job job_of(const struct msg *m, const char *question)
{
    return (struct encode_job){.msg = m,
                               .id = 7,
                               .flags = m->flags,
                               .question = build_question(question),
                               .limit = 65535};
}

/* The message, from a buffer of exactly the limit: a sanitizer sees any octet over. */
static struct span encode(const struct encode_job *job, enum encode_result want)
{
    uint8_t *room = malloc(job->limit == 0 ? 1 : job->limit);
    size_t len = 0;

    assert_non_null(room);
    assert_int_equal(encode_msg(encoder, job, room, &len), want);
    assert_true(len <= job->limit);
    uint8_t *kept = build_keep(len);
    memcpy(kept, room, len);
    free(room);
    return (struct span){.at = kept, .len = len};
}

static void same(struct span a, struct span b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.at, b.at, a.len);
}

static void add(struct msg *m, const char *owner, uint16_t type, const char *rdata)
{
    struct rr_new rr = {.owner = build_name(owner),
                        .type = type,
                        .class = DNS_IN,
                        .ttl = 5,
                        .rdata = build_bytes(rdata)};

    assert_int_equal(msg_add(m, &arena, &rr), 0);
}

/* ---- copies ---- */

static void an_unedited_message_comes_out_as_it_was(void **state)
{
    struct span a =
        build_answer("! aa ad\nwww.test MX\nwww.test 5 MX 10 mail.www.test\n"
                     "authority\ntest 5 NS ns.test\n");
    struct msg m;

    build_walk(&m, a);
    struct encode_job job = job_of(&m, "www.test MX");
    same(encode(&job, ENCODE_OK), a);
}

static void the_question_has_the_clients_spelling(void **state)
{
    struct msg m;
    struct name owner;

    build_walk(&m, build_answer("www.test A\nwww.test 5 A 192.0.2.1\n"));
    for (int edited = 0; edited <= 1; edited++) {
        m.edited = edited;
        struct encode_job job = job_of(&m, "wWw.TesT A");
        struct span out = encode(&job, ENCODE_OK);
        struct msg back;
        build_walk(&back, out);
        assert_memory_equal(out.at + DNS_HEADER_LEN, job.question.at, job.question.len);
        msg_owner(&back.rr[0], &owner);
        assert_memory_equal(owner.wire, job.question.at, owner.len);
        assert_int_equal(out.len, 26 + 16);
    }
}

/* The owner points to the question, which is another one now: it must stay what it was.
 */
static void a_message_for_another_question_of_the_same_length_is_not_copied(
    void **state)
{
    struct msg m, back;

    build_walk(&m, build_answer("www.test A\nwww.test 5 A 192.0.2.1\n"));
    struct encode_job job = job_of(&m, "abc.test A");
    build_walk(&back, encode(&job, ENCODE_OK));
    assert_true(msg_owner_is(&back.rr[0], build_name("www.test")));
}

static void changed_ttls_are_written_whatever_the_way(void **state)
{
    struct msg m;

    build_walk(&m, build_answer(
                       "www.test A\nwww.test 5 A 192.0.2.1\nwww.test 6 A 192.0.2.2\n"));
    msg_set_ttl(&m, &m.rr[1], 0xfffffffe);
    for (int edited = 0; edited <= 1; edited++) {
        struct msg back;
        m.edited = edited;
        struct encode_job job = job_of(&m, "www.test A");
        build_walk(&back, encode(&job, ENCODE_OK));
        assert_int_equal(back.rr[0].ttl, 5);
        assert_int_equal(back.rr[1].ttl, 0xfffffffe);
    }
}

static void the_inputs_opt_never_goes_out(void **state)
{
    struct span last = build_bytes("0007 8180 0001 0000 0000 0002 'www.test' 0001 0001"
                                   "c00c ff00 0001 00000005 0000"
                                   "00 0029 1000 00000000 0006 000a 0002 abcd");
    struct span first = build_bytes("0007 8180 0001 0000 0000 0002 'www.test' 0001 0001"
                                    "00 0029 1000 00000000 0006 000a 0002 abcd"
                                    "c00c ff00 0001 00000005 0000");
    struct span want = build_bytes("0007 8180 0001 0000 0000 0001 'www.test' 0001 0001"
                                   "c00c ff00 0001 00000005 0000");
    struct span with = build_bytes("0007 8180 0001 0000 0000 0002 'www.test' 0001 0001"
                                   "c00c ff00 0001 00000005 0000"
                                   "00 0029 04d0 01008000 0004 00020000");
    struct msg m;

    for (int i = 0; i < 2; i++) {
        build_walk(&m, i == 0 ? last : first);
        struct encode_job job = job_of(&m, "www.test A");
        same(encode(&job, ENCODE_OK), want);
        job.opt = (struct encode_opt){.present = true,
                                      .dnssec_ok = true,
                                      .udp_size = 1232,
                                      .rcode_high = 1,
                                      .options = build_bytes("00020000")};
        same(encode(&job, ENCODE_OK), with);
    }
}

static void octets_behind_the_message_are_not_copied(void **state)
{
    struct span p =
        build_bytes("0007 8180 0001 0000 0000 0000 'www.test' 0001 0001 dead");
    struct msg m;

    build_walk(&m, p);
    struct encode_job job = job_of(&m, "www.test A");
    assert_int_equal(encode(&job, ENCODE_OK).len, p.len - 2);
}

/* ---- records one by one ---- */

static void random_messages_read_the_same_however_they_are_written(void **state)
{
    struct build_random r = {.state = 1};

    for (int i = 0; i < 3000; i++) {
        const char *question;
        struct span in = build_answer(build_random_answer(&r, &question));
        struct msg m;
        build_walk(&m, in);
        char *asked = build_keep(strlen(question) + 3);
        snprintf(asked, strlen(question) + 3, "%s A", question);
        struct encode_job job = job_of(&m, asked);
        job.opt =
            (struct encode_opt){.present = m.opt.present, .udp_size = m.opt.udp_size};
        const char *want = build_text(in);
        struct span copied = encode(&job, ENCODE_OK);
        assert_string_equal(build_text(copied), want);
        m.edited = true;
        struct span written = encode(&job, ENCODE_OK);
        assert_string_equal(build_text(written), want);
        assert_true(written.len <= in.len);
        m.wire = NULL; /* every name by hash */
        struct span hashed = encode(&job, ENCODE_OK);
        assert_string_equal(build_text(hashed), want);
        build_release();
    }
}

static void names_in_newer_types_are_written_in_full(void **state)
{
    struct span in = build_bytes("0007 8180 0001 0002 0000 0000 'www.test' 0021 0001"
                                 "c00c 0021 0001 00000005 0008 000100020003 c00c"
                                 "c00c 000f 0001 00000005 0004 000a c00c");
    struct span want =
        build_bytes("0007 8180 0001 0002 0000 0000 'www.test' 0021 0001"
                    "c00c 0021 0001 00000005 0010 000100020003 'www.test'"
                    "c00c 000f 0001 00000005 0004 000a c00c");
    struct msg m;

    build_walk(&m, in);
    m.edited = true;
    struct encode_job job = job_of(&m, "www.test SRV");
    same(encode(&job, ENCODE_OK), want);
    m.wire = NULL;
    same(encode(&job, ENCODE_OK), want);
}

/* RFC 3597 forbids compressing an SRV target, not pointing to it. */
static void glue_points_to_the_target_it_belongs_to(void **state)
{
    struct msg m;
    struct span in = build_answer("www.test SRV\nwww.test 5 SRV 1 2 3 a.b.example\n"
                                  "additional\na.b.example 5 A 192.0.2.1\n");

    build_walk(&m, in);
    m.edited = true;
    m.wire = NULL;
    struct encode_job job = job_of(&m, "www.test SRV");
    struct span out = encode(&job, ENCODE_OK);
    assert_int_equal(out.len, 26 + (2 + 10 + 6 + 13) + (2 + 10 + 4));
}

static void unknown_types_pass_octet_by_octet(void **state)
{
    struct msg m;
    struct span in = build_bytes("0007 8180 0001 0001 0000 0000 'www.test' 0001 0001"
                                 "c00c ff78 0001 00000005 0004 c00cc00c");

    build_walk(&m, in);
    m.edited = true;
    struct encode_job job = job_of(&m, "www.test A");
    same(encode(&job, ENCODE_OK), in);
}

static void sections_come_in_order_whatever_the_index(void **state)
{
    struct msg m, back;

    build_walk(&m,
               build_answer("www.test A\nwww.test 5 A 192.0.2.1\nauthority\n"
                            "test 5 NS ns.test\nadditional\nns.test 5 A 192.0.2.2\n"));
    struct rr first = m.rr[0];
    m.rr[0] = m.rr[2];
    m.rr[2] = first;
    m.edited = true;
    struct encode_job job = job_of(&m, "www.test A");
    build_walk(&back, encode(&job, ENCODE_OK));
    for (uint8_t s = 0; s < 3; s++)
        assert_int_equal(back.rr[s].section, s);
}

static void dropped_records_are_left_out(void **state)
{
    struct msg m, back;

    build_walk(&m, build_answer(
                       "www.test A\nwww.test 5 A 192.0.2.1\nwww.test 6 A 192.0.2.2\n"));
    msg_drop(&m, &m.rr[0]);
    struct encode_job job = job_of(&m, "www.test A");
    build_walk(&back, encode(&job, ENCODE_OK));
    assert_int_equal(back.rr_n, 1);
    assert_int_equal(back.rr[0].ttl, 6);
}

static void a_message_without_question_has_none(void **state)
{
    struct msg m;

    build_walk(&m, build_answer("www.test A\nwww.test 5 A 192.0.2.1\n"));
    struct encode_job job = job_of(&m, "www.test A");
    job.question = (struct span){0};
    struct span out = encode(&job, ENCODE_OK);
    struct span want = build_bytes("0007 8180 0000 0001 0000 0000"
                                   "'www.test' 0001 0001 00000005 0004 c0000201");
    same(out, want);
    m.wire = NULL;
    same(encode(&job, ENCODE_OK), want);
    struct msg none;
    build_walk(&none, want); /* and none that came without one is copied under one */
    job = job_of(&none, "www.test A");
    assert_string_equal(
        build_text(encode(&job, ENCODE_OK)),
        build_text(build_answer("www.test A\nwww.test 5 A 192.0.2.1\n")));
}

/* ---- compression of what was made here ---- */

static void records_made_here_share_their_names(void **state)
{
    struct msg m;

    assert_int_equal(msg_init(&m, &arena, 0), 0);
    m.flags = 0x8180;
    add(&m, "www.test", DNS_MX, "000a 'mail.example'");
    add(&m, "www.test", DNS_MX, "000a 'x.mail.example'");
    add(&m, "mail.example", DNS_A, "c0000201");
    add(&m, "other.test", DNS_A, "c0000201");
    struct encode_job job = job_of(&m, "www.test MX");
    struct span out = encode(&job, ENCODE_OK);
    same(out, build_bytes("0007 8180 0001 0004 0000 0000 'www.test' 000f 0001"
                          "c00c 000f 0001 00000005 0010 000a 'mail.example'"
                          "c00c 000f 0001 00000005 0006 000a 0178 c028"
                          "c028 0001 0001 00000005 0004 c0000201"
                          "056f74686572 c010 0001 0001 00000005 0004 c0000201"));
}

static void names_that_differ_in_case_share_nothing_but_the_question(void **state)
{
    struct msg m, back;
    struct name n;

    assert_int_equal(msg_init(&m, &arena, 0), 0);
    add(&m, "WWW.test", DNS_CNAME, "'a.Example'");
    add(&m, "a.Example", DNS_CNAME, "'a.example'");
    struct encode_job job = job_of(&m, "www.test A");
    build_walk(&back, encode(&job, ENCODE_OK));
    msg_owner(&back.rr[0], &n);
    assert_memory_equal(n.wire, build_name("www.test"), n.len);
    msg_name(&back.rr[1], back.rr[1].rdata, &n);
    assert_memory_equal(n.wire, build_name("a.example"), n.len);
}

static void records_of_several_buffers_meet_in_one_message(void **state)
{
    struct msg m, other;

    build_walk(&m, build_answer("www.test A\nwww.test 5 CNAME a.example\n"));
    build_walk(&other,
               build_answer("a.example A\na.example 5 A 192.0.2.1\na.example 5 A "
                            "192.0.2.2\n"));
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(msg_add_rr(&m, &arena, &other.rr[i]), 0);
    struct encode_job job = job_of(&m, "www.test A");
    assert_string_equal(
        build_text(encode(&job, ENCODE_OK)),
        build_text(build_answer("www.test A\nwww.test 5 CNAME a.example\n"
                                "a.example 5 A 192.0.2.1\n"
                                "a.example 5 A 192.0.2.2\n")));
}

/* Names that stand beyond 16383 cannot be pointed to. */
static void names_far_behind_are_never_pointed_to(void **state)
{
    struct msg m, back;
    char owner[48];

    assert_int_equal(msg_init(&m, &arena, 0), 0);
    for (int i = 0; i < 2000; i++) {
        snprintf(owner, sizeof owner, "n%d.x%d.example", i % 1000, i % 1000);
        add(&m, owner, DNS_CNAME, "'target.example'");
    }
    struct encode_job job = job_of(&m, "www.test A");
    build_walk(&back, encode(&job, ENCODE_OK));
    for (int i = 0; i < 2000; i++) {
        snprintf(owner, sizeof owner, "n%d.x%d.example", i % 1000, i % 1000);
        assert_true(msg_owner_is(&back.rr[i], build_name(owner)));
    }
    back.edited = true; /* and the same by offsets */
    job.msg = &back;
    struct span again = encode(&job, ENCODE_OK);
    struct msg third;
    build_walk(&third, again);
    assert_int_equal(third.rr_n, 2000);
    assert_true(msg_owner_is(&third.rr[1999], build_name(owner)));
}

/* ---- maps ---- */

static struct name_map map_of(const char *from, const char *to)
{
    const uint8_t *f = build_name(from), *t = build_name(to);

    return (struct name_map){.from = f,
                             .to = t,
                             .from_len = (uint8_t)name_len(f),
                             .to_len = (uint8_t)name_len(t)};
}

/* Both ways, by offset and by hash: a name of 239 octets, 255 or 256 once it is mapped.
 */
static void a_mapped_name_that_is_too_long_is_told(void **state)
{
    struct msg m;
    struct span in =
        build_bytes("0007 8180 0001 0001 0000 0000 'x' 0001 0001"
                    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                    ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                    ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                    ".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b'"
                    "0001 0001 00000005 0004 c0000201");
    struct name_map fits = map_of("b", "bbbbbbbbbbbbbbbbb");
    struct name_map over = map_of("b", "bbbbbbbbbbbbbbbbbb");

    build_walk(&m, in);
    for (int hashed = 0; hashed <= 1; hashed++) {
        if (hashed)
            m.wire = NULL;
        struct encode_job job = job_of(&m, "x A");
        job.map = &fits;
        encode(&job, ENCODE_OK);
        job.map = &over;
        assert_int_equal(encode(&job, ENCODE_NAME_LONG).len, 0);
    }
}

static void the_question_may_have_nothing_to_do_with_the_map(void **state)
{
    struct name_map map = map_of("local", "zone.example");
    struct msg m;

    build_walk(
        &m, build_answer("a.local A\na.local 5 A 192.0.2.1\nb.local 5 A 192.0.2.2\n"));
    struct encode_job job = job_of(&m, "other.test A");
    job.map = &map;
    assert_string_equal(
        build_text(encode(&job, ENCODE_OK)),
        build_text(build_answer("other.test A\na.zone.example 5 A 192.0.2.1\n"
                                "b.zone.example 5 A 192.0.2.2\n")));
}

/* The mapped end is first met beyond 16383, where nothing can point. */
static void a_mapped_end_far_behind_is_written_each_time(void **state)
{
    struct name_map map = map_of("cluster.local", "zone.example");
    struct msg m, back;
    char owner[48];

    assert_int_equal(msg_init(&m, &arena, 0), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(owner, sizeof owner, "n%d.x%d.example", i, i);
        add(&m, owner, DNS_A, "c0000201");
    }
    add(&m, "a.cluster.local", DNS_A, "c0000201");
    add(&m, "b.cluster.local", DNS_A, "c0000201");
    struct encode_job job = job_of(&m, "www.test A");
    struct msg far;
    build_walk(&far, encode(&job, ENCODE_OK));
    far.edited = true;
    job.msg = &far;
    job.map = &map;
    build_walk(&back, encode(&job, ENCODE_OK));
    assert_true(msg_owner_is(&back.rr[1000], build_name("a.zone.example")));
    assert_true(msg_owner_is(&back.rr[1001], build_name("b.zone.example")));
}

/* ---- limits ---- */

static void what_does_not_fit_is_truncated_to_its_question(void **state)
{
    struct span in = build_answer("! aa\nwww.test A\nwww.test 5 A 192.0.2.1\n"
                                  "www.test 5 A 192.0.2.2\n");
    struct span want =
        build_bytes("0007 8780 0001 0000 0000 0000 'www.test' 0001 0001");
    struct msg m;

    build_walk(&m, in);
    for (int edited = 0; edited <= 1; edited++) {
        m.edited = edited;
        struct encode_job job = job_of(&m, "www.test A");
        job.limit = in.len;
        encode(&job, ENCODE_OK);
        job.limit = in.len - 1;
        same(encode(&job, ENCODE_TRUNCATED), want);
    }
}

/* Where there is no larger transport; the OPT stays (RFC 2181, 9). */
static void what_only_comes_along_goes_rather_than_the_answer(void **state)
{
    struct span in =
        build_answer("! aa\nwww.test MX\nwww.test 5 MX 1 a.test\nauthority\n"
                     "test 5 NS a.test\nadditional\na.test 5 A 192.0.2.1\n"
                     "a.test 5 A 192.0.2.2\n");
    struct span less = build_answer("! aa\nwww.test MX\nwww.test 5 MX 1 a.test\n"
                                    "authority\ntest 5 NS a.test\n");
    struct msg m, back;

    build_walk(&m, in);
    for (int edited = 0; edited <= 1; edited++) {
        m.edited = edited;
        struct encode_job job = job_of(&m, "www.test MX");
        job.opt = (struct encode_opt){.present = true, .udp_size = 1232};
        job.additional_may_go = true;
        job.limit = in.len + 11;
        build_walk(&back, encode(&job, ENCODE_OK));
        assert_int_equal(back.rr_n, 4);
        for (job.limit = less.len + 11; job.limit < in.len + 11; job.limit++) {
            build_walk(&back, encode(&job, ENCODE_OK));
            assert_int_equal(back.rr_n, 2);
            assert_true(back.opt.present && (back.flags & DNS_TC) == 0);
        }
        job.limit = less.len + 10;
        encode(&job, ENCODE_TRUNCATED);
        job.limit = in.len + 10;
        job.additional_may_go = false;
        encode(&job, ENCODE_TRUNCATED);
    }
}

static void the_opt_counts_and_its_options_go_first(void **state)
{
    struct span in = build_answer("www.test A\nwww.test 5 A 192.0.2.1\n");
    struct msg m, back;

    build_walk(&m, in);
    for (int edited = 0; edited <= 1; edited++) {
        m.edited = edited;
        struct encode_job job = job_of(&m, "www.test A");
        job.opt = (struct encode_opt){.present = true,
                                      .udp_size = 1232,
                                      .options = build_bytes("000f 0003 000061")};
        job.limit = in.len + 11 + 7;
        build_walk(&back, encode(&job, ENCODE_OK));
        assert_int_equal(back.opt.options.len, 7);
        job.limit--;
        build_walk(&back, encode(&job, ENCODE_OK));
        assert_int_equal(back.opt.options.len, 0);
        assert_int_equal(back.rr_n, 1);
        job.limit = in.len + 10;
        build_walk(&back, encode(&job, ENCODE_TRUNCATED));
        assert_int_equal(back.rr_n, 0);
        assert_int_equal(back.opt.options.len, 7); /* room again */
        assert_true((back.flags & DNS_TC) != 0);
    }
}

static void a_limit_below_the_question_leaves_it_out(void **state)
{
    struct msg m;

    build_walk(&m, build_answer("www.test A\nwww.test 5 A 192.0.2.1\n"));
    for (size_t limit = 0; limit < 26; limit++) {
        struct encode_job job = job_of(&m, "www.test A");
        job.limit = limit;
        struct span out = encode(&job, ENCODE_TRUNCATED);
        assert_int_equal(out.len, limit < DNS_HEADER_LEN ? 0 : DNS_HEADER_LEN);
        if (out.len > 0)
            same(out, build_bytes("0007 8380 0000 0000 0000 0000"));
    }
}

/* As CoreDNS sends short answers: no compression at all. */
static void an_uncompressed_answer_is_compressed_before_it_is_truncated(void **state)
{
    struct msg m, back;
    struct span in = build_bytes("0007 8180 0001 0002 0000 0000 'www.test' 0001 0001"
                                 "'www.test' 0005 0001 00000005 000c 'a.www.test'"
                                 "'a.www.test' 0001 0001 00000005 0004 c0000201");
    const char *want = build_text(in);

    build_walk(&m, in);
    for (int edited = 0; edited <= 1; edited++) {
        m.edited = edited;
        struct encode_job job = job_of(&m, "www.test A");
        assert_int_equal(encode(&job, ENCODE_OK).len, in.len);
        job.limit = 26 + (2 + 10 + 4) + (2 + 10 + 4);
        struct span out = encode(&job, ENCODE_OK);
        assert_string_equal(build_text(out), want);
        job.limit--;
        build_walk(&back, encode(&job, ENCODE_TRUNCATED));
    }
}

static void nothing_of_one_message_is_left_in_the_next(void **state)
{
    struct span in = build_answer("www.test MX\nwww.test 5 MX 10 mail.www.test\n");
    struct msg m, made;

    build_walk(&m, in);
    m.edited = true;
    struct encode_job job = job_of(&m, "www.test MX"), none = job_of(&m, "x A");
    none.limit = 20;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(msg_init(&made, &arena, 0), 0);
        add(&made, "mail.www.test", DNS_MX, "000a 'www.test'");
        struct encode_job other = job_of(&made, "b.a MX");
        assert_int_equal(encode(&other, ENCODE_OK).len, 12 + 9 + (15 + 10 + 2 + 2));
        encode(&none, ENCODE_TRUNCATED);
        same(encode(&job, ENCODE_OK), in);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(an_unedited_message_comes_out_as_it_was),
        TEST(the_question_has_the_clients_spelling),
        TEST(a_message_for_another_question_of_the_same_length_is_not_copied),
        TEST(changed_ttls_are_written_whatever_the_way),
        TEST(the_inputs_opt_never_goes_out),
        TEST(octets_behind_the_message_are_not_copied),
        TEST(random_messages_read_the_same_however_they_are_written),
        TEST(names_in_newer_types_are_written_in_full),
        TEST(glue_points_to_the_target_it_belongs_to),
        TEST(unknown_types_pass_octet_by_octet),
        TEST(sections_come_in_order_whatever_the_index),
        TEST(dropped_records_are_left_out),
        TEST(a_message_without_question_has_none),
        TEST(records_made_here_share_their_names),
        TEST(names_that_differ_in_case_share_nothing_but_the_question),
        TEST(records_of_several_buffers_meet_in_one_message),
        TEST(names_far_behind_are_never_pointed_to),
        TEST(a_mapped_name_that_is_too_long_is_told),
        TEST(the_question_may_have_nothing_to_do_with_the_map),
        TEST(a_mapped_end_far_behind_is_written_each_time),
        TEST(what_does_not_fit_is_truncated_to_its_question),
        TEST(what_only_comes_along_goes_rather_than_the_answer),
        TEST(the_opt_counts_and_its_options_go_first),
        TEST(a_limit_below_the_question_leaves_it_out),
        TEST(an_uncompressed_answer_is_compressed_before_it_is_truncated),
        TEST(nothing_of_one_message_is_left_in_the_next),
    };
    return cmocka_run_group_tests_name("encode", tests, start, stop);
}
