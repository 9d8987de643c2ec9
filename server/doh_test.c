/* HTTP/2 octet by octet: what a client of a few lines sends, and what comes back.
 * Header fields are written without compression (RFC 7541 section 6.2.2), so that tests
 * can say anything. */
#include "server/doh.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "server/http2.h"
#include "tests/unit/h2.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define TARGET  "/dns-query?dns=AAABAAABAAAAAAAAAXgEdGVzdAAAAQAB"
#define REPLY   "\0\0\x80\0\0\0\0\0\0\0\0\0"

struct fixture {
    struct http2 *shared;
    struct doh *d;
    uint32_t asked[256];
    unsigned asked_n;
    unsigned refuse_from; /* questions from this one on are not taken; 0: all are */
    unsigned statuses[4], statuses_n; /* the last four */
    uint8_t got[512 * 1024];
    size_t got_len;
};

static bool on_question(void *owner, uint32_t request, struct span message)
{
    struct fixture *f = owner;
    if (f->refuse_from > 0 && f->asked_n + 1 >= f->refuse_from)
        return false;
    assert_true(f->asked_n < 256);
    f->asked[f->asked_n++] = request;
    assert_true(message.len >= 12);
    return true;
}

static void on_answered(void *owner, unsigned status)
{
    struct fixture *f = owner;
    f->statuses[f->statuses_n++ % 4] = status;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct doh_ask ask = {.question = on_question, .answered = on_answered, .owner = f};
    assert_non_null(f);
    f->shared = doh_shared_new();
    assert_non_null(f->shared);
    f->d = doh_new(f->shared, &ask);
    assert_non_null(f->d);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    doh_free(f->d);
    http2_free(f->shared);
    free(f);
    return 0;
}

static void take(struct fixture *f)
{
    size_t n;
    while ((n = doh_take(f->d, f->got + f->got_len, 1000)) > 0) {
        f->got_len += n;
        assert_true(f->got_len + 1000 < sizeof f->got);
    }
}

static int feed(struct fixture *f, const void *at, size_t len)
{
    int rc = doh_feed(f->d, at, len);
    take(f);
    return rc;
}

static void frame(struct fixture *f, uint8_t type, uint8_t flags, uint32_t stream,
                  struct span payload)
{
    uint8_t octets[H2_FRAME_MAX];
    struct h2_head head = {type, flags, stream};
    size_t len = h2_frame(octets, head, payload);
    assert_int_equal(feed(f, octets, len), 0);
}

static void request(struct fixture *f, uint32_t id, const char *method,
                    const char *target, bool ends)
{
    uint8_t fields[512];
    size_t n = h2_field(fields, ":method", method);
    n += h2_field(fields + n, ":scheme", "https");
    n += h2_field(fields + n, ":authority", "dns.test");
    n += h2_field(fields + n, ":path", target);
    frame(f, HEADERS, END_HEADERS | (ends ? END_STREAM : 0), id,
          (struct span){.at = fields, .len = n});
}

static void greet(struct fixture *f)
{
    assert_int_equal(feed(f, PREFACE, 24), 0);
    frame(f, SETTINGS, 0, 0, (struct span){0});
}

/* How many frames of a type came for a stream; the last one's payload. */
static unsigned frames_of(const struct fixture *f, uint8_t type, uint32_t id,
                          struct span *last)
{
    unsigned n = 0;
    for (size_t at = 0; at + 9 <= f->got_len;) {
        const uint8_t *h = f->got + at;
        size_t len = (size_t)h[0] << 16 | load_u16(h + 1);
        if (h[3] == type && load_u32(h + 5) == id) {
            n++;
            *last = (struct span){.at = h + 9, .len = len};
        }
        at += 9 + len;
        assert_true(at <= f->got_len);
    }
    return n;
}

static unsigned count_of(const struct fixture *f, uint8_t type, uint32_t id)
{
    struct span last;
    return frames_of(f, type, id, &last);
}

