/* acl: who may ask for what (coredns-reference 2.10). Within one line the first policy
 * that fits decides; `allow` ends the matter, and what no policy fits is allowed.
 *
 * The question is judged by each of its names: as the client asked it, as `rewrite`
 * left it, and as `cluster` will ask it. What one judgement denies is denied, so that a
 * policy cannot be gone around through another name, nor by an `allow` for that other
 * name. Without zones a line guards all that its block serves. */
#include "resolver/plugin.h"

#include "base/cursor.h"
#include "base/log.h"
#include "resolver/cluster_map.h"
#include "resolver/metrics.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"
#include "resolver/trace.h"

enum action {
    ACL_NONE, /* nothing fits */
    ACL_ALLOW,
    ACL_BLOCK,
    ACL_FILTER,
    ACL_DROP,
};

struct policy {
    enum action action;
    struct where at;
    bool any_type;
    uint16_t *types;
    uint32_t types_n;
    bool any_source;
    struct cidr *sources;
    uint32_t sources_n;
};

struct rules {
    uint32_t counter; /* of its first zone; 0 is that of what is allowed */
    bool everywhere;  /* no zones are written */
    struct zones zones;
    struct policy *list;
    uint32_t n, cap;
};

struct acl {
    struct rules *list; /* one for each acl line */
    uint32_t n, cap;
};

/* ---- the directive ---- */

static int grow(struct arena *a, void **list, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return 0;
    uint32_t wanted = *cap == 0 ? 4 : *cap * 2;
    void *bigger = arena_array(a, wanted, size);
    if (bigger == NULL)
        return -1;
    if (n > 0)
        memcpy(bigger, *list, n * size);
    *list = bigger;
    *cap = wanted;
    return 0;
}

/* `type` or `net`, in any case. */
static bool is_section(const char *word)
{
    return strcasecmp(word, "type") == 0 || strcasecmp(word, "net") == 0;
}

static int add_type(struct reader *rd, struct policy *p, const char *word)
{
    uint16_t type;
    bool upper = word[strcspn(word, "abcdefghijklmnopqrstuvwxyz")] == '\0';
    if (!upper || rdata_type_parse(text_of(word), &type) < 0)
        return reader_error(rd, "unexpected token \"%s\"; expect legal QTYPE", word);
    p->types[p->types_n++] = type;
    return 0;
}

static int add_source(struct reader *rd, struct policy *p, const char *word)
{
    struct cidr *c = &p->sources[p->sources_n];
    struct addr addr;
    if (strchr(word, '/') == NULL && addr_parse_ip(&addr, text_of(word)) == 0) {
        *c = (struct cidr){.family = addr.family, .bits = addr.family == 4 ? 32 : 128};
        memcpy(c->ip, addr.ip, sizeof c->ip);
    } else if (cidr_parse(c, text_of(word), NULL) < 0) {
        return reader_error(rd,
                            "illegal CIDR notation \"%s\": expected an address or "
                            "ADDRESS/LENGTH",
                            word);
    }
    p->sources_n++;
    return 0;
}

/* One part, which begins at args[*at] with its name. `*` ends it: what stands behind is
 * not looked at, as in CoreDNS. */
static int read_section(struct reader *rd, struct policy *p, struct token_list args,
                        uint32_t *at)
{
    const char *name = args.list[*at].text;
    bool types = strcasecmp(name, "type") == 0, all = false;
    uint32_t first = ++*at;
    for (; *at < args.n && !is_section(args.list[*at].text); ++*at) {
        const char *word = args.list[*at].text;
        all = all || strcmp(word, "*") == 0;
        if (!all && (types ? add_type(rd, p, word) : add_source(rd, p, word)) < 0)
            return -1;
    }
    if (*at == first)
        return reader_error(rd, "no token specified in \"%s\" section", name);
    if (all)
        *(types ? &p->any_type : &p->any_source) = true;
    return 0;
}

/* [type QTYPE...] [net SOURCE...], in any order and number; a part that is missing
 * means all. */
static int read_policy(struct reader *rd, struct policy *p)
{
    struct token_list args = reader_args(rd);
    p->types = arena_array(rd->arena, args.n, sizeof *p->types);
    p->sources = arena_array(rd->arena, args.n, sizeof *p->sources);
    if (args.n > 0 && (p->types == NULL || p->sources == NULL))
        return reader_error(rd, "out of memory");
    if (args.n > 0 && !is_section(args.list[0].text))
        return reader_error(rd, "unexpected token \"%s\"; expect 'type | net'",
                            args.list[0].text);
    for (uint32_t at = 0; at < args.n;) {
        if (read_section(rd, p, args, &at) < 0)
            return -1;
    }
    p->any_type = p->any_type || p->types_n == 0;
    p->any_source = p->any_source || p->sources_n == 0;
    return 0;
}

