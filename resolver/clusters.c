#include "resolver/clusters.h"

#include "base/hash.h"
#include "resolver/cluster_make.h"
#include "resolver/cluster_servers.h"
#include "resolver/outside.h"
#include "resolver/plan.h"
#include "resolver/registry.h"

#include <assert.h>
#include <stdlib.h>

#define SETTLE_MS    2000 /* for the first look of a source */
#define WARNINGS_MAX 5    /* of one kind: a fleet would fill the log with one thing */

/* ---- the block around it ---- */

static bool reverse_is_served(const struct clusters *all, const struct subnets *subnets)
{
    for (uint32_t i = 0; i < subnets->n; i++) {
        struct name zone;
        cidr_reverse_zone(&subnets->list[i], 0, &zone);
        if (!plan_serves(all->block, zone.wire))
            return false;
    }
    return true;
}

static void warn_reverse(struct clusters *all, const struct cluster *c)
{
    char text[ADDR_TEXT_MAX], label[NAME_TEXT_MAX];
    struct subnets services = cluster_services(c), pods = cluster_pods(c);
    struct where at = cluster_at(c);
    if (reverse_is_served(all, &services) && reverse_is_served(all, &pods))
        return;
    if (++all->unreversed > WARNINGS_MAX)
        return;
    const struct cidr *range = services.n > 0 ? &services.list[0] : &pods.list[0];
    log_warning("plugin/cluster: %s:%u: reverse names of %s are never asked of this "
                "block; add its subnets to the block's keys, such as %s%s",
                at.file, at.line, cluster_label(c, label), cidr_print(range, text),
                all->unreversed == WARNINGS_MAX
                    ? " (clusters of which the same is true are not named any more)"
                    : "");
}

/* ---- the same cluster under two names ---- */

/* Its first address and its domain: who has both has the names of the other. */
struct dns {
    struct addr addr;
    const struct cluster_domain *domain;
};

static struct dns dns_of(const struct cluster *c)
{
    struct addr list[INVENTORY_LIST_MAX];
    cluster_dns(c, list);
    return (struct dns){.addr = list[0], .domain = c->rules->domain};
}

static uint32_t hash_of_dns(const struct dns *d)
{
    return (uint32_t)hash_mix(hash_bytes(&d->addr, sizeof d->addr), d->domain->hash);
}

static bool has_dns(const void *entry, const void *key)
{
    struct dns d = dns_of(entry);
    const struct dns *wanted = key;
    return d.domain == wanted->domain && addr_equal(&d.addr, &wanted->addr);
}

/* An address by rule is in a Service subnet, which is one cluster's: such a cluster is
 * found by it. */
static bool is_by_rule(const struct cluster *c)
{
    return c->record->dns_n == 0;
}

/* Another cluster that has it. */
static const struct cluster *find_dns(const struct clusters *all, const struct dns *d,
                                      const struct cluster *c)
{
    const struct cluster *found = table_get(&all->dns, hash_of_dns(d), has_dns, d);
    if (found != NULL || is_by_rule(c))
        return found;
    found = cluster_map_owner(&all->map, &d->addr);
    return found != NULL && found != c && is_by_rule(found) && has_dns(found, d) ? found
                                                                                 : NULL;
}

static void warn_double(struct clusters *all, const struct cluster *c,
                        const struct cluster *other, const struct addr *dns)
{
    char text[ADDR_TEXT_MAX], label[NAME_TEXT_MAX], other_label[NAME_TEXT_MAX];
    struct where at = cluster_at(c), other_at = cluster_at(other);
    if (++all->doubles > WARNINGS_MAX)
        return;
    log_warning(
        "plugin/cluster: %s:%u: %s has the DNS and the domain of %s (%s:%u), %s: "
        "the same cluster under two names? One with two zones would do",
        at.file, at.line, cluster_label(c, label), cluster_label(other, other_label),
        other_at.file, other_at.line, addr_print(dns, text));
}

/* That may be meant, but rarely is. */
static void note_dns(struct clusters *all, struct cluster *c)
{
    char label[NAME_TEXT_MAX];
    struct dns d = dns_of(c);
    const struct cluster *other = find_dns(all, &d, c);
    if (other != NULL)
        warn_double(all, c, other, &d.addr);
    else if (!is_by_rule(c) && table_put(&all->dns, hash_of_dns(&d), c) < 0)
        log_debug("plugin/cluster: %s: out of memory to compare its DNS",
                  cluster_label(c, label));
}

