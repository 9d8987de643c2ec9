#include "resolver/plugins/rewrite/rewrite_answer.h"

#include "base/cursor.h"
#include "resolver/core.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"

/* Where a name stands in a record. */
enum place {
    PLACE_OWNER,
    PLACE_VALUE, /* one that every rule about values changes */
    PLACE_EXTRA, /* one that only zone rules change */
    PLACE_OTHER, /* one that stays */
};

/* No type whose names are changed has more of them. */
#define NAMES_MAX 2

static enum place place_of(uint16_t type, unsigned n)
{
    switch (type) {
    case DNS_CNAME:
    case DNS_DNAME:
    case DNS_MX:
    case DNS_NAPTR:
    case DNS_NS:
    case DNS_PTR:
    case DNS_SRV:
        return PLACE_VALUE;
    case DNS_SOA:
        return n == 0 ? PLACE_VALUE : PLACE_EXTRA;
    case DNS_SVCB:
    case DNS_HTTPS:
        return PLACE_EXTRA;
    default:
        return PLACE_OTHER;
    }
}

/* ---- one name ---- */

/* What an applied rule makes of a name. */
struct undoing {
    struct query *q;
    const struct rewrite_rule *rule;
    const struct name_map *back;
};

static enum rewrite_result undo_auto(const struct undoing *u, enum place place,
                                     struct name *name)
{
    const struct rewrite_match *m = &u->rule->match;
    struct name in = *name;
    size_t prefix_len;
    if (!u->rule->automatic || (place == PLACE_EXTRA && !u->rule->zone))
        return REWRITE_NO;
    if (u->back->from == NULL)
        return rewrite_suffix_change(&m->to_end, &m->from_end, false, in.wire, name);
    if (!name_under(in.wire, u->back->from, &prefix_len))
        return REWRITE_NO;
    return name_join(name, in.wire, prefix_len, u->back->to) < 0 ? REWRITE_LONG
                                                                 : REWRITE_YES;
}

static enum rewrite_result undo_regex(const struct undoing *u,
                                      const struct rewrite_answer *a, struct name *name)
{
    struct rewrite_subject s;
    struct name in = *name;
    rewrite_subject_init(&s, in.wire, &u->q->r->patterns);
    return rewrite_regex_change(&a->regex, &s, name);
}

/* Explicit answer rules first, the last one first, then `auto`. */
static enum rewrite_result undo_name(const struct undoing *u, enum place place,
                                     struct name *name)
{
    enum rewrite_result result, any = REWRITE_NO;
    if (place == PLACE_OTHER)
        return REWRITE_NO;
    for (uint32_t i = u->rule->answers_n; i > 0; i--) {
        const struct rewrite_answer *a = &u->rule->answers[i - 1];
        if (place != (a->value ? PLACE_VALUE : PLACE_OWNER))
            continue;
        result = undo_regex(u, a, name);
        if (result > REWRITE_YES)
            return result;
        any = result == REWRITE_YES ? result : any;
    }
    result = undo_auto(u, place, name);
    return result == REWRITE_NO ? any : result;
}

/* ---- one record ---- */

/* The names of a record as they will be. */
struct names {
    struct name owner;
    struct name value[NAMES_MAX];
    bool changed;
    /* Most records have the owner of the one before. */
    struct name asked; /* the last owner as it came; len 0 = none yet */
    enum rewrite_result answer;
};

/* The record's octets anew, its names in full, in the query's arena. */
static int write_record(struct query *q, struct rr *rr, const struct names *names)
{
    size_t cap = names->owner.len + rdata_len_plain(rr) + sizeof names->value;
    bool ours = place_of(rr->type, 0) != PLACE_OTHER;
    uint8_t *room = arena_alloc(&q->arena, cap);
    if (room == NULL)
        return -1;
    struct wr wr = wr_init(room, cap);
    wr_bytes(&wr, names->owner.wire, names->owner.len);
    struct rdata_part part = rdata_parts(rr);
    for (unsigned n = 0; ours && rdata_next(rr, &part);) {
        if (part.is_name && n < NAMES_MAX)
            wr_bytes(&wr, names->value[n].wire, names->value[n].len);
        else
            wr_bytes(&wr, rr->base + part.at, part.len);
        n += part.is_name;
    }
    if (!ours) {
        rdata_expand(rr, room + wr.at);
        wr.at += rdata_len_plain(rr);
    }
    if (wr.failed || wr.at - names->owner.len > UINT16_MAX)
        return -1;
    rr->base = room;
    rr->owner = 0;
    rr->rdata = names->owner.len;
    rr->rdlen = (uint16_t)(wr.at - names->owner.len);
    q->response->msg.edited = true;
    return 0;
}

static enum rewrite_result undo_owner(const struct undoing *u, const struct rr *rr,
                                      struct names *names)
{
    struct name owner;
    msg_owner(rr, &owner);
    if (owner.len == names->asked.len &&
        memcmp(owner.wire, names->asked.wire, owner.len) == 0)
        return names->answer;
    names->asked = names->owner = owner;
    names->answer = undo_name(u, PLACE_OWNER, &names->owner);
    return names->answer;
}

