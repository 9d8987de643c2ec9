#include "resolver/trail.h"

#include "resolver/edns.h"

/* FNV-1a. Not the keyed hash of tables: its values must not leave the process. */
static uint64_t fold(uint64_t h, const uint8_t *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ from[i]) * UINT64_C(0x100000001b3);
    return h;
}

void trail_mark(const struct request *req, const uint8_t setter[TRAIL_SETTER],
                uint8_t out[TRAIL_MARK])
{
    uint8_t kind[4];
    store_u16(kind, req->type);
    store_u16(kind + 2, req->class);
    uint64_t h = fold(UINT64_C(0xcbf29ce484222325), req->lower, req->name_len);
    h = fold(h, kind, sizeof kind);
    memcpy(out, setter, TRAIL_SETTER);
    store_u32(out + 8, (uint32_t)(h >> 32));
    store_u32(out + 12, (uint32_t)h);
}

bool trail_is_circle(struct span options, const uint8_t mark[TRAIL_MARK])
{
    struct edns_option o;
    unsigned n = 0;
    for (size_t at = 0; edns_next(options, &at, &o);) {
        if (o.code != TRAIL_CODE)
            continue;
        if (o.data.len == TRAIL_MARK && memcmp(o.data.at, mark, TRAIL_MARK) == 0)
            return true;
        n++;
    }
    return n >= TRAIL_MARKS_MAX;
}

void trail_put_own(struct wr *wr, const struct request *req)
{
    if (req->mark != NULL && wr->cap - wr->at >= 4 + TRAIL_MARK)
        edns_put(wr, TRAIL_CODE, (struct span){req->mark, TRAIL_MARK});
}

void trail_put_all(struct wr *wr, const struct request *req)
{
    struct edns_option o;
    for (size_t at = 0; edns_next(req->opt.options, &at, &o);) {
        if (o.code == TRAIL_CODE && o.data.len == TRAIL_MARK &&
            wr->cap - wr->at >= 4 + TRAIL_MARK)
            edns_put(wr, TRAIL_CODE, o.data);
    }
    trail_put_own(wr, req);
}
