#include "resolver/rename.h"

#include "resolver/wire.h"

int rename_name(const struct name_map *map, const uint8_t *name, struct name *out)
{
    size_t prefix_len;

    if (!name_under(name, map->from, &prefix_len))
        return -1;
    return name_join(out, name, prefix_len, map->to);
}

static bool is_signature(uint16_t type)
{
    return type == DNS_RRSIG || type == DNS_NSEC || type == DNS_NSEC3;
}

/* The index of `in` without signatures, in the array of `out`. -1: too small. */
static int select_records(const struct msg *in, struct msg *out)
{
    uint32_t n = 0;

    msg_each_rr (rr, in) {
        if (is_signature(rr->type))
            continue;
        if (n == out->rr_cap)
            return -1;
        out->rr[n++] = *rr;
    }
    out->rr_n = n;
    return 0;
}

int rename_response(struct encoder *e, const struct msg *in, const struct rename *how,
                    struct msg *out)
{
    struct msg kept = *in;
    size_t len;

    if (select_records(in, out) < 0)
        return -1;
    kept.rr = out->rr;
    kept.rr_n = out->rr_n;
    kept.edited = true;
    struct encode_job job = {
        .msg = &kept,
        .id = in->id,
        .flags = in->flags & (uint16_t)~DNS_AD,
        .question = how->question,
        .map = how->map,
        .limit = UINT16_MAX,
        .additional_may_go = true,
    };
    if (encode_msg(e, &job, how->buffer, &len) != ENCODE_OK)
        return -1;
    /* Walked again: the index is right by the same code that judges strangers' packets.
     */
    if (wire_walk((struct span){.at = how->buffer, .len = len}, out) != WIRE_OK)
        return -1;
    out->rcode = in->rcode;
    return 0;
}
