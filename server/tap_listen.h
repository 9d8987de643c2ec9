/* A tap that others connect to: whoever is there gets every message from then on. A
 * thread of its own accepts them, and each shakes hands on a thread while it does, so
 * that one who only connects holds up nobody; one who does not read fast enough loses
 * its connection, nothing else.
 *
 *     l = tap_listen_open(&how, text, &end, reason);
 *     tap_listen_write(l, iov, n);        // the tap's thread
 *     tap_listen_close(l);
 */
#ifndef ISTHMUS_SERVER_TAP_LISTEN_H
#define ISTHMUS_SERVER_TAP_LISTEN_H

#include "server/tap_sink.h"

struct tap_listen;

/* All but `reason` outlive it. NULL: `reason` says why. */
struct tap_listen *tap_listen_open(const struct outside_tap *how, const char *text,
                                   const tap_end *end, char *reason);
void tap_listen_write(struct tap_listen *l, const struct iovec *iov, int n);
void tap_listen_close(struct tap_listen *l); /* NULL is fine */

#endif
