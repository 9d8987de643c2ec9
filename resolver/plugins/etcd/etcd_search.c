#include "resolver/plugins/etcd/etcd_own.h"

#include "base/limits.h"

#include <assert.h>

/* ---- from names to keys ---- */

/* The key of a name, and where its keys begin. */
struct path {
    size_t len;
    size_t fixed; /* octets in front of the first wildcard; all where there is none */
    bool wild;
    char text[ETCD_PATH_MAX + NAME_TEXT_MAX + 2];
};

static void add(struct path *p, struct text part)
{
    assert(p->len + part.len < sizeof p->text);
    memcpy(p->text + p->len, part.at, part.len);
    p->len += part.len;
}

/* The length of the first label of a name in presentation form. */
static size_t label_len(const char *text)
{
    size_t len = 0;
    while (text[len] != '.')
        len += text[len] == '\\' ? 2 : 1;
    return len;
}

/* a.web.test is /skydns/test/web/a. */
static void make_path(const struct etcd_search *x, const uint8_t *name, struct path *p)
{
    char text[NAME_TEXT_MAX];
    uint16_t starts[NAME_LABELS_MAX];
    unsigned n = 0;
    name_print(name, text);
    for (size_t at = 0; name[0] != 0 && text[at] != '\0'; n++) {
        starts[n] = (uint16_t)at;
        at += label_len(text + at) + 1;
    }
    p->len = 0;
    p->wild = false;
    add(p, text_of(x->etcd->path));
    while (n-- > 0) {
        struct text label = {text + starts[n], label_len(text + starts[n])};
        if (!p->wild && (text_is(label, "*") || text_is(label, "any"))) {
            p->wild = true;
            p->fixed = p->len;
        }
        add(p, TEXT("/"));
        add(p, label);
    }
    p->text[p->len] = '\0';
    if (!p->wild)
        p->fixed = p->len;
}

/* The first part of a path; false: there is none left, `rest` being at NULL. */
static bool take_part(struct text *rest, struct text *part)
{
    if (rest->at == NULL)
        return false;
    const char *end = memchr(rest->at, '/', rest->len);
    *part = (struct text){rest->at, end == NULL ? rest->len : (size_t)(end - rest->at)};
    *rest = end == NULL ? (struct text){0} : text_from(*rest, part->len + 1);
    return true;
}

/* What stands behind the slash at `at`. */
static struct text behind(const char *text, size_t len, size_t at)
{
    if (at >= len)
        return (struct text){0};
    return (struct text){text + at + 1, len - at - 1};
}

/* Part for part; the key may be longer. */
static bool fits(const struct path *p, const struct skydns *s)
{
    struct text want = behind(p->text, p->len, p->fixed), part;
    struct text have = behind(s->key, s->key_len, p->fixed), its;
    while (take_part(&want, &part)) {
        if (!take_part(&have, &its))
            return false;
        if (!text_is(part, "*") && !text_is(part, "any") && !text_equal(part, its))
            return false;
    }
    return true;
}

/* ---- keys ---- */

/* The keys to look at: those below the fixed part, or the one that is it. */
struct range {
    struct skydns_at at;
    struct text prefix;
    bool one;
};

static const struct skydns *next(struct range *r)
{
    const struct skydns *s = skydns_view_next(&r->at);
    if (s == NULL || s->key_len < r->prefix.len ||
        memcmp(s->key, r->prefix.at, r->prefix.len) != 0 ||
        (r->one && s->key_len != r->prefix.len))
        return NULL;
    return s;
}

static struct range range_of(const struct etcd_search *x, struct text prefix, bool one)
{
    return (struct range){
        .at = skydns_view_find(x->view, prefix), .prefix = prefix, .one = one};
}

/* False: there is none. */
static bool choose(const struct etcd_search *x, struct path *p, bool exact,
                   struct range *out)
{
    char saved = p->text[p->fixed];
    struct range probe;
    if (!exact) {
        p->text[p->fixed] = '/';
        *out = range_of(x, (struct text){p->text, p->fixed + 1}, false);
        probe = *out;
        if (next(&probe) != NULL)
            return true;
    }
    p->text[p->fixed] = saved;
    *out = range_of(x, (struct text){p->text, p->fixed}, true);
    probe = *out;
    return next(&probe) != NULL;
}

