#include "config/discovery/http.h"
#include "tests/unit/web.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

static struct http *new_http(const struct http_settings *settings)
{
    char why[HTTP_WHY_MAX];
    struct http *h = http_new(settings, why);
    if (h == NULL)
        fail_msg("%s", why);
    return h;
}

static void an_answer_comes_with_its_tags(void **unused)
{
    static const char *const replies[] = {
        WEB_OK("ETag: \"v1\"\r\nlast-modified:  Fri, 01 Jan 2027 00:00:00 GMT\r\n",
               "[]"),
        NULL};
    static struct web s;
    struct http_reply reply;
    struct http *h = new_http(&(struct http_settings){.stop_fd = -1});
    web_open(&s, replies);
    struct http_request get = {.url = s.url,
                               .most = 100,
                               .patience_s = 10,
                               .etag = "\"v0\"",
                               .modified = "yesterday"};
    assert_int_equal(http_do(h, &get, &reply), 0);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "[]");
    assert_string_equal(reply.etag, "\"v1\"");
    assert_string_equal(reply.modified, "Fri, 01 Jan 2027 00:00:00 GMT");
    web_close(&s);
    assert_non_null(strstr(s.asked, "GET /list HTTP/1.1\r\n"));
    assert_non_null(strstr(s.asked, "If-None-Match: \"v0\"\r\n"));
    assert_non_null(strstr(s.asked, "If-Modified-Since: yesterday\r\n"));
    assert_null(strstr(s.asked, "Authorization"));
    http_reply_release(&reply);
    http_free(h);
}

static void other_states_are_answers_too(void **unused)
{
    static const char *const replies[] = {
        "HTTP/1.1 429 Slow down\r\nConnection: close\r\nRetry-After: 7\r\n\r\nno",
        "HTTP/1.1 302 There\r\nConnection: close\r\nLocation: /other\r\n\r\n", NULL};
    static struct web s;
    struct http_reply reply;
    struct http *h = new_http(&(struct http_settings){.stop_fd = -1});
    web_open(&s, replies);
    struct http_request get = {.url = s.url, .most = 100, .patience_s = 10};
    assert_int_equal(http_do(h, &get, &reply), 0);
    assert_int_equal(reply.status, 429);
    assert_int_equal(reply.retry_after_s, 7);
    http_reply_release(&reply);
    assert_int_equal(http_do(h, &get, &reply), 0);
    assert_int_equal(reply.status, 302); /* and nobody goes there */
    http_reply_release(&reply);
    web_close(&s);
    http_free(h);
}

static void what_is_too_long_cut_or_silent_is_no_answer(void **unused)
{
    static const struct {
        const char *reply, *why;
    } rows[] = {
        {WEB_OK("", "0123456789x"), "longer than 10 octets"},
        {WEB_OK("Content-Length: 9\r\n", "cut"), "partial"},
        {"nonsense\r\n\r\n", ""},
        {"", "imeout"},
    };
    struct http *h = new_http(&(struct http_settings){.stop_fd = -1});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const replies[] = {rows[i].reply, NULL};
        static struct web s;
        struct http_reply reply;
        web_open(&s, replies);
        struct http_request get = {.url = s.url, .most = 10, .patience_s = 1};
        assert_int_equal(http_do(h, &get, &reply), -1);
        assert_int_equal(reply.status, 0);
        if (strcasestr(reply.why, rows[i].why) == NULL)
            fail_msg("%s: %s", rows[i].reply, reply.why);
        http_reply_release(&reply);
        web_close(&s);
    }
    http_free(h);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_token_is_read_for_every_request(void **unused)
{
    static const char *const replies[] = {WEB_OK("", "a"), WEB_OK("", "b"), NULL};
    char path[] = "/tmp/isthmus-token-XXXXXX";
    static struct web s;
    struct http_reply reply;
    close(mkstemp(path));
    struct http *h =
        new_http(&(struct http_settings){.stop_fd = -1, .token_file = path});
    web_open(&s, replies);
    struct http_request get = {.url = s.url, .most = 100, .patience_s = 10};
    write_file(path, "first\n");
    assert_int_equal(http_do(h, &get, &reply), 0);
    http_reply_release(&reply);
    assert_non_null(strstr(s.asked, "Authorization: Bearer first\r\n"));
    write_file(path, "second");
    assert_int_equal(http_do(h, &get, &reply), 0);
    http_reply_release(&reply);
    web_close(&s);
    assert_non_null(strstr(s.asked, "Authorization: Bearer second\r\n"));
    write_file(path, "two\nlines");
    assert_int_equal(http_do(h, &get, &reply), -1);
    assert_non_null(strstr(reply.why, "no token can be read from"));
    assert_null(strstr(reply.why, "two"));
    unlink(path);
    assert_int_equal(http_do(h, &get, &reply), -1);
    http_free(h);
}