static int add_policy(struct reader *rd, struct rules *r, enum action action)
{
    void *list = r->list;
    if (grow(rd->arena, &list, r->n, &r->cap, sizeof *r->list) < 0)
        return reader_error(rd, "out of memory");
    r->list = list;
    r->list[r->n] = (struct policy){.action = action, .at = reader_token(rd)->at};
    return read_policy(rd, &r->list[r->n++]);
}

static int parse_allow(struct reader *rd, void *state)
{
    return add_policy(rd, state, ACL_ALLOW);
}

static int parse_block(struct reader *rd, void *state)
{
    return add_policy(rd, state, ACL_BLOCK);
}

static int parse_filter(struct reader *rd, void *state)
{
    return add_policy(rd, state, ACL_FILTER);
}

static int parse_drop(struct reader *rd, void *state)
{
    return add_policy(rd, state, ACL_DROP);
}

static int parse_other(struct reader *rd, void *state)
{
    static const struct {
        const char *word;
        enum action action;
    } actions[] = {{"allow", ACL_ALLOW},
                   {"block", ACL_BLOCK},
                   {"filter", ACL_FILTER},
                   {"drop", ACL_DROP}};
    const char *word = reader_token(rd)->text;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcasecmp(word, actions[i].word) == 0)
            return add_policy(rd, state, actions[i].action);
    }
    return reader_error(rd,
                        "unexpected token \"%s\"; expect 'allow', 'block', 'filter' "
                        "or 'drop'",
                        word);
}

#define ARGS "[type QTYPE...] [net SOURCE...]"

static const struct option options[] = {
    {.name = "allow",
     .kind = OPTION_CUSTOM,
     .parse = parse_allow,
     .args = ARGS,
     .help = "lets the question pass"},
    {.name = "block",
     .kind = OPTION_CUSTOM,
     .parse = parse_block,
     .args = ARGS,
     .help = "answers REFUSED"},
    {.name = "filter",
     .kind = OPTION_CUSTOM,
     .parse = parse_filter,
     .args = ARGS,
     .help = "answers without data"},
    {.name = "drop",
     .kind = OPTION_CUSTOM,
     .parse = parse_drop,
     .args = ARGS,
     .help = "does not answer"},
    {.name = "ALLOW|BLOCK|FILTER|DROP",
     .kind = OPTION_OTHER,
     .parse = parse_other,
     .args = ARGS,
     .help = "the words may be written in any case"},
};

#define OPTIONS_N (sizeof options / sizeof *options)

/* A line whose zones are all misspelt guards nothing, as in CoreDNS, but not silently.
 */
static int read_zones(struct reader *rd, struct rules *r)
{
    struct token_list args = reader_args(rd);
    r->everywhere = args.n == 0;
    for (uint32_t i = 0; i < args.n; i++) {
        const struct token *t = &args.list[i];
        int added = zones_add(rd->arena, &r->zones, t->text);
        if (added < 0)
            return reader_error(rd, "out of memory");
        if (added > 0)
            log_warning("plugin/acl: %s:%u: '%s' is no zone and is not guarded",
                        t->at.file, t->at.line, t->text);
    }
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct acl *a = arena_alloc(s->arena, sizeof *a);
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (a == NULL)
        return error_at(s->errs, d->at, "out of memory");
    s->state = a;
    uint32_t counters = 1;
    while (reader_next(&rd)) {
        void *list = a->list;
        if (grow(s->arena, &list, a->n, &a->cap, sizeof *a->list) < 0)
            return error_at(s->errs, d->at, "out of memory");
        a->list = list;
        struct rules *r = &a->list[a->n++];
        *r = (struct rules){0};
        if (read_zones(&rd, r) < 0 || reader_options(&rd, options, OPTIONS_N, r) < 0)
            return -1;
        r->counter = counters;
        counters += r->everywhere ? 1 : r->zones.n;
    }
    return 0;
}

/* ---- the question ---- */

/* A question by one of its names. */
struct face {
    const uint8_t *name; /* lower case */
    uint16_t type;
    const struct addr *client;
    uint8_t *judged; /* of the query: whether another client might fare otherwise */
};

static bool fits(const struct policy *p, const struct face *f)
{
    bool type = p->any_type, source = p->any_source;
    for (uint32_t i = 0; i < p->types_n && !type; i++)
        type = p->types[i] == f->type;
    for (uint32_t i = 0; i < p->sources_n && type && !source; i++)
        source = cidr_contains(&p->sources[i], f->client);
    return type && source;
}

