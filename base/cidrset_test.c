#include "base/cidrset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct cidr cidr(const char *text)
{
    struct cidr c;
    assert_int_equal(cidr_parse(&c, text_of(text), NULL), 0);
    return c;
}

static bool count(const struct cidr *c, const void *context)
{
    ++*(uint32_t *)(uintptr_t)context;
    return false;
}

static uint32_t within(const struct cidrset *s, const char *text)
{
    uint32_t n = 0;
    struct cidr c = cidr(text);
    assert_null(cidrset_within(s, &c, count, &n));
    return n;
}

static void those_inside_are_found(void **unused)
{
    struct cidrset s = {0};
    struct cidr list[] = {cidr("10.2.0.0/16"), cidr("10.0.0.0/8"), cidr("10.2.1.0/24"),
                          cidr("fd00::/64"),   cidr("0.0.0.0/0"),  cidr("10.2.0.0/16")};
    assert_int_equal(within(&s, "0.0.0.0/0"), 0);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_int_equal(cidrset_put(&s, &list[i]), 0);
    assert_int_equal(within(&s, "10.0.0.0/8"), 4);
    assert_int_equal(within(&s, "10.2.0.0/16"), 3);
    assert_int_equal(within(&s, "10.2.0.0/17"), 1);
    assert_int_equal(within(&s, "10.3.0.0/16"), 0);
    assert_int_equal(within(&s, "0.0.0.0/0"), 5);
    assert_int_equal(within(&s, "::/0"), 1);
    cidrset_del(&s, &list[0]);
    assert_int_equal(within(&s, "10.2.0.0/16"), 2);
    cidrset_del(&s, &list[0]); /* is not there any more */
    assert_int_equal(within(&s, "10.2.0.0/16"), 2);
    cidrset_release(&s);
}

/* In any order, and out again in another. */
static void thousands_come_and_go(void **unused)
{
    enum { N = 1024 };
    struct cidrset s = {0};
    struct cidr *list = calloc(N, sizeof *list);
    assert_non_null(list);
    for (uint32_t step = 1; step < 4000; step += 1234) { /* odd: each comes once */
        for (uint32_t i = 0; i < N; i++) {
            uint32_t n = i * (step | 1) % N;
            char text[32];
            snprintf(text, sizeof text, "10.%u.%u.0/24", n / 256, n % 256);
            list[n] = cidr(text);
            assert_int_equal(cidrset_put(&s, &list[n]), 0);
        }
        assert_int_equal(within(&s, "10.0.0.0/8"), N);
        assert_int_equal(within(&s, "10.3.0.0/16"), 256);
        for (uint32_t i = 0; i < N; i++) {
            uint32_t n = i * 2741 % N;
            assert_int_equal(within(&s, "10.0.0.0/8"), N - i);
            cidrset_del(&s, &list[n]);
        }
        assert_int_equal(s.n, 0);
    }
    cidrset_release(&s);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_inside_are_found),
        cmocka_unit_test(thousands_come_and_go),
    };
    return cmocka_run_group_tests_name("cidrset", tests, NULL, NULL);
}
