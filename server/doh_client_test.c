/* A server of a few lines on the other side, octet by octet: what it is asked, and what
 * becomes of what it says. Its header fields are written without compression (RFC 7541
 * section 6.2.2), so that it can say anything. */
#include "server/doh_client.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/io.h"
#include "server/http2.h"
#include "tests/unit/h2.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PREFACE     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_LEN (sizeof PREFACE - 1)

/* "x.test A", with another ID each; and an answer. */
#define REST     "\1\0\0\1\0\0\0\0\0\0\1x\4test\0\0\1\0\1"
#define LEN      24
#define REPLY    "\0\0\x80\0\0\0\0\0\0\0\0\0"
#define IN_URL   "AAABAAABAAAAAAAAAXgEdGVzdAAAAQAB"
#define HTTP1_OK "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n"

struct fixture {
    struct http2 *shared;
    struct doh_client *c;
    uint16_t answered[256], failed[256];
    unsigned answered_n, failed_n;
    int error; /* of the last that failed */
    char why[128];
    uint16_t awaited; /* questions from this ID on */
    uint8_t got[64 * 1024];
    size_t got_len;
};

static void on_answered(void *owner, uint16_t id, struct span wire)
{
    struct fixture *f = owner;
    assert_true(wire.len >= 12);
    assert_int_equal(load_u16(wire.at), id);
    f->answered[f->answered_n++] = id;
}

static void on_failed(void *owner, uint16_t id, int error, const char *why)
{
    struct fixture *f = owner;
    f->failed[f->failed_n++] = id;
    f->error = error;
    snprintf(f->why, sizeof f->why, "%s", why == NULL ? "" : why);
}

static bool is_awaited(void *owner, uint16_t id)
{
    return id >= ((struct fixture *)owner)->awaited;
}

static void make(struct fixture *f, bool get)
{
    struct doh_client_how how = {.authority = "dns.test:8443",
                                 .get = get,
                                 .answered = on_answered,
                                 .failed = on_failed,
                                 .awaited = is_awaited,
                                 .owner = f};
    doh_client_free(f->c);
    f->c = doh_client_new(f->shared, &how);
    assert_non_null(f->c);
    f->got_len = f->answered_n = f->failed_n = 0;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->shared = doh_client_shared_new();
    assert_non_null(f->shared);
    make(f, false);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    doh_client_free(f->c);
    http2_free(f->shared);
    free(f);
    return 0;
}

static void take(struct fixture *f)
{
    size_t n;
    while ((n = doh_client_take(f->c, f->got + f->got_len, 1000)) > 0) {
        f->got_len += n;
        assert_true(f->got_len + 1000 < sizeof f->got);
    }
}

static void ask_at(struct fixture *f, uint16_t id, uint64_t now_us)
{
    uint8_t wire[LEN];
    store_u16(wire, id);
    memcpy(wire + 2, REST, LEN - 2);
    assert_int_equal(doh_client_ask(f->c, (struct span){wire, LEN}, now_us), 0);
}

static void ask(struct fixture *f, uint16_t id)
{
    ask_at(f, id, 0);
    take(f);
}

static int feed(struct fixture *f, const void *at, size_t len)
{
    int error = doh_client_feed(f->c, at, len);
    if (error == 0)
        take(f);
    return error;
}

static void frame(struct fixture *f, uint8_t type, uint8_t flags, uint32_t stream,
                  struct span payload)
{
    uint8_t octets[H2_FRAME_MAX];
    struct h2_head head = {type, flags, stream};
    size_t len = h2_frame(octets, head, payload);
    assert_int_equal(feed(f, octets, len), 0);
}

static void head(struct fixture *f, uint32_t stream, const char *status, bool ends)
{
    uint8_t fields[256];
    size_t n = h2_field(fields, ":status", status);
    n += h2_field(fields + n, "content-type", "application/dns-message");
    frame(f, HEADERS, END_HEADERS | (ends ? END_STREAM : 0), stream,
          (struct span){fields, n});
}

static void body(struct fixture *f, uint32_t stream, const char *octets, size_t len)
{
    frame(f, DATA, END_STREAM, stream, (struct span){(const uint8_t *)octets, len});
}

