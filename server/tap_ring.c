#include "server/tap_ring.h"

#include <stdlib.h>
#include <sys/mman.h>

#define HEAD 4          /* octets in front of a message: its length */
#define SKIP UINT32_MAX /* in the place of a length: go on at the start */

/* Every message begins at a multiple, so that a head never lies in two pieces. */
static size_t rounded(size_t len)
{
    return (len + HEAD - 1) / HEAD * HEAD;
}

struct tap_ring *tap_ring_new(size_t cap)
{
    struct tap_ring *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->cap = 4096;
    while (r->cap < cap)
        r->cap *= 2;
    void *at = mmap(NULL, r->cap, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        free(r);
        return NULL;
    }
    r->octets = at;
    return r;
}

void tap_ring_free(struct tap_ring *r)
{
    if (r == NULL)
        return;
    munmap(r->octets, r->cap);
    free(r);
}

static void write_length(struct tap_ring *r, size_t put, uint32_t len)
{
    memcpy(r->octets + (put & (r->cap - 1)), &len, sizeof len);
}

static uint32_t read_length(const struct tap_ring *r, size_t at)
{
    uint32_t len;
    memcpy(&len, r->octets + (at & (r->cap - 1)), sizeof len);
    return len;
}

bool tap_ring_put(struct tap_ring *r, const uint8_t *octets, size_t len)
{
    size_t put = atomic_load_explicit(&r->put, memory_order_relaxed);
    size_t taken = atomic_load_explicit(&r->taken, memory_order_acquire);
    size_t needed = HEAD + rounded(len), to_end = r->cap - (put & (r->cap - 1));
    size_t skipped = needed > to_end ? to_end : 0;
    if (needed + skipped > r->cap - (put - taken)) {
        atomic_fetch_add_explicit(&r->lost, 1, memory_order_relaxed);
        return false;
    }
    if (skipped > 0)
        write_length(r, put, SKIP);
    put += skipped;
    write_length(r, put, (uint32_t)len);
    memcpy(r->octets + (put & (r->cap - 1)) + HEAD, octets, len);
    atomic_store_explicit(&r->put, put + needed, memory_order_release);
    return true;
}

size_t tap_ring_used(struct tap_ring *r)
{
    return atomic_load_explicit(&r->put, memory_order_relaxed) -
           atomic_load_explicit(&r->taken, memory_order_relaxed);
}

int tap_ring_peek(struct tap_ring *r, struct iovec *iov, int max)
{
    size_t at = atomic_load_explicit(&r->taken, memory_order_relaxed);
    size_t put = atomic_load_explicit(&r->put, memory_order_acquire);
    int n = 0;
    while (at != put && n < max) {
        uint32_t len = read_length(r, at);
        if (len == SKIP) {
            at += r->cap - (at & (r->cap - 1));
            continue;
        }
        iov[n++] = (struct iovec){.iov_base = r->octets + (at & (r->cap - 1)) + HEAD,
                                  .iov_len = len};
        at += HEAD + rounded(len);
    }
    r->peeked = at;
    return n;
}

void tap_ring_done(struct tap_ring *r)
{
    atomic_store_explicit(&r->taken, r->peeked, memory_order_release);
}