static void forget_dns(struct clusters *all, const struct cluster *c)
{
    struct dns d = dns_of(c);
    table_del(&all->dns, hash_of_dns(&d), c);
}

static void end_cluster(struct cluster *c, void *context)
{
    (void)context;
    cluster_group_end(c);
    cluster_free(c);
}

/* Serves what the record says, in the place of `old` if that is not NULL. The new
 * cluster, or NULL after adding an error. */
static struct cluster *serve(struct clusters *all, const struct cluster_spec *spec,
                             struct inventory_record *r, struct cluster *old,
                             struct errors *errs)
{
    struct cluster *c = cluster_make(all, spec, r, errs);
    if (c == NULL)
        return NULL;
    struct dns before = dns_of(old == NULL ? c : old);
    uint32_t before_hash = hash_of_dns(&before);
    if (cluster_map_put(&all->map, c, old, errs) == 0) {
        if (old != NULL) /* by its address: it may have ended */
            table_del(&all->dns, before_hash, old);
        note_dns(all, c);
        warn_reverse(all, c);
        /* What an earlier plan or `old` knows of its DNS, and has counted, goes on. */
        cluster_group_met(c);
        return c;
    }
    end_cluster(c, NULL);
    return NULL;
}

struct clusters *clusters_of(struct plan *p, struct plan_block *b)
{
    for (struct clusters *all = p->clusters; all != NULL; all = all->next) {
        if (all->block == b)
            return all;
    }
    struct clusters *all = arena_alloc(&p->arena, sizeof *all);
    if (all == NULL)
        return NULL;
    cluster_map_init(&all->map, end_cluster, NULL);
    all->plan = p;
    all->block = b;
    all->inventories_last = &all->inventories;
    all->next = p->clusters;
    p->clusters = all;
    b->clusters = &all->map;
    return all;
}

int clusters_add_line(struct clusters *all, const struct cluster_spec *spec,
                      struct errors *errs)
{
    struct inventory_record *r = inventory_record_new(&spec->draft);
    if (r == NULL)
        return error_at(errs, spec->draft.at, "plugin/cluster: out of memory");
    const struct cluster *c = serve(all, spec, r, NULL, errs);
    inventory_record_drop(r);
    return c == NULL ? -1 : 0;
}

/* ---- sources ---- */

/* The registry keeps them over reloads, by their text: what they hold is there at once
 * for the next plan. */
struct source_wish {
    struct discovery_settings settings;
    struct where at;
    struct errors *errs;
};

static int source_init(void *object, const void *argument)
{
    const struct source_wish *w = argument;
    struct discovery **d = object;
    *d = discovery_new(&w->settings, w->at, w->errs);
    return *d == NULL ? -1 : 0;
}

static void source_release(void *object)
{
    discovery_free(*(struct discovery **)object);
}

static const struct registry_kind source_kind = {.name = "inventory",
                                                 .size = sizeof(struct discovery *),
                                                 .init = source_init,
                                                 .release = source_release};

static int measure(struct plan *p, struct clusters_inventory *inv)
{
    const char *label = metrics_label(&p->arena, "source", inv->source_text);
    return metrics_claim(p, METER_INVENTORY, label, inv) == NULL ? -1 : 0;
}

/* Where nobody serves it is a look, which leaves no trace. */
static struct discovery_settings settings_of(const struct clusters *all,
                                             const struct cluster_spec *spec,
                                             const char *source)
{
    const struct outside *outside = all->plan->outside;
    struct discovery_settings s = {.source = source,
                                   .interval_us = spec->interval_us,
                                   .shrink = spec->shrink,
                                   .access = spec->access};
    if (outside == NULL || outside->changed == NULL)
        return s;
    s.changed = outside->changed;
    s.context = outside->context;
    if (outside->use == OUTSIDE_SERVE)
        s.state = spec->state;
    return s;
}

static bool is_not_to_be_asked(const struct clusters *all, const char *source)
{
    const struct outside *outside = all->plan->outside;
    return outside != NULL && outside->use == OUTSIDE_READ && discovery_asks(source);
}

