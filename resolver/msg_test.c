#include "resolver/msg.h"

#include "base/hash.h"
#include "resolver/encode.h"
#include "resolver/rdata.h"
#include "tests/unit/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

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

/* The message as ldns reads it. */
static const char *text(const struct msg *m, const char *question)
{
    uint8_t *out = build_keep(65535);
    size_t len;
    struct encode_job job = {.msg = m,
                             .id = m->id,
                             .flags = m->flags,
                             .question = build_question(question),
                             .limit = 65535};

    assert_int_equal(encode_msg(encoder, &job, out, &len), ENCODE_OK);
    return build_text((struct span){.at = out, .len = len});
}

static void add(struct msg *m, const char *owner, uint16_t type, enum section s,
                const char *rdata)
{
    struct rr_new rr = {.section = s,
                        .owner = build_name(owner),
                        .type = type,
                        .class = DNS_IN,
                        .ttl = 5,
                        .rdata = build_bytes(rdata)};

    assert_int_equal(msg_add(m, &arena, &rr), 0);
}

static void records_made_here_come_out_by_section(void **state)
{
    struct msg m;

    assert_int_equal(msg_init(&m, &arena, 2), 0);
    m.flags = 0x8180;
    add(&m, "x.test", DNS_A, SECTION_ADDITIONAL, "c0000201");
    add(&m, "www.test", DNS_SRV, SECTION_ANSWER, "0001 0002 0003 'x.test'");
    assert_string_equal(text(&m, "www.test SRV"),
                        build_text(build_answer("www.test SRV\n"
                                                "www.test 5 IN SRV 1 2 3 x.test\n"
                                                "additional\n"
                                                "x.test 5 IN A 192.0.2.1\n")));
}

static void the_index_grows(void **state)
{
    struct msg m;

    for (uint32_t cap = 0; cap < 4; cap += 3) {
        assert_int_equal(msg_init(&m, &arena, cap), 0);
        for (int i = 0; i < 1000; i++)
            add(&m, i % 2 == 0 ? "a.test" : "b.test", DNS_A, SECTION_ANSWER,
                "7f000001");
        assert_int_equal(m.rr_n, 1000);
        for (uint32_t i = 0; i < 1000; i++)
            assert_true(
                msg_owner_is(&m.rr[i], build_name(i % 2 == 0 ? "A.test" : "b.TEST")));
    }
}

static void data_beyond_16_bits_is_refused(void **state)
{
    struct msg m;
    struct rr_new rr = {.owner = build_name("x"),
                        .type = DNS_TXT,
                        .rdata = {.at = build_keep(65536), .len = 65536}};

    assert_int_equal(msg_init(&m, &arena, 1), 0);
    assert_int_equal(msg_add(&m, &arena, &rr), -1);
}

static void dropped_records_are_gone(void **state)
{
    struct msg m;
    uint32_t n = 0;

    build_walk(&m, build_answer("a.test A\na.test 5 A 1.1.1.1\na.test 5 A 2.2.2.2\n"
                                "a.test 5 A 3.3.3.3\nauthority\ntest 5 NS a.test\n"));
    msg_drop(&m, &m.rr[1]);
    assert_true(m.edited);
    msg_each_rr (rr, &m) {
        n++;
    }
    assert_int_equal(n, 3);
    assert_int_equal(msg_count(&m, SECTION_ANSWER), 2);
    assert_int_equal(msg_count(&m, SECTION_AUTHORITY), 1);
    assert_int_equal(msg_count(&m, SECTION_ADDITIONAL), 0);
}

static void a_ttl_that_stays_is_no_edit(void **state)
{
    struct msg m;

    build_walk(&m, build_answer("a.test A\na.test 5 A 1.1.1.1\n"));
    msg_set_ttl(&m, &m.rr[0], 5);
    assert_false(m.ttl_edited);
    msg_set_ttl(&m, &m.rr[0], 6);
    assert_true(m.ttl_edited);
    assert_false(m.edited);
    assert_int_equal(m.rr[0].ttl, 6);
}

/* The originals are overwritten, so that what still points there shows. */
static void a_copy_depends_on_nothing_but_its_arena(void **state)
{
    struct span a =
        build_answer("! aa edns 1232\nwww.test MX\nwww.test 5 MX 10 mail.www.test\n"
                     "authority\ntest 5 SOA ns.test h.test 1 2 3 4 5\n");
    struct span b = build_answer("x.test MX\nx.test 5 MX 20 mail.x.test\n");
    uint8_t *wa = build_keep(a.len), *wb = build_keep(b.len);
    struct msg m, other, copy;

    memcpy(wa, a.at, a.len);
    memcpy(wb, b.at, b.len);
    build_walk(&m, (struct span){.at = wa, .len = a.len});
    build_walk(&other, (struct span){.at = wb, .len = b.len});
    assert_int_equal(msg_add_rr(&m, &arena, &other.rr[0]), 0);
    const char *want = text(&m, "www.test MX");
    assert_int_equal(msg_copy(&copy, &m, &arena), 0);
    memset(wa, 0xff, a.len);
    memset(wb, 0xff, b.len);
    memset(m.rr, 0xff, m.rr_n * sizeof *m.rr);
    assert_string_equal(text(&copy, "www.test MX"), want);
    assert_true(copy.edited);
}

static void a_copy_has_its_options(void **state)
{
    struct span p =
        build_bytes("0007 8180 0000 0000 0000 0001 00 0029 1000 00000000 0006"
                    "000a 0002 abcd");
    uint8_t *w = build_keep(p.len);
    struct msg m, copy;
    struct span foreign = build_bytes("0003 0001 78");

    memcpy(w, p.at, p.len);
    build_walk(&m, (struct span){.at = w, .len = p.len});
    assert_int_equal(msg_copy(&copy, &m, &arena), 0);
    memset(w, 0, p.len);
    assert_memory_equal(copy.opt.options.at, p.at + 23, 6);
    m.opt.options = foreign;
    assert_int_equal(msg_copy(&copy, &m, &arena), 0);
    assert_ptr_not_equal(copy.opt.options.at, foreign.at);
    assert_memory_equal(copy.opt.options.at, foreign.at, foreign.len);
}

static void an_empty_message_is_copied(void **state)
{
    struct msg m, copy;

    assert_int_equal(msg_init(&m, &arena, 0), 0);
    assert_int_equal(msg_copy(&copy, &m, &arena), 0);
    assert_int_equal(copy.rr_n, 0);
    assert_null(copy.wire);
}

static void the_plain_length_knows_no_compression(void **state)
{
    struct msg m;

    build_walk(
        &m, build_answer("! edns 1232\nwww.test MX\nwww.test 5 MX 10 mail.www.test\n"));
    assert_int_equal(msg_len_plain(&m, 10), 12 + 10 + 4 + (10 + 10 + 2 + 15));
    assert_int_equal(msg_len_plain(&m, 0), 12 + (10 + 10 + 2 + 15));
    msg_drop(&m, &m.rr[0]);
    assert_int_equal(msg_len_plain(&m, 10), 26);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(records_made_here_come_out_by_section),
        TEST(the_index_grows),
        TEST(data_beyond_16_bits_is_refused),
        TEST(dropped_records_are_gone),
        TEST(a_ttl_that_stays_is_no_edit),
        TEST(a_copy_depends_on_nothing_but_its_arena),
        TEST(a_copy_has_its_options),
        TEST(an_empty_message_is_copied),
        TEST(the_plain_length_knows_no_compression),
    };
    return cmocka_run_group_tests_name("msg", tests, start, stop);
}