static void answer(struct fixture *f, uint32_t stream)
{
    head(f, stream, "200", false);
    body(f, stream, REPLY, 12);
}

/* Both have greeted each other over HTTP/2. */
static void greet(struct fixture *f)
{
    assert_int_equal(doh_client_begin(f->c, true), 0);
    frame(f, SETTINGS, 0, 0, (struct span){0});
    assert_memory_equal(f->got, PREFACE, PREFACE_LEN);
}

/* Frames of a type that were sent. */
static unsigned sent(const struct fixture *f, uint8_t type)
{
    unsigned n = 0;
    for (size_t at = PREFACE_LEN; at + 9 <= f->got_len;
         at += 9 + (load_u32(f->got + at) >> 8))
        n += f->got[at + 3] == type;
    return n;
}

static bool said(const struct fixture *f, const char *octets, size_t len)
{
    return f->got_len > 0 && memmem(f->got, f->got_len, octets, len) != NULL;
}

/* ---- HTTP/2 ---- */

static void a_post_has_its_question_with_id_0_in_its_body(void **state)
{
    struct fixture *f = *state;
    greet(f);
    ask(f, 0x1234);
    assert_int_equal(sent(f, HEADERS), 1);
    assert_int_equal(sent(f, DATA), 1);
    assert_true(said(f, "\0\0" REST, LEN));
    answer(f, 1);
    assert_int_equal(f->answered_n, 1);
    assert_int_equal(f->answered[0], 0x1234);
    assert_false(doh_client_ended(f->c));
}

/* BIND takes who says many heads before the first body for a flood. */
static void each_body_follows_its_head(void **state)
{
    struct fixture *f = *state;
    for (uint16_t id = 1; id <= 50; id++)
        ask(f, id);
    greet(f);
    size_t at = PREFACE_LEN;
    uint8_t last = DATA;
    for (; at + 9 <= f->got_len; at += 9 + (load_u32(f->got + at) >> 8)) {
        uint8_t type = f->got[at + 3];
        if (type != HEADERS && type != DATA)
            continue;
        assert_int_equal(type, last == DATA ? HEADERS : DATA);
        last = type;
    }
    assert_int_equal(sent(f, DATA), 50);
}

static void a_get_has_no_body(void **state)
{
    struct fixture *f = *state;
    make(f, true);
    greet(f);
    ask(f, 0x1234);
    assert_int_equal(sent(f, HEADERS), 1);
    assert_int_equal(sent(f, DATA), 0);
    answer(f, 1);
    assert_int_equal(f->answered_n, 1);
}

static void questions_are_out_side_by_side_and_answered_in_any_order(void **state)
{
    struct fixture *f = *state;
    ask(f, 1); /* before it is known what is spoken */
    ask(f, 2);
    assert_int_equal(f->got_len, 0);
    greet(f);
    ask(f, 3);
    assert_int_equal(sent(f, HEADERS), 3);
    answer(f, 5);
    answer(f, 1);
    answer(f, 3);
    assert_int_equal(f->answered_n, 3);
    assert_int_equal(f->answered[0], 3);
    assert_int_equal(f->answered[1], 1);
    assert_int_equal(f->answered[2], 2);
    assert_int_equal(f->failed_n, 0);
}

static void the_server_says_how_many(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(doh_client_width(f->c), 100);
    greet(f);
    frame(f, SETTINGS, 0, 0, (struct span){(const uint8_t *)"\0\3\0\0\0\2", 6});
    assert_int_equal(doh_client_width(f->c), 2);
    for (uint16_t id = 1; id <= 4; id++)
        ask(f, id);
    assert_int_equal(sent(f, HEADERS), 2);
    answer(f, 1);
    assert_int_equal(sent(f, HEADERS), 3);
    frame(f, SETTINGS, 0, 0, (struct span){(const uint8_t *)"\0\3\0\1\0\0", 6});
    assert_int_equal(doh_client_width(f->c), UPSTREAM_TCP_PIPELINE);
}

static void a_status_is_a_failure_and_the_others_go_on(void **state)
{
    struct fixture *f = *state;
    greet(f);
    ask(f, 1);
    ask(f, 2);
    head(f, 1, "503", true);
    assert_int_equal(f->failed_n, 1);
    assert_int_equal(f->failed[0], 1);
    assert_int_equal(f->error, IO_HTTP_STATUS + 503);
    assert_string_equal(f->why, "HTTP status 503");
    answer(f, 3);
    assert_int_equal(f->answered_n, 1);
}

