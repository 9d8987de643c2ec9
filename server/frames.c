#include "server/frames.h"

#include "base/cursor.h"

#include <assert.h>
#include <stdlib.h>

#define LENGTH_LEN 2

/* Octets of the first message at `at`, its length included, as far as they are known.
 */
static size_t first_len(const uint8_t *at, size_t len)
{
    return len < LENGTH_LEN ? LENGTH_LEN : LENGTH_LEN + (size_t)load_u16(at);
}

static int reserve(struct frames *f, size_t cap)
{
    if (cap <= f->cap)
        return 0;
    uint8_t *kept = realloc(f->kept, cap);
    if (kept == NULL)
        return -1;
    f->kept = kept;
    f->cap = (uint32_t)cap;
    return 0;
}

uint8_t *frames_room(struct frames *f, uint8_t *shared, size_t shared_len, size_t *len)
{
    if (f->len == 0) {
        *len = shared_len;
        return shared;
    }
    size_t whole = first_len(f->kept, f->len);
    assert(whole > f->len);
    if (reserve(f, whole) < 0)
        return NULL;
    *len = whole - f->len;
    return f->kept + f->len;
}

struct span frames_got(struct frames *f, const uint8_t *at, size_t n)
{
    if (f->len == 0)
        return (struct span){.at = at, .len = n};
    f->len += (uint32_t)n;
    return frames_kept(f);
}

struct span frames_kept(const struct frames *f)
{
    return (struct span){.at = f->kept, .len = f->len};
}

bool frames_next(struct span *in, struct span *message)
{
    size_t whole = first_len(in->at, in->len);
    if (in->len < whole || in->len < LENGTH_LEN)
        return false;
    *message = (struct span){.at = in->at + LENGTH_LEN, .len = whole - LENGTH_LEN};
    in->at += whole;
    in->len -= whole;
    return true;
}

int frames_keep(struct frames *f, struct span rest)
{
    if (rest.len == 0) {
        frames_release(f);
        return 0;
    }
    if (f->len == 0) {
        if (reserve(f, rest.len) < 0)
            return -1;
        memcpy(f->kept, rest.at, rest.len);
    } else if (rest.at != f->kept) {
        memmove(f->kept, rest.at, rest.len);
    }
    f->len = (uint32_t)rest.len;
    return 0;
}

void frames_release(struct frames *f)
{
    free(f->kept);
    *f = (struct frames){0};
}
