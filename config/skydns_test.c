#include "config/skydns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define PREFIX  "/skydns/"
#define NUL_WHY "a NUL (\\u0000), which no text may have"

static char why[SKYDNS_WHY_MAX];

static struct skydns *read_at(const char *key, const char *value)
{
    struct text v = text_of(value == NULL ? "" : value);
    struct skydns *s =
        skydns_new(text_of(key), sizeof PREFIX - 1, value == NULL ? NULL : &v, why);
    assert_non_null(s);
    return s;
}

static struct skydns *read_value(const char *value)
{
    return read_at(PREFIX "test/web/a", value);
}

static void record_has_what_its_value_says(void **unused)
{
    char name[NAME_TEXT_MAX];
    struct skydns *s = read_value(
        "{\"host\": \"192.0.2.1\", \"port\": 8080, \"priority\": 20, \"weight\": 3,"
        "\"text\": \"hello\", \"mail\": true, \"ttl\": 60, \"targetstrip\": 1,"
        "\"group\": \"g\", \"key\": \"/elsewhere\"}");
    assert_string_equal(why, "");
    assert_false(s->bad);
    assert_int_equal(s->kind, SKYDNS_V4);
    assert_memory_equal(s->ip, "\xc0\0\2\1", 4);
    assert_int_equal(s->port, 8080);
    assert_int_equal(s->priority, 20);
    assert_int_equal(s->weight, 3);
    assert_int_equal(s->ttl, 60);
    assert_int_equal(s->strip, 1);
    assert_true(s->mail);
    assert_int_equal(s->text_len, 6);
    assert_memory_equal(s->text, "\5hello", 6);
    assert_string_equal(s->group, "g");
    assert_string_equal(s->key, PREFIX "test/web/a");
    assert_int_equal(s->slashes, 4);
    name_print(s->owner, name);
    assert_string_equal(name, "a.web.test.");
    skydns_free(s);
}

static void what_is_not_said_has_a_default(void **unused)
{
    static const char *const values[] = {"{}", "null", " {\"port\": null} \n"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct skydns *s = read_value(values[i]);
        assert_string_equal(why, "");
        assert_int_equal(s->kind, SKYDNS_NONE);
        assert_int_equal(s->port, 0);
        assert_int_equal(s->priority, 10);
        assert_int_equal(s->weight, 0);
        assert_int_equal(skydns_ttl(s, 0, 30, 60), 300);
        assert_null(s->text);
        assert_string_equal(s->group, "");
        assert_false(s->mail);
        skydns_free(s);
    }
}

static void host_is_an_address_where_it_looks_like_one(void **unused)
{
    static const struct {
        const char *host;
        enum skydns_host kind;
    } rows[] = {{"192.0.2.1", SKYDNS_V4},        {"2001:db8::1", SKYDNS_V6},
                {"::ffff:192.0.2.1", SKYDNS_V4}, {"192.0.2.257", SKYDNS_NAME},
                {"192.0.2.01", SKYDNS_NAME},     {"fe80::1%lo", SKYDNS_NAME},
                {"www.test", SKYDNS_NAME},       {"www.test.", SKYDNS_NAME}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char value[100];
        snprintf(value, sizeof value, "{\"host\": \"%s\"}", rows[i].host);
        struct skydns *s = read_value(value);
        assert_string_equal(why, "");
        assert_int_equal(s->kind, rows[i].kind);
        assert_true((s->host != NULL) == (s->kind == SKYDNS_NAME));
        skydns_free(s);
    }
}

