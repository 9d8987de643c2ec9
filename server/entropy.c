#include "server/entropy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int entropy_init(struct entropy *e)
{
    size_t have = 0;
    while (have < sizeof e->pool) {
        ssize_t n = getrandom(e->pool + have, sizeof e->pool - have, 0);
        if (n > 0)
            have += (size_t)n;
        else if (n < 0 && errno != EINTR)
            return errno;
    }
    e->used = 0;
    return 0;
}

void entropy_take(struct entropy *e, void *out, size_t len)
{
    uint8_t *to = out;
    while (len > 0) {
        if (e->used == sizeof e->pool && entropy_init(e) != 0)
            abort();
        size_t n = sizeof e->pool - e->used;
        if (n > len)
            n = len;
        memcpy(to, e->pool + e->used, n);
        e->used += n;
        to += n;
        len -= n;
    }
}

uint32_t entropy_below(struct entropy *e, uint32_t n)
{
    uint32_t r;
    entropy_take(e, &r, sizeof r);
    return (uint32_t)(((uint64_t)r * n) >> 32);
}
