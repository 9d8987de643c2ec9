/* secondary: answers for zones that it has from primaries.
 *
 *     secondary example.org {
 *         transfer from 192.0.2.1 192.0.2.2:5353
 *         catalog
 *         fallthrough
 *     }
 *
 * The zone comes by AXFR, from the first primary that has it newer than we do, and is
 * kept in memory only. What is flawed, ends early or never ends is thrown away, and the
 * zone of before is served on, until it expires; then, and before the first transfer,
 * the answer is SERVFAIL. The SOA's times say when the primaries are asked again; a
 * NOTIFY of theirs does so at once (RFC 1996). A reload of the Corefile keeps the zone.
 * The members of a catalog come and go with it (secondary_members.h); none takes a name
 * of the block's clusters, and the root is none, unless `catalog` names them.
 */
#include "resolver/plugins/secondary_members.h"

#include "base/log.h"
#include "resolver/cluster_map.h"

#define PRIMARY_PORT 53

/* ---- options ---- */

static int add_primary(struct reader *rd, struct secondary *p, const char *word)
{
    struct addr *list = arena_array(rd->arena, p->primaries_n + 1u, sizeof *list);
    struct addr addr = {0};
    if (list == NULL)
        return reader_error(rd, "out of memory");
    if (strcmp(word, "*") == 0)
        return reader_error(rd, "can't use '*' in transfer from");
    if (addr_parse(&addr, text_of(word), PRIMARY_PORT) < 0 || addr.port == 0)
        return reader_error(rd, "transfer from: '%s' is no IP address", word);
    if (p->primaries_n > 0)
        memcpy(list, p->primaries, p->primaries_n * sizeof *list);
    list[p->primaries_n++] = addr;
    p->primaries = list;
    return 0;
}

static int parse_transfer(struct reader *rd, void *state)
{
    const char *word;
    uint32_t n = 0;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    if (strcmp(word, "from") != 0)
        return reader_error(
            rd, "unknown property '%s': expected `transfer from ADDRESS`", word);
    for (; reader_arg(rd, &word) && strcmp(word, "}") != 0; n++) {
        if (add_primary(rd, state, word) < 0)
            return -1;
    }
    return n == 0 ? reader_error_args(rd) : 0;
}

static int parse_fallthrough(struct reader *rd, void *state)
{
    return fall_read(rd, &((struct secondary *)state)->fall);
}

/* Names after one `catalog` add to those of another; one without names admits all. */
static int parse_catalog(struct reader *rd, void *state)
{
    struct secondary *p = state;
    const char *word;
    bool all = p->catalog && p->accepts.n == 0;
    uint32_t before = p->accepts.n, words = 0;
    for (; reader_arg(rd, &word) && strcmp(word, "}") != 0; words++) {
        int added = zones_add(rd->arena, &p->accepts, word);
        if (added != 0)
            return reader_error(
                rd, added < 0 ? "out of memory" : "invalid catalog member zone \"%s\"",
                word);
    }
    if (all || p->accepts.n == before)
        p->accepts.n = 0;
    p->catalog = true;
    return 0;
}

