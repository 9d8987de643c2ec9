/* The policy of connections to upstreams: when one is used again, when another is
 * opened, when one is given up. Connections are real, on loopback; time and turns are
 * the test's. */
#include "server/dial_stream.h"

#include "base/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define S      1000000ull /* microseconds */
#define WAIT_S 10

static unsigned answered_n, lost_n;
static int lost_error;

void resolver_tick(struct resolver *r, uint64_t now_us)
{
}

void resolver_datagram(struct resolver *r, uint32_t conn, const uint8_t *wire,
                       size_t len)
{
    answered_n++;
}

void resolver_lost(struct resolver *r, uint32_t conn, int error)
{
    lost_n++;
    lost_error = error;
}

bool resolver_datagram_from(struct resolver *r, uint32_t conn, const struct addr *from,
                            struct span wire)
{
    answered_n++;
    return true;
}

void resolver_lost_one(struct resolver *r, uint32_t conn, const struct addr *peer,
                       struct span sent, int error)
{
    resolver_lost(r, conn, error);
}

bool resolver_awaits(const struct resolver *r, uint32_t conn, const struct addr *peer,
                     struct span sent)
{
    return true;
}

struct fixture {
    struct turn turn;
    struct dial_stream dial;
    struct endpoint up;
    int upstream;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct timeval wait = {.tv_sec = WAIT_S};
    struct addr a = {.family = 4, .ip = {127, 0, 0, 1}};
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(&a, &sa);
    assert_non_null(f);
    *state = f;
    assert_int_equal(uv_loop_init(&f->turn.loop), 0);
    assert_int_equal(dial_stream_init(&f->dial, &f->turn), 0);
    f->turn.open = true;
    f->turn.now_us = 1000 * S;
    f->turn.number = 1;
    f->upstream = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(f->upstream, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    assert_int_equal(bind(f->upstream, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(listen(f->upstream, 16), 0);
    len = sizeof sa;
    assert_int_equal(getsockname(f->upstream, (struct sockaddr *)&sa, &len), 0);
    addr_from_sockaddr(&a, (struct sockaddr *)&sa);
    f->up = (struct endpoint){.id = 3, .addr = a, .idle_us = 5 * S};
    answered_n = lost_n = 0;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    dial_stream_close(&f->dial);
    uv_run(&f->turn.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->turn.loop), 0);
    assert_int_equal(f->dial.open, 0);
    dial_stream_release(&f->dial);
    close(f->upstream);
    free(f);
    return 0;
}

static uint32_t connect_avoiding(struct fixture *f, uint32_t avoid)
{
    uint32_t conn = CONN_NONE;
    assert_int_equal(dial_stream_connect(&f->dial, &f->up, TRANSPORT_TCP, avoid, &conn),
                     0);
    /* The sweep shall come round at once. */
    uv_timer_set_repeat(&f->dial.sweep, 1);
    uv_timer_again(&f->dial.sweep);
    return conn;
}

static uint32_t ask(struct fixture *f)
{
    uint32_t conn = connect_avoiding(f, CONN_NONE);
    assert_int_equal(dial_stream_send(&f->dial, conn, (const uint8_t *)"hello", 5), 0);
    dial_stream_flush(&f->dial);
    return conn;
}

/* The upstream's end of the next connection. */
static int accept_next(struct fixture *f)
{
    const struct timeval wait = {.tv_sec = WAIT_S};
    int fd = accept(f->upstream, NULL, NULL);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    return fd;
}

static void run_until_swept(struct fixture *f)
{
    uint64_t until = uv_now(&f->turn.loop) + 3;
    while (f->dial.open > 0 && uv_now(&f->turn.loop) < until) {
        uv_run(&f->turn.loop, UV_RUN_ONCE);
        dial_stream_flush(&f->dial);
    }
    uv_run(&f->turn.loop, UV_RUN_NOWAIT);
}

/* Lets one question arrive, and its answer come back. */
static void answer(struct fixture *f, int fd)
{
    char got[7];
    unsigned before = answered_n;
    while (recv(fd, got, sizeof got, MSG_PEEK | MSG_DONTWAIT) < (ssize_t)sizeof got)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
    assert_int_equal(recv(fd, got, sizeof got, 0), sizeof got);
    assert_memory_equal(got, "\0\5hello", sizeof got);
    assert_int_equal(send(fd, "\0\2hi", 4, 0), 4);
    while (answered_n == before)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
}

static void connection_that_is_free_is_used_again(void **state)
{
    struct fixture *f = *state;
    uint32_t conn = ask(f);
    int fd = accept_next(f);
    for (unsigned i = 0; i < 5; i++) {
        answer(f, fd);
        dial_stream_settle(&f->dial, conn);
        assert_int_equal(ask(f), conn);
    }
    assert_int_equal(f->dial.counters.opened, 1);
    close(fd);
}

static void busy_ones_make_for_more_up_to_the_limit(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 20; i++)
        ask(f);
    assert_int_equal(f->dial.counters.opened, UPSTREAM_TCP_CONNECTIONS);
}

static void full_pipelines_are_an_error(void **state)
{
    struct fixture *f = *state;
    uint32_t conn;
    for (unsigned i = 0; i < UPSTREAM_TCP_CONNECTIONS * UPSTREAM_TCP_PIPELINE; i++)
        ask(f);
    assert_int_equal(
        dial_stream_connect(&f->dial, &f->up, TRANSPORT_TCP, CONN_NONE, &conn),
        ENOBUFS);
}

static void avoided_connection_is_not_given(void **state)
{
    struct fixture *f = *state;
    uint32_t conn = ask(f);
    dial_stream_settle(&f->dial, conn);
    assert_int_not_equal(connect_avoiding(f, conn), conn);
}

static void idle_connection_is_closed(void **state)
{
    struct fixture *f = *state;
    uint32_t conn = ask(f);
    int fd = accept_next(f);
    answer(f, fd);
    dial_stream_settle(&f->dial, conn);
    f->turn.now_us += 5 * S - 1;
    run_until_swept(f);
    assert_int_equal(f->dial.open, 1);
    f->turn.now_us += 1;
    run_until_swept(f);
    assert_int_equal(f->dial.open, 0);
    assert_int_equal(lost_n, 0);
    close(fd);
}

static void silent_connection_is_not_kept(void **state)
{
    struct fixture *f = *state;
    uint32_t conn = ask(f);
    f->turn.now_us += 2 * S;
    run_until_swept(f);
    assert_int_equal(f->dial.open, 1); /* someone waits */
    dial_stream_settle(&f->dial, conn);
    run_until_swept(f);
    assert_int_equal(f->dial.open, 0);
}

static void old_connection_takes_no_more_questions(void **state)
{
    struct fixture *f = *state;
    f->up.life_us = 60 * S;
    uint32_t conn = ask(f);
    f->turn.now_us += 60 * S;
    assert_int_not_equal(ask(f), conn);
    assert_non_null(conns_get(&f->dial.conns, conn));
    dial_stream_settle(&f->dial, conn);
    run_until_swept(f);
    assert_null(conns_get(&f->dial.conns, conn));
}

static void number_waits_to_be_settled_after_a_loss(void **state)
{
    struct fixture *f = *state;
    uint32_t conn = ask(f);
    close(accept_next(f));
    while (lost_n == 0)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
    run_until_swept(f);
    assert_non_null(conns_get(&f->dial.conns, conn));
    assert_int_equal(dial_stream_send(&f->dial, conn, (const uint8_t *)"x", 1),
                     ENOTCONN);
    assert_int_not_equal(ask(f), conn);
    dial_stream_settle(&f->dial, conn);
    assert_null(conns_get(&f->dial.conns, conn));
}

static void closed_port_is_told(void **state)
{
    struct fixture *f = *state;
    close(f->upstream);
    ask(f);
    while (lost_n == 0)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
    assert_int_equal(lost_error, ECONNREFUSED);
    f->upstream = socket(AF_INET, SOCK_STREAM, 0);
}

static void other_transports_are_refused(void **state)
{
    struct fixture *f = *state;
    uint32_t conn;
    assert_int_equal(
        dial_stream_connect(&f->dial, &f->up, TRANSPORT_TLS, CONN_NONE, &conn),
        ENOTSUP);
    assert_int_equal(
        dial_stream_connect(&f->dial, &f->up, TRANSPORT_HTTPS, CONN_NONE, &conn),
        ENOTSUP);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(connection_that_is_free_is_used_again),
        TEST(busy_ones_make_for_more_up_to_the_limit),
        TEST(full_pipelines_are_an_error),
        TEST(avoided_connection_is_not_given),
        TEST(idle_connection_is_closed),
        TEST(silent_connection_is_not_kept),
        TEST(old_connection_takes_no_more_questions),
        TEST(number_waits_to_be_settled_after_a_loss),
        TEST(closed_port_is_told),
        TEST(other_transports_are_refused),
    };
    return cmocka_run_group_tests_name("dial_stream", tests, NULL, NULL);
}
