#include "server/host_lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

static void an_address_is_found(void **unused)
{
    const struct addrinfo *list;
    struct host_lookup *l = host_lookup_new("127.0.0.1", "6000", AF_UNSPEC, 0);
    if (l == NULL) /* no memory */
        return;
    assert_int_equal(host_lookup_wait(l, -1, &list), 0);
    assert_int_equal(list->ai_family, AF_INET);
    assert_int_equal(
        ntohs(((const struct sockaddr_in *)(const void *)list->ai_addr)->sin_port),
        6000);
    host_lookup_free(l);
}

static void what_is_none_has_its_reason(void **unused)
{
    const struct addrinfo *list;
    struct host_lookup *l = host_lookup_new("127.0.0.1", "no number", AF_UNSPEC, 0);
    if (l == NULL)
        return;
    assert_int_not_equal(host_lookup_wait(l, -1, &list), 0);
    assert_null(list);
    host_lookup_free(l);
}

static void only_the_family_asked_for_is_found(void **unused)
{
    const struct addrinfo *list;
    struct host_lookup *l = host_lookup_new("127.0.0.1", "53", AF_INET6, 0);
    if (l == NULL)
        return;
    assert_int_not_equal(host_lookup_wait(l, -1, &list), 0);
    assert_null(list);
    host_lookup_free(l);
}

/* Sanitizers tell whether it is freed by whoever is last. */
static void who_waits_may_leave(void **unused)
{
    for (unsigned i = 0; i < 100; i++)
        host_lookup_free(host_lookup_new("::1", "53", AF_UNSPEC, 0));
    host_lookup_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_found),
        cmocka_unit_test(what_is_none_has_its_reason),
        cmocka_unit_test(only_the_family_asked_for_is_found),
        cmocka_unit_test(who_waits_may_leave),
    };
    return cmocka_run_group_tests_name("host_lookup", tests, NULL, NULL);
}
