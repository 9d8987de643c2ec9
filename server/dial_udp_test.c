/* The policy of the pools: which socket a question leaves from, and for how long.
 * Sockets are real, on loopback; time and turns are the test's. */
#include "server/dial_udp_core.h"

#include "base/hash.h"
#include "base/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_S 10

static unsigned lost_n;
static int lost_error;

/* What came in by shared sockets. */
static struct {
    unsigned n;
    bool unmatched; /* the resolver waits for none of it */
    uint32_t conn;
    struct addr from;
    char wire[64];
} shared;

static struct {
    unsigned n;
    int error;
    uint32_t conn;
    struct addr peer;
    char sent[64];
} lost_one;

/* How often sendmmsg() reports a closed port before it sends. */
static unsigned refusals_n;

int sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
    if (refusals_n == 0)
        return (int)syscall(SYS_sendmmsg, fd, msgs, n, flags);
    refusals_n--;
    errno = ECONNREFUSED;
    return -1;
}

void resolver_tick(struct resolver *r, uint64_t now_us)
{
}

void resolver_datagram(struct resolver *r, uint32_t conn, const uint8_t *wire,
                       size_t len)
{
}

void resolver_lost(struct resolver *r, uint32_t conn, int error)
{
    lost_n++;
    lost_error = error;
}

bool resolver_datagram_from(struct resolver *r, uint32_t conn, const struct addr *from,
                            struct span wire)
{
    shared.n++;
    shared.conn = conn;
    shared.from = *from;
    snprintf(shared.wire, sizeof shared.wire, "%.*s", (int)wire.len,
             (const char *)wire.at);
    return !shared.unmatched;
}

void resolver_foresee(struct resolver *r, const struct span *wires, unsigned n)
{
}

void resolver_lost_one(struct resolver *r, uint32_t conn, const struct addr *peer,
                       struct span sent, int error)
{
    lost_one.n++;
    lost_one.error = error;
    lost_one.conn = conn;
    lost_one.peer = *peer;
    snprintf(lost_one.sent, sizeof lost_one.sent, "%.*s", (int)sent.len,
             (const char *)sent.at);
}

struct fixture {
    struct turn turn;
    struct dial_udp dial;
    struct endpoint up;
    int upstream;
};