bool etcd_exists(const struct etcd_search *x, const uint8_t *name)
{
    struct path p UNSET;
    struct range r;
    make_path(x, name, &p);
    return choose(x, &p, false, &r);
}

/* ---- records ---- */

/* Whether it is a record of any type. */
static bool is_record(const struct skydns *s)
{
    return !s->bad && (s->kind != SKYDNS_NONE || s->text != NULL);
}

/* Texts are for those who ask for them; for all else there must be a host. */
static bool is_wanted(const struct skydns *s, uint16_t type)
{
    return s->kind != SKYDNS_NONE || (type == DNS_TXT && s->text != NULL);
}

static int keep(struct etcd_search *x, struct etcd_records *out, const struct skydns *s)
{
    if (out->n == out->cap) {
        uint32_t cap = out->cap == 0 ? 8 : out->cap * 2;
        const struct skydns **list = arena_array(&x->q->arena, cap, sizeof *list);
        if (list == NULL)
            return -1;
        if (out->n > 0)
            memcpy(list, out->list, out->n * sizeof *list);
        out->list = list;
        out->cap = cap;
    }
    out->list[out->n++] = s;
    return 0;
}

/* One that is bad counts where the name has no record at all: beside others it takes no
 * type away. */
static enum etcd_found gather(struct etcd_search *x, const struct path *p,
                              struct range *r, uint16_t type, struct etcd_records *out)
{
    const struct skydns *s, *bad = NULL;
    bool any = false;
    while ((s = next(r)) != NULL) {
        if (x->keys_left == 0)
            return ETCD_TOO_MUCH;
        x->keys_left--;
        if (p->wild && !fits(p, s))
            continue;
        any = any || is_record(s);
        if (s->bad)
            bad = s;
        else if (is_wanted(s, type) && keep(x, out, s) < 0)
            return ETCD_TOO_MUCH;
    }
    if (bad != NULL && !any)
        x->bad = bad;
    return ETCD_FOUND;
}

/* ---- groups ---- */

/* The group of the records whose keys are shortest; *slashes is how deep these lie, and
 * from *looked on nobody has looked. As in CoreDNS, which stops at a shorter key
 * without a group. */
static const char *leading_group(const struct etcd_records *r, uint32_t *slashes,
                                 uint32_t *looked)
{
    const char *group = r->list[0]->group;
    *slashes = r->list[0]->slashes;
    for (*looked = 0; *looked < r->n; ++*looked) {
        const struct skydns *s = r->list[*looked];
        if (s->slashes >= *slashes)
            continue;
        if (s->group[0] == '\0') {
            ++*looked;
            break;
        }
        *slashes = s->slashes;
        group = s->group;
    }
    return group;
}

/* Leaves the records of the leading group, and those of none; all when those with the
 * shortest keys do not agree. */
static void keep_group(struct etcd_records *r)
{
    uint32_t slashes, looked, n = 0;
    if (r->n == 0)
        return;
    const char *group = leading_group(r, &slashes, &looked);
    if (group[0] == '\0')
        return;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct skydns *s = r->list[i];
        if (s->group[0] != '\0' && i < looked && s->slashes == slashes &&
            strcmp(s->group, group) != 0)
            return;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        const struct skydns *s = r->list[i];
        if (s->group[0] == '\0' || strcmp(s->group, group) == 0)
            r->list[n++] = s;
    }
    r->n = n;
}

enum etcd_found etcd_find(struct etcd_search *x, const uint8_t *name, uint16_t type,
                          bool exact, struct etcd_records *out)
{
    struct path p UNSET;
    struct range r;
    *out = (struct etcd_records){0};
    make_path(x, name, &p);
    if (!choose(x, &p, exact, &r))
        return ETCD_NONE;
    enum etcd_found found = gather(x, &p, &r, type, out);
    if (found == ETCD_FOUND)
        keep_group(out);
    return found;
}