/* 0, or -1 after adding an error. */
static int claim_source(struct clusters_inventory *inv,
                        const struct discovery_settings *settings, struct errors *errs)
{
    struct source_wish wish = {.settings = *settings, .at = inv->at, .errs = errs};
    uint32_t before = errs->n;
    uint8_t digest[SHA512_LEN];
    discovery_digest(settings, digest);
    inv->source = registry_claim(inv->all->plan->registry, &source_kind,
                                 (struct span){digest, sizeof digest}, &wish, NULL);
    if (inv->source == NULL && errs->n == before)
        error_at(errs, inv->at, "plugin/inventory: out of memory");
    if (inv->source == NULL)
        return -1;
    discovery_set(*inv->source, settings);
    return 0;
}

int clusters_add_inventory(struct clusters *all, const struct cluster_spec *spec,
                           const char *source, struct errors *errs)
{
    struct discovery_settings settings = settings_of(all, spec, source);
    struct clusters_inventory *inv = arena_alloc(&all->plan->arena, sizeof *inv);
    if (inv == NULL)
        return error_at(errs, spec->draft.at, "plugin/inventory: out of memory");
    if (is_not_to_be_asked(all, source)) {
        log_warning(
            "plugin/inventory: %s:%u: %s is not asked: its clusters are not known",
            spec->draft.at.file, spec->draft.at.line, source);
        return 0;
    }
    *inv = (struct clusters_inventory){.all = all,
                                       .spec = *spec,
                                       .at = spec->draft.at,
                                       .source_text = source,
                                       .quiet = settings.changed == NULL};
    if (claim_source(inv, &settings, errs) < 0)
        return -1;
    *all->inventories_last = inv;
    all->inventories_last = &inv->next;
    if (all->block->measured && measure(all->plan, inv) < 0)
        return error_at(errs, inv->at, "plugin/inventory: out of memory");
    return 0;
}

/* ---- clusters of an inventory ---- */

static bool is_named(const void *entry, const void *key)
{
    const struct cluster *c = entry;
    return strcmp(inventory_name(c->record), key) == 0;
}

static struct cluster *find(const struct clusters_inventory *inv, const char *name)
{
    return table_get(&inv->names, hash_text(name), is_named, name);
}

/* Notes why a record is not served, and says so. */
static void refuse(struct clusters_inventory *inv, struct inventory_record *record,
                   const struct errors *errs)
{
    const char *why = errs->list == NULL ? "out of memory" : errs->list[0].text;
    const char *text = strstr(why, ": ");
    if (text != NULL && strncmp(why, "plugin/", 7) == 0)
        why = text + 2;
    if (!inv->quiet)
        log_limited(&inv->log, 10, LOG_WARNING,
                    "plugin/inventory: %s:%u: %s not used: %s", record->file,
                    record->line, inventory_name(record), why);
    cluster_refusals_add(&inv->refused, record, why);
}

/* The record in the place of what its name stood for. */
static int try_record(struct clusters_inventory *inv, struct inventory_record *r,
                      struct errors *errs)
{
    const char *name = inventory_name(r);
    struct cluster *old = find(inv, name);
    if (old != NULL && old->record == r)
        return 0;
    struct cluster *c = serve(inv->all, &inv->spec, r, old, errs);
    if (c == NULL)
        return -1;
    if (old != NULL)
        table_del(&inv->names, hash_text(name), old);
    if (table_put(&inv->names, hash_text(name), c) < 0) {
        error_at(errs, cluster_at(c), "plugin/inventory: out of memory");
        forget_dns(inv->all, c);
        cluster_map_remove(&inv->all->map, c);
        return -1;
    }
    return 0;
}

/* What happens to the next plan is told as what happened to the one in use. */
static bool is_in_use(const struct clusters_inventory *inv)
{
    return inv->all->plan->errs == NULL;
}

static void put_record(struct clusters_inventory *inv, struct inventory_record *r)
{
    struct errors errs;
    errors_init(&errs);
    cluster_refusals_forget(&inv->refused, inventory_name(r));
    if (try_record(inv, r, &errs) < 0)
        refuse(inv, r, &errs);
    errors_release(&errs);
}

static void remove_name(struct clusters_inventory *inv, const char *name)
{
    struct cluster *c = find(inv, name);
    char label[NAME_TEXT_MAX];
    cluster_refusals_forget(&inv->refused, name);
    if (c == NULL)
        return;
    if (is_in_use(inv))
        log_limited(&inv->log, 10, LOG_INFO, "plugin/inventory: %s (%s) has left", name,
                    cluster_label(c, label));
    table_del(&inv->names, hash_text(name), c);
    forget_dns(inv->all, c);
    cluster_map_remove(&inv->all->map, c);
}

