#include "resolver/encode.h"

#include "base/cursor.h"
#include "resolver/edns.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"

#include <stdlib.h>

#define RR_FIXED_LEN  10 /* type, class, TTL, RDLENGTH */
#define OPT_FIXED_LEN 11 /* with the root in front */

#define POINTER      0xc000u /* the two high bits of a pointer */
#define POINTER_TO   0x3fffu
#define POINTABLE    0x4000u /* offsets from here on are beyond pointers */
#define QUESTION_PTR (POINTER | DNS_HEADER_LEN)

/* Suffixes that can be pointed to: each starts with a label of two octets at least, so
 * the table is never more than half full. */
#define SUFFIXES_MAX (POINTABLE / 2)
#define SUFFIX_SLOTS (2 * SUFFIXES_MAX)

/* Where the name at an input offset, mapped, stands in the output, and its length in
 * full. */
struct memo {
    uint16_t at; /* 0 = nowhere yet */
    uint8_t len;
};

struct suffix {
    uint32_t hash;
    uint16_t at; /* in the output; 0 = free slot */
};

struct encoder {
    struct memo memo[UINT16_MAX + 1];
    uint16_t memo_used[UINT16_MAX + 1];
    uint32_t memo_n;
    struct suffix suffixes[SUFFIX_SLOTS];
    uint16_t suffix_used[SUFFIXES_MAX];
    uint32_t suffix_n;

    /* the message in the making */
    const struct encode_job *job;
    struct wr wr;
    const uint8_t *base; /* whose offsets the memo is about; NULL = all names by hash */
    uint16_t to_at;      /* where map->to stands in the output; 0 = nowhere yet */
    bool seeded;         /* the question's suffixes are in the table */
    bool name_long;
    size_t additional_at; /* that section begins there; 0 = those before do not fit */
    uint16_t count[3];

    /* the name in the making; here because the stack is cleared at each call */
    uint16_t label[NAME_LABELS_MAX];
    struct name name, mapped;
    uint32_t hashes[NAME_LABELS_MAX + 1];
    uint8_t offsets[NAME_LABELS_MAX + 1];
};

struct encoder *encoder_new(void)
{
    return calloc(1, sizeof(struct encoder));
}

void encoder_free(struct encoder *e)
{
    free(e);
}

/* ---- what is remembered ---- */

/* Clearing costs what was used. */
static void forget(struct encoder *e)
{
    for (uint32_t i = 0; i < e->memo_n; i++)
        e->memo[e->memo_used[i]].at = 0;
    for (uint32_t i = 0; i < e->suffix_n; i++)
        e->suffixes[e->suffix_used[i]].at = 0;
    e->memo_n = e->suffix_n = 0;
    e->to_at = 0;
    e->seeded = false;
}

static void memo_set(struct encoder *e, size_t in, size_t out, size_t len)
{
    if (e->memo[in].at != 0 || out >= POINTABLE)
        return;
    e->memo[in] = (struct memo){.at = (uint16_t)out, .len = (uint8_t)len};
    e->memo_used[e->memo_n++] = (uint16_t)in;
}

/* Whether the name at `at` of the output is spelled exactly so. */
static bool is_written(const uint8_t *out, size_t at, const uint8_t *name)
{
    for (;;) {
        while (out[at] >= POINTER >> 8)
            at = load_u16(out + at) & POINTER_TO;
        size_t len = out[at] + 1u;
        if (*name != out[at] || memcmp(out + at, name, len) != 0)
            return false;
        if (len == 1)
            return true;
        at += len;
        name += len;
    }
}

/* Where this suffix stands in the output, or 0. */
static uint16_t suffix_find(const struct encoder *e, uint32_t hash, const uint8_t *name)
{
    for (uint32_t i = hash % SUFFIX_SLOTS;; i = (i + 1) % SUFFIX_SLOTS) {
        const struct suffix *s = &e->suffixes[i];
        if (s->at == 0)
            return 0;
        if (s->hash == hash && is_written(e->wr.start, s->at, name))
            return s->at;
    }
}

static void suffix_put(struct encoder *e, uint32_t hash, size_t at)
{
    uint32_t i = hash % SUFFIX_SLOTS;

    if (at >= POINTABLE || e->suffix_n == SUFFIXES_MAX)
        return;
    while (e->suffixes[i].at != 0)
        i = (i + 1) % SUFFIX_SLOTS;
    e->suffixes[i] = (struct suffix){.hash = hash, .at = (uint16_t)at};
    e->suffix_used[e->suffix_n++] = (uint16_t)i;
}