static void a_reset_is_asked_elsewhere(void **state)
{
    static const struct {
        const char *code, *why;
        int error;
    } rows[] = {{"\0\0\0\7", "", ECANCELED}, /* REFUSED_STREAM: it was not looked at */
                {"\0\0\0\2", "it reset the stream: HTTP/2 error 2", ECONNRESET}};
    struct fixture *f = *state;
    greet(f);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        ask(f, (uint16_t)i);
        frame(f, RST_STREAM, 0, 1 + 2 * i,
              (struct span){(const uint8_t *)rows[i].code, 4});
        assert_int_equal(f->failed_n, i + 1);
        assert_int_equal(f->failed[i], i);
        assert_int_equal(f->error, rows[i].error);
        assert_string_equal(f->why, rows[i].why);
    }
    ask(f, 9);
    answer(f, 5);
    assert_int_equal(f->answered_n, 1);
}

static void after_a_goodbye_what_was_taken_is_answered(void **state)
{
    struct fixture *f = *state;
    greet(f);
    for (uint16_t id = 1; id <= 3; id++)
        ask(f, id);
    assert_false(doh_client_is_closing(f->c));
    ask_at(f, 4, 0); /* has not gone out */
    frame(f, GOAWAY, 0, 0, (struct span){(const uint8_t *)"\0\0\0\3\0\0\0\0", 8});
    assert_true(doh_client_is_closing(f->c));
    assert_int_equal(f->failed_n, 2);
    assert_int_equal(f->failed[0] + f->failed[1], 3 + 4);
    assert_int_equal(f->error, ECANCELED);
    assert_false(doh_client_ended(f->c));
    answer(f, 1);
    answer(f, 3);
    assert_int_equal(f->answered_n, 2);
    assert_true(doh_client_ended(f->c));
}

static void who_is_given_up_on_is_withdrawn(void **state)
{
    struct fixture *f = *state;
    greet(f);
    ask_at(f, 1, 1000);
    ask_at(f, 2, 2000);
    take(f);
    doh_client_forget(f->c, 1500);
    take(f);
    assert_int_equal(sent(f, RST_STREAM), 0); /* it is waited for */
    f->awaited = UINT16_MAX;
    doh_client_forget(f->c, 1500);
    take(f);
    assert_int_equal(sent(f, RST_STREAM), 1);
    doh_client_forget(f->c, 1500);
    take(f);
    assert_int_equal(sent(f, RST_STREAM), 1);
    answer(f, 1); /* too late */
    answer(f, 3);
    assert_int_equal(f->failed_n, 0);
    assert_int_equal(f->answered_n, 1);
    assert_int_equal(f->answered[0], 2);
    ask_at(f, 3, 1000); /* one that has not gone out does not */
    doh_client_forget(f->c, 1500);
    take(f);
    assert_int_equal(sent(f, HEADERS), 2);
}

static void who_speaks_something_else_is_left(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(doh_client_begin(f->c, true), 0);
    ask(f, 1);
    static const char other[] = "HTTP/1.1 400 Bad Request\r\n\r\n\r\n\r\n\r\n";
    int error = feed(f, other, sizeof other - 1);
    assert_true(error == EBADMSG || doh_client_ended(f->c));
    assert_false(doh_client_is_closing(f->c));
    assert_int_equal(f->answered_n, 0);
}

/* ---- HTTP/1.1 ---- */

static void requests_of_http1_wait_for_each_other(void **state)
{
    struct fixture *f = *state;
    ask(f, 1);
    ask(f, 2);
    assert_int_equal(doh_client_begin(f->c, false), 0);
    take(f);
    static const char first[] =
        "POST /dns-query HTTP/1.1\r\nHost: dns.test:8443\r\n"
        "Accept: application/dns-message\r\nContent-Type: application/dns-message\r\n"
        "Content-Length: 24\r\n\r\n\0\0" REST;
    assert_int_equal(f->got_len, sizeof first - 1);
    assert_memory_equal(f->got, first, f->got_len);
    assert_int_equal(doh_client_width(f->c), 1);
    f->got_len = 0;
    static const char reply[] = HTTP1_OK "\r\n" REPLY;
    for (size_t i = 0; i < sizeof reply - 1; i++)
        assert_int_equal(feed(f, reply + i, 1), 0);
    assert_int_equal(f->answered_n, 1);
    assert_int_equal(f->got_len, sizeof first - 1); /* the second's turn */
    assert_int_equal(feed(f, reply, sizeof reply - 1), 0);
    assert_int_equal(f->answered_n, 2);
    assert_int_equal(f->answered[1], 2);
    assert_false(doh_client_ended(f->c));
}

