#include "server/pktinfo.h"

#include <arpa/inet.h>
#include <errno.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int pktinfo_enable(int fd, uint8_t family)
{
    const int on = 1;
    int rc = family == 4
                 ? setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on)
                 : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
    return rc < 0 ? errno : 0;
}

static void write_v6(uint8_t *ip, const struct addr *a)
{
    if (a->family == 6) {
        memcpy(ip, a->ip, sizeof a->ip);
    } else {
        memcpy(ip, mapped, sizeof mapped);
        memcpy(ip + sizeof mapped, a->ip, 4);
    }
}

/* A mapped address becomes plain IPv4. */
static void set_v6(struct addr *out, const uint8_t *ip, uint32_t scope)
{
    out->scope = scope;
    if (memcmp(ip, mapped, sizeof mapped) == 0) {
        out->family = 4;
        memset(out->ip, 0, sizeof out->ip);
        memcpy(out->ip, ip + sizeof mapped, 4);
    } else {
        out->family = 6;
        memcpy(out->ip, ip, sizeof out->ip);
    }
}

static void from_v4(struct addr *local, const struct cmsghdr *c)
{
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    local->family = 4;
    local->scope = (uint32_t)info.ipi_ifindex;
    memset(local->ip, 0, sizeof local->ip);
    memcpy(local->ip, &info.ipi_spec_dst, 4);
}

static void from_v6(struct addr *local, const struct cmsghdr *c)
{
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(c), sizeof info);
    set_v6(local, info.ipi6_addr.s6_addr, info.ipi6_ifindex);
}

void pktinfo_read(struct msghdr *m, struct addr *local)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO &&
            c->cmsg_len >= CMSG_LEN(sizeof(struct in_pktinfo)))
            from_v4(local, c);
        else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO &&
                 c->cmsg_len >= CMSG_LEN(sizeof(struct in6_pktinfo)))
            from_v6(local, c);
    }
}

static bool link_local(const struct addr *a)
{
    return a->family == 6 && a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

static void put(struct msghdr *m, int level, int type, const void *info, size_t len)
{
    struct cmsghdr *c = m->msg_control;
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), info, len);
    m->msg_controllen = CMSG_SPACE(len);
}

void pktinfo_write(struct msghdr *m, const struct addr *local, uint8_t family)
{
    if (family == 4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->ip, 4);
        put(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
        return;
    }
    struct in6_pktinfo info = {0};
    write_v6(info.ipi6_addr.s6_addr, local);
    if (link_local(local))
        info.ipi6_ifindex = local->scope;
    put(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
}

void pktinfo_peer(struct addr *out, const union pktinfo_sockaddr *from)
{
    if (from->any.sa_family == AF_INET) {
        *out = (struct addr){.family = 4, .port = ntohs(from->v4.sin_port)};
        memcpy(out->ip, &from->v4.sin_addr, 4);
        return;
    }
    *out = (struct addr){.port = ntohs(from->v6.sin6_port)};
    set_v6(out, from->v6.sin6_addr.s6_addr, from->v6.sin6_scope_id);
}

socklen_t pktinfo_address(union pktinfo_sockaddr *out, const struct addr *a,
                          uint8_t family)
{
    if (family == 4) {
        out->v4 =
            (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&out->v4.sin_addr, a->ip, 4);
        return sizeof out->v4;
    }
    out->v6 =
        (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    write_v6(out->v6.sin6_addr.s6_addr, a);
    if (a->family == 6)
        out->v6.sin6_scope_id = a->scope;
    return sizeof out->v6;
}