static void note_judged(const struct rules *r, const struct policy *p,
                        const struct face *f)
{
    uint8_t how = r->everywhere && p->any_type ? JUDGED_IN_BLOCK : JUDGED_BY_NAME;
    if (!p->any_source && how > *f->judged)
        *f->judged = how;
}

/* What is done, and the counter of the zone that says so. */
struct judgement {
    enum action action;
    const struct where *at;
    uint32_t counter;
};

static struct judgement judge(const struct acl *a, const struct face *f)
{
    for (uint32_t i = 0; i < a->n; i++) {
        const struct rules *r = &a->list[i];
        const struct name *zone =
            r->everywhere ? NULL : zones_match(&r->zones, f->name);
        if (!r->everywhere && zone == NULL)
            continue;
        for (uint32_t n = 0; n < r->n; n++) {
            note_judged(r, &r->list[n], f);
            uint32_t place = r->everywhere ? 0 : (uint32_t)(zone - r->zones.list);
            if (fits(&r->list[n], f))
                return (struct judgement){r->list[n].action, &r->list[n].at,
                                          r->counter + place};
        }
    }
    return (struct judgement){0};
}

static bool denies(struct judgement j)
{
    return j.action != ACL_NONE && j.action != ACL_ALLOW;
}

/* The name that `cluster` will ask by; false where it asks by the same. */
static bool name_inside(struct query *q, struct name *inside)
{
    bool reverse;
    const struct cluster_map *map = q->block->clusters;
    if (map == NULL || q->request.class != DNS_IN)
        return false;
    const struct cluster_zone *z = cluster_map_find(map, query_key(q), &reverse);
    if (z == NULL || !z->renamed || reverse)
        return false;
    struct name_map inward = cluster_inward(z);
    return rename_name(&inward, q->request.lower, inside) == 0;
}

/* What any of the names is denied is denied: the one that the client asked, the one
 * that it became, and the one inside the cluster. */
static struct judgement judge_all(const struct acl *a, struct query *q)
{
    const struct request *req = &q->request;
    size_t len = req->asked.len - 4;
    struct name inside;
    struct face face = {req->lower, req->type, &q->client.peer, &q->judged};
    struct judgement j = judge(a, &face);
    if (!denies(j) && name_inside(q, &inside)) {
        face.name = inside.wire;
        j = judge(a, &face);
    }
    if (denies(j))
        return j;
    uint8_t asked[NAME_WIRE_MAX];
    name_lower(asked, req->asked.at, len);
    face.name = asked;
    face.type = load_u16(req->asked.at + len);
    return judge(a, &face);
}

static enum verdict on_query(struct query *q, const void *state)
{
    struct judgement j = judge_all(state, q);
    if (denies(j) && q->client.trace != NULL)
        trace_note(q, "denied", "by acl   %s:%u", j.at->file, j.at->line);
    switch (j.action) {
    case ACL_BLOCK:
        query_count(q, j.counter, ACL_BLOCKED);
        query_fail(q, DNS_REFUSED, NULL);
        query_set_told_ede(q, EDE_BLOCKED, NULL);
        return DONE;
    case ACL_FILTER:
        query_count(q, j.counter, ACL_FILTERED);
        query_respond(q, DNS_NOERROR, false, 0);
        query_set_told_ede(q, EDE_FILTERED, NULL);
        return DONE;
    case ACL_DROP:
        query_count(q, j.counter, ACL_DROPPED);
        return DROP;
    case ACL_NONE:
    case ACL_ALLOW:
        query_count(q, 0, 0);
        break;
    }
    return PASS;
}

/* That of what is allowed, then one for each zone of each line, in their order. A line
 * without zones counts for the zone that was asked through. */
static void measure(struct measure *m, const void *state)
{
    const struct acl *a = state;
    char text[NAME_TEXT_MAX];
    const char *head = measure_join(m, m->server, m->view);
    measure_claim(m, METER_ACL_ALLOWED, head);
    for (uint32_t i = 0; i < a->n; i++) {
        const struct rules *r = &a->list[i];
        const struct name *zones = r->everywhere ? &m->zone->zone : r->zones.list;
        for (uint32_t n = 0; n < (r->everywhere ? 1 : r->zones.n); n++) {
            name_print(zones[n].wire, text);
            const char *zone = metrics_label(&m->plan->arena, "zone", text);
            measure_claim(m, METER_ACL, measure_join(m, head, zone));
        }
    }
}

const struct plugin plugin_acl = {
    .name = "acl",
    .help = "who may ask for what",
    .synopsis = "acl [ZONES...]",
    .options = options,
    .options_n = OPTIONS_N,
    .hears_notify = true,
    .setup = setup,
    .on_query = on_query,
    .measure = measure,
};
