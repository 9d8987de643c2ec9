/* A tap that others connect to: whoever is there gets every message from then on. A
 * thread of its own accepts them, and each shakes hands on a thread while it does, so
 * that one who only connects holds up nobody. Each reader goes at its own pace: what
 * one does not take waits for it, up to TAP_BACKLOG_MAX octets; then it misses
 * messages, and when it has taken nothing for TAP_WAIT_S its connection is closed.
 *
 *     l = tap_listen_open(&how, text, &end, reason);
 *     lost += tap_listen_write(l, iov, n);        // the tap's thread
 *     tap_listen_close(l);
 */
#ifndef ISTHMUS_SERVER_TAP_LISTEN_H
#define ISTHMUS_SERVER_TAP_LISTEN_H

#include "server/tap_sink.h"

struct tap_listen;

/* All but `reason` outlive it. NULL: `reason` says why. */
struct tap_listen *tap_listen_open(const struct outside_tap *how, const char *text,
                                   const tap_end *end, char *reason);
/* Never waits; `n` may be 0, for what waits. Returns how many messages were lost, each
 * counted for each reader that missed it. */
uint64_t tap_listen_write(struct tap_listen *l, const struct iovec *iov, int n);
void tap_listen_close(struct tap_listen *l); /* NULL is fine */

#endif
