#include "base/nearest.h"

#include <string.h>

#define NEAREST_MAX 40 /* letters; longer words are no slips of the pen */

static unsigned char nearest_lower(char ch)
{
    return (unsigned char)(ch >= 'A' && ch <= 'Z' ? ch - 'A' + 'a' : ch);
}

static unsigned nearest_min(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters to insert, drop, replace or swap with their neighbour; case does not count.
 * Both texts have at most NEAREST_MAX letters. */
static unsigned nearest_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    unsigned rows[3]
                 [NEAREST_MAX + 1]; /* of the letter before last, the last, this one */
    for (unsigned j = 0; j <= b_len; j++)
        rows[0][j] = rows[1][j] = rows[2][j] = j;
    for (unsigned i = 1; i <= a_len; i++) {
        memcpy(rows[0], rows[1], sizeof rows[0]);
        memcpy(rows[1], rows[2], sizeof rows[1]);
        rows[2][0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned char x = nearest_lower(a[i - 1]), y = nearest_lower(b[j - 1]);
            unsigned best = rows[1][j - 1] + (x != y);
            best = nearest_min(best, nearest_min(rows[1][j], rows[2][j - 1]) + 1);
            if (i > 1 && j > 1 && x == nearest_lower(b[j - 2]) &&
                y == nearest_lower(a[i - 2]))
                best = nearest_min(best, rows[0][j - 2] + 1);
            rows[2][j] = best;
        }
    }
    return rows[2][b_len];
}

const char *nearest_word(const char *found, const char *const *words, uint32_t n)
{
    const char *nearest = NULL;
    unsigned least = UINT32_MAX;
    size_t len = strlen(found);
    for (uint32_t i = 0; i < n && len <= NEAREST_MAX; i++) {
        if (strlen(words[i]) > NEAREST_MAX)
            continue;
        unsigned distance = nearest_distance(found, words[i]);
        if (distance < least && distance * 3 <= len) {
            least = distance;
            nearest = words[i];
        }
    }
    return nearest;
}