/* ---- names from the message's own buffer: by offset ---- */

/* Whether the name at `at` is `lower`. */
static bool name_at_is(const uint8_t *base, size_t at, const uint8_t *lower)
{
    for (;;) {
        while (base[at] >= POINTER >> 8)
            at = load_u16(base + at) & POINTER_TO;
        size_t len = base[at];
        if (len != *lower)
            return false;
        if (len == 0)
            return true;
        if (!name_octets_equal(base + at + 1, lower + 1, len))
            return false;
        at += len + 1;
        lower += len + 1;
    }
}

/* A name of the input, split into labels to be written and the end they lead to. */
struct split {
    size_t labels_n, labels_len; /* labels: input offsets in e->label */
    size_t end;                  /* input offset where the end begins */
    uint16_t at;                 /* the end stands there in the output; 0 = not yet */
    uint8_t end_len;
    const uint8_t *octets; /* the end in full */
};

/* A memo is right whenever it is met: map(prefix.S) is prefix.map(S) unless S is an
 * ancestor of map->from and prefix.S under it, and then the split ends at map->from,
 * before S is reached. */
static struct split split_name(struct encoder *e, size_t at, bool compress)
{
    const struct name_map *map = e->job->map;
    struct split s = {.end_len = 1, .octets = (const uint8_t *)""};

    for (;;) {
        while (e->base[at] >= POINTER >> 8)
            at = load_u16(e->base + at) & POINTER_TO;
        if (compress && e->memo[at].at != 0) {
            s.at = e->memo[at].at;
            s.end_len = e->memo[at].len;
            break;
        }
        if (map != NULL && name_at_is(e->base, at, map->from)) {
            s.at = compress ? e->to_at : 0;
            s.end_len = map->to_len;
            s.octets = map->to;
            break;
        }
        if (e->base[at] == 0)
            break;
        e->label[s.labels_n++] = (uint16_t)at;
        s.labels_len += e->base[at] + 1u;
        at += e->base[at] + 1u;
    }
    s.end = at;
    return s;
}

static void write_known(struct encoder *e, size_t at, bool compress)
{
    struct split s = split_name(e, at, compress);
    size_t len = s.labels_len + s.end_len;

    if (len > NAME_WIRE_MAX) {
        e->name_long = true;
        e->wr.failed = true;
        return;
    }
    for (size_t i = 0; i < s.labels_n; i++) {
        const uint8_t *label = e->base + e->label[i];
        memo_set(e, e->label[i], e->wr.at, len);
        wr_bytes(&e->wr, label, *label + 1u);
        len -= *label + 1u;
    }
    if (s.at == 0 && s.end_len > 1) { /* map->to, the first time */
        memo_set(e, s.end, e->wr.at, s.end_len);
        if (e->to_at == 0 && e->wr.at < POINTABLE)
            e->to_at = (uint16_t)e->wr.at;
    }
    if (s.at == 0) {
        wr_bytes(&e->wr, s.octets, s.end_len);
        return;
    }
    memo_set(e, s.end, s.at, s.end_len);
    wr_u16(&e->wr, (uint16_t)(POINTER | s.at));
}

/* ---- names from elsewhere: by hash ---- */

static void seed_suffixes(struct encoder *e)
{
    const uint8_t *name = e->job->question.at;

    e->seeded = true;
    if (e->job->question.len == 0)
        return;
    unsigned labels = name_hashes(name, e->hashes, e->offsets);
    for (unsigned i = 0; i < labels; i++)
        suffix_put(e, e->hashes[i], DNS_HEADER_LEN + (size_t)e->offsets[i]);
}

/* The name, mapped; NULL when it would be too long. */
static const struct name *map_name(struct encoder *e, const struct rr *rr, uint32_t at)
{
    const struct name_map *map = e->job->map;
    size_t prefix_len;

    msg_name(rr, at, &e->name);
    if (map == NULL || !name_under(e->name.wire, map->from, &prefix_len))
        return &e->name;
    if (name_join(&e->mapped, e->name.wire, prefix_len, map->to) < 0)
        return NULL;
    return &e->mapped;
}

static bool is_question(const struct encoder *e, const struct name *n)
{
    return e->job->question.len == n->len + 4u &&
           name_equal(n->wire, e->job->question.at);
}