/* ---- all that is held, for a new plan ---- */

struct held {
    struct inventory_record *record;
    struct clusters_inventory *inv;
};

struct gathering {
    struct clusters_inventory *inv;
    struct held *list;
    uint32_t n, cap;
    bool no_memory;
};

static void gather_one(struct gathering *g, struct inventory_record *r)
{
    if (g->n == g->cap) {
        uint32_t cap = g->cap == 0 ? 64 : g->cap * 2;
        struct held *list = realloc(g->list, cap * sizeof *list);
        if (list == NULL) {
            g->no_memory = true;
            return;
        }
        g->list = list;
        g->cap = cap;
    }
    g->list[g->n++] = (struct held){.record = inventory_record_use(r), .inv = g->inv};
}

static void gather_waiting(void *context, struct inventory_record *r)
{
    if (r->before != NULL)
        gather_one(context, r);
}

/* What it is to replace is served before it, as it was when it came. */
static void gather(void *context, struct inventory_record *r)
{
    struct gathering *g = context;
    if (r->before != NULL)
        gather_one(g, r->before);
    gather_one(g, r);
}

static int by_age(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    return x->record->seq < y->record->seq ? -1 : x->record->seq > y->record->seq;
}

int clusters_load(struct clusters *all, struct errors *errs)
{
    struct gathering g = {0};
    for (struct clusters_inventory *inv = all->inventories; inv != NULL;
         inv = inv->next) {
        if (!discovery_settle(*inv->source, SETTLE_MS))
            log_warning("plugin/inventory: %s:%u: %s has not been read yet",
                        inv->at.file, inv->at.line, inv->source_text);
        g.inv = inv;
        inv->number = discovery_each(*inv->source, gather, &g);
    }
    if (g.n > 0)
        qsort(g.list, g.n, sizeof *g.list, by_age);
    for (uint32_t i = 0; i < g.n; i++) {
        put_record(g.list[i].inv, g.list[i].record);
        inventory_record_drop(g.list[i].record);
    }
    free(g.list);
    if (!g.no_memory)
        return 0;
    return error_at(errs, all->inventories->at, "plugin/inventory: out of memory");
}

/* ---- what has changed, for the plan in use and the next ---- */

typedef void inventory_fn(struct clusters_inventory *inv, void *context);

static void each_inventory(struct plan *p, inventory_fn *fn, void *context)
{
    for (struct clusters *all = p->clusters; all != NULL; all = all->next) {
        struct clusters_inventory *inv = all->inventories;
        for (; inv != NULL; inv = inv->next)
            fn(inv, context);
    }
}

/* Those who are to hear of what sources bring. */
struct taking {
    struct plan *plan, *next; /* the next may be NULL */
    bool any;
};

static void each_of_both(const struct taking *t, inventory_fn *fn, void *context)
{
    each_inventory(t->plan, fn, context);
    if (t->next != NULL)
        each_inventory(t->next, fn, context);
}

/* A record of a source, and whether all serve it. */
struct serving {
    struct discovery **source;
    struct inventory_record *record;
    bool all;
};

static void is_served(struct clusters_inventory *inv, void *context)
{
    struct serving *s = context;
    if (inv->source != s->source)
        return;
    const struct cluster *served = find(inv, inventory_name(s->record));
    s->all = s->all && served != NULL && served->record == s->record;
}

/* A record that all serve needs nothing to fall back on. */
static void settle(const struct taking *t, struct discovery **source,
                   struct inventory_record *r)
{
    struct serving s = {.source = source, .record = r, .all = true};
    each_of_both(t, is_served, &s);
    if (s.all)
        discovery_settled(*source, r);
}

/* One that was refused, if it can be served now. */
static void try_one(const struct taking *t, struct clusters_inventory *inv,
                    struct cluster_refusal *one)
{
    struct errors errs;
    errors_init(&errs);
    int rc = try_record(inv, one->record, &errs);
    errors_release(&errs);
    if (rc < 0)
        return;
    if (is_in_use(inv))
        log_info("plugin/inventory: %s can be served now", inventory_name(one->record));
    settle(t, inv->source, one->record);
    cluster_refusals_drop(&inv->refused, one);
}

