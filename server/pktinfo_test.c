#include "server/pktinfo.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(&a, text_of(text), 0), 0);
    return a;
}

static void peers_come_and_go_in_the_form_of_the_socket(void **unused)
{
    static const struct {
        const char *text;
        uint8_t family; /* of the socket */
        int domain;     /* of the kernel's form */
    } rows[] = {
        {"192.0.2.1:53", 4, AF_INET},
        {"192.0.2.1:53", 6, AF_INET6},
        {"[2001:db8::1]:5353", 6, AF_INET6},
        {"[fe80::1%3]:5353", 6, AF_INET6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr a = address(rows[i].text), back;
        union pktinfo_sockaddr sa;
        socklen_t len = pktinfo_address(&sa, &a, rows[i].family);
        assert_int_equal(sa.any.sa_family, rows[i].domain);
        assert_int_equal(len, rows[i].domain == AF_INET ? sizeof sa.v4 : sizeof sa.v6);
        pktinfo_peer(&back, &sa);
        assert_true(addr_equal(&a, &back));
    }
}

/* What pktinfo_write() says, read back. */
static struct addr written(const char *text, uint8_t family)
{
    struct pktinfo_room room = {{0}};
    struct msghdr m = {.msg_control = &room, .msg_controllen = sizeof room};
    struct addr local = address(text), back = {0};
    pktinfo_write(&m, &local, family);
    pktinfo_read(&m, &back);
    return back;
}

static void interface_is_fixed_for_link_local_addresses_only(void **unused)
{
    assert_int_equal(written("fe80::1%3", 6).scope, 3);
    assert_int_equal(written("2001:db8::1%3", 6).scope, 0);
    struct addr v4 = written("192.0.2.1", 6), plain = address("192.0.2.1");
    assert_true(addr_equal(&v4, &plain));
}

static void foreign_messages_leave_the_address_alone(void **unused)
{
    struct pktinfo_room room = {{0}};
    struct msghdr m = {.msg_control = &room, .msg_controllen = sizeof room};
    struct addr local = address("192.0.2.9"), before = local;
    struct cmsghdr *c = m.msg_control;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SO_TIMESTAMP;
    c->cmsg_len = CMSG_LEN(4);
    pktinfo_read(&m, &local);
    assert_true(addr_equal(&local, &before));
    c->cmsg_level = IPPROTO_IPV6; /* too short for what it says it is */
    c->cmsg_type = IPV6_PKTINFO;
    pktinfo_read(&m, &local);
    assert_true(addr_equal(&local, &before));
}

/* Sends from one socket of loopback to `to` on another of `family`; returns what is
 * read of it. */
static struct addr asked(uint8_t family, const char *to)
{
    int in = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
    struct addr any = {.family = family}, dest = address(to), local = {0};
    union pktinfo_sockaddr sa;
    socklen_t len = pktinfo_address(&sa, &any, family);
    assert_int_equal(bind(in, &sa.any, len), 0);
    assert_int_equal(pktinfo_enable(in, family), 0);
    len = sizeof sa;
    assert_int_equal(getsockname(in, &sa.any, &len), 0);
    dest.port = ntohs(family == 4 ? sa.v4.sin_port : sa.v6.sin6_port);
    int out = socket(dest.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
    len = pktinfo_address(&sa, &dest, dest.family);
    assert_int_equal(sendto(out, "x", 1, 0, &sa.any, len), 1);
    char octet;
    struct iovec iov = {.iov_base = &octet, .iov_len = 1};
    struct pktinfo_room room;
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &room,
                       .msg_controllen = sizeof room};
    assert_int_equal(recvmsg(in, &m, 0), 1);
    pktinfo_read(&m, &local);
    close(in);
    close(out);
    return local;
}

static void asked_address_is_known_on_sockets_of_all_kinds(void **unused)
{
    static const struct {
        uint8_t family;
        const char *to;
    } rows[] = {{4, "127.0.0.1"}, {4, "127.9.8.7"}, {6, "127.9.8.7"}, {6, "::1"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr got = asked(rows[i].family, rows[i].to);
        struct addr expected = address(rows[i].to);
        assert_int_not_equal(got.scope, 0); /* the loopback interface */
        got.scope = 0;
        assert_true(addr_equal(&got, &expected));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_come_and_go_in_the_form_of_the_socket),
        cmocka_unit_test(interface_is_fixed_for_link_local_addresses_only),
        cmocka_unit_test(foreign_messages_leave_the_address_alone),
        cmocka_unit_test(asked_address_is_known_on_sockets_of_all_kinds),
    };
    return cmocka_run_group_tests_name("pktinfo", tests, NULL, NULL);
}
