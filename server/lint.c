#include "server/lint.h"

#include "resolver/cluster_map.h"

#include <stdio.h>

static bool has(const struct plan_block *b, const char *directive)
{
    for (uint32_t i = 0; i < b->source->directives_n; i++) {
        if (strcmp(b->source->directives[i].name, directive) == 0)
            return true;
    }
    return false;
}

static struct where place_of(const struct plan_block *b, const char *directive)
{
    for (uint32_t i = 0; i < b->source->directives_n; i++) {
        if (strcmp(b->source->directives[i].name, directive) == 0)
            return b->source->directives[i].at;
    }
    return b->at;
}

/* ---- open to the world ---- */

/* Addresses that the world does not route to (RFC 6890), or only this host can reach.
 */
static bool is_private(const struct addr *a)
{
    static const char *const ranges[] = {
        "127.0.0.0/8",    "10.0.0.0/8",     "172.16.0.0/12",
        "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
        "::1/128",        "fc00::/7",       "fe80::/10"};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        struct cidr c;
        if (cidr_parse(&c, text_of(ranges[i]), NULL) == 0 && cidr_contains(&c, a))
            return true;
    }
    return false;
}

static bool is_bound_privately(const struct plan_block *b)
{
    for (uint32_t i = 0; i < b->bind.n; i++) {
        if (!is_private(&b->bind.list[i]))
            return false;
    }
    return b->bind.written && b->bind.n > 0;
}

static void lint_open(const struct plan_block *b, struct findings *f)
{
    if (has(b, "acl") || is_bound_privately(b) ||
        (!has(b, "forward") && b->clusters == NULL))
        return;
    findings_add(f, FINDING_WARNING, b->at,
                 "open to the world: whoever can reach this block is answered. Add an "
                 "`acl` that has a line `allow net` with your networks and a last line "
                 "`block`, or `bind` a private address");
}

/* ---- clusters ---- */

struct cluster_lint {
    const struct plan_block *block;
    struct findings *findings;
};

static bool is_served(const struct plan_block *b, const struct subnets *s,
                      const struct cidr **missing)
{
    for (uint32_t i = 0; i < s->n; i++) {
        struct name zone;
        cidr_reverse_zone(&s->list[i], 0, &zone);
        if (!plan_serves(b, zone.wire)) {
            *missing = &s->list[i];
            return false;
        }
    }
    return true;
}

static void lint_reverse(const struct cluster_lint *l, const struct cluster *c)
{
    const struct cidr *missing;
    char text[ADDR_TEXT_MAX], label[NAME_TEXT_MAX];
    struct subnets services = cluster_services(c), pods = cluster_pods(c);
    if (is_served(l->block, &services, &missing) &&
        is_served(l->block, &pods, &missing))
        return;
    cidr_print(missing, text);
    findings_add(l->findings, FINDING_WARNING, cluster_at(c),
                 "reverse names of %s are never asked of this block: add %s to the "
                 "block's keys (line %u)",
                 cluster_label(c, label), text, l->block->at.line);
}

static void lint_local(const struct cluster_lint *l, const struct cluster *c)
{
    static const uint8_t local[] = "\5local";
    for (uint32_t i = 0; i < c->zones_n; i++) {
        const uint8_t *zone = cluster_zone_wire(cluster_zone(c, i));
        char text[NAME_TEXT_MAX];
        size_t len = name_print(zone, text);
        if (!name_under(zone, local, NULL))
            continue;
        findings_add(l->findings, FINDING_NOTE, cluster_at(c),
                     "zone %.*s ends in .local; multicast DNS clients may not send it "
                     "here: a zone such as %.*s.lan reaches DNS everywhere",
                     (int)(len - 1), text, (int)(len - sizeof ".local"), text);
        return;
    }
}

static void lint_cluster(const struct cluster *c, void *context)
{
    const struct cluster_lint *l = context;
    lint_reverse(l, c);
    lint_local(l, c);
}

static void lint_clusters(const struct plan_block *b, struct findings *f)
{
    struct cluster_lint l = {.block = b, .findings = f};
    if (b->clusters == NULL)
        return;
    cluster_map_each(b->clusters, lint_cluster, &l);
    if (!has(b, "cache"))
        findings_add(f, FINDING_NOTE, b->at,
                     "clusters without `cache`: nothing is kept, and nothing served "
                     "while a cluster's DNS is away");
}

/* ---- caches ---- */

static bool can_hold(const struct plan_block *b, const struct name *zone)
{
    if (plan_serves(b, zone->wire))
        return true;
    for (uint32_t i = 0; i < b->zones.n; i++) {
        if (name_under(b->zones.list[i].wire, zone->wire, NULL))
            return true;
    }
    return false;
}

/* Plugins whose answers pass through `cache`: those behind it that answer themselves.
 */
static bool is_answered_behind(const struct plan_block *b)
{
    static const char *const answering[] = {
        "template", "hosts",     "file",    "auto",    "secondary",
        "cluster",  "inventory", "forward", "erratic", "whoami"};
    for (size_t i = 0; i < sizeof answering / sizeof answering[0]; i++) {
        if (has(b, answering[i]))
            return true;
    }
    return false;
}

static void lint_cache(const struct plan_block *b, struct findings *f)
{
    struct where at = place_of(b, "cache");
    if (b->cached == NULL)
        return;
    if (!is_answered_behind(b)) {
        findings_add(f, FINDING_WARNING, at,
                     "this cache never holds anything: no plugin of its block answers "
                     "behind it");
        return;
    }
    for (uint32_t i = 0; i < b->cached->n; i++) {
        const struct name *zone = &b->cached->list[i];
        char text[NAME_TEXT_MAX];
        name_print(zone->wire, text);
        if (!can_hold(b, zone))
            findings_add(
                f, FINDING_WARNING, at,
                "this cache never holds anything of %s: the block is not asked "
                "for it. Take it away, or add it to the block's keys",
                text);
    }
}

void lint_plan(const struct plan *p, struct findings *f)
{
    for (uint32_t i = 0; i < p->blocks_n; i++) {
        const struct plan_block *b = &p->blocks[i];
        lint_open(b, f);
        lint_clusters(b, f);
        lint_cache(b, f);
    }
}
