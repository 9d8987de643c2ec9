#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

/* The one secret of the process: drawn once, read by every thread afterwards. */
static struct hash_key key;
static int seed_result = -1;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void draw(void)
{
    uint8_t *to = (uint8_t *)&key;
    size_t have = 0;

    while (have < sizeof key) {
        ssize_t n = getrandom(to + have, sizeof key - have, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        have += (size_t)n;
    }
    key.word[0] |= 1; /* tells a drawn key from none */
    seed_result = 0;
}

int hash_seed(void)
{
    if (pthread_once(&seed_once, draw) != 0)
        return -1;
    return seed_result;
}

const struct hash_key *hash_key(void)
{
    assert(key.word[0] != 0); /* hash_seed() comes first */
    return &key;
}

static uint64_t load_word(const uint8_t *at)
{
    uint64_t w;
    memcpy(&w, at, sizeof w);
    return w;
}

uint64_t hash_bytes(const void *from, size_t len)
{
    const struct hash_key *k = hash_key();
    const uint8_t *at = from;
    uint64_t h = k->word[0] ^ len; /* so that trailing zeros count */
    uint64_t last = 0;

    for (; len >= sizeof last; len -= sizeof last, at += sizeof last)
        h = hash_fold(k, h, load_word(at));
    if (len > 0)
        memcpy(&last, at, len);
    return hash_fold(k, h, last);
}

uint64_t hash_mix(uint64_t a, uint64_t b)
{
    const struct hash_key *k = hash_key();
    return hash_fold(k, hash_fold(k, k->word[0], a), b);
}
