/* Log lines in CoreDNS's form: `[INFO] plugin/forward: text`, on standard output.
 *
 * Threads put lines into one bounded ring; a thread of its own writes them, so that a
 * full pipe or a slow disk never blocks a worker. Lines that find no room are counted,
 * and a line says how many were lost once there is room again. log_start() begins the
 * thread; before it, and in tests, lines are written at once by the caller.
 *
 * Control characters in a line (from hostile names, say) are written as \DDD, except
 * the final newline, which log adds itself. */
#ifndef ISTHMUS_BASE_LOG_H
#define ISTHMUS_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX 2048 /* longer lines are cut and end in "..." */
#define LOG_RING_SIZE                                                                  \
    (1u << 18) /* octets waiting for a slow reader; then lines are lost */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_FATAL };

/* Begins the writer thread. Returns 0, or -1 when it cannot be had (lines are then
 * direct). */
int log_start(int fd);

/* Writes what waits, for at most `wait_ms`, and ends the thread; what is left is lost.
 */
void log_stop(unsigned wait_ms);

/* Debug lines are off until enabled (the `debug` plugin). */
void log_enable_debug(bool on);

/* Lines below `least` are left out from now on, whatever the above says; LOG_DEFAULT:
 * it holds again. The level in force is log_least(). */
#define LOG_DEFAULT (-1)
void log_set_level(int least);
enum log_level log_least(void);

void log_line(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A line for each error that is told: `PREFIX: FILE:LINE - TEXT`, or without a place
 * `PREFIX: TEXT`. */
struct errors;
void log_errors(enum log_level level, const char *prefix, const struct errors *errs);

/* A line as it is, with no level before it (banner, the `log` plugin's own formats). */
void log_raw(const char *line, size_t len);

/* Lines lost since the start: the ring was full, or the descriptor failed. */
uint64_t log_lost(void);

#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)

/* At most `per_s` lines a second from one call site (state is the caller's, zeroed at
 * first); what is held back is counted and told with the next line: "(N more like
 * this)". Whether this one was not held back. */
struct log_limit {
    _Atomic uint64_t second; /* of the monotonic clock */
    _Atomic uint32_t lines, held;
};
bool log_limited(struct log_limit *limit, uint32_t per_s, enum log_level level,
                 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
