#include "resolver/zonedata_core.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/wire.h"

#include <stdlib.h>

/* ---- building: names ---- */

/* `name` is in the arena. */
static struct zone_node *add_node(struct zonedata *z, const uint8_t *name,
                                  const struct zone_node *parent)
{
    struct zone_node *node = arena_alloc(z->arena, sizeof *node);
    if (node == NULL)
        return NULL;
    *node = (struct zone_node){.name = name, .number = z->names.n, .parent = parent};
    if (zonetab_add(&z->names, z->arena, name, node, NULL) != 0)
        return NULL;
    return node;
}

/* The node of a name under the apex, with all nodes between, whose names are the end of
 * it; NULL: no memory. */
static struct zone_node *node_for(struct zonedata *z, const uint8_t *lower)
{
    struct name_key key;
    unsigned label = 0;
    name_key_init(&key, lower);
    struct zone_node *node = zonetab_find(&z->names, &key, 0, &label);
    if (label > 0)
        lower = arena_copy(z->arena, lower, name_len(lower));
    if (lower == NULL)
        return NULL;
    while (node != NULL && label > 0) {
        const uint8_t *name = lower + key.offset[--label];
        struct zone_node *child = add_node(z, name, node);
        if (child != NULL && name[0] == 1 && name[1] == '*')
            node->wild = child;
        node = child;
    }
    return node;
}

struct zonedata *zonedata_new(struct arena *a, struct arena *scratch,
                              const struct name *apex)
{
    struct zonedata *z = arena_alloc(a, sizeof *z);
    uint8_t *name = arena_alloc(a, apex->len);
    if (z == NULL || name == NULL)
        return NULL;
    name_lower(name, apex->wire, apex->len);
    *z = (struct zonedata){.arena = a, .scratch = scratch};
    z->apex = add_node(z, name, NULL);
    return z->apex == NULL ? NULL : z;
}

static int grow_raw(struct zonedata *z)
{
    if (z->raw_n < z->raw_cap)
        return 0;
    uint32_t cap = z->raw_cap == 0 ? 64 : z->raw_cap * 2;
    struct zone_raw *raw = arena_array(z->scratch, cap, sizeof *raw);
    if (raw == NULL)
        return -1;
    if (z->raw_n > 0)
        memcpy(raw, z->raw, z->raw_n * sizeof *raw);
    z->raw = raw;
    z->raw_cap = cap;
    return 0;
}

int zonedata_add(struct zonedata *z, const struct zone_record *record)
{
    uint8_t lower[NAME_WIRE_MAX];
    if (!name_under(record->owner, z->apex->name, NULL))
        return 1;
    name_lower(lower, record->owner, name_len(record->owner));
    struct zone_node *node = node_for(z, lower);
    void *rdata = arena_copy(z->scratch, record->rdata.at, record->rdata.len);
    if (node == NULL || rdata == NULL || grow_raw(z) < 0)
        return -1;
    z->raw[z->raw_n] = (struct zone_raw){
        .node = node,
        .number = z->raw_n,
        .ttl = record->ttl,
        .type = record->type,
        .rdata = {.at = rdata, .len = record->rdata.len},
    };
    z->raw_n++;
    return 0;
}

/* ---- building: records ---- */

