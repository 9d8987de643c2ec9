/* The first octet chooses a map, the rest is a packet: what is accepted and renamed has
 * every name mapped exactly once, and nothing else changed. */
#include "base/hash.h"
#include "resolver/rdata.h"
#include "resolver/rename.h"
#include "resolver/wire.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct encoder *encoder;
static struct rr before[WIRE_RR_MAX], after[WIRE_RR_MAX];
static uint8_t buffer[UINT16_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    encoder = encoder_new();
    if (encoder == NULL || hash_seed() < 0 || rdata_start() < 0)
        abort();
    return 0;
}

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct name_map choose(uint8_t octet)
{
    static const char *const names[] = {"\7cluster\5local",
                                        "\11cluster-b\5local",
                                        "\5local",
                                        "\1b\7cluster\5local",
                                        "\1a",
                                        "\1a\1a",
                                        "",
                                        "\3www\4test"};
    struct name_map map = {.from = (const uint8_t *)names[octet & 7],
                           .to = (const uint8_t *)names[octet >> 3 & 7]};

    map.from_len = (uint8_t)name_len(map.from);
    map.to_len = (uint8_t)name_len(map.to);
    return map;
}

/* What the name at `at` of a record must be once it is mapped. */
static struct name expected(const struct name_map *map, const struct rr *rr,
                            uint32_t at)
{
    struct name in, out;

    msg_name(rr, at, &in);
    if (!name_under(in.wire, map->from, NULL))
        return in;
    must(rename_name(map, in.wire, &out) == 0);
    return out;
}

static void must_be_named(const struct rr *rr, uint32_t at, const struct name *want)
{
    struct name got;

    msg_name(rr, at, &got);
    must(name_equal(got.wire, want->wire));
}

static void must_be_renamed(const struct name_map *map, const struct rr *in,
                            const struct rr *out)
{
    struct rdata_part x = rdata_parts(in), y = rdata_parts(out);
    struct name want = expected(map, in, in->owner);

    must(in->type == out->type && in->class == out->class && in->ttl == out->ttl &&
         in->section == out->section);
    must_be_named(out, out->owner, &want);
    while (rdata_next(in, &x)) {
        must(rdata_next(out, &y) && x.is_name == y.is_name);
        if (x.is_name) {
            want = expected(map, in, x.at);
            must_be_named(out, y.at, &want);
        } else {
            must(x.len == y.len &&
                 memcmp(in->base + x.at, out->base + y.at, x.len) == 0);
        }
    }
    must(!rdata_next(out, &y));
}

static bool is_signature(uint16_t type)
{
    return type == DNS_RRSIG || type == DNS_NSEC || type == DNS_NSEC3;
}

static void check(const struct name_map *map, const struct msg *in,
                  const struct msg *out)
{
    uint32_t n = 0;

    must((out->flags & DNS_AD) == 0 && out->rcode == in->rcode);
    for (uint32_t i = 0; i < in->rr_n; i++) {
        if (is_signature(in->rr[i].type))
            continue;
        must(n < out->rr_n);
        must_be_renamed(map, &in->rr[i], &out->rr[n++]);
    }
    must(n == out->rr_n);
}

/* The question's name mapped, then type and class; empty when there is none or it grows
 * too long, for then no such answer is ever asked for. */
static struct span question_of(const struct name_map *map, const struct msg *m,
                               uint8_t *room)
{
    const uint8_t *name = m->wire + m->qname;
    struct name to;

    if (!m->question)
        return (struct span){0};
    if (!name_under(name, map->from, NULL))
        return (struct span){.at = name, .len = m->qname_len + 4u};
    if (rename_name(map, name, &to) < 0)
        return (struct span){0};
    memcpy(room, to.wire, to.len);
    memcpy(room + to.len, name + m->qname_len, 4);
    return (struct span){.at = room, .len = to.len + 4u};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct msg m = {.rr = before, .rr_cap = WIRE_RR_MAX};
    struct msg out = {.rr = after, .rr_cap = WIRE_RR_MAX};
    uint8_t room[NAME_WIRE_MAX + 4];

    if (len == 0 ||
        wire_walk((struct span){.at = data + 1, .len = len - 1}, &m) != WIRE_OK)
        return 0;
    struct name_map map = choose(data[0]);
    struct span question = question_of(&map, &m, room);
    struct rename how = {.map = &map, .question = question, .buffer = buffer};
    if (rename_response(encoder, &m, &how, &out) == 0)
        check(&map, &m, &out);
    return 0;
}
