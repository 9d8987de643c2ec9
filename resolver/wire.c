#include "resolver/wire.h"

#include "base/cursor.h"
#include "resolver/rdata.h"

/* A name has at most 127 labels; no encoder needs more pointers than labels. */
#define HOPS_MAX 127

#define POINTER    0xc0 /* the two high bits of a pointer's first octet */
#define POINTER_TO 0x3fffu

#define RR_FIXED_LEN  10 /* type, class, TTL, RDLENGTH */
#define OPT_FIXED_LEN 11 /* with the root in front */

struct walk {
    const uint8_t *at;
    size_t len;
    size_t budget;    /* labels and hops that may still be looked at */
    size_t qname_len; /* 0 = no question */
};

/* ---- names ---- */

/* Checks the name at `at`. Returns the offset behind it, or 0 when it is malformed. A
 * pointer must lead to a name that ends in front of the run of labels it closes: that
 * is what "prior occurrence" means, no chain can close a ring, and no name reaches into
 * octets that the message does not own. */
static size_t walk_name(struct walk *w, size_t at)
{
    size_t end = 0, run = at, limit = w->len, name_len = 0, hops = 0;

    for (; w->budget > 0 && at < limit; w->budget--) {
        size_t label = w->at[at];
        if (label <= NAME_LABEL_MAX) {
            at += label + 1;
            name_len += label + 1;
            if (name_len > NAME_WIRE_MAX)
                return 0;
            if (label == 0)
                return end == 0 ? at : end;
            continue;
        }
        if (label < POINTER || limit - at < 2)
            return 0;
        if (end == 0)
            end = at + 2;
        at = load_u16(w->at + at) & POINTER_TO;
        if (at < DNS_HEADER_LEN || ++hops > HOPS_MAX)
            return 0;
        if (at == DNS_HEADER_LEN && w->qname_len > 0)
            return name_len + w->qname_len <= NAME_WIRE_MAX ? end : 0;
        limit = run; /* a pointer to itself or forward ends the loop */
        run = at;
    }
    return 0;
}

size_t wire_name(struct span msg, size_t at, struct name *out)
{
    size_t end = 0, run = at, len = 0, hops = 0;

    for (;;) {
        if (at >= msg.len)
            return 0;
        size_t label = msg.at[at];
        if (label <= NAME_LABEL_MAX) {
            if (msg.len - at <= label || len + label + 1 > NAME_WIRE_MAX)
                return 0;
            memcpy(out->wire + len, msg.at + at, label + 1);
            at += label + 1;
            len += label + 1;
            if (label == 0)
                break;
            continue;
        }
        if (label < POINTER || msg.len - at < 2)
            return 0;
        if (end == 0)
            end = at + 2;
        at = load_u16(msg.at + at) & POINTER_TO;
        if (at >= run || ++hops > HOPS_MAX)
            return 0;
        run = at;
    }
    out->len = (uint8_t)len;
    return end == 0 ? at : end;
}

size_t wire_name_len(const uint8_t *base, size_t at)
{
    size_t len = 1;

    while (base[at] != 0) {
        size_t label = base[at];
        if (label >= POINTER) {
            at = load_u16(base + at) & POINTER_TO;
            continue;
        }
        at += label + 1;
        len += label + 1;
    }
    return len;
}

/* ---- sections ---- */

/* The question's name: whole, because nothing stands in front of it. */
static size_t walk_question(struct walk *w, struct msg *out)
{
    size_t at = DNS_HEADER_LEN;

    for (;;) {
        if (at >= w->len || w->at[at] > NAME_LABEL_MAX)
            return 0;
        size_t label = w->at[at];
        at += label + 1;
        if (at - DNS_HEADER_LEN > NAME_WIRE_MAX)
            return 0;
        if (label == 0)
            break;
    }
    if (w->len < at + 4)
        return 0;
    w->qname_len = at - DNS_HEADER_LEN;
    out->question = true;
    out->qname_len = (uint8_t)w->qname_len;
    out->qtype = load_u16(w->at + at);
    out->qclass = load_u16(w->at + at + 2);
    return at + 4;
}

static bool walk_options(struct span options)
{
    size_t at = 0;

    while (at < options.len) {
        if (options.len - at < 4)
            return false;
        at += 4u + load_u16(options.at + at + 2);
    }
    return at == options.len;
}

static bool is_opt(const struct walk *w, size_t at)
{
    return w->len > at && w->len - at >= OPT_FIXED_LEN && w->at[at] == 0 &&
           load_u16(w->at + at + 1) == DNS_OPT;
}

/* Returns the offset behind the OPT record at `at`, or 0. */
static size_t walk_opt(const struct walk *w, size_t at, struct msg *out)
{
    const uint8_t *p = w->at + at;
    size_t rdlen = load_u16(p + 9), rdata = at + OPT_FIXED_LEN;

    if (out->opt.present || w->len - rdata < rdlen)
        return 0;
    out->opt = (struct opt){.present = true,
                            .version = p[6],
                            .dnssec_ok = (p[7] & 0x80) != 0,
                            .udp_size = load_u16(p + 3),
                            .options = {.at = w->at + rdata, .len = rdlen}};
    out->opt_at = (uint32_t)at;
    out->rcode |= (uint16_t)(p[5] << 4);
    return walk_options(out->opt.options) ? rdata + rdlen : 0;
}

