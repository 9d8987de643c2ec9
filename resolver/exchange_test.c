#include "resolver/exchange.h"

#include "base/cursor.h"
#include "resolver/msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define MANY 3000

/* An io that draws IDs from a list, over and over. */
struct ids {
    struct io io;
    uint16_t list[4];
    uint32_t n, at;
};

static void draw(struct io *io, void *out, size_t len)
{
    struct ids *ids = (struct ids *)(void *)io;
    assert_int_equal(len, 2);
    memcpy(out, &ids->list[ids->at++ % ids->n], 2);
}

static void count_up(struct io *io, void *out, size_t len)
{
    struct ids *ids = (struct ids *)(void *)io;
    memcpy(out, &ids->list[0], len);
    ids->list[0]++;
}

/* www.test A IN, as sent. */
static const uint8_t question[] = {3,   'w', 'w', 'w', 4, 't', 'e',
                                   's', 't', 0,   0,   1, 0,   1};

static const struct addr peer = {.family = 4, .port = 53, .ip = {192, 0, 2, 1}};
static const struct addr other = {.family = 4, .port = 53, .ip = {192, 0, 2, 2}};
static const struct addr elsewhere = {.family = 4, .port = 54, .ip = {192, 0, 2, 1}};

static struct exchange asked(void)
{
    return (struct exchange){
        .question = question, .question_len = sizeof question, .peer = &peer};
}

/* What a test has, and room for one packet. */
struct rig {
    struct exchanges x;
    struct ids ids;
    uint8_t room[64];
};

static const struct ids sevens = {.io.random = draw, .list = {7}, .n = 1};
static const struct ids some_twice = {.io.random = draw, .list = {7, 7, 9}, .n = 3};
static const struct ids in_order = {.io.random = count_up, .n = 1};

static void begin(struct rig *r, const struct ids *ids)
{
    *r = (struct rig){.ids = *ids};
    assert_int_equal(exchanges_init(&r->x), 0);
}

static void end(struct rig *r)
{
    exchanges_release(&r->x);
}

static int open_on(struct rig *r, struct exchange *e, uint32_t conn)
{
    return exchange_open(&r->x, &r->ids.io, e, conn);
}

/* A reply to `question` under an ID; `flags` besides. */
static struct span reply(uint8_t *room, uint16_t id, uint16_t flags)
{
    struct wr wr = wr_init(room, 64);
    wr_u16(&wr, id);
    wr_u16(&wr, flags);
    wr_u16(&wr, 1);
    wr_u16(&wr, 0);
    wr_u32(&wr, 0);
    wr_bytes(&wr, question, sizeof question);
    return (struct span){.at = room, .len = wr.at};
}

static void an_answer_matches_by_conn_id_and_question(void **unused)
{
    struct rig r;
    struct exchange e = asked();
    begin(&r, &sevens);
    assert_int_equal(open_on(&r, &e, 5), 0);
    assert_int_equal(e.id, 7);
    struct span good = reply(r.room, 7, DNS_QR);
    assert_ptr_equal(exchange_match(&r.x, 5, NULL, good), &e);
    assert_null(exchange_match(&r.x, 6, NULL, good));
    assert_null(exchange_match(&r.x, 5, NULL, reply(r.room, 8, DNS_QR)));
    assert_null(exchange_match(&r.x, 5, NULL, reply(r.room, 7, 0)));
    assert_null(exchange_match(&r.x, 5, NULL, reply(r.room, 7, DNS_QR | 5 << 11)));
    good = reply(r.room, 7, DNS_QR);
    r.room[13] = 'x';
    assert_null(exchange_match(&r.x, 5, NULL, good));
    assert_int_equal(r.x.mismatched, 5);
    exchange_close(&r.x, &e);
    assert_null(exchange_match(&r.x, 5, NULL, reply(r.room, 7, DNS_QR)));
    end(&r);
}

static void short_datagrams_match_nothing(void **unused)
{
    struct rig r;
    struct exchange e = asked();
    begin(&r, &sevens);
    assert_int_equal(open_on(&r, &e, 5), 0);
    struct span packet = reply(r.room, 7, DNS_QR);
    for (size_t len = 0; len < packet.len; len++)
        assert_null(
            exchange_match(&r.x, 5, NULL, (struct span){.at = r.room, .len = len}));
    assert_ptr_equal(exchange_match(&r.x, 5, NULL, packet), &e);
    end(&r);
}

