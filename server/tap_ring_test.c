#include "server/tap_ring.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool put(struct tap_ring *r, const char *text)
{
    return tap_ring_put(r, (const uint8_t *)text, strlen(text));
}

static void messages_come_out_as_they_went_in(void **unused)
{
    struct tap_ring *r = tap_ring_new(1);
    struct iovec iov[4];
    assert_non_null(r);
    assert_int_equal(tap_ring_peek(r, iov, 4), 0);
    assert_true(put(r, "one") && put(r, "") && put(r, "three"));
    assert_int_equal(tap_ring_peek(r, iov, 2), 2);
    assert_int_equal(iov[0].iov_len, 3);
    assert_memory_equal(iov[0].iov_base, "one", 3);
    assert_int_equal(iov[1].iov_len, 0);
    assert_int_equal(tap_ring_peek(r, iov, 4), 3); /* not done with them */
    tap_ring_done(r);
    assert_int_equal(tap_ring_peek(r, iov, 4), 0);
    assert_int_equal(tap_ring_used(r), 0);
    tap_ring_free(r);
}

static void what_finds_no_room_is_lost_and_counted(void **unused)
{
    struct tap_ring *r = tap_ring_new(4096);
    uint8_t message[1000] = {0};
    struct iovec iov[8];
    for (int i = 0; i < 4; i++)
        assert_true(tap_ring_put(r, message, sizeof message));
    assert_false(tap_ring_put(r, message, sizeof message));
    assert_true(put(r, "short"));
    assert_int_equal(r->lost, 1);
    assert_int_equal(tap_ring_peek(r, iov, 8), 5);
    tap_ring_done(r);
    assert_true(tap_ring_put(r, message, sizeof message));
    tap_ring_free(r);
}

static void a_message_longer_than_the_ring_is_lost(void **unused)
{
    struct tap_ring *r = tap_ring_new(4096);
    static uint8_t message[4096];
    assert_false(tap_ring_put(r, message, sizeof message));
    assert_true(tap_ring_put(r, message, sizeof message - 4));
    tap_ring_free(r);
}

/* Lengths of all kinds, so that the end is met in every way. */
#define MESSAGES 200000
static size_t length_of(uint32_t i)
{
    return 4 + i * 37 % 700;
}

static void *write_all(void *ring)
{
    uint8_t message[1000] = {0};
    for (uint32_t i = 0; i < MESSAGES; i++) {
        memcpy(message, &i, sizeof i);
        message[length_of(i) - 1] = (uint8_t)i;
        while (!tap_ring_put(ring, message, length_of(i)))
            sched_yield();
    }
    return NULL;
}

static void two_threads_agree(void **unused)
{
    struct tap_ring *r = tap_ring_new(4096);
    struct iovec iov[8];
    pthread_t writer;
    uint32_t next = 0;
    assert_int_equal(pthread_create(&writer, NULL, write_all, r), 0);
    while (next < MESSAGES) {
        int n = tap_ring_peek(r, iov, 8);
        for (int i = 0; i < n; i++, next++) {
            const uint8_t *at = iov[i].iov_base;
            assert_int_equal(iov[i].iov_len, length_of(next));
            assert_int_equal(at[iov[i].iov_len - 1], (uint8_t)next);
        }
        tap_ring_done(r);
        if (n == 0)
            sched_yield();
    }
    pthread_join(writer, NULL);
    tap_ring_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_out_as_they_went_in),
        cmocka_unit_test(what_finds_no_room_is_lost_and_counted),
        cmocka_unit_test(a_message_longer_than_the_ring_is_lost),
        cmocka_unit_test(two_threads_agree),
    };
    return cmocka_run_group_tests_name("tap_ring", tests, NULL, NULL);
}
