#include "resolver/wire.h"

#include "base/cursor.h"
#include "resolver/rdata.h"

/* One walk: the packet, and what may still be spent on names. */
struct walk {
    const uint8_t *at;
    size_t len;
    size_t budget;
};

/* Checks the name at `from`. Returns the offset behind it, 0 when it is malformed. */
static size_t walk_name(struct walk *w, size_t from)
{
    size_t at = from, fragment = from, end = 0, total = 1;
    for (;;) {
        if (at >= w->len || w->budget == 0)
            return 0;
        w->budget--;
        uint8_t label = w->at[at];
        if (label == 0)
            return end == 0 ? at + 1 : end;
        if (label <= NAME_LABEL_MAX) {
            total += (size_t)label + 1;
            at += (size_t)label + 1;
            if (total > NAME_WIRE_MAX)
                return 0;
            continue;
        }
        if (label < 0xc0 || at + 1 >= w->len)
            return 0;
        size_t target = (size_t)(label & 0x3f) << 8 | w->at[at + 1];
        if (target >= fragment || target < DNS_HEADER_LEN)
            return 0;
        if (end == 0)
            end = at + 2;
        /* The name of the question is what nearly every pointer means. */
        at = fragment = target;
    }
}

static size_t walk_question(struct walk *w, struct msg *m)
{
    size_t at = DNS_HEADER_LEN;
    size_t total = 1;
    while (at < w->len && w->at[at] != 0) {
        if (w->at[at] > NAME_LABEL_MAX)
            return 0;
        total += (size_t)w->at[at] + 1;
        at += (size_t)w->at[at] + 1;
    }
    if (total > NAME_WIRE_MAX || at + 5 > w->len)
        return 0;
    m->question = true;
    m->qname = DNS_HEADER_LEN;
    m->qname_len = (uint8_t)total;
    m->qtype = load_u16(w->at + at + 1);
    m->qclass = load_u16(w->at + at + 3);
    return at + 5;
}

static bool walk_options(struct span options)
{
    size_t at = 0;
    while (at < options.len) {
        if (options.len - at < 4)
            return false;
        at += 4 + (size_t)load_u16(options.at + at + 2);
    }
    return at == options.len;
}

static bool take_opt(struct msg *m, const struct walk *w, size_t at, size_t fixed)
{
    const uint8_t *p = w->at + fixed;
    struct span options = {.at = p + 10, .len = load_u16(p + 8)};
    if (m->opt.present || w->at[at] != 0 || !walk_options(options))
        return false;
    m->opt = (struct opt){
        .present = true,
        .version = p[5],
        .dnssec_ok = (p[6] & 0x80) != 0,
        .udp_size = load_u16(p + 2),
        .options = options,
    };
    m->rcode = (uint16_t)(m->rcode | (uint16_t)p[4] << 4);
    m->opt_at = (uint32_t)at;
    return true;
}

/* RDATA against its layout: exactly that, no octet more. */
static bool walk_rdata(struct walk *w, const struct rr *rr)
{
    const struct rdata_layout *layout = rdata_layout(rr->type);
    size_t at = rr->rdata, end = at + rr->rdlen;
    if (!layout->known)
        return true;
    for (const struct rdata_field *f = layout->field; f->step != RDATA_END; f++) {
        if (f->step == RDATA_REST)
            return true;
        if (f->step == RDATA_NAME)
            at = walk_name(w, at);
        else if (f->step == RDATA_FIXED)
            at += f->len;
        else
            at += at < end ? (size_t)w->at[at] + 1 : 1;
        if (at == 0 || at > end)
            return false;
    }
    return at == end;
}