/* The :status that a stream got: its second octet is a static index, or a literal. */
static unsigned status_of(const struct fixture *f, uint32_t id)
{
    static const unsigned indexed[] = {200, 204, 206, 304, 400, 404, 500};
    struct span fields;
    assert_int_equal(frames_of(f, HEADERS, id, &fields), 1);
    if (fields.at[0] >= 0x88 && fields.at[0] <= 0x8e)
        return indexed[fields.at[0] - 0x88];
    return 1; /* another */
}

static void questions_are_answered_in_any_order(void **state)
{
    struct fixture *f = *state;
    struct span body;
    greet(f);
    request(f, 1, "GET", TARGET, true);
    request(f, 3, "GET", TARGET, true);
    request(f, 5, "POST", "/dns-query", false);
    assert_int_equal(f->asked_n, 2);
    assert_true(doh_partial(f->d));
    frame(f, DATA, 0, 5,
          (struct span){.at = (const uint8_t *)"\0\0\1\0\0\1", .len = 6});
    frame(f, DATA, END_STREAM, 5,
          (struct span){.at = (const uint8_t *)"\0\0\0\0\0\0", .len = 6});
    assert_int_equal(f->asked_n, 3);
    assert_false(doh_partial(f->d));
    for (unsigned i = 3; i-- > 0;) {
        assert_int_equal(doh_answer(f->d, f->asked[i], REPLY, 12), 0);
        take(f);
        assert_int_equal(status_of(f, f->asked[i]), 200);
        assert_int_equal(frames_of(f, DATA, f->asked[i], &body), 1);
        assert_int_equal(body.len, 12);
        assert_memory_equal(body.at, REPLY, 12);
    }
    assert_false(doh_owes(f->d));
}

static void refusals_have_their_status(void **state)
{
    struct fixture *f = *state;
    greet(f);
    request(f, 1, "GET", "/", true);
    request(f, 3, "GET", "/dns-query", true);
    request(f, 5, "PUT", "/dns-query", true);
    request(f, 9, "HEAD", TARGET, true);
    assert_int_equal(count_of(f, HEADERS, 9), 1);
    assert_int_equal(count_of(f, DATA, 9), 0);
    assert_int_equal(count_of(f, DATA, 5), 1);
    assert_false(doh_owes(f->d));
    request(f, 11, "GET", TARGET, true);
    assert_int_equal(doh_answer(f->d, 11, NULL, 0), 0);
    take(f);
    assert_int_equal(status_of(f, 1), 404);
    assert_int_equal(status_of(f, 3), 400);
    assert_int_equal(status_of(f, 5), 1);
    assert_int_equal(status_of(f, 11), 500);
    const unsigned expected[] = {500, 400, 405, 405}; /* the last in 404's place */
    assert_memory_equal(f->statuses, expected, sizeof expected);
    assert_int_equal(f->asked_n, 1);
}

static void the_first_octets_tell_the_protocol(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(feed(f, "P", 1), 0);
    assert_true(doh_partial(f->d));
    assert_int_equal(feed(f, PREFACE + 1, 23), 0);
    assert_true(f->got_len > 0); /* our settings */
    frame(f, SETTINGS, 0, 0, (struct span){0});
    request(f, 1, "GET", TARGET, true);
    assert_int_equal(f->asked_n, 1);
}

static void a_post_of_http1_begins_with_the_same_letter(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(feed(f, "P", 1), 0);
    assert_int_equal(feed(f, "OST / HTTP/1.1\r\nHost: a\r\n\r\n", 27), 0);
    assert_memory_equal(f->got, "HTTP/1.1 404", 12);
}

static void what_is_neither_is_of_no_use(void **state)
{
    struct fixture *f = *state;
    assert_true(feed(f, "PRINT THIS, PLEASE: A LONG TEXT", 31) < 0 || doh_ended(f->d));
    assert_int_equal(f->asked_n, 0);
}

static void withdrawn_questions_are_forgotten(void **state)
{
    struct fixture *f = *state;
    greet(f);
    for (uint32_t id = 1; id < 400; id += 2) {
        request(f, id, "GET", TARGET, true);
        frame(f, RST_STREAM, 0, id,
              (struct span){.at = (const uint8_t *)"\0\0\0\x8", .len = 4});
        assert_int_equal(doh_answer(f->d, id, REPLY, 12), 0);
    }
    take(f);
    assert_int_equal(f->asked_n, 200);
    assert_int_equal(count_of(f, HEADERS, 1), 0);
    assert_true(doh_held(f->d) < 64 * 1024);
}

