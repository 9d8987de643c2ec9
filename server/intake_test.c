/* Watched, busy and quiet again, on a pair of sockets. */
#include "server/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A socket whose datagrams are counted; it may close itself or its neighbour on
 * reading. */
struct end {
    struct intake intake; /* first */
    int fd, far;
    unsigned reads, datagrams, rooms;
    struct end *closes;
    bool closed;
};

static uv_loop_t loop;
static struct intakes all;

static void on_closed(uv_handle_t *handle)
{
    ((struct end *)handle)->closed = true;
}

static void end_close(struct end *e)
{
    if (uv_is_closing((uv_handle_t *)&e->intake.poll))
        return;
    intake_close(&e->intake, on_closed);
    close(e->fd);
    close(e->far);
}

static unsigned read_end(struct intake *in)
{
    struct end *e = (struct end *)in;
    unsigned n = 0;
    char octet;
    e->reads++;
    while (recv(e->fd, &octet, 1, MSG_DONTWAIT) == 1)
        n++;
    e->datagrams += n;
    if (e->closes != NULL)
        end_close(e->closes);
    return n;
}

static void room(struct intake *in)
{
    ((struct end *)in)->rooms++;
    intake_await_room(in, false);
}

static void end_open(struct end *e)
{
    static const struct intake_calls calls = {.read = read_end, .room = room};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    *e = (struct end){.fd = pair[0], .far = pair[1]};
    assert_int_equal(intake_open(&e->intake, &all, e->fd, &calls), 0);
}

static void feed(const struct end *e, unsigned n)
{
    while (n-- > 0)
        assert_int_equal(send(e->far, "x", 1, 0), 1);
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static int begin(void **unused)
{
    uv_loop_init(&loop);
    intakes_init(&all, &loop);
    return 0;
}

static int finish(void **unused)
{
    intakes_close(&all);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void few_datagrams_leave_it_watched(void **unused)
{
    static struct end e;
    end_open(&e);
    intake_sending(&e.intake, INTAKE_BUSY - 1);
    assert_false(e.intake.busy);
    turn();
    assert_int_equal(e.reads, 0);
    feed(&e, 1);
    turn();
    assert_int_equal(e.datagrams, 1);
    end_close(&e);
}

static void busy_one_is_read_each_turn_until_it_is_quiet(void **unused)
{
    static struct end e;
    end_open(&e);
    turn();
    intake_sending(&e.intake, INTAKE_BUSY);
    assert_true(e.intake.busy);
    feed(&e, INTAKE_BUSY);
    turn();
    assert_true(e.intake.busy);
    turn();
    assert_int_equal(e.reads, 2);
    assert_false(e.intake.busy);
    turn();
    assert_int_equal(e.reads, 2);
    feed(&e, 1); /* watched again */
    turn();
    assert_int_equal(e.datagrams, INTAKE_BUSY + 1);
    end_close(&e);
}

static void read_may_close_every_busy_one(void **unused)
{
    static struct end a, b;
    end_open(&a);
    end_open(&b);
    a.closes = &b;
    b.closes = &a;
    intake_sending(&a.intake, INTAKE_BUSY);
    intake_sending(&b.intake, INTAKE_BUSY);
    turn();
    assert_int_equal(a.reads + b.reads, 1);
    end_close(&a);
    end_close(&b);
    turn();
    assert_true(a.closed && b.closed);
}

static void paused_one_is_not_read_again(void **unused)
{
    static struct end e;
    end_open(&e);
    intake_sending(&e.intake, INTAKE_BUSY);
    intake_pause(&e.intake);
    feed(&e, 1);
    intake_sending(&e.intake, INTAKE_BUSY);
    turn();
    assert_int_equal(e.reads, 0);
    end_close(&e);
}

static void one_that_awaits_room_is_watched_for_it(void **unused)
{
    static struct end e;
    end_open(&e);
    intake_sending(&e.intake, INTAKE_BUSY);
    intake_await_room(&e.intake, true);
    assert_false(e.intake.busy);
    intake_sending(&e.intake, INTAKE_BUSY);
    assert_false(e.intake.busy);
    turn();
    turn();
    assert_int_equal(e.rooms, 1);
    intake_pause(&e.intake);
    intake_await_room(&e.intake, true);
    feed(&e, 1);
    turn();
    assert_int_equal(e.rooms, 2);
    assert_int_equal(e.datagrams, 0);
    end_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(few_datagrams_leave_it_watched, begin, finish),
        cmocka_unit_test_setup_teardown(busy_one_is_read_each_turn_until_it_is_quiet,
                                        begin, finish),
        cmocka_unit_test_setup_teardown(read_may_close_every_busy_one, begin, finish),
        cmocka_unit_test_setup_teardown(paused_one_is_not_read_again, begin, finish),
        cmocka_unit_test_setup_teardown(one_that_awaits_room_is_watched_for_it, begin,
                                        finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
