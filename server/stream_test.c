/* What a connection may do and for how long. Connections are socket pairs; time and
 * turns are the test's; the resolver only notes what is asked. */
#include "server/stream.h"

#include "base/hash.h"
#include "base/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define S            1000000ull /* microseconds */
#define CONNECTIONS  3          /* the quota of a test */
#define QUESTION     "\0\5hello"
#define QUESTION_LEN 7

static struct client asked; /* the last question's */
static unsigned asked_n;

void resolver_tick(struct resolver *r, uint64_t now_us)
{
}

void resolver_count(struct resolver *r, const struct meter *m, uint32_t cell,
                    uint64_t n)
{
}

void resolver_query(struct resolver *r, const struct client *c, const uint8_t *wire,
                    size_t len)
{
    asked = *c;
    asked_n++;
}

static unsigned writable_n;
static uint64_t writable; /* the last connection with room */
static bool others_wait;  /* what the resolver says then */

bool resolver_writable(struct resolver *r, uint64_t handle)
{
    writable = handle;
    writable_n++;
    return others_wait;
}

struct fixture {
    struct turn turn;
    struct streams streams;
    struct quota *quota;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    *state = f;
    assert_int_equal(uv_loop_init(&f->turn.loop), 0);
    f->quota = quota_new(CONNECTIONS, CONNECTIONS);
    assert_non_null(f->quota);
    assert_int_equal(streams_init(&f->streams, &f->turn, f->quota), 0);
    f->turn.open = true;
    f->turn.now_us = 1000 * S;
    f->turn.number = 1;
    f->turn.resolver = (struct resolver *)f; /* never looked into */
    asked_n = writable_n = 0;
    others_wait = false;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    streams_close(&f->streams);
    uv_run(&f->turn.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->turn.loop), 0);
    assert_int_equal(f->streams.open, 0);
    assert_int_equal(f->streams.held, 0);
    streams_release(&f->streams);
    quota_free(f->quota);
    free(f);
    return 0;
}

/* Returns the client's end. */
static int admit(struct fixture *f)
{
    int pair[2];
    struct client who = {.transport = TRANSPORT_TCP, .peer = {.family = 4}};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(quota_take(f->quota, &who.peer), QUOTA_TAKEN);
    struct stream_terms terms = {.limits = stream_limits_default,
                                 .place = QUOTA_NOWHERE};
    assert_int_equal(streams_admit(&f->streams, pair[1], &who, 0, &terms), 0);
    uv_timer_stop(&f->streams.sweep); /* advance() sweeps, at the test's time */
    return pair[0];
}

static void end_turn(struct fixture *f)
{
    while (streams_flush(&f->streams))
        ;
    f->turn.number++;
}

/* What has come over the socket pairs is there at once; each turn may bring on another.
 */
static void run_events(struct fixture *f)
{
    for (unsigned i = 0; i < 3; i++) {
        uv_run(&f->turn.loop, UV_RUN_NOWAIT);
        end_turn(f);
    }
}

static void run_until_asked(struct fixture *f, unsigned n)
{
    while (asked_n < n) {
        uv_run(&f->turn.loop, UV_RUN_ONCE);
        end_turn(f);
    }
}

static void write_octets(int fd, const char *octets, size_t len)
{
    assert_int_equal(send(fd, octets, len, 0), len);
}

static void ask(struct fixture *f, int fd)
{
    write_octets(fd, QUESTION, QUESTION_LEN);
    run_until_asked(f, asked_n + 1);
}

static void answer(struct fixture *f, size_t len)
{
    size_t cap;
    uint8_t *space = streams_reply_space(&f->streams, &asked, &cap);
    assert_non_null(space);
    memset(space, 'a', len);
    streams_reply(&f->streams, &asked, len);
    end_turn(f);
}

static void answer_part(struct fixture *f, size_t len)
{
    size_t cap;
    uint8_t *space = streams_reply_space(&f->streams, &asked, &cap);
    assert_non_null(space);
    memset(space, 'a', len);
    streams_reply_part(&f->streams, &asked, len);
    end_turn(f);
}

static void ask_and_answer(struct fixture *f, int fd)
{
    char got[QUESTION_LEN + 1];
    ask(f, fd);
    answer(f, 5);
    assert_int_equal(recv(fd, got, sizeof got, 0), 7);
}

static bool is_closed(int fd)
{
    char octet;
    return recv(fd, &octet, 1, MSG_PEEK) == 0;
}

static void advance(struct fixture *f, uint64_t us)
{
    f->turn.now_us += us;
    run_events(f);
    streams_sweep(&f->streams);
    run_events(f);
}

