/* Taps: where dnstap messages of all workers leave the process (struct outside, struct
 * io).
 *
 *     tap = tap_open(&how, reason);            // control thread
 *     tap_put(tap, worker, octets, len);       // a worker
 *     tap_close(tap);                          // control thread, no worker has it
 *
 * A thread of its own connects, waits and writes, so that no worker ever waits for
 * whoever reads them; between a worker and it lies a ring (tap_ring.h). It is woken
 * when a ring fills, and looks by itself every TAP_FLUSH_MS. While nobody takes
 * messages, or a reader is too slow, they are lost, counted, and told of in the log
 * every TAP_RETRY_S. */
#ifndef ISTHMUS_SERVER_TAP_H
#define ISTHMUS_SERVER_TAP_H

#include "resolver/outside.h"

void *tap_open(const struct outside_tap *how, char *reason);
void tap_close(void *tap);

void tap_put(void *tap, unsigned worker, const uint8_t *octets, size_t len);

#endif