static const struct option options[] = {
    {.name = "transfer",
     .kind = OPTION_CUSTOM,
     .parse = parse_transfer,
     .args = "from ADDRESS...",
     .help = "the primaries, asked in this order"},
    {.name = "fallthrough",
     .kind = OPTION_CUSTOM,
     .parse = parse_fallthrough,
     .args = "[ZONES...]",
     .help = "names that do not exist go on to the next plugin"},
    {.name = "catalog",
     .kind = OPTION_CUSTOM,
     .parse = parse_catalog,
     .args = "[MEMBER-ZONES...]",
     .help = "the zones are catalogs (RFC 9432): their members, at or under one of the "
             "names, come from the same primaries; `.` and what is of a cluster only "
             "where a name says so"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

/* ---- setup ---- */

static int add_zone(struct setup *s, struct reader *rd, struct secondary *p,
                    const struct name *apex)
{
    char text[NAME_TEXT_MAX];
    struct secondary_zone *z = arena_alloc(s->arena, sizeof *z);
    void *old = NULL;
    if (z == NULL)
        return reader_error(rd, "out of memory");
    struct inbound_key key = {.apex = *apex,
                              .primaries = p->primaries,
                              .primaries_n = p->primaries_n,
                              .catalog = p->catalog};
    *z = (struct secondary_zone){
        .of = p, .apex = *apex, .catalog = p->catalog, .accepts = p->accepts};
    z->use = (struct inbound_use){.plan = s->plan,
                                  .block = s->block,
                                  .changed = p->catalog ? members_follow : NULL};
    int added = zonetab_add(&p->zones, s->arena, z->apex.wire, z, &old);
    name_print(apex->wire, text);
    if (added != 0)
        return reader_error(rd, added < 0 ? "out of memory" : "zone %s is here twice",
                            text);
    if (inbound_use(&z->use, &key) < 0)
        return reader_error(rd, "out of memory");
    *p->list_end = z;
    p->list_end = &z->next;
    return 0;
}

static int read_line(struct setup *s, struct reader *rd, struct secondary *p)
{
    struct zones zones = {0};
    p->primaries_n = 0;
    p->catalog = false;
    p->accepts = (struct zones){0};
    if (plan_zones(s, rd, &zones) < 0 || reader_options(rd, options, OPTIONS_N, p) < 0)
        return -1;
    if (p->primaries_n == 0)
        return reader_error(rd, "secondary zones require a transfer from property");
    for (uint32_t i = 0; i < zones.n; i++) {
        if (add_zone(s, rd, p, &zones.list[i]) < 0)
            return -1;
    }
    return 0;
}

static const struct zone *served(const struct secondary_zone *z)
{
    return z->use.zone->expired ? NULL : feed_get(&z->use.feed);
}

/* The longest, be it of the Corefile or of a catalog. */
static const struct secondary_zone *zone_for(const struct secondary *p,
                                             const struct name_key *key,
                                             unsigned *label)
{
    const struct members *members = p->members == NULL ? NULL : feed_get(p->members);
    unsigned of_member = 0;
    const struct secondary_zone *z = zonetab_find(&p->zones, key, 0, label), *m = NULL;
    if (members != NULL)
        m = zonetab_find(&members->zones, key, 0, &of_member);
    if (m == NULL || (z != NULL && *label <= of_member))
        return z;
    *label = of_member;
    return m;
}

static const struct zone *find(struct query *q, const void *state, bool *known)
{
    unsigned label = 0;
    const struct secondary_zone *z = zone_for(state, query_key(q), &label);
    *known = z != NULL && label == 0;
    return *known ? served(z) : NULL;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct secondary *p = arena_alloc(s->arena, sizeof *p);
    int rc = 0;
    if (p == NULL)
        return error_at(s->errs, d->at, "plugin/secondary: out of memory");
    s->state = p;
    p->list_end = &p->list;
    s->block->hears_notify = true;
    while (reader_next(&rd)) {
        if (read_line(s, &rd, p) < 0)
            rc = -1;
    }
    if (rc == 0 && members_begin(s, p) < 0)
        rc = error_at(s->errs, d->at, "plugin/secondary: out of memory");
    struct zone_source source = {.find = find, .state = p};
    return zone_source_add(s, &source) < 0 ? -1 : rc;
}

static void release(struct registry *reg, void *state)
{
    const struct secondary *p = state;
    for (struct secondary_zone *z = p->list; z != NULL; z = z->next)
        inbound_unuse(&z->use);
}

/* ---- queries ---- */

static bool is_primary(const struct inbound *z, const struct addr *peer)
{
    for (uint32_t i = 0; i < z->primaries_n; i++) {
        if (z->primaries[i].family == peer->family &&
            memcmp(z->primaries[i].ip, peer->ip, peer->family == 4 ? 4 : 16) == 0)
            return true;
    }
    return false;
}

/* RFC 1996 section 3.10: who is no primary has nothing to say. */
static enum verdict hear(struct query *q, const struct secondary_zone *z)
{
    static struct log_limit limit;
    char apex[NAME_TEXT_MAX], peer[ADDR_TEXT_MAX];
    name_print(q->request.lower, apex);
    addr_print_ip(&q->client.peer, peer);
    if (z == NULL || !name_equal(z->apex.wire, q->request.lower))
        return query_fail_ede(q, DNS_NOTAUTH, NULL, EDE_NOT_AUTHORITATIVE,
                              "no such zone here");
    if (!is_primary(z->use.zone, &q->client.peer)) {
        log_limited(&limit, 1, LOG_INFO,
                    "plugin/secondary: Dropping notify from %s for %s", peer, apex);
        return query_fail_ede(q, DNS_REFUSED, NULL, EDE_PROHIBITED,
                              "not a primary of the zone");
    }
    log_limited(&limit, 10, LOG_INFO,
                "plugin/secondary: Notify from %s for %s: checking transfer", peer,
                apex);
    inbound_tell(&z->use);
    return query_respond(q, DNS_NOERROR, true, 0);
}

/* Clusters stand behind us in the chain, and a catalog may name what contains them: it
 * has their names only where the Corefile names a zone at or under theirs. */
static bool is_of_cluster(struct query *q, const struct secondary_zone *m)
{
    bool reverse = false;
    const struct cluster_map *map = q->block->clusters;
    const struct cluster_zone *c =
        map == NULL ? NULL : cluster_map_find(map, query_key(q), &reverse);
    if (c == NULL)
        return false;
    const struct name *named = zones_match(&m->owner->accepts, m->apex.wire);
    return named == NULL || (reverse ? named->len == 1 : named->len < c->len);
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct secondary *p = state;
    unsigned label = 0;
    const struct secondary_zone *z =
        q->request.class != DNS_IN ? NULL : zone_for(p, query_key(q), &label);
    if (query_is_notify(q))
        return hear(q, z);
    if (z != NULL && z->owner != NULL && is_of_cluster(q, z))
        z = zonetab_find(&p->zones, query_key(q), 0, NULL);
    if (z == NULL)
        return zone_of_others(q);
    const struct zone *zone = served(z);
    if (zone == NULL)
        return query_fail_ede(q, DNS_SERVFAIL, NULL, EDE_NOT_READY,
                              z->use.zone->expired ? "zone expired"
                                                   : "zone not transferred yet");
    return zone_answer(q, zone, &p->fall);
}

const struct plugin plugin_secondary = {
    .name = "secondary",
    .help = "answers for zones that it has from primaries",
    .synopsis = "secondary [ZONES...]",
    .options = options,
    .options_n = OPTIONS_N,
    .hears_notify = true,
    .setup = setup,
    .release = release,
    .on_query = on_query,
    .on_wake = zone_woken,
};
