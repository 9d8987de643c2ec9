/* "Did you mean": the known word that a wrong one is a slip away from. */
#ifndef ISTHMUS_BASE_NEAREST_H
#define ISTHMUS_BASE_NEAREST_H

#include <stdint.h>

/* The word of `words` nearest to `found` by edit distance, or NULL when none is near
 * (more than a third of its letters differ). */
const char *nearest_word(const char *found, const char *const *words, uint32_t n);

#endif
