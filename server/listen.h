/* Listening sockets: for each address of a plan, and for each worker, one of TCP and,
 * for dns:// keys, one of UDP, all bound with SO_REUSEPORT so that the kernel spreads
 * clients over the workers.
 *
 *     set = listen_open(plan, &from, workers, &errs);      // all or nothing
 *     ... each worker takes its descriptors out of the set ...
 *     next = listen_open(new_plan, &from_set, workers, &errs);  // reload: only what is
 * new is opened
 *     ... once every worker has gone over to `next`: listen_free(set);
 *
 * "Every address of the host" is one IPv6 socket that takes IPv4 too, or an IPv4 socket
 * where the kernel has no IPv6. */
#ifndef ISTHMUS_SERVER_LISTEN_H
#define ISTHMUS_SERVER_LISTEN_H

#include "resolver/plan.h"
#include "server/inherited.h"

/* Of one worker; -1: there is none, it is taken, or the worker has it from before. */
struct listen_fds {
    int udp, tcp;
};

struct listen_address {
    uint32_t id;     /* kept by the address over reloads, never used for another */
    uint16_t server; /* index into the plan's servers */
    enum scheme scheme;
    struct addr addr;
    struct listen_fds *fds; /* one for each worker */
};

struct listen_set {
    struct listen_address *list;
    uint32_t n;
    uint32_t next_id;
    unsigned workers;
};

/* Sockets that are there; either may be NULL. */
struct listen_from {
    const struct listen_set *old;
    struct inherited *inherited;
};

/* Opens what `plan` listens on and `from->old` does not. Returns NULL after adding
 * errors, one for each address that cannot be had; nothing stays open then. */
struct listen_set *listen_open(const struct plan *plan, const struct listen_from *from,
                               unsigned workers, struct errors *errs);

/* One listening TCP socket, bound as those of a set are; the caller closes it. -1 after
 * adding an error. */
int listen_tcp(const struct addr *addr, struct errors *errs);

/* Closes descriptors that nobody took. NULL is fine. */
void listen_free(struct listen_set *set);

#endif
