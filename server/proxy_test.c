#include "server/proxy.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define S  1000000ull /* microseconds */
#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define HEADER                                                                         \
    V2 "\x21\x12\0\x0c\x0a\0\0\7\xc0\0\2\1\x30\x39\0\x35" /* 10.0.0.7:12345 */
#define STREAM V2 "\x21\x11\0\x0c\x0a\0\0\7\xc0\0\2\1\x30\x39\0\x35"

static struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(&a, text_of(text), 0), 0);
    return a;
}

static void is(const struct addr *a, const char *text)
{
    char got[ADDR_TEXT_MAX];
    assert_string_equal(addr_print(a, got), text);
}

struct datagram {
    struct client client;
    struct span in;
    bool kept;
};

static struct datagram arrive(struct proxies *p, uint64_t now_us, const char *from,
                              const char *octets, size_t len)
{
    struct datagram d = {.client = {.peer = address(from)},
                         .in = {.at = (const uint8_t *)octets, .len = len}};
    d.kept = proxies_unwrap(p, now_us, &d.client, &d.in);
    return d;
}

#define ARRIVE(p, now, from, literal) arrive(p, now, from, literal, sizeof(literal) - 1)

static void a_header_tells_the_client_and_the_way_back(void **unused)
{
    struct plan_proxy how = {.others = PROXY_USE};
    struct proxies p = {.how = &how};
    struct datagram d = ARRIVE(&p, 0, "192.0.2.9:99", HEADER "question");
    assert_true(d.kept);
    is(&d.client.peer, "10.0.0.7:12345");
    is(&d.client.via, "192.0.2.9:99");
    assert_int_equal(d.in.len, 8);
    assert_memory_equal(d.in.at, "question", 8);
    d = ARRIVE(&p, 0, "192.0.2.9:99", "\x12\x34question");
    assert_true(d.kept);
    is(&d.client.peer, "192.0.2.9:99");
    assert_int_equal(d.client.via.family, 0);
    proxies_release(&p);
}

static void others_than_those_allowed_fall_under_the_default(void **unused)
{
    struct cidr allowed;
    assert_int_equal(cidr_parse(&allowed, TEXT("192.0.2.0/24"), NULL), 0);
    static const struct {
        enum proxy_policy others;
        bool kept;
        size_t len;
    } rows[] = {
        {PROXY_IGNORE, true, 8}, {PROXY_REJECT, false, 0}, {PROXY_SKIP, true, 36}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct plan_proxy how = {
            .allow = &allowed, .allow_n = 1, .others = rows[i].others};
        struct proxies p = {.how = &how};
        struct datagram d = ARRIVE(&p, 0, "192.0.2.9:99", HEADER "question");
        is(&d.client.peer, "10.0.0.7:12345");
        d = ARRIVE(&p, 0, "203.0.113.9:99", HEADER "question");
        assert_int_equal(d.kept, rows[i].kept);
        is(&d.client.peer, "203.0.113.9:99");
        assert_int_equal(d.client.via.family, 0);
        if (d.kept)
            assert_int_equal(d.in.len, rows[i].len);
    }
}

static void datagrams_that_cannot_be_meant_are_dropped(void **unused)
{
    struct plan_proxy how = {.others = PROXY_USE};
    struct proxies p = {.how = &how};
    assert_false(ARRIVE(&p, 0, "192.0.2.9:99", STREAM "question").kept);
    assert_false(ARRIVE(&p, 0, "192.0.2.9:99", V2 "\x21\x12\0\x0c").kept);
    assert_false(ARRIVE(&p, 0, "192.0.2.9:99", V2 "\x31\x12\0\0question").kept);
    assert_false(
        ARRIVE(&p, 0, "192.0.2.9:99", "PROXY TCP4 10.0.0.7 10.0.0.8 1 2\r\nq").kept);
    assert_false(ARRIVE(&p, 0, "192.0.2.9:99", HEADER).kept); /* says nothing */
    struct datagram d = ARRIVE(&p, 0, "192.0.2.9:99", V2 "\x20\0\0\0question");
    assert_true(d.kept); /* a health check of the proxy itself */
    is(&d.client.peer, "192.0.2.9:99");
}

static void a_session_gives_later_datagrams_their_client(void **unused)
{
    struct plan_proxy how = {
        .others = PROXY_USE, .session_us = 28 * S, .sessions_max = 2};
    struct proxies p = {.how = &how};
    assert_false(ARRIVE(&p, 0, "192.0.2.9:99", HEADER).kept);
    struct datagram d = ARRIVE(&p, 27 * S, "192.0.2.9:99", "question");
    is(&d.client.peer, "10.0.0.7:12345");
    is(&d.client.via, "192.0.2.9:99");
    d = ARRIVE(&p, 27 * S, "192.0.2.9:98", "question"); /* another port */
    is(&d.client.peer, "192.0.2.9:98");
    d = ARRIVE(&p, 54 * S, "192.0.2.9:99", "question"); /* renewed at 27 s */
    is(&d.client.peer, "10.0.0.7:12345");
    d = ARRIVE(&p, 83 * S, "192.0.2.9:99", "question");
    is(&d.client.peer, "192.0.2.9:99");
    proxies_release(&p);
}