static void write_foreign(struct encoder *e, const struct rr *rr, uint32_t at,
                          bool compress)
{
    const struct name *n = map_name(e, rr, at);
    uint16_t end = 0;
    unsigned i = 0;

    if (n == NULL) {
        e->name_long = true;
        e->wr.failed = true;
        return;
    }
    if (compress && is_question(e, n)) {
        wr_u16(&e->wr, QUESTION_PTR);
        return;
    }
    if (!e->seeded)
        seed_suffixes(e);
    unsigned labels = name_hashes(n->wire, e->hashes, e->offsets);
    for (; i < labels; i++)
        if (compress &&
            (end = suffix_find(e, e->hashes[i], n->wire + e->offsets[i])) != 0)
            break;
    for (unsigned k = 0; k < i; k++)
        suffix_put(e, e->hashes[k], e->wr.at + e->offsets[k]);
    wr_bytes(&e->wr, n->wire, e->offsets[i]);
    if (end != 0)
        wr_u16(&e->wr, (uint16_t)(POINTER | end));
    else
        wr_u8(&e->wr, 0);
}

/* ---- records ---- */

static void write_name(struct encoder *e, const struct rr *rr, uint32_t at,
                       bool compress)
{
    if (rr->base == e->base)
        write_known(e, at, compress);
    else
        write_foreign(e, rr, at, compress);
}

static void write_rr(struct encoder *e, const struct rr *rr)
{
    const struct rdata_layout *layout = rdata_layout(rr->type);

    write_name(e, rr, rr->owner, true);
    uint8_t *fixed = wr_take(&e->wr, RR_FIXED_LEN);
    if (fixed == NULL)
        return;
    size_t rdata = e->wr.at;
    store_u16(fixed, rr->type);
    store_u16(fixed + 2, rr->class);
    store_u32(fixed + 4, rr->ttl);
    if (!layout->has_names) {
        wr_bytes(&e->wr, rr->base + rr->rdata, rr->rdlen);
    } else {
        struct rdata_part part = rdata_parts(rr);
        while (rdata_next(rr, &part)) {
            if (part.is_name)
                write_name(e, rr, part.at, layout->compress);
            else
                wr_bytes(&e->wr, rr->base + part.at, part.len);
        }
    }
    store_u16(fixed + 8, (uint16_t)(e->wr.at - rdata));
}

static void write_head(struct encoder *e, uint16_t flags)
{
    const struct encode_job *job = e->job;

    e->wr.at = 0;
    e->wr.failed = false;
    e->additional_at = 0;
    memset(e->count, 0, sizeof e->count);
    wr_u16(&e->wr, job->id);
    wr_u16(&e->wr, flags);
    wr_u16(&e->wr, job->question.len > 0);
    wr_u16(&e->wr, 0);
    wr_u32(&e->wr, 0);
    wr_bytes(&e->wr, job->question.at, job->question.len);
}

/* When the input's question, mapped, is the one that was written, then every label of
 * it stands where it stood. */
static void seed_memo(struct encoder *e)
{
    const struct msg *m = e->job->msg;
    const struct name_map *map = e->job->map;

    if (e->base == NULL || !m->question || e->job->question.len == 0)
        return;
    const uint8_t *in = e->base + m->qname, *out = e->job->question.at;
    size_t len = e->job->question.len - 4, prefix_len = m->qname_len - 1u;
    if (map != NULL && name_under(in, map->from, &prefix_len)) {
        if (name_join(&e->mapped, in, prefix_len, map->to) < 0)
            return;
        in = e->mapped.wire;
        e->to_at = (uint16_t)(DNS_HEADER_LEN + prefix_len);
    }
    if (!name_equal(in, out)) {
        e->to_at = 0;
        return;
    }
    for (size_t at = 0; at < prefix_len; at += out[at] + 1u)
        memo_set(e, DNS_HEADER_LEN + at, DNS_HEADER_LEN + at, len - at);
    if (e->to_at != 0)
        memo_set(e, e->to_at, e->to_at, map->to_len);
}