static size_t walk_record(struct walk *w, struct msg *m, enum section section,
                          size_t at)
{
    size_t fixed = walk_name(w, at);
    if (fixed == 0 || w->len - fixed < 10)
        return 0;
    const uint8_t *p = w->at + fixed;
    size_t rdlen = load_u16(p + 8);
    size_t end = fixed + 10 + rdlen;
    if (end > w->len)
        return 0;
    uint16_t type = load_u16(p);
    if (type == DNS_OPT) {
        if (section != SECTION_ADDITIONAL || !take_opt(m, w, at, fixed))
            return 0;
        return end;
    }
    if (m->rr_n >= m->rr_cap)
        return 0;
    struct rr *rr = &m->rr[m->rr_n++];
    *rr = (struct rr){
        .base = w->at,
        .owner = (uint32_t)at,
        .rdata = (uint32_t)fixed + 10,
        .ttl = load_u32(p + 4),
        .rdlen = (uint16_t)rdlen,
        .type = type,
        .class = load_u16(p + 2),
        .section = (uint8_t)section,
    };
    return walk_rdata(w, rr) ? end : 0;
}

enum wire_verdict wire_walk(struct span packet, struct msg *m)
{
    if (packet.len < DNS_HEADER_LEN)
        return WIRE_SHORT;
    struct walk w = {
        .at = packet.at, .len = packet.len, .budget = 16 * packet.len + 4096};
    m->wire = packet.at;
    m->id = load_u16(packet.at);
    m->flags = load_u16(packet.at + 2);
    m->rcode = DNS_RCODE(m->flags);
    m->question = false;
    m->qname_len = 0;
    m->opt.present = false;
    m->opt.options.len = 0;
    m->opt_at = 0;
    m->edited = m->ttl_edited = false;
    m->rr_n = 0;
    size_t at = DNS_HEADER_LEN;
    uint16_t questions = load_u16(packet.at + 4);
    if (questions > 1 || (questions == 1 && (at = walk_question(&w, m)) == 0))
        return WIRE_FORMERR;
    for (unsigned s = 0; s < 3; s++) {
        for (uint16_t n = load_u16(packet.at + 6 + 2 * s); n > 0; n--) {
            at = walk_record(&w, m, (enum section)s, at);
            if (at == 0)
                return WIRE_FORMERR;
        }
    }
    m->len = at;
    return WIRE_OK;
}

size_t wire_name(struct span msg, size_t at, struct name *out)
{
    size_t end = 0, fragment = at, len = 0;
    for (;;) {
        if (at >= msg.len)
            return 0;
        uint8_t label = msg.at[at];
        if (label > NAME_LABEL_MAX) {
            if (label < 0xc0 || at + 1 >= msg.len)
                return 0;
            size_t target = (size_t)(label & 0x3f) << 8 | msg.at[at + 1];
            if (target >= fragment)
                return 0;
            if (end == 0)
                end = at + 2;
            at = fragment = target;
            continue;
        }
        size_t n = (size_t)label + 1;
        if (len + n > NAME_WIRE_MAX || msg.len - at < n)
            return 0;
        memcpy(out->wire + len, msg.at + at, n);
        len += n;
        at += n;
        if (label == 0)
            break;
    }
    out->len = (uint8_t)len;
    return end == 0 ? at : end;
}

bool wire_answers(struct span packet, struct span asked)
{
    if (packet.len < DNS_HEADER_LEN + asked.len)
        return false;
    uint16_t flags = load_u16(packet.at + 2);
    if ((flags & DNS_QR) == 0 || DNS_OPCODE(flags) != DNS_QUERY ||
        load_u16(packet.at + 4) != 1)
        return false;
    const uint8_t *q = packet.at + DNS_HEADER_LEN;
    size_t name = asked.len - 4;
    if (memcmp(q + name, asked.at + name, 4) != 0)
        return false;
    if (memcmp(q, asked.at, name) == 0)
        return true;
    for (size_t i = 0; i < name; i++) {
        uint8_t a = q[i], b = asked.at[i];
        uint8_t letter = (uint8_t)((a | 0x20) - 'a');
        if (a != b && ((a ^ b) != 0x20 || letter >= 26))
            return false;
    }
    return true;
}