static void value_that_is_none_is_told(void **unused)
{
    static const struct {
        const char *value, *why;
    } rows[] = {{NULL, "no base64, or no memory"},
                {"", "no JSON"},
                {"{\"host\": \"192.0.2.1\"", "no JSON"},
                {"{\"host\": \"192.0.2.1\"} x", "no JSON"},
                {"{\"host\": \"a.test\\u0000.evil\"}", NUL_WHY},
                {"{\"text\": \"before\\u0000after\"}", NUL_WHY},
                {"{\"host\\u0000\": \"192.0.2.1\"}", NUL_WHY},
                {"{\"text\": \"\\\\\\u0000\"}", NUL_WHY},
                {"[]", "no JSON object"},
                {"\"192.0.2.1\"", "no JSON object"},
                {"{\"host\": 1}", "no text: host"},
                {"{\"text\": {}}", "no text: text"},
                {"{\"Port\": \"80\"}", "no whole number: Port"},
                {"{\"port\": 1.5}", "no whole number: port"},
                {"{\"port\": 1e300}", "no whole number: port"},
                {"{\"ttl\": -1}", "no TTL: ttl"},
                {"{\"ttl\": 4294967296}", "no TTL: ttl"},
                {"{\"mail\": 1}", "neither true nor false: mail"},
                {"{\"host\": \"a..b\"}", "neither an address nor a name: a..b"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct skydns *s = read_value(rows[i].value);
        assert_string_equal(why, rows[i].why);
        assert_true(s->bad);
        skydns_free(s);
    }
}

static void backslash_in_front_of_u0000_is_no_nul(void **unused)
{
    struct skydns *s = read_value("{\"text\": \"\\\\u0000\"}");
    assert_string_equal(why, "");
    assert_int_equal(s->text_len, 7);
    assert_memory_equal(s->text, "\6\\u0000", 7);
    skydns_free(s);
}

static void octet_that_is_nul_is_no_json(void **unused)
{
    struct text v = TEXT("{\"text\": \"a\0b\"}");
    struct skydns *s = skydns_new(text_of(PREFIX "x"), sizeof PREFIX - 1, &v, why);
    assert_string_equal(why, NUL_WHY);
    assert_true(s->bad);
    skydns_free(s);
}

static void number_out_of_its_range_is_left_out(void **unused)
{
    struct skydns *s = read_value("{\"host\": \"192.0.2.1\", \"port\": 65536}");
    assert_string_equal(why, "not used, expected 0 to 65535: port");
    assert_false(s->bad);
    assert_int_equal(s->port, -1);
    skydns_free(s);
    s = read_value("{\"host\": \"192.0.2.1\", \"weight\": -1, \"targetstrip\": -4}");
    assert_int_equal(s->weight, 0);
    assert_int_equal(s->strip, 0);
    skydns_free(s);
    s = read_value("{\"host\": \"192.0.2.1\", \"port\": -1}");
    assert_string_equal(why, "");
    assert_int_equal(s->port, -1);
    skydns_free(s);
}

/* A text of so many x; from the heap. */
static char *text_value(size_t len)
{
    static const char front[] = "{\"text\": \"";
    char *value = malloc(sizeof front + len + 2);
    assert_non_null(value);
    memcpy(value, front, sizeof front - 1);
    memset(value + sizeof front - 1, 'x', len);
    memcpy(value + sizeof front - 1 + len, "\"}", 3);
    return value;
}

static void long_text_is_several_strings(void **unused)
{
    static const size_t lens[] = {1, 254, 255, 256, 510, 511, 64000};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        char *value = text_value(lens[i]);
        struct skydns *s = read_value(value);
        size_t at = 0, len = 0;
        assert_string_equal(why, "");
        while (at < s->text_len) {
            len += s->text[at];
            at += s->text[at] + 1u;
        }
        assert_int_equal(at, s->text_len);
        assert_int_equal(len, lens[i]);
        skydns_free(s);
        free(value);
    }
}

static void value_longer_than_a_record_is_told(void **unused)
{
    char *value = calloc(1, 70000);
    memset(value, ' ', 69999);
    struct skydns *s = read_value(value);
    assert_string_equal(why, "longer than 64 KiB");
    skydns_free(s);
    free(value);
    value = text_value(65200);
    s = read_value(value);
    assert_string_equal(why, "longer than a record can be: text");
    assert_null(s->text);
    skydns_free(s);
    free(value);
}

static void key_is_a_name_from_the_root_on(void **unused)
{
    static const struct {
        const char *key, *name;
    } rows[] = {{PREFIX "test", "test."},
                {PREFIX "test/web/", "web.test."},
                {PREFIX "test/Web", "Web.test."},
                {PREFIX "arpa/in-addr/192", "192.in-addr.arpa."},
                {PREFIX "test/a.b", "a.b.test."},
                {PREFIX, "."},
                {PREFIX "test//web", NULL}};
    char name[NAME_TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct skydns *s = read_at(rows[i].key, "{}");
        assert_true((s->owner == NULL) == (rows[i].name == NULL));
        if (s->owner != NULL) {
            name_print(s->owner, name);
            assert_string_equal(name, rows[i].name);
        }
        skydns_free(s);
    }
}

static void lease_counts_between_its_bounds(void **unused)
{
    struct skydns_lease lease = {.ends_us = 100000000};
    struct skydns *s = read_value("{\"ttl\": 80}");
    s->lease = &lease;
    assert_int_equal(skydns_ttl(s, 10000000, 30, 86400), 80); /* of 90 */
    assert_int_equal(skydns_ttl(s, 30500000, 30, 86400), 69);
    assert_int_equal(skydns_ttl(s, 90000000, 30, 86400), 30);
    assert_int_equal(skydns_ttl(s, 200000000, 30, 86400), 30);
    assert_int_equal(skydns_ttl(s, 10000000, 30, 60), 60);
    lease.ends_us = 0; /* nobody has said */
    assert_int_equal(skydns_ttl(s, 10000000, 5, 60), 5);
    skydns_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_has_what_its_value_says),
        cmocka_unit_test(what_is_not_said_has_a_default),
        cmocka_unit_test(host_is_an_address_where_it_looks_like_one),
        cmocka_unit_test(value_that_is_none_is_told),
        cmocka_unit_test(backslash_in_front_of_u0000_is_no_nul),
        cmocka_unit_test(octet_that_is_nul_is_no_json),
        cmocka_unit_test(number_out_of_its_range_is_left_out),
        cmocka_unit_test(long_text_is_several_strings),
        cmocka_unit_test(value_longer_than_a_record_is_told),
        cmocka_unit_test(key_is_a_name_from_the_root_on),
        cmocka_unit_test(lease_counts_between_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
