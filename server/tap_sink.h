/* One stream of dnstap messages to somebody who wants them: Frame Streams, both ways
 * (READY, ACCEPT, START ... STOP, FINISH), by libfstrm, over a socket of our own.
 *
 *     s = tap_sink_connect(&how, &end_ms, reason);  // or tap_sink_accept(fd)
 *     if (tap_sink_write(s, iov, n) < 0) ...    // it is gone: close
 *     lost = tap_sink_offer(s, iov, n);         // or this, which never waits
 *     tap_sink_close(s);
 *
 * For threads that may wait: a call waits TAP_WAIT_S in all for its peer (connecting,
 * that and as long again to shake hands; that, too, to find its name), however slowly
 * that one goes on. Where one thread has many sinks, each with a peer of its own pace,
 * it offers: what a peer does not take waits in its sink. */
#ifndef ISTHMUS_SERVER_TAP_SINK_H
#define ISTHMUS_SERVER_TAP_SINK_H

#include "resolver/outside.h"

#include <stdatomic.h>
#include <sys/uio.h>

struct tap_sink;

/* When nobody is waited for any more, by tap_now_ms(); TAP_ENDLESS for now. Set by
 * whoever waits for the end of the threads that use sinks. */
typedef _Atomic int64_t tap_end;
#define TAP_ENDLESS INT64_MAX

int64_t tap_now_ms(void);

/* NULL: `reason` (OUTSIDE_REASON_MAX) says why. `end` outlives the sink. */
struct tap_sink *tap_sink_connect(const struct outside_tap *how, const tap_end *end,
                                  char *reason);

/* The descriptor is the sink's from now on, also after a failure (NULL). */
struct tap_sink *tap_sink_accept(int fd, const struct outside_tap *how,
                                 const tap_end *end, char *reason);

/* Each iovec a message. 0, or -1: it does not take them. */
int tap_sink_write(struct tap_sink *s, const struct iovec *iov, int n);

/* The same without waiting: up to TAP_BACKLOG_MAX octets stay in the sink and go with
 * later calls, for which `n` may be 0. Returns the messages that found no room; -1: the
 * peer is gone, or has taken nothing for TAP_WAIT_S. */
int tap_sink_offer(struct tap_sink *s, const struct iovec *iov, int n);

bool tap_sink_has_backlog(const struct tap_sink *s);

/* Sends what waits, and takes leave; of a peer that is gone, or has been given up, at
 * once. NULL is fine. */
void tap_sink_close(struct tap_sink *s);

#endif
