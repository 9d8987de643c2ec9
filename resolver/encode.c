#include "resolver/encode.h"

#include "base/cursor.h"
#include "resolver/edns.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"

#include <stdlib.h>

/* A compression pointer reaches 14 bits. */
#define POINTER_MAX 0x3fffu

/* memo: where a name of the input stands in the output. A suffix at or under map->from
 * has been mapped, so that any name that ends in it may point there; of others that is
 * only known when the name is that suffix and nothing more. */
#define MEMO_UNDER 0x8000u

/* Suffixes written so far that no memo leads to (names of other buffers). */
#define SUFFIXES 1024

struct suffix {
    uint32_t hash;
    uint16_t at;
    uint16_t round;
};

struct encoder {
    uint16_t memo[65536];
    uint16_t memo_used[POINTER_MAX + 1];
    uint32_t memo_n;
    struct suffix suffix[SUFFIXES];
    uint32_t suffix_n;
    uint16_t round;
    uint32_t hash[NAME_LABELS_MAX + 1];
    uint8_t offset[NAME_LABELS_MAX + 1];
};

struct encoder *encoder_new(void)
{
    return calloc(1, sizeof(struct encoder));
}

void encoder_free(struct encoder *e)
{
    free(e);
}

static void begin(struct encoder *e)
{
    while (e->memo_n > 0)
        e->memo[e->memo_used[--e->memo_n]] = 0;
    e->suffix_n = 0;
    if (++e->round == 0) {
        memset(e->suffix, 0, sizeof e->suffix);
        e->round = 1;
    }
}

static void remember(struct encoder *e, uint32_t in, size_t out, bool under)
{
    if (out > POINTER_MAX || in > UINT16_MAX || e->memo[in] != 0 ||
        e->memo_n > POINTER_MAX)
        return;
    e->memo[in] = (uint16_t)(out | (under ? MEMO_UNDER : 0));
    e->memo_used[e->memo_n++] = (uint16_t)in;
}

/* ---- names ---- */

/* Whether the octets at `at` of the output spell `name`; pointers followed. */
static bool spells(const struct wr *wr, size_t at, const uint8_t *name)
{
    for (;;) {
        uint8_t label = wr->start[at];
        if (label >= 0xc0) {
            at = (size_t)(label & 0x3f) << 8 | wr->start[at + 1];
            continue;
        }
        if (label != name[0])
            return false;
        for (size_t i = 1; i <= label; i++) {
            uint8_t a = wr->start[at + i], b = name[i];
            if (a != b && ((a ^ b) != 0x20 || (uint8_t)((a | 0x20) - 'a') >= 26))
                return false;
        }
        if (label == 0)
            return true;
        at += (size_t)label + 1;
        name += (size_t)label + 1;
    }
}

static struct suffix *suffix_slot(struct encoder *e, const struct wr *wr, uint32_t hash,
                                  const uint8_t *name)
{
    uint32_t i = hash % SUFFIXES;
    while (e->suffix[i].round == e->round) {
        struct suffix *s = &e->suffix[i];
        if (s->hash == hash && spells(wr, s->at, name))
            return s;
        i = (i + 1) % SUFFIXES;
    }
    return &e->suffix[i];
}

/* Writes an uncompressed name, as a pointer as soon as what is left stands there
 * already. */
static void write_plain(struct encoder *e, struct wr *wr, const uint8_t *name)
{
    unsigned labels = name_hashes(name, e->hash, e->offset);
    for (unsigned i = 0; i < labels; i++) {
        const uint8_t *at = name + e->offset[i];
        struct suffix *s = suffix_slot(e, wr, e->hash[i], at);
        if (s->round == e->round) {
            wr_u16(wr, (uint16_t)(0xc000u | s->at));
            return;
        }
        if (wr->at <= POINTER_MAX && e->suffix_n < SUFFIXES / 2) {
            *s = (struct suffix){
                .hash = e->hash[i], .at = (uint16_t)wr->at, .round = e->round};
            e->suffix_n++;
        }
        wr_bytes(wr, at, (size_t)at[0] + 1);
    }
    wr_u8(wr, 0);
}

struct job {
    struct encoder *e;
    struct wr wr;
    const struct encode_job *job;
    bool too_long;
};

/* The name under the map's other suffix; *under tells whether it was mapped. */
static const uint8_t *mapped(struct job *j, const struct name *in, struct name *room,
                             bool *under)
{
    const struct name_map *map = j->job->map;
    size_t prefix_len;
    *under = map != NULL && name_under(in->wire, map->from, &prefix_len);
    if (!*under)
        return in->wire;
    if (name_join(room, in->wire, prefix_len, map->to) < 0) {
        j->too_long = true;
        return in->wire;
    }
    return room->wire;
}

static void write_name(struct job *j, const struct rr *rr, uint32_t at, bool compress)
{
    struct encoder *e = j->e;
    bool ours = rr->base == j->job->msg->wire;
    uint32_t first = at;
    if (ours && compress) {
        if (rr->base[at] >= 0xc0)
            first = (uint32_t)(rr->base[at] & 0x3f) << 8 | rr->base[at + 1];
        uint16_t memo = first <= UINT16_MAX ? e->memo[first] : 0;
        if (memo != 0) {
            wr_u16(&j->wr, (uint16_t)(0xc000u | (memo & POINTER_MAX)));
            return;
        }
    }
    struct name in, room;
    bool under;
    msg_name(rr, at, &in);
    const uint8_t *out = mapped(j, &in, &room, &under);
    if (!compress) {
        wr_bytes(&j->wr, out, name_len(out));
        return;
    }
    if (ours && out[0] != 0)
        remember(e, first, j->wr.at, under);
    write_plain(e, &j->wr, out);
}

