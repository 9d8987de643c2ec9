/* One stream of dnstap messages to somebody who wants them: Frame Streams, both ways
 * (READY, ACCEPT, START ... STOP, FINISH), by libfstrm, over a socket of our own.
 *
 *     s = tap_sink_connect(&how, reason);       // or tap_sink_accept(fd)
 *     if (tap_sink_write(s, iov, n) < 0) ...    // it is gone: close
 *     tap_sink_close(s);
 *
 * For threads that may wait: every call may take TAP_WAIT_S, and no longer. */
#ifndef ISTHMUS_SERVER_TAP_SINK_H
#define ISTHMUS_SERVER_TAP_SINK_H

#include "resolver/outside.h"

#include <sys/uio.h>

struct tap_sink;

/* NULL: `reason` (OUTSIDE_REASON_MAX) says why. */
struct tap_sink *tap_sink_connect(const struct outside_tap *how, char *reason);

/* The descriptor is the sink's from now on, also after a failure (NULL). */
struct tap_sink *tap_sink_accept(int fd, const struct outside_tap *how, char *reason);

/* Each iovec a message. 0, or -1: it does not take them. */
int tap_sink_write(struct tap_sink *s, const struct iovec *iov, int n);

void tap_sink_close(struct tap_sink *s); /* NULL is fine */

#endif
