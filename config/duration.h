/* Durations as Go writes and reads them: `300ms`, `1.5h`, `.5s`, `1h30m`, `-1s`, `0`.
 */
#ifndef ISTHMUS_CONFIG_DURATION_H
#define ISTHMUS_CONFIG_DURATION_H

#include <stdint.h>

enum duration_flaw {
    DURATION_GOOD,
    DURATION_NO_UNIT,  /* a number without a unit, other than 0 */
    DURATION_BAD_UNIT, /* a unit that is none of ns, us, µs, ms, s, m, h */
    DURATION_INVALID,  /* anything else, and what is longer than 292 years */
};

/* Fills `us` with microseconds. What is shorter than one, but not zero, counts as one.
 */
enum duration_flaw duration_parse(const char *text, int64_t *us);

#define DURATION_TEXT_MAX 40

/* Prints as Go does: `500ms`, `1m30s`, `25h0m0s`, `0s`. `out` holds DURATION_TEXT_MAX.
 * Returns out. */
char *duration_print(int64_t us, char *out);

#endif