struct lines {
    char text[256];
    unsigned n, most;
};

static bool take_line(void *context, struct text line)
{
    struct lines *l = context;
    size_t at = strlen(l->text);
    snprintf(l->text + at, sizeof l->text - at, "%.*s|", (int)line.len, line.at);
    return ++l->n != l->most;
}

static void a_stream_gives_lines_as_they_come(void **unused)
{
    static const char *const replies[] = {
        WEB_OK("", "one\ntwo\n\nthree\ncut"), WEB_OK("", "one\ntwo\nthree\n"),
        WEB_OK("", "0123456789x\n"),
        "HTTP/1.1 410 Gone\r\nConnection: close\r\n\r\nold", NULL};
    static struct web s;
    struct http_reply reply;
    struct lines l = {.text = ""};
    struct http *h = new_http(&(struct http_settings){.stop_fd = -1});
    web_open(&s, replies);
    struct http_request get = {
        .url = s.url, .most = 10, .patience_s = 10, .line = take_line, .context = &l};
    assert_int_equal(http_do(h, &get, &reply), 0);
    assert_true(reply.ended);
    assert_string_equal(l.text, "one|two|three|");
    l = (struct lines){.most = 2};
    assert_int_equal(http_do(h, &get, &reply), 0); /* we have had enough */
    assert_string_equal(l.text, "one|two|");
    l = (struct lines){.text = ""};
    assert_int_equal(http_do(h, &get, &reply), -1);
    assert_non_null(strstr(reply.why, "longer than 10"));
    assert_int_equal(http_do(h, &get, &reply), 0);
    assert_int_equal(reply.status, 410);
    assert_string_equal(reply.body, "old");
    assert_false(reply.ended);
    http_reply_release(&reply);
    web_close(&s);
    http_free(h);
}

static void of_several_streams_the_first_to_end_ends_the_wait(void **unused)
{
    static const char *const replies[] = {WEB_OK("", "one\n"), "", NULL};
    static struct web s;
    struct http_reply got[2];
    struct lines l[2] = {{.n = 0}, {.n = 0}};
    struct http_request get[2];
    struct http *h = new_http(&(struct http_settings){.stop_fd = -1});
    web_open(&s, replies);
    for (int i = 0; i < 2; i++)
        get[i] = (struct http_request){
            .url = s.url, .most = 10, .line = take_line, .context = &l[i]};
    assert_int_equal(http_watch(h, get, got, 2, -1), 0);
    int over = got[0].left ? 1 : 0;
    assert_true(got[over].ended && !got[over].left);
    assert_true(got[!over].left && !got[!over].ended);
    assert_string_equal(l[over].text, "one|");
    http_free(h);
    web_close(&s);
}

static void time_ends_streams_too(void **unused)
{
    static const char *const replies[] = {"", NULL};
    static struct web s;
    struct http_reply got;
    struct lines l = {.n = 0};
    struct http *h = new_http(&(struct http_settings){.stop_fd = -1});
    web_open(&s, replies);
    struct http_request get = {
        .url = s.url, .most = 10, .line = take_line, .context = &l};
    assert_int_equal(http_watch(h, &get, &got, 1, 20), 0);
    assert_true(got.left);
    http_free(h);
    web_close(&s);
}

static void the_end_of_the_source_ends_what_is_under_way(void **unused)
{
    static const char *const replies[] = {"", NULL};
    static struct web s;
    struct http_reply reply;
    int stop = eventfd(1, 0);
    struct http *h = new_http(&(struct http_settings){.stop_fd = stop});
    web_open(&s, replies);
    struct http_request get = {.url = s.url, .most = 10, .patience_s = 600};
    assert_int_equal(http_do(h, &get, &reply), -1);
    http_reply_release(&reply);
    http_free(h); /* its connection, too: the server's thread ends */
    web_close(&s);
    close(stop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes_with_its_tags),
        cmocka_unit_test(other_states_are_answers_too),
        cmocka_unit_test(what_is_too_long_cut_or_silent_is_no_answer),
        cmocka_unit_test(a_token_is_read_for_every_request),
        cmocka_unit_test(a_stream_gives_lines_as_they_come),
        cmocka_unit_test(of_several_streams_the_first_to_end_ends_the_wait),
        cmocka_unit_test(time_ends_streams_too),
        cmocka_unit_test(the_end_of_the_source_ends_what_is_under_way),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