static enum rewrite_result undo_record(const struct undoing *u, struct rr *rr,
                                       struct names *names)
{
    enum rewrite_result result = undo_owner(u, rr, names);
    names->changed = result == REWRITE_YES;
    struct rdata_part part = rdata_parts(rr);
    unsigned n = 0;
    while (result <= REWRITE_YES && n < NAMES_MAX && rdata_next(rr, &part)) {
        if (!part.is_name)
            continue;
        msg_name(rr, part.at, &names->value[n]);
        result = undo_name(u, place_of(rr->type, n), &names->value[n]);
        names->changed = names->changed || result == REWRITE_YES;
        n++;
    }
    if (result > REWRITE_YES)
        return result;
    if (names->changed && write_record(u->q, rr, names) < 0)
        return REWRITE_NO_MEMORY;
    return REWRITE_YES;
}

static enum rewrite_result undo_records(const struct undoing *u, uint32_t n)
{
    struct msg *m = &u->q->response->msg;
    struct names names = {0};
    for (uint32_t i = 0; i < n && i < m->rr_n; i++) {
        struct rr *rr = &m->rr[i];
        enum rewrite_result result =
            rr->dropped ? REWRITE_NO : undo_record(u, rr, &names);
        if (result > REWRITE_YES)
            return result;
    }
    return REWRITE_YES;
}

int rewrite_answer_set(struct query *q, struct rr *rr, unsigned n,
                       const struct name *name)
{
    struct names names = {0};
    struct rdata_part part = rdata_parts(rr);
    msg_owner(rr, &names.owner);
    for (unsigned i = 0; i < NAMES_MAX && rdata_next(rr, &part);) {
        if (part.is_name)
            msg_name(rr, part.at, &names.value[i++]);
    }
    names.value[n] = *name;
    return write_record(q, rr, &names);
}

/* ---- the whole message at once ---- */

/* One mapping of all names is what the encoder does while it writes: no record is
 * touched. It would map names that CoreDNS leaves alone, so not with such records. */
static bool maps_whole(const struct query *q, const struct rewrite_frame *f,
                       const struct rewrite_applied *a)
{
    const struct msg *m = &q->response->msg;
    size_t prefix_len;
    struct name asked;
    if (f->own_n != m->rr_n || a->rule->answers_n > 0 || a->back.from == NULL ||
        m->wire == NULL || m->wire == q->r->buffer || m->rr == q->r->edit_rr ||
        !name_under(f->name, a->back.from, &prefix_len) ||
        name_join(&asked, f->name, prefix_len, a->back.to) < 0 ||
        !name_equal(asked.wire, q->request.asked.at))
        return false;
    msg_each_rr (rr, m) {
        enum place place = place_of(rr->type, 0);
        if (rdata_layout(rr->type)->has_names && place == PLACE_OTHER)
            return false;
        if (!a->rule->zone && (place == PLACE_EXTRA || rr->type == DNS_SOA))
            return false;
    }
    return true;
}

static enum rewrite_result map_whole(struct query *q, struct rewrite_frame *f,
                                     const struct rewrite_applied *a)
{
    struct resolver *r = q->r;
    struct msg *in = &q->response->msg;
    struct encode_job job = {
        .msg = in,
        .id = in->id,
        .flags = in->flags,
        .question = q->request.asked,
        .map = &a->back,
        .limit = UINT16_MAX,
        .additional_may_go = true,
    };
    struct msg out = {.rr = r->edit_rr, .rr_cap = WIRE_RR_MAX};
    struct span packet = {.at = r->buffer};
    if (encode_msg(r->encoder, &job, r->buffer, &packet.len) != ENCODE_OK ||
        wire_walk(packet, &out) != WIRE_OK)
        return REWRITE_LONG;
    out.rcode = in->rcode;
    *in = out;
    f->own_n = out.rr_n;
    return REWRITE_YES;
}

/* ---- the ways in ---- */

enum rewrite_result rewrite_answer_undo(struct query *q, struct rewrite_frame *f,
                                        const struct rewrite_applied *a)
{
    struct undoing u = {.q = q, .rule = a->rule, .back = &a->back};
    if (!a->rule->automatic && a->rule->answers_n == 0)
        return REWRITE_YES;
    if (maps_whole(q, f, a))
        return map_whole(q, f, a);
    return undo_records(&u, f->own_n);
}

enum rewrite_result rewrite_answer_reverse(struct query *q,
                                           const struct rewrite_rule *zone)
{
    struct name_map back = {
        .from = zone->match.to_end.rest.wire,
        .to = zone->match.from_end.rest.wire,
    };
    struct undoing u = {.q = q, .rule = zone, .back = &back};
    msg_each_rr (rr, &q->response->msg) {
        struct name target;
        if (rr->type != DNS_PTR)
            continue;
        msg_name(rr, rr->rdata, &target);
        enum rewrite_result result = undo_name(&u, PLACE_EXTRA, &target);
        if (result == REWRITE_NO)
            continue;
        if (result > REWRITE_YES)
            return result;
        if (rewrite_answer_set(q, rr, 0, &target) < 0)
            return REWRITE_NO_MEMORY;
    }
    return REWRITE_YES;
}
