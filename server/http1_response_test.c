/* Responses of HTTP/1.1 in any pieces. */
#include "server/http1_response.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OK      "HTTP/1.1 200 OK\r\n"
#define LENGTH  OK "Content-Length: 12\r\n"
#define CHUNKED OK "Transfer-Encoding: Chunked\r\n"
#define BODY    "0123456789ab"

struct fixture {
    struct doh_memory memory;
    struct http1_response h;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    f->h =
        (struct http1_response){.memory = &f->memory, .reply = {.memory = &f->memory}};
}

static void end(struct fixture *f)
{
    http1_response_release(&f->h);
    assert_int_equal(f->memory.held, 0);
}

/* In pieces of so many octets, until something comes of it. */
static enum http1_got feed(struct fixture *f, const char *octets, size_t piece)
{
    enum http1_got got = HTTP1_MORE;
    size_t len = strlen(octets);
    for (size_t at = 0; at < len && got == HTTP1_MORE; at += piece)
        got = http1_response_feed(&f->h, octets + at,
                                  len - at < piece ? len - at : piece);
    return got;
}

static void assert_body(const struct fixture *f, const char *body)
{
    struct span m = doh_buffer_span(&f->h.reply.message);
    assert_int_equal(m.len, strlen(body));
    if (m.len > 0)
        assert_memory_equal(m.at, body, m.len);
}

static void what_is_whole(void **unused)
{
    static const struct {
        const char *octets;
        unsigned status;
        const char *body;
        bool close;
    } rows[] = {
        {LENGTH "\r\n" BODY, 200, BODY, false},
        {LENGTH "content-length:12\r\nServer: x\r\nX:\r\n\r\n" BODY, 200, BODY, false},
        {LENGTH "Connection: x, Close\r\n\r\n" BODY, 200, BODY, true},
        {CHUNKED "\r\n5\r\n01234\r\n7;x=y\r\n56789ab\r\n0\r\nx: y\r\n\r\n", 200, BODY,
         false},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n", 404, "no\n", false},
        {"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, "", false},
        {"HTTP/1.1 204 None\r\n\r\n", 204, "", false},
        {"HTTP/1.1 304 None\r\nContent-Length: 12\r\n\r\n", 304, "", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n" BODY, 200, BODY, true},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 12\r\n\r\n" BODY,
         200, BODY, false},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" LENGTH
         "\r\n" BODY,
         200, BODY, false},
    };
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        begin(&f);
        assert_int_equal(feed(&f, rows[i / 2].octets, i % 2 == 0 ? 1 : 4096),
                         HTTP1_WHOLE);
        assert_int_equal(f.h.reply.status, rows[i / 2].status);
        assert_body(&f, rows[i / 2].body);
        assert_int_equal(f.h.close, rows[i / 2].close);
        http1_response_next(&f.h);
        assert_false(http1_response_partial(&f.h));
        end(&f);
    }
}

static void what_ends_with_the_connection(void **unused)
{
    struct fixture f;
    begin(&f);
    assert_int_equal(feed(&f, OK "\r\n" BODY, 7), HTTP1_MORE);
    assert_int_equal(http1_response_end(&f.h), HTTP1_WHOLE);
    assert_body(&f, BODY);
    assert_true(f.h.close);
    end(&f);
    static const char *const cut[] = {"", "HTTP/1.1 2", LENGTH "\r\n0123",
                                      CHUNKED "\r\n5\r\n01234\r\n"};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        begin(&f);
        assert_int_equal(feed(&f, cut[i], 7), HTTP1_MORE);
        assert_int_equal(http1_response_partial(&f.h), i > 0);
        assert_int_equal(http1_response_end(&f.h), HTTP1_FLAWED);
        end(&f);
    }
}

static void what_is_flawed(void **unused)
{
    static const char *const rows[] = {
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        LENGTH "Content-Length: 13\r\n\r\n",
        LENGTH "Transfer-Encoding: chunked\r\n\r\n",
        OK "Content-Length: 1x\r\n\r\n",
        OK "Content-Length:\r\n\r\n",
        OK "Content-Length: -1\r\n\r\n",
        OK "Transfer-Encoding: gzip\r\n\r\n",
        CHUNKED "Transfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        OK " folded\r\n\r\n",
        OK "no colon\r\n\r\n",
        OK "a b: c\r\n\r\n",
        OK "X: a\rb\r\n\r\n",
        CHUNKED "\r\nx\r\n",
        CHUNKED "\r\n1\r\nxy\r\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        begin(&f);
        if (feed(&f, rows[i], 1 + i % 5) != HTTP1_FLAWED)
            fail_msg("taken: %s", rows[i]);
        end(&f);
    }
}

static void what_is_too_long_is_not_waited_for(void **unused)
{
    static const char *const rows[] = {OK "Content-Length: 65536\r\n\r\n",
                                       OK "Content-Length: 99999999999999\r\n\r\n",
                                       CHUNKED "\r\n10000\r\n"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        begin(&f);
        assert_int_equal(feed(&f, rows[i], 3), HTTP1_WHOLE);
        assert_true(f.h.reply.too_long && f.h.close);
        end(&f);
    }
    static char head[HTTP_HEAD_MAX + 64] = OK "X: ";
    struct fixture f;
    memset(head + strlen(head), 'x', HTTP_HEAD_MAX);
    begin(&f);
    assert_int_equal(feed(&f, head, 1000), HTTP1_FLAWED);
    end(&f);
    begin(&f);
    assert_int_equal(feed(&f, OK "\r\n", 100), HTTP1_MORE);
    memset(head, 'x', HTTP_HEAD_MAX);
    assert_int_equal(feed(&f, head, 1000), HTTP1_WHOLE);
    assert_true(f.h.reply.too_long);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_whole),
        cmocka_unit_test(what_ends_with_the_connection),
        cmocka_unit_test(what_is_flawed),
        cmocka_unit_test(what_is_too_long_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("http1_response", tests, NULL, NULL);
}
