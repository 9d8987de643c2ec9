#include "resolver/msg.h"

#include "base/cursor.h"
#include "resolver/wire.h"

int msg_init(struct msg *m, struct arena *a, uint32_t cap)
{
    *m = (struct msg){.edited = true};
    if (cap == 0)
        return 0;
    m->rr = arena_array(a, cap, sizeof *m->rr);
    m->rr_cap = m->rr == NULL ? 0 : cap;
    return m->rr == NULL ? -1 : 0;
}

static struct rr *next_rr(struct msg *m, struct arena *a)
{
    if (m->rr_n == m->rr_cap || m->rr == NULL) {
        uint32_t cap = m->rr_n < 4 ? 8 : m->rr_n * 2;
        struct rr *list = arena_array(a, cap, sizeof *list);
        if (list == NULL)
            return NULL;
        if (m->rr_n > 0)
            memcpy(list, m->rr, m->rr_n * sizeof *list);
        m->rr = list;
        m->rr_cap = cap;
    }
    m->edited = true;
    return &m->rr[m->rr_n++];
}

int msg_add(struct msg *m, struct arena *a, const struct rr_new *add)
{
    size_t owner_len = name_len(add->owner);
    uint8_t *room = arena_alloc(a, owner_len + add->rdata.len);
    if (room == NULL || add->rdata.len > UINT16_MAX)
        return -1;
    memcpy(room, add->owner, owner_len);
    if (add->rdata.len > 0)
        memcpy(room + owner_len, add->rdata.at, add->rdata.len);
    struct rr rr = {
        .base = room,
        .rdata = (uint32_t)owner_len,
        .ttl = add->ttl,
        .rdlen = (uint16_t)add->rdata.len,
        .type = add->type,
        .class = add->class,
        .section = (uint8_t)add->section,
    };
    return msg_add_rr(m, a, &rr);
}

int msg_add_rr(struct msg *m, struct arena *a, const struct rr *rr)
{
    struct rr *to = next_rr(m, a);
    if (to == NULL)
        return -1;
    *to = *rr;
    return 0;
}

void msg_drop(struct msg *m, struct rr *rr)
{
    rr->dropped = true;
    m->edited = true;
}

void msg_set_ttl(struct msg *m, struct rr *rr, uint32_t ttl)
{
    rr->ttl = ttl;
    m->ttl_edited = true;
}

void msg_name(const struct rr *rr, uint32_t at, struct name *out)
{
    struct span all = {.at = rr->base, .len = SIZE_MAX / 2};
    wire_name(all, at, out);
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

int msg_copy(struct msg *to, const struct msg *from, struct arena *a)
{
    *to = *from;
    to->rr_cap = from->rr_n;
    to->rr = NULL;
    if (from->rr_n > 0 &&
        (to->rr = arena_copy(a, from->rr, from->rr_n * sizeof *to->rr)) == NULL)
        return -1;
    if (from->wire == NULL)
        return 0;
    uint8_t *wire = arena_copy(a, from->wire, from->len);
    if (wire == NULL)
        return -1;
    to->wire = wire;
    for (uint32_t i = 0; i < to->rr_n; i++) {
        if (to->rr[i].base == from->wire)
            to->rr[i].base = wire;
    }
    if (from->opt.options.len > 0)
        to->opt.options.at = wire + (from->opt.options.at - from->wire);
    return 0;
}

size_t msg_len_plain(const struct msg *m, size_t qname_len)
{
    size_t len = DNS_HEADER_LEN + qname_len + 4;
    struct name owner;
    msg_each_rr (rr, m) {
        msg_owner(rr, &owner);
        len += (size_t)owner.len + 10 + rr->rdlen;
    }
    return len;
}
