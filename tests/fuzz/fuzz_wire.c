/* Any octets as a packet: judged within bounds, and what is accepted comes out of the
 * encoder the same, in whatever way it is written. */
#include "base/hash.h"
#include "resolver/edns.h"
#include "resolver/encode.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct encoder *encoder;
static struct rr before[WIRE_RR_MAX], after[WIRE_RR_MAX];
static uint8_t out[UINT16_MAX];

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

/* Without regard to case: what is the question's name takes the question's spelling. */
static bool same_name(const struct rr *a, uint32_t a_at, const struct rr *b,
                      uint32_t b_at)
{
    struct name x, y;

    msg_name(a, a_at, &x);
    msg_name(b, b_at, &y);
    return x.len == y.len && name_equal(x.wire, y.wire);
}

static bool same_rdata(const struct rr *a, const struct rr *b)
{
    struct rdata_part x = rdata_parts(a), y = rdata_parts(b);

    while (rdata_next(a, &x)) {
        if (!rdata_next(b, &y) || x.is_name != y.is_name)
            return false;
        if (x.is_name
                ? !same_name(a, x.at, b, y.at)
                : x.len != y.len || memcmp(a->base + x.at, b->base + y.at, x.len) != 0)
            return false;
    }
    return !rdata_next(b, &y);
}

static void must_be_same(const struct msg *a, const struct msg *b)
{
    must(a->rr_n == b->rr_n);
    for (uint32_t i = 0; i < a->rr_n; i++) {
        const struct rr *x = &a->rr[i], *y = &b->rr[i];
        must(x->type == y->type && x->class == y->class && x->ttl == y->ttl &&
             x->section == y->section);
        must(same_name(x, x->owner, y, y->owner));
        must(same_rdata(x, y));
    }
}

/* Writes the message and walks what was written. Octets behind it lend the walker the
 * budget that a shorter spelling of the same names takes from it. */
static void round_trip(const struct msg *m, struct span question, size_t limit)
{
    struct encode_job job = {.msg = m,
                             .id = m->id,
                             .flags = m->flags,
                             .question = question,
                             .opt = {.present = m->opt.present,
                                     .options = m->opt.options,
                                     .udp_size = m->opt.udp_size},
                             .limit = limit};
    struct msg back = {.rr = after, .rr_cap = WIRE_RR_MAX};
    size_t len;

    enum encode_result result = encode_msg(encoder, &job, out, &len);
    must(result != ENCODE_NAME_LONG && len <= limit);
    memset(out + len, 0, sizeof out - len);
    must(wire_walk((struct span){.at = out, .len = sizeof out}, &back) == WIRE_OK);
    must(back.len == len && back.id == m->id && back.question == m->question);
    if (result == ENCODE_OK)
        must_be_same(m, &back);
    else
        must(back.rr_n == 0 && (back.flags & DNS_TC) != 0);
}

static void read_options(struct span options)
{
    struct edns_option o;
    size_t at = 0;

    while (edns_next(options, &at, &o))
        must(o.data.at + o.data.len <= options.at + options.len);
    must(at == options.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span packet = {.at = data, .len = len};
    struct msg m = {.rr = before, .rr_cap = WIRE_RR_MAX};
    struct name n;

    for (size_t at = 0; at < len; at += 1 + len / 64)
        must(wire_name(packet, at, &n) <= len);
    wire_answers(packet,
                 (struct span){.at = (const uint8_t *)"\1a\0\0\1\0\1", .len = 7});
    if (wire_walk(packet, &m) != WIRE_OK)
        return 0;
    must(m.len <= len);
    read_options(m.opt.options);
    struct span question = {.at = data + m.qname,
                            .len = m.question ? m.qname_len + 4u : 0};
    round_trip(&m, question, sizeof out);
    round_trip(&m, question, 512);
    m.edited = true;
    round_trip(&m, question, sizeof out);
    m.wire = NULL; /* every name by hash */
    round_trip(&m, question, sizeof out);
    return 0;
}
