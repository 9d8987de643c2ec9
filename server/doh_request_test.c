/* What a request asks for, its status, and how long an answer may be kept. */
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

/* A message of one question and records, each owner a pointer to it. */
static struct span message(uint8_t *room, unsigned rcode, const char *records)
{
    static const uint8_t head[] = QUESTION;
    size_t len = QUESTION_LEN;
    memcpy(room, head, len);
    room[3] = (uint8_t)rcode;
    /* section, type, TTL, and of a SOA its MINIMUM: "1 1 300, 2 6 60 30" */
    while (*records != '\0') {
        char *end;
        unsigned long section = strtoul(records, &end, 10),
                      type = strtoul(end, &end, 10), ttl = strtoul(end, &end, 10),
                      minimum = strtoul(end, &end, 10);
        size_t rdata = type == 6 ? 22 : 4;
        uint8_t rr[12] = {0xc0, 12, 0, (uint8_t)type, 0, 1};
        rr[8] = (uint8_t)(ttl >> 8);
        rr[9] = (uint8_t)ttl;
        rr[11] = (uint8_t)rdata;
        memcpy(room + len, rr, sizeof rr);
        memset(room + len + sizeof rr, 0, rdata);
        len += sizeof rr + rdata;
        room[len - 2] = type == 6 ? (uint8_t)(minimum >> 8) : 0;
        room[len - 1] = type == 6 ? (uint8_t)minimum : 0;
        room[5 + 2 * section]++;
        records = end + strspn(end, ", ");
    }
    return (struct span){.at = room, .len = len};
}

static void answers_are_kept_as_long_as_their_shortest_record(void **unused)
{
    static const struct {
        unsigned rcode;
        const char *records;
        uint32_t age;
    } rows[] = {
        {0, "1 1 300", 300},
        {0, "1 1 300, 1 1 299, 1 1 301", 299},
        {0, "1 1 300, 2 2 100, 3 1 50", 50},
        {0, "1 1 300, 3 41 7", 300}, /* of OPT it is no TTL */
        {0, "1 1 0", 0},
        {0, "2 6 60 30", 30},
        {0, "2 6 60 90", 60},
        {3, "2 6 60 30", 30},
        {0, "", 0},
        {0, "2 2 100", 0},
        {2, "1 1 300", 0},
        {5, "2 6 60 30", 0},
    };
    uint8_t room[512];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct span m = message(room, rows[i].rcode, rows[i].records);
        assert_int_equal(doh_max_age(m), rows[i].age);
        for (size_t len = 0; len < m.len; len++)
            assert_true(doh_max_age((struct span){.at = room, .len = len}) == 0);
    }
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
        cmocka_unit_test(answers_are_kept_as_long_as_their_shortest_record),
        cmocka_unit_test(a_date_is_of_http_s_form),
    };
    return cmocka_run_group_tests_name("doh_request", tests, NULL, NULL);
}
