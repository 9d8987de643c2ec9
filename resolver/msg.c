#include "resolver/msg.h"

#include "resolver/rdata.h"
#include "resolver/wire.h"

#define INDEX_FIRST  8  /* records of an index that has to grow from nothing */
#define RR_FIXED_LEN 10 /* type, class, TTL, RDLENGTH */

int msg_init(struct msg *m, struct arena *a, uint32_t cap)
{
    *m = (struct msg){.qname = DNS_HEADER_LEN, .edited = true};
    if (cap == 0)
        return 0;
    m->rr = arena_array(a, cap, sizeof *m->rr);
    m->rr_cap = m->rr == NULL ? 0 : cap;
    return m->rr == NULL ? -1 : 0;
}

int msg_add_rr(struct msg *m, struct arena *a, const struct rr *rr)
{
    if (m->rr_n == m->rr_cap) {
        uint32_t cap = m->rr_cap < INDEX_FIRST ? INDEX_FIRST : 2 * m->rr_cap;
        struct rr *grown = arena_array(a, cap, sizeof *grown);
        if (grown == NULL || cap <= m->rr_cap)
            return -1;
        if (m->rr_n > 0)
            memcpy(grown, m->rr, m->rr_n * sizeof *grown);
        m->rr = grown;
        m->rr_cap = cap;
    }
    m->rr[m->rr_n++] = *rr;
    m->edited = true;
    return 0;
}

int msg_add(struct msg *m, struct arena *a, const struct rr_new *rr)
{
    size_t owner_len = name_len(rr->owner);
    uint8_t *octets;

    if (rr->rdata.len > UINT16_MAX)
        return -1;
    octets = arena_alloc(a, owner_len + rr->rdata.len);
    if (octets == NULL)
        return -1;
    memcpy(octets, rr->owner, owner_len);
    if (rr->rdata.len > 0)
        memcpy(octets + owner_len, rr->rdata.at, rr->rdata.len);
    struct rr added = {.base = octets,
                       .rdata = (uint32_t)owner_len,
                       .ttl = rr->ttl,
                       .rdlen = (uint16_t)rr->rdata.len,
                       .type = rr->type,
                       .class = rr->class,
                       .section = (uint8_t)rr->section};
    return msg_add_rr(m, a, &added);
}

void msg_drop(struct msg *m, struct rr *rr)
{
    rr->dropped = true;
    m->edited = true;
}

void msg_set_ttl(struct msg *m, struct rr *rr, uint32_t ttl)
{
    if (rr->ttl == ttl)
        return;
    rr->ttl = ttl;
    m->ttl_edited = true;
}

void msg_name(const struct rr *rr, uint32_t at, struct name *out)
{
    /* The walker has seen where the name ends; the length is no bound any more. */
    wire_name((struct span){.at = rr->base, .len = UINT32_MAX}, at, out);
}

void msg_owner(const struct rr *rr, struct name *out)
{
    msg_name(rr, rr->owner, out);
}

bool msg_owner_is(const struct rr *rr, const uint8_t *name)
{
    struct name owner;

    msg_owner(rr, &owner);
    return name_equal(owner.wire, name);
}

uint32_t msg_count(const struct msg *m, enum section s)
{
    uint32_t n = 0;

    msg_each_rr (rr, m) {
        n += rr->section == s;
    }
    return n;
}

/* ---- copies ---- */

/* A record whose buffer is not the message's own: its octets, names in full. */
static int copy_foreign(struct rr *rr, struct arena *a)
{
    size_t owner_len = wire_name_len(rr->base, rr->owner), rdlen = rdata_len_plain(rr);
    struct name owner;

    if (rdlen > UINT16_MAX)
        return -1;
    uint8_t *octets = arena_alloc(a, owner_len + rdlen);
    if (octets == NULL)
        return -1;
    msg_owner(rr, &owner);
    memcpy(octets, owner.wire, owner_len);
    rdata_expand(rr, octets + owner_len);
    rr->base = octets;
    rr->owner = 0;
    rr->rdata = (uint32_t)owner_len;
    rr->rdlen = (uint16_t)rdlen;
    return 0;
}

static bool inside(const struct msg *m, const uint8_t *at)
{
    return m->wire != NULL && at >= m->wire && at < m->wire + m->len;
}

static int copy_options(struct msg *to, const struct msg *from, struct arena *a)
{
    struct span *options = &to->opt.options;

    if (options->len == 0) {
        options->at = NULL;
        return 0;
    }
    if (inside(from, options->at))
        options->at = to->wire + (options->at - from->wire);
    else
        options->at = arena_copy(a, options->at, options->len);
    return options->at == NULL ? -1 : 0;
}

int msg_copy(struct msg *to, const struct msg *from, struct arena *a)
{
    *to = *from;
    to->rr = NULL;
    to->rr_cap = from->rr_n;
    if (from->wire != NULL && (to->wire = arena_copy(a, from->wire, from->len)) == NULL)
        return -1;
    if (from->rr_n > 0 &&
        (to->rr = arena_copy(a, from->rr, from->rr_n * sizeof *to->rr)) == NULL)
        return -1;
    msg_each_rr (rr, to) {
        if (from->wire != NULL && rr->base == from->wire)
            rr->base = to->wire;
        else if (copy_foreign(rr, a) < 0)
            return -1;
    }
    return copy_options(to, from, a);
}

size_t msg_len_plain(const struct msg *m, size_t qname_len)
{
    size_t len = DNS_HEADER_LEN + (qname_len == 0 ? 0 : qname_len + 4);

    msg_each_rr (rr, m) {
        len += wire_name_len(rr->base, rr->owner) + RR_FIXED_LEN + rdata_len_plain(rr);
    }
    return len;
}
