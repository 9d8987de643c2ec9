/* Which of our addresses a datagram was sent to, and sending the reply from the same
 * one (a host has many; a client drops replies from another). IP_PKTINFO on IPv4
 * sockets, IPV6_PKTINFO (RFC 3542 section 6) on IPv6 ones, where IPv4 traffic shows as
 * mapped addresses: those become plain IPv4 here, and mapped ones again on the way out.
 *
 *     pktinfo_enable(fd, 6);
 *     recvmmsg(...);  pktinfo_read(&m->msg_hdr, &client.local);
 *     ...
 *     pktinfo_write(&m->msg_hdr, &client.local, 6);  sendmmsg(...); */
#ifndef ISTHMUS_SERVER_PKTINFO_H
#define ISTHMUS_SERVER_PKTINFO_H

#include "base/addr.h"

/* Room for the one control message that we ask for or send. */
struct pktinfo_room {
    _Alignas(struct cmsghdr) uint8_t octets[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* `family` (4 or 6) is that of the socket, here and below. Returns 0 or an errno. */
int pktinfo_enable(int fd, uint8_t family);

/* The address a datagram was sent to; its scope is the interface it came in by. Leaves
 * `local` as it is when the message does not say. */
void pktinfo_read(struct msghdr *m, struct addr *local);

/* Makes m's control message (its buffer holds a struct pktinfo_room) say where the
 * datagram leaves from. The interface is fixed for link-local addresses only: elsewhere
 * routes decide, for the way back may be another than the way in. */
void pktinfo_write(struct msghdr *m, const struct addr *local, uint8_t family);

/* Any address of the Internet, as the kernel reads and writes it. */
union pktinfo_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* A peer's address as the resolver is to see it. */
void pktinfo_peer(struct addr *out, const union pktinfo_sockaddr *from);

/* The form in which a socket of this family wants to be told an address. Returns its
 * length. */
socklen_t pktinfo_address(union pktinfo_sockaddr *out, const struct addr *a,
                          uint8_t family);

#endif
