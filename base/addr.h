/* Addresses, prefixes, and the reverse names that belong to them. */
#ifndef ISTHMUS_BASE_ADDR_H
#define ISTHMUS_BASE_ADDR_H

#include "base/name.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define ADDR_TEXT_MAX 72 /* [v6%scope]:port and NUL */

/* An address with a port. Fill with zero first: addresses are compared as octets. */
struct addr {
    uint8_t family; /* 4 or 6; 0 = none */
    uint16_t port;  /* host order */
    uint32_t scope; /* IPv6 interface index, 0 = none */
    uint8_t ip[16]; /* network order; IPv4 in the first four */
};

struct cidr {
    uint8_t family; /* 4 or 6 */
    uint8_t bits;   /* 0..32 or 0..128 */
    uint8_t ip[16]; /* host bits are zero */
};

/* An address without a port: `10.0.0.1`, `2001:db8::1`, `fe80::1%eth0`, `fe80::1%2`. No
 * brackets. An interface must exist when it is named. Returns 0 or -1. */
int addr_parse_ip(struct addr *out, struct text from)
    __attribute__((warn_unused_result));

/* `IP`, `IP:PORT`, `V6`, `[V6]`, `[V6]:PORT`, with %scope on v6. Port 0..65535; `port`
 * is used where none is written. Returns 0 or -1. */
int addr_parse(struct addr *out, struct text from, uint16_t port)
    __attribute__((warn_unused_result));

/* `10.0.0.1:53`, `[2001:db8::1]:53`; a scope is printed as a number, no address as `-`.
 * `out` holds ADDR_TEXT_MAX. Returns out. */
char *addr_print(const struct addr *a, char *out);

/* The same without port and brackets. */
char *addr_print_ip(const struct addr *a, char *out);

/* 127.0.0.0/8 or ::1. */
bool addr_is_loopback(const struct addr *a);

bool addr_equal(const struct addr *a, const struct addr *b);

/* ::ffff:192.0.2.1 is how some write 192.0.2.1, and mean it: makes it the latter. */
void addr_unmap(struct addr *a);

/* To and from the kernel's form, octet for octet (IPv4 mapped into IPv6 stays IPv6).
 * addr_to_sockaddr returns the length to pass along; `a` has a family. Of a foreign
 * family addr_from_sockaddr makes no address; `from` may be unaligned and is as long as
 * its family says. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *out);
void addr_from_sockaddr(struct addr *out, const struct sockaddr *from);

/* `10.96.0.0/12`. *host_bits (may be NULL) says whether bits behind the prefix were set
 * in the text; they are zero in `out`. Returns 0 or -1. */
int cidr_parse(struct cidr *out, struct text from, bool *host_bits)
    __attribute__((warn_unused_result));

/* `10.96.0.0/12`. `out` holds ADDR_TEXT_MAX. Returns out. */
char *cidr_print(const struct cidr *c, char *out);

bool cidr_contains(const struct cidr *c, const struct addr *a);
bool cidr_overlap(const struct cidr *a, const struct cidr *b);
bool cidr_equal(const struct cidr *a, const struct cidr *b);

/* The `n`-th address of the prefix (n = 0 is the network address), as kubeadm's
 * GetIndexedIP. Returns 0, or -1 when it lies outside. The port is 0. */
int cidr_nth(const struct cidr *c, uint64_t n, struct addr *out)
    __attribute__((warn_unused_result));

/* Reads a reverse name (d.c.b.a.in-addr.arpa, nibbles.ip6.arpa), whole or in part: the
 * labels present give a prefix of 8 (IPv4) or 4 (IPv6) bits each. Returns 0 and fills
 * `out`, or -1 when the name is no reverse name (a foreign name, a label that is no
 * number, too many). */
int cidr_from_reverse(struct cidr *out, const uint8_t *name)
    __attribute__((warn_unused_result));

/* How many reverse zones CoreDNS expands the prefix to (label boundary 8 or 4 bits),
 * and the i-th of them, i below that number. IPv4: up to 128, IPv6: up to 8; a prefix
 * of 32 or 128 bits is one. */
unsigned cidr_reverse_zones(const struct cidr *c);
void cidr_reverse_zone(const struct cidr *c, unsigned i, struct name *out);

#endif