/* ---- records ---- */

static void write_rdata(struct job *j, const struct rr *rr,
                        const struct rdata_layout *l)
{
    uint32_t at = rr->rdata, end = at + rr->rdlen;
    struct name skipped;
    for (const struct rdata_field *f = l->field; f->step != RDATA_END && at < end;
         f++) {
        uint32_t len = f->len;
        if (f->step == RDATA_NAME) {
            struct span all = {.at = rr->base, .len = end};
            write_name(j, rr, at, l->compress);
            at = (uint32_t)wire_name(all, at, &skipped);
            continue;
        }
        if (f->step == RDATA_REST)
            len = end - at;
        else if (f->step == RDATA_STRING)
            len = (uint32_t)rr->base[at] + 1;
        wr_bytes(&j->wr, rr->base + at, len);
        at += len;
    }
}

static void write_record(struct job *j, const struct rr *rr)
{
    struct wr *wr = &j->wr;
    const struct rdata_layout *layout = rdata_layout(rr->type);
    write_name(j, rr, rr->owner, true);
    wr_u16(wr, rr->type);
    wr_u16(wr, rr->class);
    wr_u32(wr, rr->ttl);
    size_t len_at = wr->at;
    wr_u16(wr, rr->rdlen);
    if (!layout->has_names) {
        wr_bytes(wr, rr->base + rr->rdata, rr->rdlen);
        return;
    }
    write_rdata(j, rr, layout);
    wr_patch_u16(wr, len_at, (uint16_t)(wr->at - len_at - 2));
}

static void write_header(struct wr *wr, const struct encode_job *job)
{
    wr_u16(wr, job->id);
    wr_u16(wr, job->flags);
    wr_u16(wr, job->question.len > 0);
    wr_u16(wr, 0);
    wr_u32(wr, 0);
    wr_bytes(wr, job->question.at, job->question.len);
}

static void write_records(struct job *j)
{
    const struct msg *m = j->job->msg;
    struct encoder *e = j->e;
    begin(e);
    if (j->job->question.len > 0) {
        /* The input's question is the output's, however it is spelt. */
        if (m->question)
            remember(e, m->qname, DNS_HEADER_LEN, true);
        struct wr at_question = wr_init(j->wr.start, j->wr.cap);
        at_question.at = DNS_HEADER_LEN;
        write_plain(e, &at_question, j->job->question.at);
    }
    for (unsigned s = 0; s < 3; s++) {
        uint16_t n = 0;
        msg_each_rr (rr, m) {
            if (rr->section != s)
                continue;
            write_record(j, rr);
            n++;
        }
        wr_patch_u16(&j->wr, 6 + 2 * (size_t)s, n);
    }
}

/* ---- the block copy ---- */

static bool can_copy(const struct encode_job *job)
{
    const struct msg *m = job->msg;
    return m->wire != NULL && !m->edited && job->map == NULL && m->question &&
           job->question.len == (size_t)m->qname_len + 4 &&
           (m->opt_at == 0 || m->rr_n == 0 || m->rr[m->rr_n - 1].rdata < m->opt_at);
}

static void copy_records(struct wr *wr, const struct encode_job *job)
{
    const struct msg *m = job->msg;
    size_t from = DNS_HEADER_LEN + job->question.len;
    size_t end = m->opt_at == 0 ? m->len : m->opt_at;
    wr_bytes(wr, m->wire + from, end - from);
    if (wr->failed)
        return;
    memcpy(wr->start + 6, m->wire + 6, 6);
    if (m->opt_at != 0)
        store_u16(wr->start + 10, (uint16_t)(load_u16(m->wire + 10) - 1));
    for (uint32_t i = 0; m->ttl_edited && i < m->rr_n; i++)
        store_u32(wr->start + m->rr[i].rdata - 6, m->rr[i].ttl);
}

/* ---- the whole ---- */

static void add_opt(struct wr *wr, const struct encode_opt *opt)
{
    if (!opt->present || wr->failed)
        return;
    struct span options = opt->options;
    if (wr->cap - wr->at < 11 + options.len)
        options.len = 0;
    edns_put_opt(wr, opt->udp_size, opt->rcode_high, opt->dnssec_ok, options);
    if (!wr->failed)
        store_u16(wr->start + 10, (uint16_t)(load_u16(wr->start + 10) + 1));
}

enum encode_result encode_msg(struct encoder *e, const struct encode_job *job,
                              uint8_t *out, size_t *len)
{
    struct job j = {.e = e, .wr = wr_init(out, job->limit), .job = job};
    enum encode_result result = ENCODE_OK;
    write_header(&j.wr, job);
    size_t head = j.wr.at;
    if (can_copy(job))
        copy_records(&j.wr, job);
    else if (job->msg->rr_n > 0)
        write_records(&j);
    if (j.too_long)
        return ENCODE_NAME_LONG;
    size_t opt_len = job->opt.present ? 11 : 0;
    if (j.wr.failed || j.wr.cap - j.wr.at < opt_len) {
        j.wr = wr_init(out, job->limit);
        j.wr.at = head;
        store_u16(out + 2, job->flags | DNS_TC);
        memset(out + 6, 0, 6);
        result = ENCODE_TRUNCATED;
    }
    add_opt(&j.wr, &job->opt);
    *len = j.wr.at;
    return result;
}
