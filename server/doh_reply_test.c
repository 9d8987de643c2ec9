/* What responses come to, whichever HTTP brought them. */
#include "server/doh_reply.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/io.h"
#include "server/doh_request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* "x.test A 192.0.2.1", TTL 100 */
#define ANSWER                                                                         \
    "\0\0\x81\x80\0\1\0\1\0\0\0\0\1x\4test\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\x64\0\4"    \
    "\xc0\0\2\1"
#define ANSWER_LEN 40
#define TTL_AT     30

struct heard {
    const char *status, *type, *age; /* NULL: no such field */
    const char *body;
    size_t len;
};

static int verdict_of(const struct heard *h, struct doh_reply *r, char *why)
{
    assert_true(doh_reply_status(r, text_of(h->status)));
    if (h->type != NULL)
        doh_reply_field(r, TEXT("Content-Type"), text_of(h->type));
    if (h->age != NULL)
        doh_reply_field(r, TEXT("age"), text_of(h->age));
    for (size_t i = 0; i < h->len; i++)
        assert_int_equal(doh_reply_body(r, h->body + i, 1), 0);
    return doh_reply_verdict(r, 0x1234, why);
}

static void an_answer_has_its_question_s_id(void **unused)
{
    static const struct heard heard[] = {
        {"200", DOH_TYPE, NULL, ANSWER, ANSWER_LEN},
        {"200", "Application/DNS-Message; x=y", "0", ANSWER, ANSWER_LEN},
        {"203", NULL, "-1", ANSWER, ANSWER_LEN}, /* no type: it may be what it is */
        {"200", DOH_TYPE, NULL, "not a DNS message, which is not judged here", 43},
    };
    for (size_t i = 0; i < sizeof heard / sizeof *heard; i++) {
        char why[DOH_REPLY_WHY_MAX];
        struct doh_memory memory = {0};
        struct doh_reply r = {.memory = &memory};
        assert_int_equal(verdict_of(&heard[i], &r, why), 0);
        struct span m = doh_buffer_span(&r.message);
        assert_int_equal(m.len, heard[i].len);
        assert_memory_equal(m.at, "\x12\x34", 2);
        assert_memory_equal(m.at + 2, heard[i].body + 2, m.len - 2);
        doh_reply_release(&r);
        assert_int_equal(memory.held, 0);
    }
}

static void what_is_none_is_told_with_its_reason(void **unused)
{
    static const struct {
        struct heard heard;
        int error;
        const char *why;
    } rows[] = {
        {{"404", "text/html", NULL, "x", 1}, IO_HTTP_STATUS + 404, "HTTP status 404"},
        {{"500", DOH_TYPE, NULL, ANSWER, ANSWER_LEN},
         IO_HTTP_STATUS + 500,
         "HTTP status 500"},
        {{"302", NULL, NULL, "", 0},
         IO_HTTP_STATUS + 302,
         "HTTP status 302, and redirects are not followed"},
        {{"408", NULL, NULL, "", 0}, ECONNRESET, ""},
        {{"200", "text/html; charset=x", NULL, ANSWER, ANSWER_LEN},
         EBADMSG,
         "an answer of type 'text/html; charset=x'"},
        {{"200", "a\n\x80", NULL, ANSWER, ANSWER_LEN},
         EBADMSG,
         "an answer of type 'a'"},
        {{"200", DOH_TYPE, NULL, ANSWER, 11},
         EBADMSG,
         "11 octets, which are no DNS message"},
        {{"204", NULL, NULL, "", 0}, EBADMSG, "0 octets, which are no DNS message"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[DOH_REPLY_WHY_MAX];
        struct doh_memory memory = {0};
        struct doh_reply r = {.memory = &memory};
        assert_int_equal(verdict_of(&rows[i].heard, &r, why), rows[i].error);
        assert_string_equal(why, rows[i].why);
        doh_reply_release(&r);
    }
}

static void an_answer_from_a_cache_is_as_old_as_it_says(void **unused)
{
    static const struct {
        const char *age;
        uint32_t ttl;
    } rows[] = {{"1", 99}, {"100", 0}, {"99999999999999999999", 0}, {"x", 100}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[DOH_REPLY_WHY_MAX];
        struct doh_memory memory = {0};
        struct doh_reply r = {.memory = &memory};
        struct heard h = {"200", DOH_TYPE, rows[i].age, ANSWER, ANSWER_LEN};
        assert_int_equal(verdict_of(&h, &r, why), 0);
        assert_int_equal(load_u32(r.message.octets + r.message.at + TTL_AT),
                         rows[i].ttl);
        doh_reply_release(&r);
    }
}

static void no_more_is_kept_than_a_message_has(void **unused)
{
    static uint8_t body[ANSWER_MAX];
    char why[DOH_REPLY_WHY_MAX];
    struct doh_memory memory = {0};
    struct doh_reply r = {.memory = &memory};
    assert_true(doh_reply_status(&r, TEXT("200")));
    assert_int_equal(doh_reply_body(&r, body, sizeof body), 0);
    assert_int_equal(doh_reply_verdict(&r, 1, why), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(doh_reply_body(&r, body, sizeof body), 0);
    assert_true(memory.held < 4 * sizeof body);
    assert_int_equal(doh_reply_verdict(&r, 1, why), EBADMSG);
    assert_string_equal(why, "an answer of more than 65535 octets");
    doh_reply_release(&r);
}

static void what_came_before_the_answer_is_forgotten(void **unused)
{
    char why[DOH_REPLY_WHY_MAX];
    struct doh_memory memory = {0};
    struct doh_reply r = {.memory = &memory};
    static const struct heard early = {"103", "text/html", NULL, "x", 1},
                              late = {"200", DOH_TYPE, NULL, ANSWER, ANSWER_LEN};
    assert_int_equal(verdict_of(&early, &r, why), IO_HTTP_STATUS + 103);
    assert_int_equal(verdict_of(&late, &r, why), 0);
    doh_reply_release(&r);
    static const char *const none[] = {"", "20", "2000", "20x", "099", "-20"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(doh_reply_status(&r, text_of(none[i])));
}

static void statuses_have_words(void **unused)
{
    assert_string_equal(io_status_words(IO_HTTP_STATUS + 404), "HTTP status 404");
    assert_string_equal(io_status_words(IO_HTTP_STATUS + 503), "HTTP status 503");
    assert_string_equal(io_status_words(IO_HTTP_STATUS + 799),
                        "another HTTP status than 200");
    assert_string_equal(io_status_words(ENOTSUP), "network error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_its_question_s_id),
        cmocka_unit_test(what_is_none_is_told_with_its_reason),
        cmocka_unit_test(an_answer_from_a_cache_is_as_old_as_it_says),
        cmocka_unit_test(no_more_is_kept_than_a_message_has),
        cmocka_unit_test(what_came_before_the_answer_is_forgotten),
        cmocka_unit_test(statuses_have_words),
    };
    return cmocka_run_group_tests_name("doh_reply", tests, NULL, NULL);
}
