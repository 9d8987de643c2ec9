/* What a request asks for, and its status. */
#include "server/doh_request.h"

#include "base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* "x.test A", and as base64url. */
#define QUESTION     "\0\0\1\0\0\1\0\0\0\0\0\0\1x\4test\0\0\1\0\1"
#define QUESTION_LEN 24
#define QUESTION_64  "AAABAAABAAAAAAAAAXgEdGVzdAAAAQAB"

static unsigned status_of(const char *method, const char *target, const char *type,
                          const void *body, size_t len)
{
    struct doh_memory memory = {0};
    struct doh_request r = {.memory = &memory};
    doh_request_method(&r, text_of(method));
    assert_int_equal(doh_request_target(&r, text_of(target)), 0);
    if (type != NULL)
        doh_request_type(&r, text_of(type));
    for (size_t i = 0; i < len; i++)
        assert_int_equal(doh_request_body(&r, (const char *)body + i, 1), 0);
    unsigned status = doh_request_verdict(&r);
    if (status == 0) {
        assert_int_equal(r.message.len, QUESTION_LEN);
        assert_memory_equal(r.message.octets + r.message.at, QUESTION, QUESTION_LEN);
    }
    doh_request_release(&r);
    assert_int_equal(memory.held, 0);
    return status;
}

static void a_get_has_its_question_in_the_target(void **unused)
{
    static const struct {
        const char *target;
        unsigned status;
    } rows[] = {
        {"/dns-query?dns=" QUESTION_64, 0},
        {"/dns-query?ct=application/dns-message&dns=" QUESTION_64 "&x=y", 0},
        {"https://dns.test/dns-query?dns=" QUESTION_64, 0},
        {"http://dns.test:80/dns-query?dns=" QUESTION_64, 0},
        {"/dns-query?dns=%41AABAAABAAAAAAAAAXgEdGVzdAAAAQA%42", 0},
        {"/dns-query?dns=" QUESTION_64 "=", 400},
        {"/dns-query?dns=" QUESTION_64 "A", 400},
        {"/dns-query?dns=" QUESTION_64 "&dns=" QUESTION_64, 400},
        {"/dns-query?dns=AAAB+AABAAAAAAAAAXgEdGVzdAAAAQAB", 400},
        {"/dns-query?dns=AAABAAABAAAAAAAAAXgEdGVzdAAAAQA%4", 400},
        {"/dns-query?dns=%zz", 400},
        {"/dns-query?dns=", 400},
        {"/dns-query?dns", 400},
        {"/dns-query?DNS=" QUESTION_64, 400},
        {"/dns-query?dns=AAABAAABAAAAAAA", 400},                  /* eleven octets */
        {"/dns-query?dns=AACAAAABAAAAAAAAAXgEdGVzdAAAAQAB", 400}, /* an answer */
        {"/dns-query", 400},
        {"/dns-query?", 400},
        {"/dns-query/?dns=" QUESTION_64, 404},
        {"/dns?dns=" QUESTION_64, 404},
        {"/", 404},
        {"*", 404},
        {"", 404},
        {"https://dns.test", 404},
        {"https://dns.test?dns=" QUESTION_64, 404},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned got = status_of("GET", rows[i].target, NULL, NULL, 0);
        if (got != rows[i].status)
            fail_msg("%s: %u", rows[i].target, got);
    }
}

static void a_post_has_it_in_its_body(void **unused)
{
    static const struct {
        const char *method, *target, *type;
        size_t len;
        unsigned status;
    } rows[] = {
        {"POST", "/dns-query", "application/dns-message", QUESTION_LEN, 0},
        {"POST", "/dns-query", "Application/DNS-Message; a=b", QUESTION_LEN, 0},
        {"POST", "/dns-query", NULL, QUESTION_LEN, 0},
        {"POST", "/dns-query?dns=AAAA", NULL, QUESTION_LEN, 0},
        {"POST", "/dns-query?dns=" QUESTION_64, NULL, 0, 400},
        {"POST", "/dns-query", NULL, 11, 400},
        {"POST", "/dns-query", "application/json", QUESTION_LEN, 415},
        {"POST", "/dns-query", "application/dns-messages", QUESTION_LEN, 415},
        {"POST", "/dns-query", "", QUESTION_LEN, 415},
        {"POST", "/other", "application/json", QUESTION_LEN, 404},
        {"PUT", "/dns-query", NULL, QUESTION_LEN, 405},
        {"get", "/dns-query?dns=" QUESTION_64, NULL, 0, 405},
        {"GET", "/dns-query?dns=" QUESTION_64, "text/plain", 3, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        unsigned got = status_of(rows[i].method, rows[i].target, rows[i].type, QUESTION,
                                 rows[i].len);
        if (got != rows[i].status)
            fail_msg("%s %s: %u", rows[i].method, rows[i].target, got);
    }
}

static void what_no_dns_message_can_be_is_too_long(void **unused)
{
    static uint8_t body[ANSWER_MAX + 1];
    static char target[128 * 1024];
    assert_int_equal(status_of("POST", "/dns-query", NULL, body, ANSWER_MAX + 1), 413);
    memset(target, 'A', 100 * 1024);
    memcpy(target, "/dns-query?dns=", 15);
    assert_int_equal(status_of("GET", target, NULL, NULL, 0), 414);
}

static void a_date_is_of_http_s_form(void **unused)
{
    char date[DOH_DATE_LEN];
    doh_date(date);
    assert_int_equal(strlen(date), DOH_DATE_LEN - 1);
    assert_int_equal(date[3], ',');
    assert_string_equal(date + DOH_DATE_LEN - 5, " GMT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_has_its_question_in_the_target),
        cmocka_unit_test(a_post_has_it_in_its_body),
        cmocka_unit_test(what_no_dns_message_can_be_is_too_long),
        cmocka_unit_test(a_date_is_of_http_s_form),
    };
    return cmocka_run_group_tests_name("doh_request", tests, NULL, NULL);
}
