/* Requests of HTTP/1.1 in any pieces, and what is said to those that are none. */
#include "server/doh_http1.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GET                                                                            \
    "GET /dns-query?dns=AAABAAABAAAAAAAAAXgEdGVzdAAAAQAB HTTP/1.1\r\nHost: a\r\n"
#define POST      "POST /dns-query HTTP/1.1\r\nHost: a\r\n"
#define BODY      "0123456789ab"
#define IN_CHUNKS "6\r\n012345\r\n5;x=y\r\n6789a\r\n1\r\nb\r\n"
#define CHUNKED   POST "Transfer-Encoding: chunked\r\n"
#define REPLY     "\0\0\x80\0\0\0\0\0\0\0\0\0"

struct fixture {
    struct doh_memory memory;
    struct http1 h;
    struct doh_ask ask;
    unsigned asked, answered;
    bool refuses;
    char out[8192];
};

static bool on_question(void *owner, uint32_t request, struct span message)
{
    struct fixture *f = owner;
    f->asked++;
    assert_int_equal(request, f->h.number);
    return !f->refuses;
}

static void on_answered(void *owner, unsigned status)
{
    ((struct fixture *)owner)->answered++;
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){
        .ask = {.question = on_question, .answered = on_answered, .owner = f}};
    f->h = (struct http1){
        .ask = &f->ask, .memory = &f->memory, .request = {.memory = &f->memory}};
}

static void end(struct fixture *f)
{
    http1_release(&f->h);
    assert_int_equal(f->memory.held, 0);
}

static void feed(struct fixture *f, const char *octets)
{
    assert_int_equal(http1_feed(&f->h, octets, strlen(octets)), 0);
}

static void answer(struct fixture *f)
{
    assert_int_equal(http1_answer(&f->h, REPLY, 12), 0);
    assert_int_equal(http1_feed(&f->h, NULL, 0), 0);
}

/* What is to be sent, as text; then it is sent. */
static const char *sent(struct fixture *f)
{
    struct doh_buffer *out = &f->h.out;
    assert_true(out->len < sizeof f->out);
    if (out->len > 0)
        memcpy(f->out, out->octets + out->at, out->len);
    f->out[out->len] = '\0';
    if (out->len > 0)
        doh_buffer_drop(&f->memory, out, out->len);
    return f->out;
}

static void requests_come_in_any_pieces(void **unused)
{
    static const char *const requests[] = {
        GET "\r\n",
        "\r\n\r\n" GET "accept: */*\r\n\r\n",
        POST "Content-Length: 12\r\nContent-Type: application/dns-message\r\n\r\n" BODY,
        POST "Transfer-Encoding: chunked\r\n\r\n" IN_CHUNKS "0\r\n\r\n",
        POST "Transfer-Encoding:Chunked\r\n\r\n" IN_CHUNKS "0;x\r\na: b\r\n\r\n",
        POST "content-length:\t12 \r\nContent-Length: 12\r\n\r\n" BODY,
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        for (size_t piece = 1; piece <= strlen(requests[i]); piece++) {
            struct fixture f;
            begin(&f);
            for (size_t at = 0; at < strlen(requests[i]); at += piece) {
                size_t left = strlen(requests[i]) - at;
                assert_int_equal(f.asked, 0);
                assert_true(at == 0 || http1_partial(&f.h) || requests[i][0] == '\r');
                assert_int_equal(
                    http1_feed(&f.h, requests[i] + at, left < piece ? left : piece), 0);
            }
            assert_int_equal(f.asked, 1);
            assert_int_equal(f.h.state, HTTP1_ASKED);
            assert_false(http1_partial(&f.h));
            answer(&f);
            assert_non_null(strstr(sent(&f), "HTTP/1.1 200 OK\r\n"));
            assert_non_null(strstr(f.out, "Content-Length: 12\r\n\r\n"));
            assert_int_equal(f.h.state, HTTP1_HEAD);
            end(&f);
        }
    }
}

