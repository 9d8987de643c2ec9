#include "server/listen.h"

#include "server/doh.h"
#include "server/pktinfo.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

/* Asked for; the kernel gives up to net.core.rmem_max. Room for what arrives while a
 * worker is busy or has lost its processor for some milliseconds. */
#define RECEIVE_BUFFER (4 * 1024 * 1024)
/* Answers that the kernel holds for a client that takes none: without it some
 * megabytes. */
#define UNSENT_MAX (128 * 1024)

/* ---- one socket ---- */

static int set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? errno : 0;
}

/* Large replies may be fragmented on the way but are not to be made smaller because of
 * a message about the path that anyone can forge (RFC 9715 section 3.1). Older kernels
 * do without. */
static void ignore_path_mtu(int fd)
{
    set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
}

static int set_udp_options(int fd, const struct addr *addr, int domain)
{
    ignore_path_mtu(fd);
    if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER) != 0)
        set_option(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
    if (addr->family != 0)
        return 0;
    return pktinfo_enable(fd, domain == AF_INET ? 4 : 6);
}

/* Accepted connections inherit those of TCP. */
static int set_tcp_options(int fd)
{
    int rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0)
        rc = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return rc != 0 ? rc : set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX);
}

static int set_options(int fd, int type, const struct addr *addr, int domain)
{
    int rc = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && domain == AF_INET6)
        rc = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, addr->family != 0);
    if (rc == 0)
        rc = type == SOCK_DGRAM ? set_udp_options(fd, addr, domain)
                                : set_tcp_options(fd);
    return rc;
}

static int bind_socket(int fd, int type, const struct addr *addr, int domain)
{
    struct addr any = {.family = domain == AF_INET ? 4 : 6, .port = addr->port};
    union pktinfo_sockaddr sa;
    const struct addr *to = addr->family == 0 ? &any : addr;
    socklen_t len = pktinfo_address(&sa, to, to->family);
    if (bind(fd, &sa.any, len) < 0)
        return errno;
    return type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0 ? errno : 0;
}

/* What failed, as an errno and the name of the step. */
struct trouble {
    int error;
    const char *step;
};

static int open_in_domain(int type, const struct addr *addr, int domain,
                          struct trouble *t)
{
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *t = (struct trouble){.error = errno, .step = "socket"};
        return -1;
    }
    int rc = set_options(fd, type, addr, domain);
    *t = (struct trouble){.error = rc, .step = "setsockopt"};
    if (rc == 0) {
        rc = bind_socket(fd, type, addr, domain);
        *t = (struct trouble){.error = rc, .step = "bind"};
    }
    if (rc == 0)
        return fd;
    close(fd);
    return -1;
}

static int open_socket(int type, const struct addr *addr, struct trouble *t)
{
    if (addr->family == 4)
        return open_in_domain(type, addr, AF_INET, t);
    int fd = open_in_domain(type, addr, AF_INET6, t);
    bool no_v6 = t->error == EAFNOSUPPORT || t->error == EADDRNOTAVAIL;
    if (fd < 0 && addr->family == 0 && no_v6)
        fd = open_in_domain(type, addr, AF_INET, t);
    return fd;
}

/* ---- errors ---- */

static const char *mend(int error)
{
    switch (error) {
    case EACCES:
        return ": ports below 1024 need a privilege: give the program "
               "CAP_NET_BIND_SERVICE (setcap cap_net_bind_service=+ep, or "
               "AmbientCapabilities= of systemd), lower net.ipv4.ip_unprivileged_port_start, "
               "or listen on another port with -p";
    case EADDRINUSE:
        return ": another program listens there (`ss -lntup` shows which): stop it, or give "
               "this one other addresses with `bind` or another port with -p";
    case EADDRNOTAVAIL:
        return ": no interface of this host has the address (`ip addr` shows them)";
    case EMFILE:
    case ENFILE:
        return ": raise the limit of open files (ulimit -n, LimitNOFILE= of systemd)";
    case EAFNOSUPPORT:
        return ": this kernel has no IPv6";
    default:
        return "";
    }
}

static int report(const char *network, const struct addr *addr, const struct trouble *t,
                  struct errors *errs)
{
    char text[ADDR_TEXT_MAX];
    if (addr->family == 0)
        snprintf(text, sizeof text, ":%u", addr->port);
    else
        addr_print(addr, text);
    return error_at(errs, (struct where){0}, "listen %s %s: %s: %s%s", network, text,
                    t->step, strerror(t->error), mend(t->error));
}