static int compare(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int by_set(const struct zone_raw *a, const struct zone_raw *b)
{
    int order = compare(a->node->number, b->node->number);
    return order != 0 ? order : compare(a->type, b->type);
}

static int by_data(const void *left, const void *right)
{
    const struct zone_raw *a = left, *b = right;
    int order = by_set(a, b);
    if (order == 0)
        order = compare((uint32_t)a->rdata.len, (uint32_t)b->rdata.len);
    if (order == 0 && a->rdata.len > 0)
        order = memcmp(a->rdata.at, b->rdata.at, a->rdata.len);
    return order != 0 ? order : compare(a->number, b->number);
}

static int by_file(const void *left, const void *right)
{
    const struct zone_raw *a = left, *b = right;
    int order = by_set(a, b);
    return order != 0 ? order : compare(a->number, b->number);
}

static void drop_doubles(struct zonedata *z)
{
    uint32_t kept = 0;
    qsort(z->raw, z->raw_n, sizeof *z->raw, by_data);
    for (uint32_t i = 1; i < z->raw_n; i++) {
        const struct zone_raw *a = &z->raw[i - 1], *b = &z->raw[i];
        z->raw[i].again =
            by_set(a, b) == 0 && a->rdata.len == b->rdata.len &&
            (a->rdata.len == 0 || memcmp(a->rdata.at, b->rdata.at, a->rdata.len) == 0);
    }
    for (uint32_t i = 0; i < z->raw_n; i++) {
        if (!z->raw[i].again)
            z->raw[kept++] = z->raw[i];
    }
    z->raw_n = kept;
    qsort(z->raw, z->raw_n, sizeof *z->raw, by_file);
}

const struct zone_set *zone_set_of(const struct zone_node *node, uint16_t type)
{
    for (uint32_t i = 0; i < node->sets_n; i++) {
        if (node->sets[i].type == type)
            return &node->sets[i];
    }
    return NULL;
}

/* Sets over the records, which are in order already. */
static int make_sets(struct arena *a, struct zone_node *node, const struct rr *rr,
                     uint32_t n)
{
    uint32_t sets = 0;
    for (uint32_t i = 0; i < n; i++)
        sets += i == 0 || rr[i].type != rr[i - 1].type;
    node->sets = arena_array(a, sets, sizeof *node->sets);
    if (node->sets == NULL)
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || rr[i].type != rr[i - 1].type)
            node->sets[node->sets_n++] =
                (struct zone_set){.rr = &rr[i], .type = rr[i].type};
        node->sets[node->sets_n - 1].n++;
    }
    const struct zone_set *sigs = zone_set_of(node, DNS_RRSIG);
    for (uint32_t i = 0; i < node->sets_n; i++)
        node->sets[i].sigs = sigs;
    return 0;
}

/* Puts the records of one name together: the owner once, then the data of each. */
static int make_node(struct arena *a, const struct zone_raw *raw, uint32_t n)
{
    struct zone_node *node = raw->node;
    size_t len = name_len(node->name), at = len;
    for (uint32_t i = 0; i < n; i++)
        len += raw[i].rdata.len;
    uint8_t *base = len > UINT32_MAX ? NULL : arena_alloc(a, len);
    struct rr *rr = arena_array(a, n, sizeof *rr);
    if (base == NULL || rr == NULL)
        return -1;
    memcpy(base, node->name, at);
    for (uint32_t i = 0; i < n; i++) {
        const struct span *rdata = &raw[i].rdata;
        if (rdata->len > 0)
            memcpy(base + at, rdata->at, rdata->len);
        rr[i] = (struct rr){.base = base,
                            .rdata = (uint32_t)at,
                            .ttl = raw[i].ttl,
                            .rdlen = (uint16_t)rdata->len,
                            .type = raw[i].type,
                            .class = DNS_IN};
        at += rdata->len;
    }
    return make_sets(a, node, rr, n);
}

/* What may stand beside a CNAME: RFC 4035 section 2.5. */
static bool is_beside_cname(uint16_t type)
{
    return type == DNS_CNAME || type == DNS_RRSIG || type == DNS_NSEC ||
           type == 25 /* KEY, RFC 3007 */;
}

static bool conflicts(const struct zone_node *node)
{
    const struct zone_set *cname = zone_set_of(node, DNS_CNAME);
    if (cname == NULL)
        return false;
    for (uint32_t i = 0; i < node->sets_n; i++) {
        if (!is_beside_cname(node->sets[i].type))
            return true;
    }
    return cname->n > 1;
}

static void link_nodes(struct zonedata *z)
{
    for (uint32_t i = 0; i < z->names.n; i++) {
        struct zone_node *node = z->names.entries[i].value;
        const struct zone_node *parent = node->parent;
        const struct zone_set *soa = zone_set_of(node, DNS_SOA);
        if (soa != NULL && z->soa == NULL) {
            z->soa = soa;
            z->ns = zone_set_of(node, DNS_NS);
        }
        if (parent != NULL) {
            node->hides = soa != NULL ? NULL : zone_set_of(node, DNS_NS);
            node->hidden = parent->hidden != NULL ? parent->hidden : parent->hides;
        }
        if (node->hides == NULL)
            node->hides = zone_set_of(node, DNS_DNAME);
        if (z->conflict == NULL && conflicts(node))
            z->conflict = node->name;
    }
}

