#include "server/listen.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct listen_from nothing = {0};

static const struct addr loopback = {.family = 4, .ip = {127, 0, 0, 1}};
static const struct addr foreign = {.family = 4, .port = 5300, .ip = {192, 0, 2, 1}};

static struct plan plan_of(struct plan_server *servers, uint32_t n)
{
    return (struct plan){.servers = servers, .servers_n = n};
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage sa;
    struct addr a;
    socklen_t len = sizeof sa;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    addr_from_sockaddr(&a, (struct sockaddr *)&sa);
    return a.port;
}

/* A port of loopback that nobody else can take meanwhile: bound by a socket of each
 * kind, of which that of TCP, and that of UDP if `shared`, let others of this program
 * bind it too. */
struct held {
    int udp, tcp;
    uint16_t port;
};

static int bind_held(int type, uint16_t port, bool shared)
{
    const int on = 1;
    struct addr a = loopback;
    struct sockaddr_storage sa;
    int fd = socket(AF_INET, type, 0);
    assert_true(fd >= 0);
    a.port = port;
    socklen_t len = addr_to_sockaddr(&a, &sa);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&sa, len) == 0)
        return fd;
    close(fd);
    return -1;
}

static struct held hold_port(bool shared)
{
    for (;;) { /* until the port of one is free for the other */
        struct held h = {.udp = bind_held(SOCK_DGRAM, 0, shared)};
        h.port = port_of(h.udp);
        h.tcp = bind_held(SOCK_STREAM, h.port, true);
        if (h.tcp >= 0)
            return h;
        close(h.udp);
    }
}

static void let_go(const struct held *h)
{
    close(h->udp);
    close(h->tcp);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void workers_share_a_port(void **unused)
{
    struct errors errs;
    struct held held = hold_port(true);
    struct plan_server server = {.addr = loopback};
    server.addr.port = held.port;
    struct plan plan = plan_of(&server, 1);
    errors_init(&errs);
    struct listen_set *set = listen_open(&plan, &nothing, 3, &errs);
    assert_non_null(set);
    for (unsigned w = 0; w < 3; w++) {
        assert_int_equal(port_of(set->list[0].fds[w].udp), server.addr.port);
        assert_int_equal(port_of(set->list[0].fds[w].tcp), server.addr.port);
    }
    let_go(&held);
    listen_free(set);
    errors_release(&errs);
}

static void one_address_that_fails_leaves_nothing_open(void **unused)
{
    struct errors errs;
    int before = dup(0), fd;
    struct plan_server servers[] = {
        {.addr = loopback}, {.addr = foreign}, {.addr = foreign}};
    servers[2].addr.port = 5301;
    struct plan plan = plan_of(servers, 3);
    errors_init(&errs);
    assert_null(listen_open(&plan, &nothing, 2, &errs));
    assert_int_equal(errs.n, 2); /* one for each address */
    assert_non_null(strstr(errs.list[0].text, "listen tcp 192.0.2.1:5300: bind: "));
    assert_non_null(strstr(errs.list[0].text, "ip addr"));
    fd = dup(0);
    assert_int_equal(fd, before + 1); /* all descriptors are free again */
    close(fd);
    close(before);
    errors_release(&errs);
}

static void port_of_another_program_is_an_error_with_its_mend(void **unused)
{
    struct errors errs;
    struct held held = hold_port(false);
    struct plan_server server = {.addr = loopback};
    server.addr.port = held.port;
    struct plan plan = plan_of(&server, 1);
    errors_init(&errs);
    assert_null(listen_open(&plan, &nothing, 1, &errs));
    assert_int_equal(errs.n, 1);
    assert_non_null(strstr(errs.list[0].text, "listen udp 127.0.0.1:"));
    assert_non_null(strstr(errs.list[0].text, "another program listens there"));
    let_go(&held);
    errors_release(&errs);
}

static void reload_opens_only_what_is_new(void **unused)
{
    struct errors errs;
    struct plan_server before[] = {{.addr = loopback}};
    struct plan_server after[] = {{.addr = loopback}, {.addr = loopback}};
    after[0].addr.ip[3] = 2;
    struct plan one = plan_of(before, 1), two = plan_of(after, 2);
    errors_init(&errs);
    struct listen_set *old = listen_open(&one, &nothing, 1, &errs);
    struct listen_set *set =
        listen_open(&two, &(struct listen_from){.old = old}, 1, &errs);
    assert_non_null(set);
    assert_int_equal(set->list[1].id, old->list[0].id);
    assert_int_equal(set->list[1].server, 1);
    assert_int_equal(set->list[1].fds[0].udp, -1);
    assert_int_not_equal(set->list[0].id, old->list[0].id);
    assert_true(is_open(set->list[0].fds[0].udp));
    listen_free(set);
    listen_free(old);
    errors_release(&errs);
}

static void number_of_an_address_is_never_used_again(void **unused)
{
    struct errors errs;
    struct plan_server servers[] = {{.addr = loopback}, {.addr = loopback}};
    servers[1].addr.ip[3] = 2;
    struct plan first = plan_of(servers, 1), second = plan_of(servers + 1, 1);
    errors_init(&errs);
    struct listen_set *a = listen_open(&first, &nothing, 1, &errs);
    struct listen_set *b =
        listen_open(&second, &(struct listen_from){.old = a}, 1, &errs);
    struct listen_set *c =
        listen_open(&first, &(struct listen_from){.old = b}, 1, &errs);
    assert_int_not_equal(b->list[0].id, a->list[0].id);
    assert_int_not_equal(c->list[0].id, a->list[0].id);
    assert_int_not_equal(c->list[0].id, b->list[0].id);
    listen_free(a);
    listen_free(b);
    listen_free(c);
    errors_release(&errs);
}

static void plan_without_a_server_is_an_error(void **unused)
{
    struct errors errs;
    struct plan plan = plan_of(NULL, 0);
    errors_init(&errs);
    assert_null(listen_open(&plan, &nothing, 1, &errs));
    assert_int_equal(errs.n, 1);
    errors_release(&errs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_share_a_port),
        cmocka_unit_test(one_address_that_fails_leaves_nothing_open),
        cmocka_unit_test(port_of_another_program_is_an_error_with_its_mend),
        cmocka_unit_test(reload_opens_only_what_is_new),
        cmocka_unit_test(number_of_an_address_is_never_used_again),
        cmocka_unit_test(plan_without_a_server_is_an_error),
    };
    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
