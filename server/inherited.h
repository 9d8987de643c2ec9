/* Sockets that were opened before us, by systemd or another that speaks its protocol
 * (sd_listen_fds(3)): LISTEN_FDS descriptors from 3 on, for the process LISTEN_PID.
 *
 *     inherited_take(&in);                        // once, at the start
 *     fd = inherited_get(&in, SOCK_DGRAM, &addr); // -1: none is for this address
 *
 * They stand in for sockets that we would open for server blocks: a UDP or TCP socket
 * serves the listener with its address and port; one on 0.0.0.0 or :: serves blocks
 * without `bind`. All workers share it. What has no socket is opened as ever, and what
 * no block names is left alone, until a reload names it: they are held as long as the
 * process runs, so that nothing is lost while it is started anew. */
#ifndef ISTHMUS_SERVER_INHERITED_H
#define ISTHMUS_SERVER_INHERITED_H

#include "base/addr.h"

struct inherited_socket {
    int fd;
    int type; /* SOCK_DGRAM or SOCK_STREAM */
    struct addr addr;
    bool used;
};

struct inherited {
    struct inherited_socket *list;
    uint32_t n;
};

/* Takes them out of the environment. What is no socket for DNS is told and closed. */
void inherited_take(struct inherited *in);

/* A descriptor of one, to be closed by the caller. `in` may be NULL. */
int inherited_get(struct inherited *in, int type, const struct addr *addr);

/* Tells which are named by no server block. */
void inherited_report(const struct inherited *in);
void inherited_release(struct inherited *in);

#endif
