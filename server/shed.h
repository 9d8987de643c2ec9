/* Replies that the kernel had no room for (plugin shed): kept until the socket takes
 * datagrams again, the newest first, for the client that asked last is the likeliest to
 * be waiting still. When it is full the oldest goes.
 *
 *     lost = shed_put(s, &msg);              // EAGAIN
 *     n = shed_newest(s, msgs, max);         // the socket is writable
 *     shed_sent(s, sent);
 */
#ifndef ISTHMUS_SERVER_SHED_H
#define ISTHMUS_SERVER_SHED_H

#include "base/limits.h"
#include "server/pktinfo.h"

struct shed;

/* Room for SHED_DEPTH replies; the kernel gives memory only to what is used. NULL: no
 * memory. */
struct shed *shed_new(void);
void shed_free(struct shed *s); /* NULL is fine */

/* Copies one datagram. Returns how many others were lost for it: 0 or 1. */
unsigned shed_put(struct shed *s, const struct msghdr *m);

/* Up to `max` of them, the newest first, ready for sendmmsg(). Valid until the next
 * call. */
unsigned shed_newest(struct shed *s, struct mmsghdr *msgs, unsigned max);

/* The first `n` of shed_newest() are done with. */
void shed_sent(struct shed *s, unsigned n);

uint32_t shed_n(const struct shed *s); /* s may be NULL */

/* Whether it holds all it can: questions are then better left unanswered. */
bool shed_full(const struct shed *s); /* s may be NULL */

#endif