static void who_connects_and_asks_nothing_is_closed(void **state)
{
    struct fixture *f = *state;
    int fd = admit(f);
    advance(f, TCP_FIRST_MS * 1000ull - 1);
    assert_false(is_closed(fd));
    advance(f, 1);
    assert_true(is_closed(fd));
    assert_int_equal(f->streams.counters.late, 1);
    close(fd);
}

static void idle_connection_is_closed_later(void **state)
{
    struct fixture *f = *state;
    int fd = admit(f);
    ask_and_answer(f, fd);
    advance(f, TCP_IDLE_MS * 1000ull - 1);
    assert_false(is_closed(fd));
    advance(f, 1);
    assert_true(is_closed(fd));
    close(fd);
}

static void single_octets_gain_no_time(void **state)
{
    struct fixture *f = *state;
    int fd = admit(f);
    ask_and_answer(f, fd);
    for (unsigned i = 0; i < 4; i++) {
        write_octets(fd, &QUESTION[i], 1);
        advance(f, TCP_IDLE_MS * 1000ull / 4);
    }
    assert_true(is_closed(fd));
    close(fd);
}

static void question_that_begins_late_may_still_become_whole(void **state)
{
    struct fixture *f = *state;
    int fd = admit(f);
    ask_and_answer(f, fd);
    advance(f, TCP_IDLE_MS * 1000ull - 1);
    write_octets(fd, QUESTION, 3);
    advance(f, 0);
    advance(f, TCP_FIRST_MS * 1000ull - 1);
    assert_false(is_closed(fd));
    advance(f, 1);
    assert_true(is_closed(fd));
    close(fd);
}

static void connection_with_a_question_in_flight_stays(void **state)
{
    struct fixture *f = *state;
    int fd = admit(f);
    ask(f, fd);
    advance(f, 3 * TCP_IDLE_MS * 1000ull);
    assert_false(is_closed(fd));
    answer(f, 5);
    char got[8];
    assert_int_equal(recv(fd, got, sizeof got, 0), 7);
    close(fd);
}

static void client_that_takes_no_answers_is_closed(void **state)
{
    struct fixture *f = *state;
    int fd = admit(f);
    while (streams_quiet(&f->streams)) { /* until the kernel has enough */
        ask(f, fd);
        answer(f, ANSWER_MAX);
    }
    write_octets(fd, QUESTION, QUESTION_LEN);
    unsigned before = asked_n;
    advance(f, TCP_WRITE_MS * 1000ull - 1);
    assert_int_equal(f->streams.open, 1);
    assert_int_equal(asked_n, before); /* no question is read from it meanwhile */
    advance(f, 1);
    assert_int_equal(f->streams.open, 0);
    close(fd);
}

static void old_connection_ends_with_its_last_answer(void **state)
{
    struct fixture *f = *state;
    char got[16];
    int fd = admit(f);
    ask(f, fd);
    advance(f, TCP_TOTAL_S * S);
    assert_int_equal(recv(fd, got, sizeof got, 0), -1); /* the answer is owed */
    answer(f, 5);
    assert_int_equal(recv(fd, got, sizeof got, 0), 7);
    assert_true(is_closed(fd));
    close(fd);
}

static void longest_idle_connection_makes_room(void **state)
{
    struct fixture *f = *state;
    int fd[CONNECTIONS];
    for (unsigned i = 0; i < CONNECTIONS; i++)
        fd[i] = admit(f);
    ask_and_answer(f, fd[0]); /* now the second is the oldest */
    ask(f, fd[2]);            /* and the third is busy */
    assert_true(streams_evict(&f->streams));
    assert_true(is_closed(fd[1]));
    assert_true(streams_evict(&f->streams));
    assert_true(is_closed(fd[0]));
    assert_false(streams_evict(&f->streams));
    for (unsigned i = 0; i < CONNECTIONS; i++)
        close(fd[i]);
}

static void answer_to_a_closed_connection_goes_nowhere(void **state)
{
    struct fixture *f = *state;
    size_t cap;
    int fd = admit(f);
    ask_and_answer(f, fd);
    struct client gone = asked;
    assert_true(streams_evict(&f->streams));
    run_events(f);
    int other = admit(f); /* takes the same place */
    assert_null(streams_reply_space(&f->streams, &gone, &cap));
    streams_reply(&f->streams, &gone, 0);
    ask(f, other);
    assert_int_equal((uint32_t)asked.handle, (uint32_t)gone.handle);
    assert_non_null(streams_reply_space(&f->streams, &asked, &cap));
    streams_reply(&f->streams, &asked, 0);
    close(fd);
    close(other);
}