int zonedata_seal(struct zonedata *z)
{
    drop_doubles(z);
    for (uint32_t from = 0, to; from < z->raw_n; from = to) {
        for (to = from; to < z->raw_n && z->raw[to].node == z->raw[from].node; to++)
            continue;
        if (make_node(z->arena, &z->raw[from], to - from) < 0)
            return -1;
    }
    z->raw = NULL;
    z->raw_n = z->raw_cap = 0;
    z->scratch = NULL;
    link_nodes(z);
    return proofs_order(z);
}

const uint8_t *zonedata_conflict(const struct zonedata *z)
{
    return z->conflict;
}

/* ---- reading ---- */

const uint8_t *zonedata_apex(const struct zonedata *z)
{
    return z->apex->name;
}

const struct rr *zonedata_soa(const struct zonedata *z)
{
    return z->soa == NULL ? NULL : z->soa->rr;
}

struct zone_times zonedata_times(const struct rr *soa)
{
    const uint8_t *at = soa->base + soa->rdata + soa->rdlen - 20;
    return (struct zone_times){load_u32(at), load_u32(at + 4), load_u32(at + 8),
                               load_u32(at + 12), load_u32(at + 16)};
}

const struct rr *zonedata_next(const struct zonedata *z, struct zonedata_place *at)
{
    while (at->node < z->names.n) {
        const struct zone_node *node = z->names.entries[at->node].value;
        const struct zone_set *set =
            at->set < node->sets_n ? &node->sets[at->set] : NULL;
        if (set == NULL) {
            *at = (struct zonedata_place){.node = at->node + 1};
        } else if (at->rr == set->n || set == z->soa) {
            at->set++;
            at->rr = 0;
        } else {
            return &set->rr[at->rr++];
        }
    }
    return NULL;
}

/* ---- answering ---- */

#define CHAIN_MAX 16 /* names one question leads to */

enum step {
    STEP_END,    /* the answer is whole */
    STEP_FOLLOW, /* on with w->name */
    STEP_FAILED, /* no memory, or no message for it */
};

/* One record; with an owner that is not its own for what a wildcard stands for. -1: no
 * memory, or there are as many as a message can hold. */
static int put_rr(struct walk *w, const struct rr *from, enum section section,
                  const uint8_t *owner)
{
    struct rr rr = *from;
    struct rr_new copy = {.section = section,
                          .owner = owner,
                          .type = rr.type,
                          .class = rr.class,
                          .ttl = rr.ttl,
                          .rdata = {.at = rr.base + rr.rdata, .len = rr.rdlen}};
    rr.section = (uint8_t)section;
    if (w->out->rr_n == WIRE_RR_MAX)
        return -1;
    return owner == NULL ? msg_add_rr(w->out, w->arena, &rr)
                         : msg_add(w->out, w->arena, &copy);
}

/* The records, and for who asks for them their signatures. */
static int put_set_as(struct walk *w, const struct zone_set *set, enum section section,
                      const uint8_t *owner)
{
    uint32_t sigs_n = w->dnssec && set->sigs != NULL ? set->sigs->n : 0;
    for (uint32_t i = 0; i < set->n; i++) {
        if (put_rr(w, &set->rr[i], section, owner) < 0)
            return -1;
    }
    for (uint32_t i = 0; i < sigs_n; i++) {
        const struct rr *sig = &set->sigs->rr[i];
        bool covers = sig->rdlen >= 2 && load_u16(sig->base + sig->rdata) == set->type;
        if (covers && put_rr(w, sig, section, owner) < 0)
            return -1;
    }
    return 0;
}

static int put_set(struct walk *w, const struct zone_set *set, enum section section)
{
    return put_set_as(w, set, section, NULL);
}

/* Whether a set of the zone is in a section already; sets are put whole. */
static bool is_put(const struct walk *w, const struct zone_set *set,
                   enum section section)
{
    msg_each_rr (rr, w->out) {
        if (rr->section == section && rr->base == set->rr->base &&
            rr->rdata == set->rr->rdata)
            return true;
    }
    return false;
}

int walk_put_once(struct walk *w, const struct zone_set *set, enum section section)
{
    return is_put(w, set, section) ? 0 : put_set(w, set, section);
}

/* Where in its data a record names a host whose addresses help the client; -1: nowhere.
 */
static int target_offset(uint16_t type)
{
    switch (type) {
    case DNS_NS:
        return 0;
    case DNS_MX:
        return 2;
    case DNS_SRV:
        return 6;
    default:
        return -1;
    }
}

