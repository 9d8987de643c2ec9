/* Load balancers in front of a listening socket (plugin proxyproto): whose headers are
 * believed, and for UDP which client is meant.
 *
 *     proxies_use(&p, how);                          // at start and at each reload
 *     if (!proxies_unwrap(&p, now_us, &client, &in)) // drop the datagram
 *     proxies_release(&p);
 *
 * A datagram carries its own header. Cloudflare Spectrum sends one alone, and then the
 * questions from the same port without: with udp_session_tracking the last
 * `sessions_max` such ports are remembered, the longest unused is forgotten first. */
#ifndef ISTHMUS_SERVER_PROXY_H
#define ISTHMUS_SERVER_PROXY_H

#include "base/log.h"
#include "base/table.h"
#include "resolver/io.h"
#include "resolver/plan.h"

struct proxy_session;

/* Of one UDP socket. All zero: nobody is in front of it. */
struct proxies {
    const struct plan_proxy *how; /* of the plan in use; NULL = none */
    struct table sessions;
    struct proxy_session *oldest, *newest; /* by last use */
    struct log_limit log;
};

/* What a header from this peer is good for. */
enum proxy_policy proxy_policy_of(const struct plan_proxy *how,
                                  const struct addr *peer);

/* Sessions go on across a change, but for their number. */
void proxies_use(struct proxies *p, const struct plan_proxy *how);

/* Takes the header off a datagram, and makes `c` the client that it tells of, with the
 * way back to the proxy in c->via. False: the datagram is to be dropped. */
bool proxies_unwrap(struct proxies *p, uint64_t now_us, struct client *c,
                    struct span *in);

void proxies_release(struct proxies *p);

/* ---- connections ---- */

enum proxy_step {
    PROXY_STEP_GO,   /* what can be read now is the client's own */
    PROXY_STEP_WAIT, /* the header is not whole; the kernel reports it once there is
                        more */
    PROXY_STEP_END,  /* the connection is to be closed */
};

/* Takes the header off a connection that has become readable, before anything else is
 * read, and makes `who` the client that it tells of. *seen is 0 at first and this
 * function's own afterwards. */
enum proxy_step proxy_take(int fd, enum proxy_policy policy, uint32_t *seen,
                           struct client *who);

#endif
