/* The destinations of a `forward` line: addresses, files in the manner of resolv.conf,
 * and host names, which are looked up once, at start (coredns-reference 2.1). */
#ifndef ISTHMUS_RESOLVER_PLUGINS_FORWARD_TO_H
#define ISTHMUS_RESOLVER_PLUGINS_FORWARD_TO_H

#include "resolver/plugin.h"

struct forward_target {
    struct addr addr;       /* of a host name only the port is known at first */
    const char *host;       /* a host name to be looked up; NULL: an address */
    const char *servername; /* ADDRESS%NAME; NULL: none written */
    uint8_t transport;      /* TRANSPORT_UDP, _TLS or _HTTPS */
};

struct forward_targets {
    struct forward_target *list;
    uint32_t n, cap;
};

struct forward_addrs {
    struct addr *list;
    uint32_t n, cap;
};

/* Reads what is left of the line. 0, or -1 after adding errors. */
int forward_to_read(struct reader *rd, struct forward_targets *out);

/* Puts the addresses of host names in their place, and leaves each address once.
 * `servers` are asked, or without any the system (/etc/hosts, /etc/resolv.conf). 0, or
 * -1 after adding errors. */
int forward_to_look_up(struct setup *s, struct where at, struct forward_targets *to,
                       struct forward_addrs servers);

/* `IP` or `IP:PORT`; appends. 0, or -1 after adding errors. */
int forward_to_server(struct reader *rd, struct forward_addrs *to, const char *word);

#endif
