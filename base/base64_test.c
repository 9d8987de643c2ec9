#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* RFC 4648 section 10. */
static const struct {
    const char *octets, *text;
} vectors[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"},
               {"\xff\xfe\xfd", "//79"}};

static void both_ways(void **unused)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        struct text out;
        assert_string_equal(base64_print(&a, text_of(vectors[i].octets)),
                            vectors[i].text);
        assert_int_equal(base64_read(&a, text_of(vectors[i].text), &out), 0);
        assert_true(text_is(out, vectors[i].octets));
    }
    arena_release(&a);
}

static void what_is_none(void **unused)
{
    static const char *const texts[] = {
        "Z", "Zg=", "Zg", "Zm9v!", "Z===", "=Zm9v", "Zg==Zg==", "Zm 9v", "Zm9v="};
    struct arena a;
    struct text out;
    arena_init(&a, NULL, 0);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(base64_read(&a, text_of(texts[i]), &out), -1);
    assert_int_equal(base64_read(&a, text_of("Zm9v\r\nYmFy\n"), &out), 0);
    assert_true(text_is(out, "foobar"));
    arena_release(&a);
}

static void urls_have_other_letters(void **unused)
{
    static const struct {
        const char *text, *octets; /* NULL: it is none */
    } rows[] = {{"", ""},        {"Zg", "f"},        {"Zm8", "fo"},
                {"Zm9v", "foo"}, {"Zm9vYg", "foob"}, {"__79", "\xff\xfe\xfd"},
                {"-A", "\xf8"},  {"Z", NULL},        {"Zg==", NULL},
                {"//79", NULL},  {"+A", NULL},       {"Zm9\n", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t room[16];
        size_t len = strlen(rows[i].text);
        memcpy(room, rows[i].text, len);
        ssize_t n = base64url_read(room, len);
        assert_int_equal(n,
                         rows[i].octets == NULL ? -1 : (ssize_t)strlen(rows[i].octets));
        assert_true(n <= 0 || memcmp(room, rows[i].octets, (size_t)n) == 0);
        if (n < 0)
            continue;
        char text[16];
        assert_int_equal(base64url_print(text, (struct span){room, (size_t)n}), len);
        assert_int_equal(BASE64URL_LEN((size_t)n), len);
        assert_memory_equal(text, rows[i].text, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(both_ways),
                                       cmocka_unit_test(what_is_none),
                                       cmocka_unit_test(urls_have_other_letters)};
    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