static void no_more_are_open_than_is_allowed(void **state)
{
    struct fixture *f = *state;
    greet(f);
    for (uint32_t id = 1; id < 2 * (TCP_PIPELINE_MAX + 10); id += 2)
        request(f, id, "GET", TARGET, true);
    assert_int_equal(f->asked_n, TCP_PIPELINE_MAX);
    assert_int_equal(count_of(f, RST_STREAM, 2 * TCP_PIPELINE_MAX + 1), 1);
}

static void answers_wait_for_the_client_s_window(void **state)
{
    struct fixture *f = *state;
    static uint8_t large[ANSWER_MAX];
    uint8_t more[4];
    greet(f);
    for (uint32_t id = 1; id <= 3; id += 2) {
        request(f, id, "GET", TARGET, true);
        assert_int_equal(doh_answer(f->d, id, large, sizeof large), 0);
    }
    take(f);
    assert_true(doh_owes(f->d));
    assert_true(doh_held(f->d) > sizeof large);
    assert_true(count_of(f, DATA, 1) > 0);
    assert_int_equal(count_of(f, DATA, 3), 0); /* 65,535 octets were all of it */
    store_u32(more, ANSWER_MAX);
    frame(f, WINDOW, 0, 0, (struct span){.at = more, .len = 4});
    take(f);
    assert_true(count_of(f, DATA, 3) > 0);
    assert_false(doh_owes(f->d));
    assert_true(doh_held(f->d) < sizeof large);
}

static void at_the_end_what_was_taken_is_answered(void **state)
{
    struct fixture *f = *state;
    struct span last;
    greet(f);
    request(f, 1, "GET", TARGET, true);
    doh_end(f->d);
    take(f);
    assert_int_equal(frames_of(f, GOAWAY, 0, &last), 1);
    assert_int_equal(load_u32(last.at), 1); /* the last that counts */
    assert_false(doh_ended(f->d));
    request(f, 3, "GET", TARGET, true);
    assert_int_equal(f->asked_n, 1);
    assert_int_equal(doh_answer(f->d, 1, REPLY, 12), 0);
    take(f);
    assert_int_equal(status_of(f, 1), 200);
    assert_true(doh_ended(f->d));
}

static void questions_that_are_not_taken_are_reset(void **state)
{
    struct fixture *f = *state;
    f->refuse_from = 2;
    greet(f);
    request(f, 1, "GET", TARGET, true);
    request(f, 3, "GET", TARGET, true);
    assert_int_equal(f->asked_n, 1);
    assert_int_equal(count_of(f, RST_STREAM, 1), 0);
    assert_int_equal(count_of(f, RST_STREAM, 3), 1);
}

static void connections_that_close_in_the_middle_leave_nothing(void **state)
{
    struct fixture *f = *state;
    greet(f);
    request(f, 1, "GET", TARGET, true);
    request(f, 3, "POST", "/dns-query", false);
    frame(f, DATA, 0, 3, (struct span){.at = (const uint8_t *)"\0\0\1", .len = 3});
    request(f, 5, "GET", TARGET, true);
    assert_int_equal(doh_answer(f->d, 5, REPLY, 12), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(questions_are_answered_in_any_order),
        TEST(refusals_have_their_status),
        TEST(the_first_octets_tell_the_protocol),
        TEST(a_post_of_http1_begins_with_the_same_letter),
        TEST(what_is_neither_is_of_no_use),
        TEST(withdrawn_questions_are_forgotten),
        TEST(no_more_are_open_than_is_allowed),
        TEST(answers_wait_for_the_client_s_window),
        TEST(at_the_end_what_was_taken_is_answered),
        TEST(questions_that_are_not_taken_are_reset),
        TEST(connections_that_close_in_the_middle_leave_nothing),
    };
    return cmocka_run_group_tests_name("doh", tests, NULL, NULL);
}
