#include "server/inherited.h"

#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static int opened(int type, const char *address)
{
    struct addr addr;
    struct sockaddr_storage sa;
    assert_int_equal(addr_parse(&addr, text_of(address), 0), 0);
    socklen_t len = addr_to_sockaddr(&addr, &sa);
    int fd = socket(sa.ss_family, type, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static struct addr address_of(int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    struct addr addr;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    addr_from_sockaddr(&addr, (struct sockaddr *)&sa);
    return addr;
}

/* The table as inherited_take() makes it of such sockets. */
static struct inherited table(const int *fds, const int *types, uint32_t n)
{
    struct inherited in = {.n = n, .list = calloc(n, sizeof *in.list)};
    assert_non_null(in.list);
    for (uint32_t i = 0; i < n; i++)
        in.list[i] = (struct inherited_socket){
            .fd = fds[i], .type = types[i], .addr = address_of(fds[i])};
    return in;
}

static void expect(struct inherited *in, int type, const struct addr *addr, bool there)
{
    int fd = inherited_get(in, type, addr);
    assert_int_equal(fd >= 0, there);
    if (fd >= 0) {
        assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        close(fd);
    }
}

static void sockets_serve_their_address_and_port(void **unused)
{
    int fds[] = {opened(SOCK_DGRAM, "127.0.0.1:0"), opened(SOCK_STREAM, "127.0.0.2:0")};
    int types[] = {SOCK_DGRAM, SOCK_STREAM};
    struct inherited in = table(fds, types, 2);
    struct addr udp = in.list[0].addr, tcp = in.list[1].addr, other = udp;
    expect(&in, SOCK_DGRAM, &udp, true);
    expect(&in, SOCK_DGRAM, &udp, true); /* any number of workers */
    expect(&in, SOCK_STREAM, &udp, false);
    expect(&in, SOCK_STREAM, &tcp, true);
    other.port ^= 1;
    expect(&in, SOCK_DGRAM, &other, false);
    struct addr any = {.port = udp.port};
    expect(&in, SOCK_DGRAM, &any, false);
    expect(NULL, SOCK_DGRAM, &udp, false);
    inherited_release(&in);
}

static void one_for_every_address_serves_blocks_without_bind(void **unused)
{
    int fds[] = {opened(SOCK_DGRAM, "0.0.0.0:0")}, types[] = {SOCK_DGRAM};
    struct inherited in = table(fds, types, 1);
    struct addr any = {.port = in.list[0].addr.port};
    struct addr one = {.family = 4, .port = any.port, .ip = {127, 0, 0, 1}};
    assert_false(in.list[0].used);
    expect(&in, SOCK_DGRAM, &one, false);
    expect(&in, SOCK_DGRAM, &any, true);
    assert_true(in.list[0].used);
    inherited_release(&in);
}

/* This process has no sockets from systemd: whatever is said is not taken. */
static void variables_that_are_not_for_us_are_taken_away(void **unused)
{
    char mine[32];
    snprintf(mine, sizeof mine, "%ld", (long)getpid());
    const char *const cases[][2] = {
        {"1", "1"}, {mine, "x"}, {mine, "-1"}, {mine, ""}, {"", "1"}, {mine, "0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct inherited in;
        setenv("LISTEN_PID", cases[i][0], 1);
        setenv("LISTEN_FDS", cases[i][1], 1);
        inherited_take(&in);
        assert_int_equal(in.n, 0);
        assert_null(getenv("LISTEN_FDS"));
        inherited_release(&in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_serve_their_address_and_port),
        cmocka_unit_test(one_for_every_address_serves_blocks_without_bind),
        cmocka_unit_test(variables_that_are_not_for_us_are_taken_away),
    };
    return cmocka_run_group_tests_name("inherited", tests, NULL, NULL);
}