/* Whether the data of a record is exactly what its type demands. */
static bool walk_rdata(struct walk *w, const struct rr *rr)
{
    const struct rdata_layout *layout = rdata_layout(rr->type);
    size_t at = rr->rdata, end = at + rr->rdlen;
    bool address = rr->type == DNS_A || rr->type == DNS_AAAA;

    if (!layout->known || (address && rr->class != DNS_IN))
        return true; /* addresses of other classes have other forms */
    for (const struct rdata_field *f = layout->field;; f++) {
        switch ((enum rdata_step)f->step) {
        case RDATA_END:
            return at == end;
        case RDATA_FIXED:
            at += f->len;
            break;
        case RDATA_STRING:
            if (at >= end)
                return false;
            at += w->at[at] + 1u;
            break;
        case RDATA_STRINGS:
            do {
                if (at >= end)
                    return false;
                at += w->at[at] + 1u;
            } while (at != end);
            return true;
        case RDATA_NAME:
            at = walk_name(w, at);
            if (at == 0)
                return false;
            break;
        case RDATA_REST:
            return true;
        }
        if (at > end)
            return false;
    }
}

/* Returns the offset behind the record at `at`, or 0. */
static size_t walk_rr(struct walk *w, size_t at, struct rr *rr)
{
    size_t fixed = walk_name(w, at);

    if (fixed == 0 || w->len - fixed < RR_FIXED_LEN)
        return 0;
    const uint8_t *p = w->at + fixed;
    size_t rdata = fixed + RR_FIXED_LEN;
    rr->base = w->at;
    rr->owner = (uint32_t)at;
    rr->rdata = (uint32_t)rdata;
    rr->type = load_u16(p);
    rr->class = load_u16(p + 2);
    rr->ttl = load_u32(p + 4);
    rr->rdlen = load_u16(p + 8);
    rr->dropped = false;
    if (w->len - rdata < rr->rdlen || !walk_rdata(w, rr))
        return 0;
    return rdata + rr->rdlen;
}

/* One section of `n` records from `at` on. Returns the offset behind it, or 0. */
static size_t walk_section(struct walk *w, size_t at, enum section s, size_t n,
                           struct msg *out)
{
    while (n-- > 0) {
        if (s == SECTION_ADDITIONAL && is_opt(w, at)) {
            at = walk_opt(w, at, out);
            if (at == 0)
                return 0;
            continue;
        }
        if (out->rr_n == out->rr_cap)
            return 0;
        struct rr *rr = &out->rr[out->rr_n++];
        rr->section = (uint8_t)s;
        at = walk_rr(w, at, rr);
        /* An OPT that comes here is owned by another name or in another section. */
        if (at == 0 || rr->type == DNS_OPT)
            return 0;
        if (rr->type == DNS_TSIG && (s != SECTION_ADDITIONAL || n > 0))
            return 0;
    }
    return at;
}

enum wire_verdict wire_walk(struct span packet, struct msg *out)
{
    struct walk w = {
        .at = packet.at, .len = packet.len, .budget = 4 * packet.len + 4096};
    size_t at = DNS_HEADER_LEN;

    if (packet.len < DNS_HEADER_LEN)
        return WIRE_SHORT;
    out->wire = packet.at;
    out->id = load_u16(packet.at);
    out->flags = load_u16(packet.at + 2);
    out->rcode = DNS_RCODE(out->flags);
    out->question = false;
    out->qname = DNS_HEADER_LEN;
    out->qname_len = 0;
    out->qtype = out->qclass = 0;
    out->opt = (struct opt){.present = false};
    out->opt_at = 0;
    out->edited = out->ttl_edited = false;
    out->rr_n = 0;
    size_t questions = load_u16(packet.at + 4);
    if (questions > 1 || packet.len > UINT16_MAX)
        return WIRE_FORMERR;
    if (questions == 1 && (at = walk_question(&w, out)) == 0)
        return WIRE_FORMERR;
    for (size_t s = SECTION_ANSWER; s <= SECTION_ADDITIONAL; s++) {
        at =
            walk_section(&w, at, (enum section)s, load_u16(packet.at + 6 + 2 * s), out);
        if (at == 0)
            return WIRE_FORMERR;
    }
    out->len = at;
    return WIRE_OK;
}

/* ---- answers ---- */

bool wire_answers(struct span packet, struct span asked)
{
    if (packet.len < DNS_HEADER_LEN + asked.len || asked.len < 5)
        return false;
    uint16_t flags = load_u16(packet.at + 2);
    if ((flags & DNS_QR) == 0 || DNS_OPCODE(flags) != DNS_QUERY ||
        load_u16(packet.at + 4) != 1)
        return false;
    /* The packet's octets are a name if they spell the one that was asked. */
    const uint8_t *question = packet.at + DNS_HEADER_LEN;
    size_t len = asked.len - 4;
    return memcmp(question, asked.at, asked.len) == 0 ||
           (memcmp(question + len, asked.at + len, 4) == 0 &&
            name_octets_equal(question, asked.at, len));
}