static void no_id_is_used_twice_on_one_conn(void **unused)
{
    struct rig r;
    struct exchange a = asked(), b = asked(), c = asked();
    begin(&r, &some_twice);
    assert_int_equal(open_on(&r, &a, 1), 0);
    assert_int_equal(open_on(&r, &b, 1), 0);
    assert_int_equal(a.id, 7);
    assert_int_equal(b.id, 9);
    assert_int_equal(open_on(&r, &c, 2), 0);
    assert_int_equal(c.id, 7);
    end(&r);
}

static void a_conn_without_ids_is_refused_and_not_waited_for(void **unused)
{
    struct rig r;
    struct exchange a = asked(), b = asked();
    begin(&r, &sevens);
    assert_int_equal(open_on(&r, &a, 1), 0);
    assert_int_equal(open_on(&r, &b, 1), -1);
    assert_false(b.open);
    exchange_close(&r.x, &b);
    assert_int_equal(r.x.n, 1);
    end(&r);
}

static void thousands_are_found_by_id_and_by_conn(void **unused)
{
    struct rig r;
    struct exchange *all = calloc(MANY, sizeof *all);
    begin(&r, &in_order);
    for (uint32_t i = 0; i < MANY; i++) {
        all[i] = asked();
        assert_int_equal(open_on(&r, &all[i], i % 10), 0);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        struct span packet = reply(r.room, all[i].id, DNS_QR);
        assert_ptr_equal(exchange_match(&r.x, i % 10, NULL, packet), &all[i]);
    }
    uint32_t on_seven = 0;
    for (struct exchange *e; (e = exchange_on(&r.x, 7, r.x.serial)) != NULL;
         on_seven++) {
        assert_int_equal(e->conn, 7);
        exchange_close(&r.x, e);
    }
    assert_int_equal(on_seven, MANY / 10);
    assert_int_equal(r.x.n, MANY - MANY / 10);
    assert_null(exchange_on(&r.x, 12345, r.x.serial));
    end(&r);
    free(all);
}

static void what_is_opened_later_is_not_among_those_of_a_lost_conn(void **unused)
{
    struct rig r;
    struct exchange old = asked(), new = asked();
    begin(&r, &in_order);
    assert_int_equal(open_on(&r, &old, 3), 0);
    uint32_t lost = r.x.serial;
    assert_int_equal(open_on(&r, &new, 3), 0);
    assert_ptr_equal(exchange_on(&r.x, 3, lost), &old);
    exchange_close(&r.x, &old);
    assert_null(exchange_on(&r.x, 3, lost));
    assert_ptr_equal(exchange_on(&r.x, 3, r.x.serial), &new);
    end(&r);
}

static void a_shared_conn_is_heard_from_who_was_asked_only(void **unused)
{
    struct rig r;
    struct exchange e = asked();
    begin(&r, &sevens);
    assert_int_equal(open_on(&r, &e, 5), 0);
    struct span good = reply(r.room, 7, DNS_QR);
    assert_null(exchange_match(&r.x, 5, &other, good));
    assert_null(exchange_match(&r.x, 5, &elsewhere, good));
    assert_null(exchange_sent(&r.x, 5, &other, good));
    assert_ptr_equal(exchange_sent(&r.x, 5, &peer, good), &e);
    assert_ptr_equal(exchange_match(&r.x, 5, &peer, good), &e);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_matches_by_conn_id_and_question),
        cmocka_unit_test(short_datagrams_match_nothing),
        cmocka_unit_test(no_id_is_used_twice_on_one_conn),
        cmocka_unit_test(a_conn_without_ids_is_refused_and_not_waited_for),
        cmocka_unit_test(thousands_are_found_by_id_and_by_conn),
        cmocka_unit_test(what_is_opened_later_is_not_among_those_of_a_lost_conn),
        cmocka_unit_test(a_shared_conn_is_heard_from_who_was_asked_only),
    };
    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