static void the_session_longest_unused_makes_room(void **unused)
{
    struct plan_proxy how = {
        .others = PROXY_USE, .session_us = 28 * S, .sessions_max = 2};
    struct proxies p = {.how = &how};
    ARRIVE(&p, 0, "192.0.2.9:1", HEADER);
    ARRIVE(&p, 0, "192.0.2.9:2", HEADER);
    ARRIVE(&p, 0, "192.0.2.9:1", "question");
    ARRIVE(&p, 0, "192.0.2.9:3", HEADER);
    assert_int_equal(p.sessions.n, 2);
    assert_int_equal(ARRIVE(&p, 0, "192.0.2.9:2", "question").client.via.family, 0);
    assert_int_equal(ARRIVE(&p, 0, "192.0.2.9:1", "question").client.via.family, 4);
    how.sessions_max = 1; /* a reload */
    proxies_use(&p, &how);
    assert_int_equal(ARRIVE(&p, 0, "192.0.2.9:3", "question").client.via.family, 0);
    assert_int_equal(ARRIVE(&p, 0, "192.0.2.9:1", "question").client.via.family, 4);
    proxies_use(&p, NULL);
    assert_int_equal(p.sessions.n, 0);
    proxies_release(&p);
}

/* ---- connections ---- */

struct pair {
    int client, server;
};

static struct pair connected(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct pair p = {.client = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(bind(listener, (struct sockaddr *)&any, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&any, &len), 0);
    assert_int_equal(connect(p.client, (struct sockaddr *)&any, len), 0);
    p.server = accept(listener, NULL, NULL);
    assert_true(p.server >= 0);
    close(listener);
    return p;
}

static void say(const struct pair *p, const char *octets, size_t len)
{
    assert_int_equal(send(p->client, octets, len, 0), len);
}

static void hang_up(const struct pair *p)
{
    close(p->client);
    close(p->server);
}

static enum proxy_step take(const struct pair *p, enum proxy_policy policy,
                            uint32_t *seen, struct client *who)
{
    uint8_t one;
    recv(p->server, &one, 1, MSG_PEEK); /* waits until something has come */
    return proxy_take(p->server, policy, seen, who);
}

static void a_connection_begins_behind_its_header(void **unused)
{
    static const char header[] = STREAM;
    struct pair p = connected();
    struct client who = {.peer = address("192.0.2.9:99")};
    uint32_t seen = 0;
    char rest[16];
    say(&p, header, 5);
    assert_int_equal(take(&p, PROXY_USE, &seen, &who), PROXY_STEP_WAIT);
    say(&p, header + 5, sizeof header - 6);
    say(&p, "rest", 4);
    int waits = 0;
    recv(p.server, rest, sizeof rest, MSG_PEEK);
    while (proxy_take(p.server, PROXY_USE, &seen, &who) == PROXY_STEP_WAIT)
        assert_true(waits++ < 1000);
    is(&who.peer, "10.0.0.7:12345");
    is(&who.local, "192.0.2.1:53");
    assert_int_equal(recv(p.server, rest, sizeof rest, 0), 4);
    assert_memory_equal(rest, "rest", 4);
    hang_up(&p);
}

static void connections_without_a_header_lose_nothing(void **unused)
{
    struct pair p = connected();
    struct client who = {.peer = address("192.0.2.9:99")};
    uint32_t seen = 0;
    char rest[16];
    say(&p, "\0\x1dquestion", 10);
    assert_int_equal(take(&p, PROXY_USE, &seen, &who), PROXY_STEP_GO);
    is(&who.peer, "192.0.2.9:99");
    assert_int_equal(recv(p.server, rest, sizeof rest, 0), 10);
    hang_up(&p);
}

static void headers_of_strangers_end_it_or_are_forgotten(void **unused)
{
    static const struct {
        const char *octets;
        size_t len;
        enum proxy_policy policy;
        enum proxy_step step;
    } rows[] = {
        {STREAM, 28, PROXY_REJECT, PROXY_STEP_END},
        {STREAM, 28, PROXY_IGNORE, PROXY_STEP_GO},
        {"PROXY TCP9 \r\n", 13, PROXY_USE, PROXY_STEP_END},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pair p = connected();
        struct client who = {.peer = address("192.0.2.9:99")};
        uint32_t seen = 0;
        say(&p, rows[i].octets, rows[i].len);
        assert_int_equal(take(&p, rows[i].policy, &seen, &who), rows[i].step);
        is(&who.peer, "192.0.2.9:99");
        hang_up(&p);
    }
}

static void an_end_in_the_middle_of_a_header_is_the_end(void **unused)
{
    struct pair p = connected();
    struct client who = {0};
    uint32_t seen = 0;
    say(&p, "PROX", 4);
    assert_int_equal(take(&p, PROXY_USE, &seen, &who), PROXY_STEP_WAIT);
    shutdown(p.client, SHUT_WR);
    assert_int_equal(take(&p, PROXY_USE, &seen, &who), PROXY_STEP_END);
    hang_up(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_tells_the_client_and_the_way_back),
        cmocka_unit_test(others_than_those_allowed_fall_under_the_default),
        cmocka_unit_test(datagrams_that_cannot_be_meant_are_dropped),
        cmocka_unit_test(a_session_gives_later_datagrams_their_client),
        cmocka_unit_test(the_session_longest_unused_makes_room),
        cmocka_unit_test(a_connection_begins_behind_its_header),
        cmocka_unit_test(connections_without_a_header_lose_nothing),
        cmocka_unit_test(headers_of_strangers_end_it_or_are_forgotten),
        cmocka_unit_test(an_end_in_the_middle_of_a_header_is_the_end),
    };
    if (hash_seed() < 0)
        return 1;
    return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
