/* What becomes of replies when the kernel has no room for them. The socket is real;
 * what it takes is the test's to say. */
#include "server/udp.h"

#include "base/hash.h"
#include "base/limits.h"
#include "server/pktinfo.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct client asked; /* the last question's */
static unsigned asked_n;
static uint64_t counted[SHED_CELLS];

void resolver_tick(struct resolver *r, uint64_t now_us)
{
}

void resolver_query(struct resolver *r, const struct client *c, const uint8_t *wire,
                    size_t len)
{
    asked = *c;
    asked_n++;
}

void resolver_foresee_questions(struct resolver *r, uint16_t server,
                                const struct span *wires, unsigned n)
{
}

void resolver_count(struct resolver *r, const struct meter *m, uint32_t cell,
                    uint64_t n)
{
    counted[cell] += n;
}

static int room; /* datagrams that the kernel still takes; < 0: an errno */

/* In front of the C library's. */
int sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    if (room <= 0) {
        errno = room == 0 ? EAGAIN : -room;
        return -1;
    }
    unsigned sent = 0;
    for (; sent < n && room > 0; sent++, room--)
        assert_true(sendmsg(fd, &msgs[sent].msg_hdr, flags) > 0);
    return (int)sent;
}

struct fixture {
    struct turn turn;
    struct udp udp;
    struct plan_server server;
    uint32_t number;
    int client;
};

static int loopback_socket(struct addr *addr)
{
    union pktinfo_sockaddr any = {
        .v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof any.v4;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &any.any, len), 0);
    assert_int_equal(getsockname(fd, &any.any, &len), 0);
    pktinfo_peer(addr, &any);
    return fd;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct addr addr;
    union pktinfo_sockaddr to;
    assert_non_null(f);
    *state = f;
    assert_int_equal(uv_loop_init(&f->turn.loop), 0);
    f->turn.open = true;
    assert_int_equal(udp_init(&f->udp, &f->turn), 0);
    int fd = loopback_socket(&addr);
    assert_int_equal(udp_open(&f->udp, fd, &addr, 0, &f->number), 0);
    f->server.shed = true;
    udp_serve(&f->udp, f->number, 0, &f->server);
    f->client = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t len = pktinfo_address(&to, &addr, 4);
    assert_int_equal(connect(f->client, &to.any, len), 0);
    memset(counted, 0, sizeof counted);
    asked_n = 0;
    room = 0;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    room = UDP_BATCH; /* for what is left */
    udp_close(&f->udp, f->number);
    intakes_close(&f->udp.intakes);
    uv_run(&f->turn.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->turn.loop), 0);
    udp_release(&f->udp);
    close(f->client);
    free(f);
    return 0;
}

static void ask(struct fixture *f)
{
    assert_int_equal(send(f->client, "question", 8, 0), 8);
    uv_run(&f->turn.loop, UV_RUN_ONCE);
}

/* `n` replies to the last question, numbered from `first` on. */
static void reply(struct fixture *f, uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        size_t cap;
        uint8_t *space = udp_reply_space(&f->udp, &asked, &cap);
        assert_non_null(space);
        memcpy(space, &i, sizeof i);
        udp_reply(&f->udp, &asked, sizeof i);
    }
    udp_flush(&f->udp);
}

static uint32_t received(struct fixture *f)
{
    uint32_t number = UINT32_MAX;
    recv(f->client, &number, sizeof number, 0);
    return number;
}

static void without_shed_they_are_dropped(void **state)
{
    struct fixture *f = *state;
    f->server.shed = false;
    udp_serve(&f->udp, f->number, 0, &f->server);
    ask(f);
    room = 2;
    reply(f, 0, 5);
    assert_int_equal(f->udp.counters.sent, 2);
    assert_int_equal(f->udp.counters.full, 3);
    room = 9;
    uv_run(&f->turn.loop, UV_RUN_NOWAIT);
    assert_int_equal(f->udp.counters.sent, 2);
}

static void kept_replies_leave_the_newest_first(void **state)
{
    struct fixture *f = *state;
    ask(f);
    room = 2;
    reply(f, 0, 5);
    assert_int_equal(f->udp.counters.sent, 2);
    assert_int_equal(received(f), 0);
    assert_int_equal(received(f), 1);
    uv_run(&f->turn.loop, UV_RUN_NOWAIT); /* no room yet */
    room = 9;
    uv_run(&f->turn.loop, UV_RUN_NOWAIT);
    for (uint32_t i = 4; i >= 2; i--)
        assert_int_equal(received(f), i);
    assert_int_equal(received(f), UINT32_MAX);
    assert_int_equal(f->udp.counters.full, 0);
}

static void the_oldest_makes_room_and_questions_are_dropped(void **state)
{
    struct fixture *f = *state;
    ask(f);
    reply(f, 0, SHED_DEPTH + 3);
    assert_int_equal(f->udp.counters.full, 3);
    assert_int_equal(counted[SHED_RESPONSES], 3);
    ask(f);
    assert_int_equal(asked_n, 1);
    assert_int_equal(counted[SHED_QUERIES], 1);
    room = 1;
    uv_run(&f->turn.loop, UV_RUN_NOWAIT);
    assert_int_equal(received(f), SHED_DEPTH + 2);
    ask(f);
    assert_int_equal(asked_n, 2);
}

static void one_that_cannot_be_sent_does_not_hold_the_others(void **state)
{
    struct fixture *f = *state;
    ask(f);
    reply(f, 0, 2);
    room = -EPERM;
    uv_run(&f->turn.loop, UV_RUN_NOWAIT);
    assert_int_equal(f->udp.counters.refused, 2);
    assert_int_equal(f->udp.counters.sent, 0);
}

static void a_reload_without_it_forgets_what_was_kept(void **state)
{
    struct fixture *f = *state;
    ask(f);
    reply(f, 0, SHED_DEPTH);
    f->server.shed = false;
    udp_serve(&f->udp, f->number, 0, &f->server);
    ask(f);
    assert_int_equal(asked_n, 2);
}

static void after_a_pause_what_was_kept_still_leaves(void **state)
{
    struct fixture *f = *state;
    ask(f);
    reply(f, 0, 1);
    udp_pause(&f->udp, f->number);
    assert_int_equal(send(f->client, "question", 8, 0), 8);
    room = 9;
    uv_run(&f->turn.loop, UV_RUN_NOWAIT);
    assert_int_equal(received(f), 0);
    assert_int_equal(asked_n, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_shed_they_are_dropped),
        TEST(kept_replies_leave_the_newest_first),
        TEST(the_oldest_makes_room_and_questions_are_dropped),
        TEST(one_that_cannot_be_sent_does_not_hold_the_others),
        TEST(a_reload_without_it_forgets_what_was_kept),
        TEST(after_a_pause_what_was_kept_still_leaves),
    };
    if (hash_seed() < 0)
        return 1;
    return cmocka_run_group_tests_name("udp", tests, NULL, NULL);
}
