/* Proofs that a name or a type is not there: NSEC by the order of names, NSEC3 by the
 * order of their hashes. */
#include "resolver/zonedata_core.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "base/log.h"
#include "resolver/rdata.h"

#include <stdlib.h>

#define HASH_LABEL 32 /* octets: SHA-1 in base32hex */

/* RFC 4034 section 6.1: by labels from the right. */
static int canonical(const uint8_t *a, const uint8_t *b)
{
    uint8_t at_a[NAME_LABELS_MAX], at_b[NAME_LABELS_MAX];
    unsigned n_a = 0, n_b = 0;
    for (size_t at = 0; a[at] != 0; at += a[at] + 1u)
        at_a[n_a++] = (uint8_t)at;
    for (size_t at = 0; b[at] != 0; at += b[at] + 1u)
        at_b[n_b++] = (uint8_t)at;
    for (unsigned i = 1; i <= n_a && i <= n_b; i++) {
        const uint8_t *x = a + at_a[n_a - i], *y = b + at_b[n_b - i];
        int order = memcmp(x + 1, y + 1, x[0] < y[0] ? x[0] : y[0]);
        if (order != 0 || x[0] != y[0])
            return order != 0 ? order : x[0] - y[0];
    }
    return (int)n_a - (int)n_b;
}

static int by_name(const void *left, const void *right)
{
    return canonical((*(struct zone_node *const *)left)->name,
                     (*(struct zone_node *const *)right)->name);
}

/* ---- building ---- */

static int by_hash(const void *left, const void *right)
{
    return memcmp((*(struct zone_node *const *)left)->name,
                  (*(struct zone_node *const *)right)->name, 1 + HASH_LABEL);
}

/* In `param` and in `nsec3` the same: algorithm, iterations, salt (RFC 5155 sections 3
 * and 4), and what we can work out. */
static bool is_of_chain(const struct rr *param, const struct zone_set *nsec3)
{
    const uint8_t *a = param->base + param->rdata;
    const uint8_t *b = nsec3->rr->base + nsec3->rr->rdata;
    return nsec3->rr->rdlen > 5u + a[4] && a[0] == b[0] && a[4] == b[4] &&
           memcmp(a + 2, b + 2, 3u + a[4]) == 0;
}

static bool has_other_types(const struct zone_node *node)
{
    for (uint32_t i = 0; i < node->sets_n; i++) {
        if (node->sets[i].type != DNS_NSEC3 && node->sets[i].type != DNS_RRSIG)
            return true;
    }
    return false;
}

/* The parameters of the chain that answers are proved with; NULL: none. */
static const struct rr *param_of(const struct zonedata *z)
{
    const struct zone_set *set = zone_set_of(z->apex, DNS_NSEC3PARAM);
    char apex[NAME_TEXT_MAX];
    for (uint32_t i = 0; set != NULL && i < set->n; i++) {
        const struct rr *rr = &set->rr[i];
        const uint8_t *at = rr->base + rr->rdata;
        if (rr->rdlen < 5 || rr->rdlen < 5u + at[4] || at[0] != 1 || at[1] != 0)
            continue;
        if (load_u16(at + 2) <= NSEC3_ITERATIONS_MAX)
            return rr;
        name_print(z->apex->name, apex);
        log_warning(
            "zone %s: NSEC3 of %u iterations: there are no proofs that names do "
            "not exist (RFC 9276 asks for 0 iterations)",
            apex, load_u16(at + 2));
    }
    return NULL;
}

static bool is_in_chain(const struct zonedata *z, const struct zone_node *node)
{
    const struct zone_set *set = zone_set_of(node, DNS_NSEC3);
    return set != NULL && z->proofs.param != NULL && node->parent == z->apex &&
           node->name[0] == HASH_LABEL && is_of_chain(z->proofs.param, set);
}

static void count_nodes(struct zonedata *z)
{
    for (uint32_t i = 0; i < z->names.n; i++) {
        struct zone_node *node = z->names.entries[i].value;
        node->hash = node->parent == z->apex && zone_set_of(node, DNS_NSEC3) != NULL &&
                     !has_other_types(node);
        z->proofs.nsec_n += zone_set_of(node, DNS_NSEC) != NULL;
        z->proofs.nsec3_n += is_in_chain(z, node);
    }
}

int proofs_order(struct zonedata *z)
{
    struct zone_proofs *p = &z->proofs;
    p->param = param_of(z);
    count_nodes(z);
    p->nsec = arena_array(z->arena, p->nsec_n, sizeof(struct zone_node *));
    p->nsec3 = arena_array(z->arena, p->nsec3_n, sizeof(struct zone_node *));
    if (p->nsec == NULL || p->nsec3 == NULL)
        return -1;
    for (uint32_t i = 0, n = 0, n3 = 0; i < z->names.n; i++) {
        struct zone_node *node = z->names.entries[i].value;
        if (zone_set_of(node, DNS_NSEC) != NULL)
            p->nsec[n++] = node;
        if (is_in_chain(z, node))
            p->nsec3[n3++] = node;
    }
    if (p->nsec_n > 0)
        qsort(p->nsec, p->nsec_n, sizeof(struct zone_node *), by_name);
    if (p->nsec3_n > 0)
        qsort(p->nsec3, p->nsec3_n, sizeof(struct zone_node *), by_hash);
    return 0;
}

