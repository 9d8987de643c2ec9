/* How long answers may be kept, and what is left of them that were. */
#include "server/doh_age.h"

#include "base/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* "x.test A" */
#define QUESTION     "\0\0\1\0\0\1\0\0\0\0\0\0\1x\4test\0\0\1\0\1"
#define QUESTION_LEN 24

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

static void an_answer_grows_old_record_by_record(void **unused)
{
    uint8_t room[512], young[512];
    struct span m = message(young, 0, "1 1 300, 2 6 20 30, 3 41 400, 3 1 77");
    memcpy(room, young, m.len);
    doh_grow_old(room, m.len, 77);
    m = message(young, 0, "1 1 223, 2 6 0 30, 3 41 400, 3 1 0");
    assert_memory_equal(room, young, m.len);
    for (size_t len = 0; len < m.len; len++) {
        uint8_t *part = malloc(len + 1); /* for who watches the bounds */
        assert_non_null(part);
        memcpy(part, room, len);
        doh_grow_old(part, len, UINT32_MAX);
        free(part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_kept_as_long_as_their_shortest_record),
        cmocka_unit_test(an_answer_grows_old_record_by_record),
    };
    return cmocka_run_group_tests_name("doh_age", tests, NULL, NULL);
}
