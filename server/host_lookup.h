/* The addresses of a host by getaddrinfo(), which asks as long as resolv.conf says and
 * which nothing can end: it has a thread of its own, and who waits for it may leave.
 *
 *     struct host_lookup *l = host_lookup_new("collector.test", "6000", AF_UNSPEC, 0);
 *     ... poll(host_lookup_fd(l), POLLIN), for as long as the patience lasts
 *     int rc = host_lookup_result(l, &list);
 *     host_lookup_free(l);                        // also before there is a result */
#ifndef ISTHMUS_SERVER_HOST_LOOKUP_H
#define ISTHMUS_SERVER_HOST_LOOKUP_H

#include <netdb.h>

struct host_lookup;

/* For streams; `port` is a number, `family` and `flags` are those of struct addrinfo.
 * An empty host: all addresses, to listen on. NULL: no memory, descriptors or threads.
 */
struct host_lookup *host_lookup_new(const char *host, const char *port, int family,
                                    int flags);

/* Readable once there is a result. */
int host_lookup_fd(const struct host_lookup *l);

/* What getaddrinfo() returned, and with 0 its list, which lives as long as `l`;
 * EAI_AGAIN before there is a result. */
int host_lookup_result(const struct host_lookup *l, const struct addrinfo **list);

/* The same after waiting for it; `l` may be NULL (EAI_MEMORY). */
int host_lookup_wait(const struct host_lookup *l, int patience_ms,
                     const struct addrinfo **list);

void host_lookup_free(struct host_lookup *l); /* NULL: nothing */

#endif