static void pipelined_requests_take_turns(void **unused)
{
    struct fixture f;
    begin(&f);
    feed(&f, GET "\r\n" GET "\r\n" POST "Content-Length: 12\r\n\r\n" BODY CHUNKED
                 "\r\n" IN_CHUNKS "0\r\nGET: /\r\n\r\n" GET);
    for (unsigned i = 1; i <= 4; i++) {
        assert_int_equal(f.asked, i);
        answer(&f);
    }
    assert_int_equal(f.asked, 4);
    assert_int_equal(f.answered, 4);
    assert_true(http1_partial(&f.h));
    feed(&f, "\r\n");
    assert_int_equal(f.asked, 5);
    end(&f);
}

static void what_is_no_request_is_told_why(void **unused)
{
    static const struct {
        const char *octets, *status;
        bool goes_on;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found", true},
        {"PUT /dns-query HTTP/1.1\r\nHost: a\r\n\r\n", "405 Method", true},
        {"POST /dns-query HTTP/1.1\r\nHost: a\r\n\r\n", "400 Bad", true},
        {POST "Content-Length: 1\r\n\r\nx", "400 Bad", true},
        {POST "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx", "415", true},
        {POST "Content-Length: 65536\r\n\r\n", "413", false},
        {POST "Content-Length: 99999999999999999999999\r\n\r\n", "413", false},
        {POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "400", false},
        {POST "Content-Length: +1\r\n\r\nx", "400", false},
        {POST "Content-Length: \r\n\r\nx", "400", false},
        {CHUNKED "\r\n0\r\n\r\n", "400", true},
        {CHUNKED "\r\n1\r\nx\r\n0\r\n\r\n", "400", true},
        {CHUNKED "\r\n+1\r\nx\r\n0\r\n\r\n", "400", false},
        {CHUNKED "\r\n10000\r\n", "413", false},
        {CHUNKED "\r\nC\r\n" BODY "0\r\n\r\n", "400", false},
        {CHUNKED "Content-Length: 12\r\n\r\n" BODY, "400", false},
        {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400",
         false},
        {CHUNKED "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", false},
        {CHUNKED "Transfer-Encoding: identity\r\n\r\n", "400", false},
        {POST "Transfer-Encoding: chunked, chunked\r\n\r\n", "501", false},
        {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", "501", false},
        {POST "Transfer-Encoding: identity\r\n\r\n", "501", false},
        {POST "Transfer-Encoding: xchunked\r\n\r\n", "501", false},
        {POST "Transfer-Encoding: \vchunked\r\n\r\n", "501", false},
        {POST "Transfer-Encoding:\r\n\r\n", "501", false},
        {POST "Transfer-Encoding : chunked\r\n\r\n", "400", false},
        {POST "Transfer-Encoding\v: chunked\r\n\r\n", "400", false},
        {"POST /dns-query HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400",
         false},
        {"GET /dns-query HTTP/1.1\r\n\r\n", "400", false},
        {GET "Host: b\r\n\r\n", "400", false},
        {GET " folded: x\r\n\r\n", "400", false},
        {GET "no colon\r\n\r\n", "400", false},
        {GET "name : x\r\n\r\n", "400", false},
        {GET ": x\r\n\r\n", "400", false},
        {GET "a: x\rb: y\r\n\r\n", "400", false},
        {GET "a: x\nb: y\r\n\r\n", "400", false},
        {"GET /\r\n\r\n", "400", false},
        {"GET / HTTP/2.0\r\n\r\n", "505", false},
        {"GET / FTP/1.0\r\n\r\n", "400", false},
        {"nonsense\r\n\r\n", "400", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        begin(&f);
        feed(&f, rows[i].octets);
        if (strncmp(sent(&f) + 9, rows[i].status, strlen(rows[i].status)) != 0)
            fail_msg("%s gives %s", rows[i].octets, f.out);
        assert_int_equal(f.h.state, rows[i].goes_on ? HTTP1_HEAD : HTTP1_ENDED);
        assert_int_equal(strstr(f.out, "Connection: close") == NULL, rows[i].goes_on);
        feed(&f, GET "\r\n");
        assert_int_equal(f.asked, rows[i].goes_on);
        end(&f);
    }
}

static void heads_are_answered_without_body(void **unused)
{
    struct fixture f;
    begin(&f);
    feed(&f, "HEAD /dns-query HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *tail = strstr(sent(&f), "\r\n\r\n");
    assert_non_null(strstr(f.out, " 405 "));
    assert_string_equal(tail, "\r\n\r\n");
    assert_int_equal(f.h.state, HTTP1_HEAD);
    end(&f);
}

static void a_head_without_end_is_cut_off(void **unused)
{
    struct fixture f;
    begin(&f);
    feed(&f, "GET /dns-query?dns=");
    for (unsigned n = 0; n <= HTTP_HEAD_MAX && f.h.state == HTTP1_HEAD; n += 1000) {
        char digits[1001];
        memset(digits, 'A', 1000);
        digits[1000] = '\0';
        feed(&f, digits);
    }
    assert_non_null(strstr(sent(&f), " 431 "));
    assert_int_equal(f.h.state, HTTP1_ENDED);
    end(&f);
}

static void connections_end_when_the_client_says_so(void **unused)
{
    static const struct {
        const char *octets;
        bool ends;
    } rows[] = {
        {GET "\r\n", false},
        {GET "Connection: keep-alive\r\n\r\n", false},
        {GET "Connection: upgrade, Close\r\n\r\n", true},
        {"GET /dns-query?dns=AAABAAABAAAAAAAAAXgEdGVzdAAAAQAB HTTP/1.0\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        begin(&f);
        feed(&f, rows[i].octets);
        assert_int_equal(f.asked, 1);
        answer(&f);
        assert_int_equal(f.h.state, rows[i].ends ? HTTP1_ENDED : HTTP1_HEAD);
        end(&f);
    }
}

static void who_waits_for_a_word_gets_it(void **unused)
{
    struct fixture f;
    begin(&f);
    feed(&f, POST "Content-Length: 12\r\nExpect: 100-Continue\r\n\r\n");
    assert_string_equal(sent(&f), "HTTP/1.1 100 Continue\r\n\r\n");
    feed(&f, BODY);
    assert_int_equal(f.asked, 1);
    end(&f);
}

static void so_does_who_sends_chunks(void **unused)
{
    struct fixture f;
    begin(&f);
    feed(&f, CHUNKED "Expect: 100-continue\r\n\r\n");
    assert_string_equal(sent(&f), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(http1_partial(&f.h));
    feed(&f, IN_CHUNKS "0\r\n\r\n");
    assert_int_equal(f.asked, 1);
    end(&f);
}

static void questions_without_answer_have_a_status(void **unused)
{
    struct fixture f;
    begin(&f);
    feed(&f, GET "\r\n");
    assert_int_equal(http1_answer(&f.h, NULL, 0), 0);
    assert_non_null(strstr(sent(&f), " 500 "));
    f.refuses = true;
    feed(&f, GET "\r\n");
    assert_non_null(strstr(sent(&f), " 503 "));
    assert_int_equal(f.h.state, HTTP1_ENDED);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_come_in_any_pieces),
        cmocka_unit_test(pipelined_requests_take_turns),
        cmocka_unit_test(what_is_no_request_is_told_why),
        cmocka_unit_test(heads_are_answered_without_body),
        cmocka_unit_test(a_head_without_end_is_cut_off),
        cmocka_unit_test(connections_end_when_the_client_says_so),
        cmocka_unit_test(who_waits_for_a_word_gets_it),
        cmocka_unit_test(so_does_who_sends_chunks),
        cmocka_unit_test(questions_without_answer_have_a_status),
    };
    return cmocka_run_group_tests_name("doh_http1", tests, NULL, NULL);
}
