#include "server/host_lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>

static void wait_for(const struct host_lookup *l)
{
    struct pollfd p = {.fd = host_lookup_fd(l), .events = POLLIN};
    assert_int_equal(poll(&p, 1, -1), 1);
}

static void an_address_is_found(void **unused)
{
    const struct addrinfo *list;
    struct host_lookup *l = host_lookup_new("127.0.0.1", "6000", 0);
    if (l == NULL) /* no memory */
        return;
    wait_for(l);
    assert_int_equal(host_lookup_result(l, &list), 0);
    assert_int_equal(list->ai_family, AF_INET);
    assert_int_equal(
        ntohs(((const struct sockaddr_in *)(const void *)list->ai_addr)->sin_port),
        6000);
    host_lookup_free(l);
}

static void what_is_none_has_its_reason(void **unused)
{
    const struct addrinfo *list;
    struct host_lookup *l = host_lookup_new("127.0.0.1", "no number", 0);
    if (l == NULL)
        return;
    wait_for(l);
    assert_int_not_equal(host_lookup_result(l, &list), 0);
    assert_null(list);
    host_lookup_free(l);
}

/* Sanitizers tell whether it is freed by whoever is last. */
static void who_waits_may_leave(void **unused)
{
    for (unsigned i = 0; i < 100; i++)
        host_lookup_free(host_lookup_new("::1", "53", 0));
    host_lookup_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_found),
        cmocka_unit_test(what_is_none_has_its_reason),
        cmocka_unit_test(who_waits_may_leave),
    };
    return cmocka_run_group_tests_name("host_lookup", tests, NULL, NULL);
}
