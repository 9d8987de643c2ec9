#include "resolver/plugins/loadbalance_weights.h"

struct weight {
    struct weight *next; /* in the bucket */
    const uint8_t *owner;
    uint8_t family, value;
    uint8_t ip[16];
};

struct weights {
    struct weight **buckets; /* by owner */
    uint32_t mask;
};

/* What is being read. */
struct reading {
    struct arena *arena;
    struct errors *errs;
    struct where at;
    const uint8_t *owner; /* of the lines that follow; NULL before the first */
    struct weight *newest;
    uint32_t n;
};

/* ---- words ---- */

/* 1 to 255, or 0 when it is something else. */
static uint8_t parse_weight(struct text word)
{
    unsigned n = 0;
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9' || n > UINT8_MAX)
            return 0;
        n = n * 10 + (unsigned)(word.at[i] - '0');
    }
    return n > UINT8_MAX ? 0 : (uint8_t)n;
}

/* ---- lines ---- */

static int begin_name(struct reading *r, struct text word)
{
    struct name name;
    struct addr addr;
    int len = (int)word.len;
    if (addr_parse_ip(&addr, word) == 0 || name_parse(&name, word) < 0)
        return error_at(r->errs, r->at,
                        "wrong domain name: \"%.*s\" (is a weight missing?)", len,
                        word.at);
    r->owner = arena_copy(r->arena, name.wire, name.len);
    return r->owner == NULL ? error_at(r->errs, r->at, "out of memory") : 0;
}

static int add_weight(struct reading *r, struct text ip, struct text value)
{
    struct addr addr;
    uint8_t weight = parse_weight(value);
    if (addr_parse_ip(&addr, ip) < 0 || addr.scope != 0)
        return error_at(r->errs, r->at, "wrong IP address: \"%.*s\"", (int)ip.len,
                        ip.at);
    if (weight == 0)
        return error_at(r->errs, r->at,
                        "wrong weight value: \"%.*s\": expected 1 to 255",
                        (int)value.len, value.at);
    if (r->owner == NULL)
        return error_at(r->errs, r->at, "missing domain name before the first address");
    struct weight *w = arena_alloc(r->arena, sizeof *w);
    if (w == NULL)
        return error_at(r->errs, r->at, "out of memory");
    *w = (struct weight){
        .next = r->newest, .owner = r->owner, .family = addr.family, .value = weight};
    memcpy(w->ip, addr.ip, sizeof w->ip);
    r->newest = w;
    r->n++;
    return 0;
}

static int read_line(struct reading *r, struct text line)
{
    struct text all = line, first = text_word(&line), second = text_word(&line);
    if (first.len == 0 || first.at[0] == '#')
        return 0;
    if (second.len == 0)
        return begin_name(r, first);
    if (text_word(&line).len > 0)
        return error_at(r->errs, r->at, "could not parse weight line: \"%.*s\"",
                        (int)all.len, all.at);
    return add_weight(r, first, second);
}

/* ---- the whole ---- */

static struct weights *make_table(struct reading *r)
{
    struct weights *w = arena_alloc(r->arena, sizeof *w);
    uint32_t n = 1;
    while (n < r->n && n < 1u << 30)
        n *= 2;
    struct weight **buckets = arena_array(r->arena, n, sizeof(struct weight *));
    if (w == NULL || buckets == NULL) {
        error_at(r->errs, (struct where){0}, "out of memory");
        return NULL;
    }
    *w = (struct weights){.buckets = buckets, .mask = n - 1};
    /* From the last to the first: of two lines for one address the first counts. */
    struct weight *next;
    for (struct weight *e = r->newest; e != NULL; e = next) {
        struct weight **bucket = &w->buckets[name_hash(e->owner) & w->mask];
        next = e->next;
        e->next = *bucket;
        *bucket = e;
    }
    return w;
}

const struct weights *weights_parse(struct arena *a, const char *file, struct text text,
                                    struct errors *errs)
{
    struct reading r = {.arena = a, .errs = errs, .at = {file, 0}};
    while (text.len > 0) {
        struct text line = text_line(&text);
        r.at.line++;
        if (read_line(&r, line) < 0)
            return NULL;
    }
    return make_table(&r);
}

unsigned weights_get(const struct weights *w, const uint8_t *owner, uint8_t family,
                     const uint8_t *ip)
{
    const struct weight *e = w->buckets[name_hash(owner) & w->mask];
    size_t len = family == 4 ? 4 : 16;
    while (e != NULL && !(e->family == family && memcmp(e->ip, ip, len) == 0 &&
                          name_equal(e->owner, owner)))
        e = e->next;
    return e == NULL ? 1 : e->value;
}
