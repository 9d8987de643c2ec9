#include "server/tap_sink.h"

#include "base/limits.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MESSAGE     1000
#define START_FRAME (8 + 4 + 8 + 22) /* START with its content type */

static const struct outside_tap how = {.kind = TAP_UNIX, .listen = true};

/* A sink whose peer has said ACCEPT before it was asked, and has heard START. */
static struct tap_sink *begin(const tap_end *end, int *peer)
{
    static const uint8_t accept[] = "\0\0\0\0\0\0\0\42\0\0\0\1\0\0\0\1\0\0\0\26"
                                    "protobuf:dnstap.Dnstap";
    char reason[OUTSIDE_REASON_MAX];
    uint8_t heard[2 * START_FRAME]; /* READY and START are alike long */
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *peer = pair[1];
    assert_int_equal(write(*peer, accept, sizeof accept - 1), sizeof accept - 1);
    struct tap_sink *s = tap_sink_accept(pair[0], &how, end, reason);
    assert_non_null(s);
    assert_int_equal(recv(*peer, heard, sizeof heard, MSG_WAITALL), sizeof heard);
    return s;
}

static int offer(struct tap_sink *s, uint8_t octet)
{
    uint8_t message[MESSAGE];
    memset(message, octet, sizeof message);
    return tap_sink_offer(s, &(struct iovec){message, sizeof message}, 1);
}

/* The next message, of which the sink may still have a part. */
static void expect(struct tap_sink *s, int peer, uint8_t octet)
{
    uint8_t frame[4 + MESSAGE];
    size_t len = 0;
    while (len < sizeof frame) {
        assert_int_equal(tap_sink_offer(s, NULL, 0), 0);
        ssize_t n = recv(peer, frame + len, sizeof frame - len, MSG_DONTWAIT);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_memory_equal(frame, "\0\0\3\350", 4);
    assert_int_equal(frame[4], octet);
    assert_int_equal(frame[3 + MESSAGE], octet);
}

static void what_a_peer_does_not_take_waits_up_to_a_limit(void **unused)
{
    static const tap_end end = TAP_ENDLESS;
    int peer;
    struct tap_sink *s = begin(&end, &peer);
    unsigned kept = 0, lost = 0;
    for (; lost == 0; kept += lost == 0)
        lost += (unsigned)offer(s, (uint8_t)kept);
    assert_true(kept >= TAP_BACKLOG_MAX / (4 + MESSAGE));
    assert_true(kept < 20 * TAP_BACKLOG_MAX / MESSAGE); /* the kernel's share, too */
    assert_true(tap_sink_has_backlog(s));
    assert_int_equal(offer(s, 0), 1);
    for (unsigned i = 0; i < kept; i++)
        expect(s, peer, (uint8_t)i);
    assert_false(tap_sink_has_backlog(s));
    assert_int_equal(offer(s, 7), 0);
    expect(s, peer, 7);
    close(peer);
    tap_sink_close(s);
}

static void a_message_longer_than_the_limit_is_lost(void **unused)
{
    static const tap_end end = TAP_ENDLESS;
    int peer;
    struct tap_sink *s = begin(&end, &peer);
    struct iovec iov[] = {{calloc(1, TAP_BACKLOG_MAX), TAP_BACKLOG_MAX},
                          {calloc(1, MESSAGE), MESSAGE}};
    assert_int_equal(tap_sink_offer(s, iov, 2), 1);
    expect(s, peer, 0);
    free(iov[0].iov_base);
    free(iov[1].iov_base);
    close(peer);
    assert_int_equal(offer(s, 0), -1); /* it is gone */
    tap_sink_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_peer_does_not_take_waits_up_to_a_limit),
        cmocka_unit_test(a_message_longer_than_the_limit_is_lost),
    };
    return cmocka_run_group_tests_name("tap_sink", tests, NULL, NULL);
}