/* All records, one by one. False when they do not fit, or a name is too long. */
static bool write_records(struct encoder *e, const uint8_t *base)
{
    const struct msg *m = e->job->msg;

    write_head(e, e->job->flags);
    e->base = base;
    seed_memo(e);
    for (unsigned s = SECTION_ANSWER; s <= SECTION_ADDITIONAL && !e->wr.failed; s++) {
        if (s == SECTION_ADDITIONAL)
            e->additional_at = e->wr.at;
        msg_each_rr (rr, m) {
            if (rr->section != s)
                continue;
            write_rr(e, rr);
            if (e->wr.failed)
                break;
            e->count[s]++;
        }
    }
    forget(e);
    return !e->wr.failed;
}

/* ---- copying ---- */

static bool can_copy(const struct encode_job *job)
{
    const struct msg *m = job->msg;

    if (m->wire == NULL || m->edited || job->map != NULL || !m->question ||
        job->question.len != m->qname_len + 4u)
        return false;
    if (m->opt_at != 0 && m->opt_at + OPT_FIXED_LEN + m->opt.options.len != m->len)
        return false;
    const uint8_t *name = m->wire + m->qname;
    return memcmp(name, job->question.at, m->qname_len) == 0 ||
           name_equal(name, job->question.at);
}

/* Records as they stand: with a question of the same length every pointer stays right.
 */
static bool copy_records(struct encoder *e)
{
    const struct msg *m = e->job->msg;
    size_t end = m->opt_at != 0 ? m->opt_at : m->len;

    write_head(e, e->job->flags);
    wr_bytes(&e->wr, m->wire + e->wr.at, end - e->wr.at);
    if (e->wr.failed)
        return false;
    for (unsigned s = SECTION_ANSWER; s <= SECTION_ADDITIONAL; s++)
        e->count[s] = load_u16(m->wire + 6 + (size_t)2 * s);
    if (m->opt_at != 0)
        e->count[SECTION_ADDITIONAL]--;
    if (m->ttl_edited) {
        for (uint32_t i = 0; i < m->rr_n; i++)
            store_u32(e->wr.start + m->rr[i].rdata - 6, m->rr[i].ttl);
    }
    return true;
}

/* ---- messages ---- */

/* Once all else has been tried. */
static bool leave_additional(struct encoder *e)
{
    if (!e->job->additional_may_go || e->additional_at == 0)
        return false;
    e->wr.at = e->additional_at;
    e->wr.failed = false;
    e->count[SECTION_ADDITIONAL] = 0;
    return true;
}

static bool fill(struct encoder *e)
{
    const struct msg *m = e->job->msg;
    bool done, copied = can_copy(e->job);

    done = copied ? copy_records(e) : write_records(e, m->wire);
    if (!done && !e->name_long && (copied || m->wire != NULL))
        done = write_records(e, NULL);
    return done || (!e->name_long && leave_additional(e));
}

static void write_truncated(struct encoder *e)
{
    write_head(e, e->job->flags | DNS_TC);
    if (e->wr.failed) { /* no room for the question */
        e->wr.failed = e->wr.cap < DNS_HEADER_LEN;
        e->wr.at = e->wr.failed ? 0 : DNS_HEADER_LEN;
        wr_patch_u16(&e->wr, 4, 0);
    }
}

static void write_opt(struct encoder *e)
{
    const struct encode_opt *opt = &e->job->opt;
    struct span options = opt->options;

    if (!opt->present)
        return;
    e->wr.cap += OPT_FIXED_LEN;
    if (options.len > e->wr.cap - e->wr.at - OPT_FIXED_LEN)
        options.len = 0;
    edns_put_opt(&e->wr, opt->udp_size, opt->rcode_high, opt->dnssec_ok, options);
    e->count[SECTION_ADDITIONAL]++;
}

enum encode_result encode_msg(struct encoder *e, const struct encode_job *job,
                              uint8_t *out, size_t *len)
{
    size_t limit = job->limit < UINT16_MAX ? job->limit : UINT16_MAX;
    size_t reserve = job->opt.present ? OPT_FIXED_LEN : 0;

    *len = 0;
    if (limit < DNS_HEADER_LEN + reserve)
        return ENCODE_TRUNCATED;
    e->job = job;
    e->name_long = false;
    e->wr = wr_init(out, limit - reserve);
    bool done = fill(e);
    if (e->name_long)
        return ENCODE_NAME_LONG;
    if (!done)
        write_truncated(e);
    write_opt(e);
    for (size_t s = 0; s < 3; s++)
        store_u16(out + 6 + 2 * s, e->count[s]);
    *len = e->wr.at;
    return done ? ENCODE_OK : ENCODE_TRUNCATED;
}