static int put_addresses(struct walk *w, const struct zone_node *host)
{
    static const uint16_t types[] = {DNS_A, DNS_AAAA};
    for (size_t i = 0; i < 2; i++) {
        const struct zone_set *set = zone_set_of(host, types[i]);
        if (set != NULL && walk_put_once(w, set, SECTION_ADDITIONAL) < 0)
            return -1;
    }
    return 0;
}

/* Addresses, of this zone, of the hosts that a set names. */
static int put_additional(struct walk *w, const struct zone_set *set)
{
    int offset = set->n > ZONE_HOSTS_MAX ? -1 : target_offset(set->type);
    for (uint32_t i = 0; offset >= 0 && i < set->n; i++) {
        struct name lower;
        struct name_key key;
        unsigned label = 0;
        const struct rr *rr = &set->rr[i];
        if (rr->rdlen <= offset)
            continue;
        const uint8_t *target = rr->base + rr->rdata + offset;
        if (!name_under(target, w->z->apex->name, NULL))
            continue;
        name_lower(lower.wire, target, name_len(target));
        name_key_init(&key, lower.wire);
        const struct zone_node *host = zonetab_find(&w->z->names, &key, 0, &label);
        if (label == 0 && put_addresses(w, host) < 0)
            return -1;
    }
    return 0;
}

/* No such name, or no such type: the SOA says for how long. */
static enum step end_negative(struct walk *w, uint16_t rcode, enum proof proof)
{
    w->out->rcode = rcode;
    if (w->z->soa != NULL && put_set(w, w->z->soa, SECTION_AUTHORITY) < 0)
        return STEP_FAILED;
    return prove(w, proof) < 0 ? STEP_FAILED : STEP_END;
}

/* The zone's own servers go along with every answer, as CoreDNS has it. */
static enum step end_positive(struct walk *w)
{
    const struct zone_set *ns = w->z->ns;
    if (ns != NULL && !is_put(w, ns, SECTION_ANSWER) &&
        put_set(w, ns, SECTION_AUTHORITY) < 0)
        return STEP_FAILED;
    return STEP_END;
}

/* Goes on at `target` when it lies in the zone, and is another name. */
static enum step follow(struct walk *w, const uint8_t *target)
{
    struct name lower;
    lower.len = (uint8_t)name_len(target);
    name_lower(lower.wire, target, lower.len);
    if (!name_under(lower.wire, w->z->apex->name, NULL) ||
        name_equal(lower.wire, w->key->lower))
        return end_positive(w);
    w->name = lower;
    name_key_init(&w->own_key, w->name.wire);
    w->key = &w->own_key;
    return STEP_FOLLOW;
}

/* Whether the zone below a cut is signed: its DS, or the proof that there is none. */
static int put_cut(struct walk *w, const struct zone_set *ns)
{
    struct name_key key;
    const uint8_t *cut = ns->rr->base + ns->rr->owner;
    if (!w->dnssec)
        return 0;
    name_key_init(&key, cut);
    const struct zone_set *ds =
        zone_set_of(zonetab_find(&w->z->names, &key, 0, NULL), DNS_DS);
    return ds == NULL ? prove_unsigned(w, cut) : put_set(w, ds, SECTION_AUTHORITY);
}

/* Names at and below a zone cut belong to other servers. */
static enum step refer(struct walk *w, const struct zone_set *ns)
{
    if (msg_count(w->out, SECTION_ANSWER) == 0)
        w->out->flags &= (uint16_t)~DNS_AA;
    if (put_set(w, ns, SECTION_AUTHORITY) < 0 || put_cut(w, ns) < 0 ||
        put_additional(w, ns) < 0)
        return STEP_FAILED;
    return STEP_END;
}

