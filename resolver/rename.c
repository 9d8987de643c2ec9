#include "resolver/rename.h"

#include "base/limits.h"
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

int rename_response(struct encoder *e, const struct msg *in, const struct name_map *map,
                    struct span question, uint8_t *buffer, struct msg *out)
{
    struct msg kept = *in;
    for (uint32_t i = 0; i < kept.rr_n; i++)
        kept.rr[i].dropped = kept.rr[i].dropped || is_signature(kept.rr[i].type);
    struct encode_job job = {
        .msg = &kept,
        .id = in->id,
        .flags = in->flags & (uint16_t)~DNS_AD,
        .question = question,
        .map = map,
        .limit = ANSWER_MAX,
    };
    size_t len;
    if (encode_msg(e, &job, buffer, &len) != ENCODE_OK)
        return -1;
    struct span packet = {.at = buffer, .len = len};
    if (wire_walk(packet, out) != WIRE_OK)
        return -1;
    out->rcode = in->rcode;
    return 0;
}