static void a_get_over_http1(void **state)
{
    struct fixture *f = *state;
    make(f, true);
    assert_int_equal(doh_client_begin(f->c, false), 0);
    ask(f, 77);
    static const char first[] = "GET /dns-query?dns=" IN_URL " HTTP/1.1\r\n"
                                "Host: dns.test:8443\r\n"
                                "Accept: application/dns-message\r\n\r\n";
    assert_int_equal(f->got_len, sizeof first - 1);
    assert_memory_equal(f->got, first, f->got_len);
}

static void http1_ends_with_the_answer_that_says_so(void **state)
{
    static const char *const closing[] = {
        HTTP1_OK "Connection: close\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof closing / sizeof *closing; i++) {
        make(f, false);
        assert_int_equal(doh_client_begin(f->c, false), 0);
        ask(f, 1);
        ask(f, 2);
        assert_int_equal(feed(f, closing[i], strlen(closing[i])), 0);
        assert_int_equal(feed(f, REPLY, 12), 0);
        doh_client_hang_up(f->c);
        assert_int_equal(f->answered_n, 1);
        assert_int_equal(f->failed_n, 0); /* the other has not gone out */
        doh_client_give_back(f->c);
        assert_int_equal(f->failed_n, 1);
        assert_int_equal(f->failed[0], 2);
        assert_int_equal(f->error, ECANCELED);
        assert_true(doh_client_is_closing(f->c) && doh_client_ended(f->c));
    }
}

static void http1_says_nothing_unasked(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(doh_client_begin(f->c, false), 0);
    assert_int_equal(feed(f, "HTTP/1.1 408 x\r\n", 16), ECONNRESET);
    make(f, false);
    assert_int_equal(doh_client_begin(f->c, false), 0);
    ask(f, 1);
    assert_int_equal(feed(f, "SSH-2.0\r\n\r\n", 11), EBADMSG);
    make(f, false);
    assert_int_equal(doh_client_begin(f->c, false), 0);
    ask(f, 1);
    static const char two[] = HTTP1_OK "\r\n" REPLY HTTP1_OK;
    assert_int_equal(feed(f, two, sizeof two - 1), 0);
    assert_int_equal(f->answered_n, 1);
    assert_true(doh_client_ended(f->c));
}

static void http1_that_is_stuck_is_left(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(doh_client_begin(f->c, false), 0);
    ask_at(f, 1, 1000);
    ask_at(f, 2, 1000);
    take(f);
    f->awaited = 2;
    doh_client_forget(f->c, 1000);
    assert_false(doh_client_ended(f->c));
    doh_client_forget(f->c, 1001);
    assert_true(doh_client_ended(f->c));
    assert_int_equal(f->failed_n + f->answered_n, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_post_has_its_question_with_id_0_in_its_body),
        TEST(each_body_follows_its_head),
        TEST(a_get_has_no_body),
        TEST(questions_are_out_side_by_side_and_answered_in_any_order),
        TEST(the_server_says_how_many),
        TEST(a_status_is_a_failure_and_the_others_go_on),
        TEST(a_reset_is_asked_elsewhere),
        TEST(after_a_goodbye_what_was_taken_is_answered),
        TEST(who_is_given_up_on_is_withdrawn),
        TEST(who_speaks_something_else_is_left),
        TEST(requests_of_http1_wait_for_each_other),
        TEST(a_get_over_http1),
        TEST(http1_ends_with_the_answer_that_says_so),
        TEST(http1_says_nothing_unasked),
        TEST(http1_that_is_stuck_is_left),
    };
    return cmocka_run_group_tests_name("doh_client", tests, NULL, NULL);
}