/* ---- sets ---- */

/* The workers share a socket that was there before us: another beside it could not be
 * bound, or not without a privilege that we were spared. */
static int get_socket(int type, const struct addr *addr, struct inherited *in,
                      struct trouble *t)
{
    int fd = inherited_get(in, type, addr), domain = AF_INET;
    socklen_t len = sizeof domain;
    if (fd < 0)
        return open_socket(type, addr, t);
    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
    int rc =
        type == SOCK_DGRAM ? set_udp_options(fd, addr, domain) : set_tcp_options(fd);
    if (rc == 0)
        return fd;
    *t = (struct trouble){.error = rc, .step = "setsockopt"};
    close(fd);
    return -1;
}

static int open_both(const struct listen_address *a, struct inherited *in,
                     struct listen_fds *fds, struct errors *errs)
{
    struct trouble t = {0};
    fds->tcp = get_socket(SOCK_STREAM, &a->addr, in, &t);
    if (fds->tcp < 0)
        return report("tcp", &a->addr, &t, errs);
    if (a->scheme != SCHEME_DNS)
        return 0;
    fds->udp = get_socket(SOCK_DGRAM, &a->addr, in, &t);
    if (fds->udp < 0)
        return report("udp", &a->addr, &t, errs);
    return 0;
}

int listen_tcp(const struct addr *addr, struct errors *errs)
{
    struct trouble t = {0};
    int fd = open_socket(SOCK_STREAM, addr, &t);
    return fd >= 0 ? fd : report("tcp", addr, &t, errs);
}

static const struct listen_address *find(const struct listen_set *set,
                                         const struct plan_server *server)
{
    for (uint32_t i = 0; set != NULL && i < set->n; i++) {
        if (set->list[i].scheme == server->scheme &&
            addr_equal(&set->list[i].addr, &server->addr))
            return &set->list[i];
    }
    return NULL;
}

/* Adds server `n` of the plan to the set; opens its sockets unless they are there. */
static int add(struct listen_set *set, const struct plan *plan, uint16_t n,
               const struct listen_from *from, struct errors *errs)
{
    const struct plan_server *server = &plan->servers[n];
    if (server->scheme == SCHEME_HTTPS && doh_check(errs) < 0)
        return -1;
    const struct listen_address *known = find(from->old, server);
    struct listen_address *a = &set->list[set->n];
    *a = (struct listen_address){
        .server = n, .scheme = server->scheme, .addr = server->addr};
    a->fds = calloc(set->workers, sizeof *a->fds);
    if (a->fds == NULL)
        return error_at(errs, (struct where){0}, "out of memory");
    for (unsigned w = 0; w < set->workers; w++)
        a->fds[w] = (struct listen_fds){.udp = -1, .tcp = -1};
    a->id = known != NULL ? known->id : set->next_id++;
    set->n++;
    for (unsigned w = 0; known == NULL && w < set->workers; w++) {
        if (open_both(a, from->inherited, &a->fds[w], errs) < 0)
            return -1;
    }
    return 0;
}

struct listen_set *listen_open(const struct plan *plan, const struct listen_from *from,
                               unsigned workers, struct errors *errs)
{
    struct listen_set *set = calloc(1, sizeof *set);
    if (set != NULL)
        set->list = calloc(plan->servers_n + 1, sizeof *set->list);
    if (set == NULL || set->list == NULL) {
        free(set);
        error_at(errs, (struct where){0}, "out of memory");
        return NULL;
    }
    set->workers = workers;
    set->next_id = from->old != NULL ? from->old->next_id : 0;
    uint32_t before = errs->n;
    for (uint32_t i = 0; i < plan->servers_n; i++)
        add(set, plan, (uint16_t)i, from, errs);
    if (plan->servers_n == 0)
        error_at(errs, (struct where){0},
                 "nothing to listen on: no server block has an address");
    if (errs->n == before)
        return set;
    listen_free(set);
    return NULL;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void listen_free(struct listen_set *set)
{
    if (set == NULL)
        return;
    for (uint32_t i = 0; i < set->n; i++) {
        for (unsigned w = 0; w < set->workers; w++) {
            close_fd(set->list[i].fds[w].udp);
            close_fd(set->list[i].fds[w].tcp);
        }
        free(set->list[i].fds);
    }
    free(set->list);
    free(set);
}