/* ---- NSEC ---- */

/* That of the name, or else of the last before it. */
static int put_nsec(struct walk *w, const uint8_t *name)
{
    const struct zone_proofs *p = &w->z->proofs;
    uint32_t from = 0, to = p->nsec_n;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (canonical(p->nsec[middle]->name, name) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from == 0 ? 0
                     : walk_put_once(w, zone_set_of(p->nsec[from - 1], DNS_NSEC),
                                     SECTION_AUTHORITY);
}

/* The closest name above the present one that is there. */
static const uint8_t *closest(const struct walk *w)
{
    return w->key->lower + w->key->offset[w->below];
}

/* *.NAME; false: it would be too long to exist. */
static bool wildcard(struct name *out, const uint8_t *name)
{
    return name_join(out, (const uint8_t *)"\1*", 2, name) == 0;
}

static int prove_nsec(struct walk *w, enum proof what)
{
    struct name wild;
    bool about_wildcard = what == PROOF_NO_NAME || what == PROOF_WILD_NO_TYPE;
    if (about_wildcard && wildcard(&wild, closest(w)) && put_nsec(w, wild.wire) < 0)
        return -1;
    return put_nsec(w, w->key->lower);
}

/* ---- NSEC3 ---- */

/* As the label of an owner: its length and 32 octets of base32hex (RFC 4648). */
static void hash_name(const struct rr *param, const uint8_t *name,
                      uint8_t label[1 + HASH_LABEL])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    uint8_t digest[NSEC3_HASH_LEN];
    rdata_nsec3_hash(param->base + param->rdata, name, digest);
    label[0] = HASH_LABEL;
    for (unsigned i = 0; i < HASH_LABEL; i++) {
        unsigned bit = 5 * i, octet = bit / 8;
        unsigned next = octet + 1 < sizeof digest ? digest[octet + 1] : 0;
        unsigned pair = (unsigned)digest[octet] << 8 | next;
        label[1 + i] = (uint8_t)digits[pair >> (11 - bit % 8) & 31];
    }
}

/* The NSEC3 of the name's hash, *exact, or the one before it, which goes round. */
static const struct zone_set *find_nsec3(const struct walk *w, const uint8_t *name,
                                         bool *exact)
{
    const struct zone_proofs *p = &w->z->proofs;
    uint8_t label[1 + HASH_LABEL];
    uint32_t from = 0, to = p->nsec3_n;
    hash_name(p->param, name, label);
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (memcmp(p->nsec3[middle]->name, label, sizeof label) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    const struct zone_node *node = p->nsec3[from == 0 ? p->nsec3_n - 1 : from - 1];
    *exact = memcmp(node->name, label, sizeof label) == 0;
    return zone_set_of(node, DNS_NSEC3);
}

static int put_nsec3(struct walk *w, const uint8_t *name)
{
    bool exact;
    return walk_put_once(w, find_nsec3(w, name, &exact), SECTION_AUTHORITY);
}

/* Where a name ends and names above it begin, for a walk up. */
struct ascent {
    const uint8_t *at, *below; /* below: the name one label longer; NULL: none yet */
};

/* From `from` up to the closest name with an NSEC3, and, where that is above it, the
 * one that covers the next closer name (RFC 5155 section 7.2.1). *found: that name.
 * With opt-out it may be above the closest that there is. */
static int put_closest(struct walk *w, struct ascent from, const uint8_t **found)
{
    bool exact = false;
    const struct zone_set *set = NULL;
    for (*found = NULL; name_under(from.at, w->z->apex->name, NULL);) {
        set = find_nsec3(w, from.at, &exact);
        if (exact || from.at[0] == 0)
            break;
        from = (struct ascent){from.at + 1 + from.at[0], from.at};
    }
    if (!exact)
        return 0; /* the chain has no apex: it proves nothing */
    *found = from.at;
    if (walk_put_once(w, set, SECTION_AUTHORITY) < 0)
        return -1;
    return from.below == NULL ? 0 : put_nsec3(w, from.below);
}

static int prove_nsec3(struct walk *w, enum proof what)
{
    const struct name_key *key = w->key;
    struct name wild;
    const uint8_t *found;
    const uint8_t *next_closer =
        w->below == 0 ? NULL : key->lower + key->offset[w->below - 1];
    if (what == PROOF_WILD)
        return put_nsec3(w, next_closer);
    if (put_closest(w, (struct ascent){closest(w), next_closer}, &found) < 0)
        return -1;
    if (what == PROOF_NO_TYPE || found == NULL || !wildcard(&wild, found))
        return 0;
    return put_nsec3(w, wild.wire);
}

/* ---- both ---- */

int prove(struct walk *w, enum proof what)
{
    if (!w->dnssec)
        return 0;
    return w->z->proofs.nsec3_n > 0 ? prove_nsec3(w, what) : prove_nsec(w, what);
}

int prove_unsigned(struct walk *w, const uint8_t *cut)
{
    const uint8_t *found;
    if (w->z->proofs.nsec3_n == 0)
        return put_nsec(w, cut);
    return put_closest(w, (struct ascent){cut, NULL}, &found);
}