/* The oldest first. */
static void try_refused(struct clusters_inventory *inv, void *context)
{
    struct cluster_refusal *next;
    for (struct cluster_refusal *one = inv->refused.first; one != NULL; one = next) {
        next = one->next;
        try_one(context, inv, one);
    }
}

static void apply(struct clusters_inventory *inv, const struct discovery_change *c)
{
    if (c->number <= inv->number)
        return;
    inv->number = c->number;
    if (c->now == NULL) {
        remove_name(inv, inventory_name(c->old));
        return;
    }
    const char *name = inventory_name(c->now);
    bool there = find(inv, name) != NULL;
    put_record(inv, c->now);
    const struct cluster *served = find(inv, name);
    if (served == NULL || served->record != c->now || !is_in_use(inv))
        return;
    struct where at = cluster_at(served);
    char label[NAME_TEXT_MAX];
    log_limited(&inv->log, 10, LOG_INFO, "plugin/inventory: %s (%s) has %s: %s:%u",
                name, cluster_label(served, label), there ? "changed" : "come", at.file,
                at.line);
}

/* Whether some inventory before this one has the same source: it has taken the changes
 * of all. */
static bool is_second(const struct plan *p, const struct clusters_inventory *inv)
{
    for (const struct clusters *all = p->clusters; all != NULL; all = all->next) {
        const struct clusters_inventory *other = all->inventories;
        for (; other != NULL; other = other->next) {
            if (other == inv)
                return false;
            if (other->source == inv->source)
                return true;
        }
    }
    return false;
}

struct source_change {
    struct discovery **source;
    const struct discovery_change *change;
};

static void apply_if_its(struct clusters_inventory *inv, void *context)
{
    const struct source_change *c = context;
    if (inv->source == c->source)
        apply(inv, c->change);
}

/* What changed before anybody followed the source was no change to take. */
static void settle_loaded(const struct taking *t, struct clusters_inventory *inv)
{
    struct gathering g = {.inv = inv};
    discovery_each(*inv->source, gather_waiting, &g);
    for (uint32_t i = 0; i < g.n; i++) {
        settle(t, inv->source, g.list[i].record);
        inventory_record_drop(g.list[i].record);
    }
    free(g.list);
    inv->settled = !g.no_memory;
}

static void take_changes(struct clusters_inventory *inv, void *context)
{
    struct taking *taking = context;
    if (is_second(taking->plan, inv))
        return;
    if (!inv->settled)
        settle_loaded(taking, inv);
    struct discovery_change *list = discovery_take(*inv->source);
    taking->any = taking->any || list != NULL;
    while (list != NULL) {
        struct discovery_change *change = list;
        struct source_change c = {.source = inv->source, .change = change};
        each_of_both(taking, apply_if_its, &c);
        if (change->now != NULL)
            settle(taking, inv->source, change->now);
        list = list->next;
        discovery_change_free(change);
    }
}

/* Whoever left may have been in the way of others. */
static void fill_gaps(struct plan *p, struct taking *taking)
{
    if (p != NULL && p->retirement.waiting)
        each_inventory(p, try_refused, taking);
}

struct clusters_news clusters_refresh(struct plan *p, struct plan *next)
{
    struct taking taking = {.plan = p, .next = next};
    p->retirement.waiting = false;
    each_inventory(p, take_changes, &taking);
    fill_gaps(p, &taking);
    fill_gaps(next, &taking);
    return (struct clusters_news){.changed = taking.any,
                                  .retired = p->retirement.waiting};
}

/* ---- the end ---- */

static void release_inventory(struct clusters_inventory *inv, void *context)
{
    struct plan *p = context;
    cluster_refusals_release(&inv->refused);
    table_release(&inv->names);
    registry_drop(p->registry, inv->source);
}

void clusters_publish(struct plan *p)
{
    for (struct clusters *all = p->clusters; all != NULL; all = all->next)
        all->map.retirement = &p->retirement;
}

void clusters_release(struct plan *p)
{
    for (struct clusters *all = p->clusters; all != NULL; all = all->next) {
        cluster_map_release(&all->map);
        table_release(&all->dns);
        free(all->making);
    }
    each_inventory(p, release_inventory, p);
    p->clusters = NULL;
}