/* RFC 6672 section 3: the DNAME, and the CNAME it makes of this name. */
static enum step redirect(struct walk *w, const struct zone_set *dname)
{
    const struct rr *rr = dname->rr;
    struct zone_set first = {.rr = rr, .n = 1, .type = DNS_DNAME, .sigs = dname->sigs};
    struct name target;
    size_t prefix = 0;
    if (!is_put(w, &first, SECTION_ANSWER) && put_set(w, &first, SECTION_ANSWER) < 0)
        return STEP_FAILED;
    name_under(w->key->lower, rr->base + rr->owner, &prefix);
    if (name_join(&target, w->key->lower, prefix, rr->base + rr->rdata) < 0)
        return end_negative(w, DNS_YXDOMAIN, PROOF_NO_TYPE);
    struct rr_new cname = {.section = SECTION_ANSWER,
                           .owner = w->key->lower,
                           .type = DNS_CNAME,
                           .class = rr->class,
                           .ttl = rr->ttl,
                           .rdata = {.at = target.wire, .len = target.len}};
    if (msg_add(w->out, w->arena, &cname) < 0)
        return STEP_FAILED;
    return w->type == DNS_CNAME ? end_positive(w) : follow(w, target.wire);
}

/* What the node has for the question: its CNAME, of which there is to be one, before
 * all but what may stand beside it (RFC 4035 section 2.5). */
static const struct zone_set *choose_set(const struct walk *w,
                                         const struct zone_node *node,
                                         struct zone_set *cname)
{
    const struct zone_set *set = zone_set_of(node, DNS_CNAME),
                          *own = zone_set_of(node, w->type);
    bool beside = w->type == DNS_NSEC || w->type == DNS_RRSIG;
    if (set == NULL || (beside && own != NULL))
        return own;
    *cname =
        (struct zone_set){.type = DNS_CNAME, .n = 1, .rr = set->rr, .sigs = set->sigs};
    return cname;
}

static enum step answer_nothing(struct walk *w, const struct zone_node *node, bool wild)
{
    w->empty = !wild && node->sets_n == 0 && msg_count(w->out, SECTION_ANSWER) == 0;
    return end_negative(w, DNS_NOERROR, wild ? PROOF_WILD_NO_TYPE : PROOF_NO_TYPE);
}

/* The records of a node, for the name that was asked or for one that a wildcard covers.
 */
static enum step answer_from(struct walk *w, const struct zone_node *node, bool wild)
{
    struct zone_set cname;
    const struct zone_set *set = choose_set(w, node, &cname);
    if (set == NULL)
        return answer_nothing(w, node, wild);
    if (!wild && is_put(w, set, SECTION_ANSWER))
        return end_positive(w); /* CNAMEs in a circle */
    if (put_set_as(w, set, SECTION_ANSWER, wild ? w->key->lower : NULL) < 0 ||
        (wild && prove(w, PROOF_WILD) < 0))
        return STEP_FAILED;
    if (set == &cname && w->type != DNS_CNAME && w->type != DNS_ANY)
        return follow(w, set->rr->base + set->rr->rdata);
    return put_additional(w, set) < 0 ? STEP_FAILED : end_positive(w);
}

static enum step step(struct walk *w)
{
    unsigned below = 0; /* labels of the name that the zone does not have */
    const struct zone_node *node = zonetab_find(&w->z->names, w->key, 0, &below);
    for (; node->hash; below++) /* RFC 5155 section 7.2.8 */
        node = node->parent;
    w->below = below;
    const struct zone_set *hidden = node->hidden;
    /* At the cut itself only DS is the parent's to answer (RFC 4035 section 3.1.4.1).
     */
    bool at_cut =
        node->hides != NULL && node->hides->type == DNS_NS && w->type != DNS_DS;
    if (hidden == NULL && (below > 0 || at_cut))
        hidden = node->hides;
    if (hidden != NULL)
        return hidden->type == DNS_NS ? refer(w, hidden) : redirect(w, hidden);
    if (below == 0)
        return answer_from(w, node, false);
    if (node->wild == NULL)
        return end_negative(w, DNS_NXDOMAIN, PROOF_NO_NAME);
    return answer_from(w, node->wild, true);
}

int zonedata_answer(const struct zonedata *z, const struct zone_question *question,
                    struct arena *a, struct msg *out)
{
    struct walk w = {.z = z,
                     .arena = a,
                     .out = out,
                     .type = question->type,
                     .dnssec = question->dnssec,
                     .key = question->key};
    out->rcode = DNS_NOERROR;
    out->flags |= DNS_AA;
    for (unsigned i = 0; i < CHAIN_MAX; i++) {
        enum step s = step(&w);
        if (s != STEP_FOLLOW)
            return s == STEP_END ? w.empty : -1;
    }
    return end_positive(&w) == STEP_END ? 0 : -1;
}
