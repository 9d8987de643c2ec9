#include "server/inherited.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_FD    3
#define SOCKETS_MAX 4096

/* ---- taking ---- */

static bool number_of(const char *variable, long *out)
{
    const char *text = getenv(variable);
    char *end;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* How many are ours. */
static unsigned count(void)
{
    long pid, n;
    bool ours = number_of("LISTEN_PID", &pid) && pid == (long)getpid() &&
                number_of("LISTEN_FDS", &n);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (!ours)
        return 0;
    return n > SOCKETS_MAX ? SOCKETS_MAX : (unsigned)n;
}

static int option_of(int fd, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

/* Fills `s` from the descriptor. NULL, or what is wrong with it. */
static const char *look_at(struct inherited_socket *s)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    int domain = option_of(s->fd, SO_DOMAIN);
    s->type = option_of(s->fd, SO_TYPE);
    if (domain != AF_INET && domain != AF_INET6)
        return "no socket of the Internet";
    if (s->type != SOCK_DGRAM &&
        (s->type != SOCK_STREAM || option_of(s->fd, SO_ACCEPTCONN) != 1))
        return "neither UDP nor TCP that listens (ListenDatagram=, ListenStream= with "
               "Accept=no)";
    if (getsockname(s->fd, (struct sockaddr *)&sa, &len) < 0)
        return strerror(errno);
    addr_from_sockaddr(&s->addr, (const struct sockaddr *)&sa);
    if (s->addr.port == 0)
        return "bound to no port";
    int flags = fcntl(s->fd, F_GETFL);
    if (flags < 0 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(s->fd, F_SETFD, FD_CLOEXEC) < 0)
        return strerror(errno);
    return NULL;
}

void inherited_take(struct inherited *in)
{
    unsigned n = count();
    *in = (struct inherited){0};
    if (n == 0)
        return;
    in->list = calloc(n, sizeof *in->list);
    for (unsigned i = 0; i < n && in->list != NULL; i++) {
        struct inherited_socket s = {.fd = FIRST_FD + (int)i};
        const char *wrong = look_at(&s);
        if (wrong == NULL) {
            in->list[in->n++] = s;
            continue;
        }
        log_warning("socket %u of LISTEN_FDS is not used: %s", i + 1, wrong);
        close(s.fd);
    }
}

/* ---- giving ---- */

static bool is_any(const struct addr *a)
{
    static const uint8_t zero[16];
    return memcmp(a->ip, zero, sizeof zero) == 0;
}

static bool serves(const struct inherited_socket *s, int type, const struct addr *addr)
{
    if (s->type != type || s->addr.port != addr->port)
        return false;
    return addr->family == 0 ? is_any(&s->addr) : addr_equal(&s->addr, addr);
}

/* Of two for every address of the host, that of IPv6 takes IPv4 too, as a rule. */
int inherited_get(struct inherited *in, int type, const struct addr *addr)
{
    struct inherited_socket *best = NULL;
    for (uint32_t i = 0; in != NULL && i < in->n; i++) {
        struct inherited_socket *s = &in->list[i];
        if (serves(s, type, addr) &&
            (best == NULL || s->addr.family > best->addr.family))
            best = s;
    }
    if (best == NULL)
        return -1;
    best->used = true;
    return fcntl(best->fd, F_DUPFD_CLOEXEC, FIRST_FD);
}

void inherited_report(const struct inherited *in)
{
    char text[ADDR_TEXT_MAX];
    for (uint32_t i = 0; i < in->n; i++) {
        const struct inherited_socket *s = &in->list[i];
        if (!s->used)
            log_warning("socket %s %s of LISTEN_FDS: no server block listens there",
                        s->type == SOCK_DGRAM ? "udp" : "tcp",
                        addr_print(&s->addr, text));
    }
}

void inherited_release(struct inherited *in)
{
    for (uint32_t i = 0; i < in->n; i++)
        close(in->list[i].fd);
    free(in->list);
    *in = (struct inherited){0};
}
