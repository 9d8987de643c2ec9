#include "server/outbox.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void what_the_peer_does_not_take_waits_in_order(void **unused)
{
    int pair[2];
    struct outbox o = {0};
    static uint8_t block[10000], got[sizeof block];
    size_t put = 0, taken = 0, waited = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    while (waited == 0) { /* until the kernel has enough */
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = (uint8_t)((put + i) % 251);
        assert_int_equal(outbox_put(&o, block, sizeof block, 1 << 20), 0);
        assert_int_equal(outbox_send(&o, pair[0]), 0);
        put += sizeof block;
        waited = o.len;
    }
    while (taken < put) {
        ssize_t n = recv(pair[1], got, sizeof got, 0);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(got[i], (taken + (size_t)i) % 251);
        taken += (size_t)n;
        assert_int_equal(outbox_send(&o, pair[0]), 0);
    }
    assert_int_equal(o.len, 0);
    outbox_release(&o);
    close(pair[0]);
    close(pair[1]);
}

static void more_than_the_limit_is_refused_whole(void **unused)
{
    struct outbox o = {0};
    assert_int_equal(outbox_put(&o, "abcdef", 6, 10), 0);
    assert_int_equal(outbox_put(&o, "ghijk", 5, 10), -1);
    assert_int_equal(outbox_put_message(&o, "gh", 3, 10), -1);
    assert_int_equal(o.len, 6);
    assert_int_equal(outbox_put_message(&o, "gh", 2, 10), 0);
    assert_memory_equal(o.octets, "abcdef\0\2gh", 10);
    outbox_release(&o);
}

static void peer_that_has_gone_is_an_error(void **unused)
{
    int pair[2];
    struct outbox o = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    close(pair[1]);
    assert_int_equal(outbox_put(&o, "x", 1, 10), 0);
    assert_int_equal(outbox_send(&o, pair[0]), EPIPE);
    outbox_release(&o);
    close(pair[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_peer_does_not_take_waits_in_order),
        cmocka_unit_test(more_than_the_limit_is_refused_whole),
        cmocka_unit_test(peer_that_has_gone_is_an_error),
    };
    return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
