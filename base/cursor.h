/* Bounded reading and writing of octets with a failure that sticks: check once, at the
 * end.
 *
 *     struct rd rd = rd_init(wire, len);
 *     uint16_t type = rd_u16(&rd), class = rd_u16(&rd);
 *     if (rd.failed) return WIRE_SHORT;
 *
 * After a failure reads give zero and writes do nothing. All integers are big-endian.
 */
#ifndef ISTHMUS_BASE_CURSOR_H
#define ISTHMUS_BASE_CURSOR_H

#include "base/span.h"

struct rd {
    const uint8_t *start;
    size_t len, at;
    bool failed;
};

struct wr {
    uint8_t *start;
    size_t cap, at;
    bool failed;
};

static inline uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void store_u32(uint8_t *p, uint32_t v)
{
    store_u16(p, (uint16_t)(v >> 16));
    store_u16(p + 2, (uint16_t)v);
}

static inline struct rd rd_init(const void *from, size_t len)
{
    return (struct rd){.start = from, .len = len};
}

/* `n` octets, or NULL (and failure) when fewer are left. */
static inline const uint8_t *rd_take(struct rd *rd, size_t n)
{
    if (rd->failed || rd->len - rd->at < n) {
        rd->failed = true;
        return NULL;
    }
    const uint8_t *p = rd->start + rd->at;
    rd->at += n;
    return p;
}

static inline uint8_t rd_u8(struct rd *rd)
{
    const uint8_t *p = rd_take(rd, 1);
    return p == NULL ? 0 : *p;
}

static inline uint16_t rd_u16(struct rd *rd)
{
    const uint8_t *p = rd_take(rd, 2);
    return p == NULL ? 0 : load_u16(p);
}

static inline uint32_t rd_u32(struct rd *rd)
{
    const uint8_t *p = rd_take(rd, 4);
    return p == NULL ? 0 : load_u32(p);
}

static inline struct span rd_bytes(struct rd *rd, size_t n)
{
    const uint8_t *p = rd_take(rd, n);
    return (struct span){.at = p, .len = p == NULL ? 0 : n};
}

static inline struct wr wr_init(void *to, size_t cap)
{
    return (struct wr){.start = to, .cap = cap};
}

/* Room for `n` octets, advanced over, or NULL (and failure). */
static inline uint8_t *wr_take(struct wr *wr, size_t n)
{
    if (wr->failed || wr->cap - wr->at < n) {
        wr->failed = true;
        return NULL;
    }
    uint8_t *p = wr->start + wr->at;
    wr->at += n;
    return p;
}

static inline void wr_u8(struct wr *wr, uint8_t v)
{
    uint8_t *p = wr_take(wr, 1);
    if (p != NULL)
        *p = v;
}

static inline void wr_u16(struct wr *wr, uint16_t v)
{
    uint8_t *p = wr_take(wr, 2);
    if (p != NULL)
        store_u16(p, v);
}

static inline void wr_u32(struct wr *wr, uint32_t v)
{
    uint8_t *p = wr_take(wr, 4);
    if (p != NULL)
        store_u32(p, v);
}

static inline void wr_bytes(struct wr *wr, const void *from, size_t n)
{
    uint8_t *p = wr_take(wr, n);
    if (p != NULL && n > 0)
        memcpy(p, from, n);
}

/* Overwrites two octets written earlier. */
static inline void wr_patch_u16(struct wr *wr, size_t at, uint16_t v)
{
    if (!wr->failed && at + 2 <= wr->at)
        store_u16(wr->start + at, v);
}

#endif