static void listener_that_goes_takes_its_connections_along(void **state)
{
    struct fixture *f = *state;
    char got[16];
    int idle = admit(f), busy = admit(f);
    ask(f, busy);
    streams_serve(&f->streams, 0, 7);
    streams_orphan(&f->streams, 0);
    end_turn(f);
    assert_true(is_closed(idle));
    assert_false(is_closed(busy));
    answer(f, 5);
    assert_int_equal(recv(busy, got, sizeof got, 0), 7);
    assert_true(is_closed(busy));
    close(idle);
    close(busy);
}

static void limits_of_a_corefile_replace_ours(void **state)
{
    static const struct stream_limits limits = {
        .read_ms = 1000, .write_ms = 2000, .idle_ms = 60000};
    struct fixture *f = *state;
    int slow = admit(f), idle = admit(f);
    streams_limit(&f->streams, 0, &limits);
    ask_and_answer(f, idle);
    advance(f, S);
    assert_true(is_closed(slow));
    advance(f, 58 * S);
    assert_false(is_closed(idle));
    advance(f, S);
    assert_true(is_closed(idle));
    close(slow);
    close(idle);
}

static void a_connection_ends_with_the_last_question_it_may_ask(void **state)
{
    static const struct stream_limits two = {
        .read_ms = 1000, .write_ms = 2000, .idle_ms = 60000, .questions_max = 2};
    struct fixture *f = *state;
    char got[16];
    int fd = admit(f);
    streams_limit(&f->streams, 0, &two);
    ask_and_answer(f, fd);
    write_octets(fd, QUESTION, QUESTION_LEN);
    write_octets(fd, QUESTION, QUESTION_LEN);
    run_until_asked(f, 2);
    assert_int_equal(f->streams.counters.questions, 2);
    answer(f, 5);
    assert_int_equal(recv(fd, got, sizeof got, 0), 7);
    assert_true(is_closed(fd));
    assert_int_equal(asked_n, 2);
    close(fd);
}

static void next_part_is_for_when_the_client_took_the_last(void **state)
{
    struct fixture *f = *state;
    char taken[8192];
    int fd = admit(f);
    ask(f, fd);
    answer_part(f, 100);
    assert_int_equal(writable_n, 0); /* not in the same turn */
    for (unsigned turns = 0; turns < 200; turns++) {
        unsigned seen = writable_n;
        uv_run(&f->turn.loop, UV_RUN_NOWAIT);
        if (writable_n > seen)
            answer_part(f, 65000);
    }
    assert_true(writable_n > 0 && writable_n < 100); /* a socket holds so much */
    assert_true(writable == asked.handle);
    unsigned full = writable_n;
    while (writable_n == full) {
        assert_true(read(fd, taken, sizeof taken) > 0);
        uv_run(&f->turn.loop, UV_RUN_NOWAIT);
        end_turn(f);
    }
    answer_part(f, 100);
    full = writable_n;
    close(fd);
    while (f->streams.open > 0 && writable_n == full) {
        uv_run(&f->turn.loop, UV_RUN_ONCE);
        end_turn(f);
    }
    assert_int_equal(writable_n, full + 1); /* also one that goes is told of */
}

/* Of two replies that go on, one ends with the first event and the other does not. */
static void a_connection_is_asked_again_while_others_wait(void **state)
{
    struct fixture *f = *state;
    int fd = admit(f);
    ask(f, fd);
    ask(f, fd);
    answer_part(f, 100);
    answer_part(f, 100);
    others_wait = true;
    while (writable_n < 2) {
        uv_run(&f->turn.loop, UV_RUN_ONCE);
        end_turn(f);
    }
    others_wait = false;
    while (writable_n < 3) {
        uv_run(&f->turn.loop, UV_RUN_ONCE);
        end_turn(f);
    }
    run_events(f);
    assert_int_equal(writable_n, 3);
    answer(f, 5);
    answer(f, 5);
    close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(who_connects_and_asks_nothing_is_closed),
        TEST(idle_connection_is_closed_later),
        TEST(single_octets_gain_no_time),
        TEST(question_that_begins_late_may_still_become_whole),
        TEST(connection_with_a_question_in_flight_stays),
        TEST(client_that_takes_no_answers_is_closed),
        TEST(old_connection_ends_with_its_last_answer),
        TEST(longest_idle_connection_makes_room),
        TEST(answer_to_a_closed_connection_goes_nowhere),
        TEST(listener_that_goes_takes_its_connections_along),
        TEST(limits_of_a_corefile_replace_ours),
        TEST(next_part_is_for_when_the_client_took_the_last),
        TEST(a_connection_is_asked_again_while_others_wait),
        TEST(a_connection_ends_with_the_last_question_it_may_ask),
    };
    if (hash_seed() < 0)
        return 1;
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