static struct addr bind_loopback(int fd)
{
    struct addr a = {.family = 4, .ip = {127, 0, 0, 1}};
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(&a, &sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    len = sizeof sa;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    addr_from_sockaddr(&a, (struct sockaddr *)&sa);
    return a;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct timeval wait = {.tv_sec = WAIT_S};
    *state = f;
    assert_int_equal(uv_loop_init(&f->turn.loop), 0);
    assert_int_equal(entropy_init(&f->turn.entropy), 0);
    assert_int_equal(dial_udp_init(&f->dial, &f->turn), 0);
    f->turn.open = true;
    f->turn.now_us = 1000000;
    f->turn.number = 1;
    f->upstream = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(f->upstream, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    f->up = (struct endpoint){.id = 3, .addr = bind_loopback(f->upstream)};
    lost_n = refusals_n = 0;
    memset(&shared, 0, sizeof shared);
    memset(&lost_one, 0, sizeof lost_one);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    dial_udp_close(&f->dial);
    uv_run(&f->turn.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->turn.loop), 0);
    dial_udp_release(&f->dial);
    close(f->upstream);
    free(f);
    return 0;
}

static uint32_t connect_in_turn(struct fixture *f, uint32_t avoid)
{
    uint32_t conn;
    assert_int_equal(dial_udp_connect(&f->dial, &f->up, avoid, &conn), 0);
    return conn;
}

static uint32_t connect_in_next_turn(struct fixture *f)
{
    f->turn.number++;
    return connect_in_turn(f, CONN_NONE);
}

/* Turns until all places have been drawn; the chance to need more is 4 x 0.75^1000. */
static void draw_all(struct fixture *f)
{
    for (unsigned i = 0; i < 1000; i++)
        connect_in_next_turn(f);
}

static void fill_pool(struct fixture *f)
{
    draw_all(f);
    assert_int_equal(f->dial.sockets_n, UPSTREAM_UDP_SOCKETS);
}

static void ask(struct fixture *f, uint32_t conn, const char *question)
{
    const uint8_t *wire = (const uint8_t *)question;
    assert_int_equal(dial_udp_send(&f->dial, conn, &f->up, wire, strlen(question)), 0);
}

/* What the upstream reads next, and from whom. */
static struct addr expect_from(struct fixture *f, const char *question)
{
    char got[64] = "";
    struct sockaddr_storage sa;
    struct addr from;
    socklen_t len = sizeof sa;
    ssize_t n =
        recvfrom(f->upstream, got, sizeof got - 1, 0, (struct sockaddr *)&sa, &len);
    assert_int_equal(n, strlen(question));
    assert_string_equal(got, question);
    addr_from_sockaddr(&from, (struct sockaddr *)&sa);
    return from;
}

static uint16_t expect(struct fixture *f, const char *question)
{
    return expect_from(f, question).port;
}

static void expect_and_answer(struct fixture *f, const char *question)
{
    struct sockaddr_storage sa;
    struct addr from = expect_from(f, question);
    socklen_t len = addr_to_sockaddr(&from, &sa);
    assert_int_equal(sendto(f->upstream, "x", 1, 0, (struct sockaddr *)&sa, len), 1);
}

/* Lets libuv close what is to be closed. */
static void run_loop(struct fixture *f)
{
    uv_run(&f->turn.loop, UV_RUN_NOWAIT);
}

static void one_turn_uses_one_socket(void **state)
{
    struct fixture *f = *state;
    uint32_t conn = connect_in_turn(f, CONN_NONE);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(connect_in_turn(f, CONN_NONE), conn);
    assert_int_equal(f->dial.sockets_n, 1);
}

static void turns_draw_from_a_bounded_pool(void **state)
{
    struct fixture *f = *state;
    fill_pool(f);
    assert_int_equal(f->dial.counters.opened, UPSTREAM_UDP_SOCKETS);
}

static void avoided_socket_is_not_given(void **state)
{
    struct fixture *f = *state;
    fill_pool(f);
    for (unsigned i = 0; i < 100; i++) {
        uint32_t conn = connect_in_next_turn(f);
        assert_int_not_equal(connect_in_turn(f, conn), conn);
    }
}

static void retry_leaves_from_a_new_socket_when_all_were_silent(void **state)
{
    struct fixture *f = *state;
    fill_pool(f);
    f->turn.now_us += 1000;
    uint32_t silent = connect_in_next_turn(f);
    ask(f, silent, "first");
    f->turn.now_us += 50000;
    f->turn.number++;
    connect_in_turn(f, silent);
    run_loop(f);
    assert_int_equal(f->dial.counters.opened, UPSTREAM_UDP_SOCKETS + 1);
    assert_int_equal(f->dial.sockets_n,
                     2); /* the new one, and that with the question */
}

static void socket_that_was_heard_meanwhile_stays(void **state)
{
    struct fixture *f = *state;
    fill_pool(f);
    uint32_t silent = connect_in_next_turn(f), heard = connect_in_turn(f, silent);
    f->turn.now_us += 1000;
    ask(f, silent, "first");
    ask(f, heard, "second");
    dial_udp_flush(&f->dial);
    expect(f, "first");
    expect_and_answer(f, "second");
    f->turn.now_us += 50000;
    while (f->dial.counters.received == 0)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
    dial_udp_settle(&f->dial, heard);
    f->turn.number++;
    connect_in_turn(f, silent);
    run_loop(f);
    assert_non_null(conns_get(&f->dial.conns, heard));
}

static void retry_leaves_from_a_socket_that_was_heard_before_a_new_one(void **state)
{
    struct fixture *f = *state;
    uint32_t silent = connect_in_turn(f, CONN_NONE), heard = connect_in_turn(f, silent);
    f->turn.now_us += 1000;
    ask(f, silent, "first");
    ask(f, heard, "second");
    dial_udp_flush(&f->dial);
    expect(f, "first");
    expect_and_answer(f, "second");
    f->turn.now_us += 50000;
    while (f->dial.counters.received == 0)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
    dial_udp_settle(&f->dial, heard);
    for (unsigned i = 0; i < 16; i++) {
        f->turn.number++;
        assert_int_equal(connect_in_turn(f, silent), heard);
    }
    assert_int_equal(f->dial.counters.opened, 2);
}

static void sockets_have_ports_of_their_own(void **state)
{
    struct fixture *f = *state;
    uint32_t one = connect_in_turn(f, CONN_NONE), other = connect_in_turn(f, one);
    ask(f, one, "one");
    ask(f, other, "other");
    assert_false(dial_udp_flush(&f->dial));
    uint16_t port = expect(f, "one");
    assert_int_not_equal(expect(f, "other"), port);
}

static void questions_leave_whole_and_in_order(void **state)
{
    struct fixture *f = *state;
    uint32_t conn = connect_in_turn(f, CONN_NONE);
    char text[32];
    for (unsigned i = 0; i < 3 * UDP_BATCH; i++) {
        snprintf(text, sizeof text, "question %u", i);
        ask(f, conn, text);
    }
    assert_false(dial_udp_flush(&f->dial));
    for (unsigned i = 0; i < 3 * UDP_BATCH; i++) {
        snprintf(text, sizeof text, "question %u", i);
        expect(f, text);
    }
}

static void worn_socket_retires_and_its_number_waits_to_be_settled(void **state)
{
    struct fixture *f = *state;
    uint32_t worn = connect_in_turn(f, CONN_NONE);
    ask(f, worn, "first");
    for (unsigned i = 1; i < UPSTREAM_SOCKET_QUESTIONS; i++) {
        ask(f, worn, "more");
        dial_udp_settle(&f->dial, worn);
    }
    assert_int_not_equal(connect_in_turn(f, CONN_NONE), worn);
    draw_all(f);
    assert_int_equal(f->dial.sockets_n, UPSTREAM_UDP_SOCKETS + 1);
    assert_non_null(conns_get(&f->dial.conns, worn));
    dial_udp_settle(&f->dial, worn);
    run_loop(f);
    assert_null(conns_get(&f->dial.conns, worn));
}

static void old_sockets_retire(void **state)
{
    struct fixture *f = *state;
    fill_pool(f);
    f->turn.now_us += UPSTREAM_SOCKET_LIFE_S * 1000000ull;
    fill_pool(f);
    assert_int_equal(f->dial.counters.opened, 2 * UPSTREAM_UDP_SOCKETS);
}

static void id_that_passes_to_another_address_gets_new_sockets(void **state)
{
    struct fixture *f = *state;
    int other = socket(AF_INET, SOCK_DGRAM, 0);
    fill_pool(f);
    ask(f, connect_in_next_turn(f), "to the first");
    struct addr first = f->up.addr;
    f->up.addr = bind_loopback(other);
    ask(f, connect_in_next_turn(f), "to the second");
    dial_udp_flush(&f->dial);
    expect(f, "to the first");
    char got[32] = "";
    assert_int_equal(recv(other, got, sizeof got, 0), strlen("to the second"));
    assert_false(addr_equal(&first, &f->up.addr));
    close(other);
}

static void id_that_passes_on_within_a_turn_gets_new_sockets(void **state)
{
    struct fixture *f = *state;
    uint32_t first = connect_in_turn(f, CONN_NONE);
    f->up.addr.port ^= 1;
    assert_int_not_equal(connect_in_turn(f, CONN_NONE), first);
}

static void closed_port_is_told_when_the_turn_ends(void **state)
{
    struct fixture *f = *state;
    uint32_t conn = connect_in_turn(f, CONN_NONE);
    close(f->upstream);
    ask(f, conn, "into the void");
    assert_false(
        dial_udp_flush(&f->dial)); /* on loopback the ICMP error is there now */
    ask(f, conn, "again");
    assert_int_equal(lost_n, 0);
    assert_true(dial_udp_flush(&f->dial));
    assert_int_equal(lost_n, 1);
    assert_int_equal(lost_error, ECONNREFUSED);
    f->upstream = socket(AF_INET, SOCK_DGRAM, 0);
}

static void address_that_cannot_be_reached_is_an_error_of_connect(void **state)
{
    struct fixture *f = *state;
    uint32_t conn;
    f->up.source = (struct addr){.family = 4, .ip = {192, 0, 2, 1}}; /* not ours */
    assert_int_equal(dial_udp_connect(&f->dial, &f->up, CONN_NONE, &conn),
                     EADDRNOTAVAIL);
    assert_int_equal(f->dial.sockets_n, 0);
}

/* ---- shared sockets ---- */

/* As many upstreams have sockets of their own as may. */
static void fill_owners(struct fixture *f)
{
    struct endpoint up = f->up;
    for (uint32_t i = 0; i < UPSTREAM_OWNERS; i++) {
        f->up.id = 100 + i;
        connect_in_turn(f, CONN_NONE);
    }
    f->up = up;
}

/* Another upstream, which is asked from now on; returns its socket. */
static int use_another(struct fixture *f)
{
    const struct timeval wait = {.tv_sec = WAIT_S};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    f->up.addr = bind_loopback(fd);
    f->up.id++;
    return fd;
}

static void upstreams_beyond_the_owners_share_a_socket(void **state)
{
    struct fixture *f = *state;
    fill_owners(f);
    uint32_t conn = connect_in_turn(f, CONN_NONE);
    ask(f, conn, "first");
    struct addr first = f->up.addr;
    int one = f->upstream, other = use_another(f);
    assert_int_equal(connect_in_turn(f, CONN_NONE), conn);
    ask(f, conn, "second");
    assert_int_equal(f->dial.sockets_n, UPSTREAM_OWNERS + 1);
    assert_false(dial_udp_flush(&f->dial));
    uint16_t port = expect(f, "first");
    f->upstream = other;
    assert_int_equal(expect(f, "second"), port);
    f->upstream = one;
    f->up.addr = first;
    ask(f, conn, "third");
    dial_udp_flush(&f->dial);
    expect_and_answer(f, "third");
    while (shared.n == 0)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
    assert_int_equal(shared.conn, conn);
    assert_true(addr_equal(&shared.from, &first));
    assert_string_equal(shared.wire, "x");
    close(other);
}

static void who_has_sockets_goes_on_with_them(void **state)
{
    struct fixture *f = *state;
    uint32_t own = connect_in_turn(f, CONN_NONE);
    fill_owners(f);
    for (unsigned i = 0; i < 100; i++)
        connect_in_next_turn(f);
    assert_int_not_equal(f->dial.shared[0].drawn_in, f->turn.number);
    assert_non_null(conns_get(&f->dial.conns, own));
}

static void retry_leaves_from_a_socket_of_its_own(void **state)
{
    struct fixture *f = *state;
    fill_owners(f);
    uint32_t conn = connect_in_turn(f, CONN_NONE);
    ask(f, conn, "first");
    uint32_t own = connect_in_turn(f, conn);
    assert_int_not_equal(own, conn);
    ask(f, own, "second");
    dial_udp_flush(&f->dial);
    uint16_t port = expect(f, "first");
    assert_int_not_equal(expect(f, "second"), port);
    assert_int_equal(connect_in_next_turn(f), own);
}

static void closed_port_is_told_of_one_upstream_only(void **state)
{
    struct fixture *f = *state;
    fill_owners(f);
    struct addr good = f->up.addr;
    close(use_another(f));
    struct addr closed = f->up.addr;
    uint32_t conn = connect_in_turn(f, CONN_NONE);
    for (unsigned i = 0; i < 5; i++) {
        f->up.addr = closed;
        ask(f, conn, "into the void");
        f->up.addr = good;
        ask(f, conn, "to the good one");
    }
    while (lost_one.n < 5) {
        dial_udp_flush(&f->dial);
        uv_run(&f->turn.loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(lost_one.error, ECONNREFUSED);
    assert_int_equal(lost_one.conn, conn);
    assert_true(addr_equal(&lost_one.peer, &closed));
    assert_string_equal(lost_one.sent, "into the void");
    assert_int_equal(lost_n, 0);
    for (unsigned i = 0; i < 5; i++)
        expect(f, "to the good one");
}

static void address_that_nothing_can_be_sent_to_is_told_and_passed_over(void **state)
{
    struct fixture *f = *state;
    const struct addr broadcast = {.family = 4, .port = 53, .ip = {255, 255, 255, 255}};
    fill_owners(f);
    struct addr good = f->up.addr;
    uint32_t conn = connect_in_turn(f, CONN_NONE);
    ask(f, conn, "first question");
    f->up.addr = broadcast;
    ask(f, conn, "to everybody");
    f->up.addr = good;
    ask(f, conn, "last question");
    assert_true(dial_udp_flush(&f->dial));
    assert_int_equal(lost_one.n, 1);
    assert_true(addr_equal(&lost_one.peer, &broadcast));
    assert_string_equal(lost_one.sent, "to everybody");
    expect(f, "first question");
    expect(f, "last question");
}

static void send_from(int fd, const struct addr *to, const char *text, unsigned times)
{
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(to, &sa);
    for (unsigned i = 0; i < times; i++)
        assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&sa, len),
                         strlen(text));
}

/* Asks "first", whose ID is "fi"; the answers are waited for no more. Returns from
 * where it was asked. */
static struct addr ask_by_a_shared_socket(struct fixture *f, uint32_t *conn)
{
    fill_owners(f);
    *conn = connect_in_turn(f, CONN_NONE);
    ask(f, *conn, "first");
    dial_udp_flush(&f->dial);
    shared.unmatched = true;
    return expect_from(f, "first");
}

static void what_is_late_or_doubled_or_of_a_stranger_is_no_guess(void **state)
{
    struct fixture *f = *state;
    uint32_t conn;
    struct addr port = ask_by_a_shared_socket(f, &conn);
    int stranger = socket(AF_INET, SOCK_DGRAM, 0);
    bind_loopback(stranger);
    send_from(f->upstream, &port, "first is answered too late", 2 * UPSTREAM_GUESSES);
    send_from(f->upstream, &port, "no message", 2 * UPSTREAM_GUESSES);
    send_from(stranger, &port, "by whom nobody was asked", 2 * UPSTREAM_GUESSES);
    send_from(stranger, &port, "", 2 * UPSTREAM_GUESSES);
    while (shared.n < 8 * UPSTREAM_GUESSES && f->dial.own_until_us == 0)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
    assert_int_equal(f->dial.own_until_us, 0);
    assert_int_equal(f->dial.guesses, 0);
    close(stranger);
}

/* Whoever knows the IDs of his own questions must not try them in another's name. */
static void an_id_of_one_is_a_guess_in_the_name_of_another(void **state)
{
    struct fixture *f = *state;
    uint32_t conn;
    struct addr port = ask_by_a_shared_socket(f, &conn);
    int one = f->upstream, other = use_another(f);
    for (unsigned i = 0; i < UPSTREAM_GUESSES + 5; i++) {
        char question[32];
        snprintf(question, sizeof question, "%02u is asked of the other", i);
        ask(f, conn, question);
        send_from(one, &port, question, 1);
    }
    while (shared.n < UPSTREAM_GUESSES + 5 && f->dial.own_until_us == 0)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
    assert_int_not_equal(f->dial.own_until_us, 0);
    close(other);
}

/* One more error comes between two calls; the good one has nothing to do with it. */
static void errors_of_others_are_not_of_who_is_asked_next(void **state)
{
    struct fixture *f = *state;
    fill_owners(f);
    uint32_t conn = connect_in_turn(f, CONN_NONE);
    ask(f, conn, "to a good one");
    refusals_n = 2;
    dial_udp_flush(&f->dial);
    expect(f, "to a good one");
    ask(f, conn, "never sent");
    refusals_n = 4;
    dial_udp_flush(&f->dial);
    assert_int_equal(refusals_n, 0);
    assert_int_equal(lost_one.n, 0);
}

static void without_descriptors_those_left_are_shared(void **state)
{
    struct fixture *f = *state;
    struct rlimit before;
    fill_owners(f);
    struct endpoint up = f->up;
    for (uint32_t i = 0; i < UPSTREAM_OWNERS; i++) {
        f->up.id = 100 + i; /* none of them is idle */
        ask(f, connect_in_turn(f, CONN_NONE), "of an owner");
    }
    f->up = up;
    uint32_t next, conn = connect_in_turn(f, CONN_NONE);
    ask(f, conn, "first");
    dial_udp_flush(&f->dial);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int lowest = dup(0); /* of those that are free */
    close(lowest);
    const struct rlimit none = {(rlim_t)lowest, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    f->turn.number++;
    int error = dial_udp_connect(&f->dial, &f->up, conn, &next);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_int_equal(error, 0);
    assert_int_not_equal(next, conn);
    const struct dial_udp_socket *s = conns_get(&f->dial.conns, next);
    assert_true(s != NULL && s->family == 4);
    dial_udp_settle(&f->dial, conn);
}

static void nobody_shares_while_somebody_guesses(void **state)
{
    struct fixture *f = *state;
    uint32_t conn;
    struct addr port = ask_by_a_shared_socket(f, &conn);
    for (unsigned i = 0; i < UPSTREAM_GUESSES + 5; i++) {
        char guess[32];
        snprintf(guess, sizeof guess, "%02u is an ID guessed at", i);
        send_from(f->upstream, &port, guess, 1);
    }
    while (shared.n < UPSTREAM_GUESSES + 5 && f->dial.own_until_us == 0)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
    assert_int_not_equal(f->dial.own_until_us, 0);
    run_loop(f);
    assert_in_range(shared.n, UPSTREAM_GUESSES, UPSTREAM_GUESSES + 5);
    assert_int_equal(f->dial.sockets_n, UPSTREAM_OWNERS);
    uint32_t own = connect_in_next_turn(f);
    assert_int_not_equal(own, conn);
    assert_int_equal(f->dial.owners_n, UPSTREAM_OWNERS + 1);
    dial_udp_settle(&f->dial, conn);
    f->turn.now_us += 60 * 1000000ull;
    f->up.id++;
    connect_in_next_turn(f);
    assert_int_equal(f->dial.owners_n, UPSTREAM_OWNERS + 1);
    assert_int_equal(f->dial.shared[0].drawn_in, f->turn.number);
}

static void idle_shared_sockets_close(void **state)
{
    struct fixture *f = *state;
    fill_owners(f);
    draw_all(f);
    assert_int_equal(f->dial.sockets_n, UPSTREAM_OWNERS + UPSTREAM_SHARED_SOCKETS);
    f->turn.now_us += UPSTREAM_SOCKET_LIFE_S * 1000000ull;
    while (f->dial.sockets_n > 0)
        uv_run(&f->turn.loop, UV_RUN_ONCE);
    assert_int_equal(f->dial.owners_n, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_turn_uses_one_socket),
        TEST(turns_draw_from_a_bounded_pool),
        TEST(avoided_socket_is_not_given),
        TEST(retry_leaves_from_a_new_socket_when_all_were_silent),
        TEST(socket_that_was_heard_meanwhile_stays),
        TEST(retry_leaves_from_a_socket_that_was_heard_before_a_new_one),
        TEST(sockets_have_ports_of_their_own),
        TEST(questions_leave_whole_and_in_order),
        TEST(worn_socket_retires_and_its_number_waits_to_be_settled),
        TEST(old_sockets_retire),
        TEST(id_that_passes_to_another_address_gets_new_sockets),
        TEST(id_that_passes_on_within_a_turn_gets_new_sockets),
        TEST(closed_port_is_told_when_the_turn_ends),
        TEST(address_that_cannot_be_reached_is_an_error_of_connect),
        TEST(upstreams_beyond_the_owners_share_a_socket),
        TEST(who_has_sockets_goes_on_with_them),
        TEST(retry_leaves_from_a_socket_of_its_own),
        TEST(closed_port_is_told_of_one_upstream_only),
        TEST(address_that_nothing_can_be_sent_to_is_told_and_passed_over),
        TEST(nobody_shares_while_somebody_guesses),
        TEST(what_is_late_or_doubled_or_of_a_stranger_is_no_guess),
        TEST(an_id_of_one_is_a_guess_in_the_name_of_another),
        TEST(errors_of_others_are_not_of_who_is_asked_next),
        TEST(without_descriptors_those_left_are_shared),
        TEST(idle_shared_sockets_close),
    };
    if (hash_seed() < 0)
        return 1;
    return cmocka_run_group_tests_name("dial_udp", tests, NULL, NULL);
}
