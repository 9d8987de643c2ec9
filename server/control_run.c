#include "server/control_run.h"

#include "base/log.h"
#include "resolver/cachestore.h"
#include "resolver/clusters.h"
#include "resolver/health.h"
#include "server/near.h"
#include "server/status.h"
#include "server/status_inventory.h"
#include "server/turn.h"

#include <stdarg.h>
#include <stdio.h>

cJSON *control_error(struct tree *t, const char *form, ...)
{
    cJSON *root = tree_object(t);
    char text[ERROR_TEXT_MAX + NAME_TEXT_MAX];
    va_list args;
    va_start(args, form);
    vsnprintf(text, sizeof text, form, args);
    va_end(args);
    tree_text(t, root, "error", "%s", text);
    return root;
}

static cJSON *error_of(struct tree *t, const struct errors *errs)
{
    return control_error(t, "%s",
                         errs->list == NULL ? "out of memory" : errs->list[0].text);
}

/* ---- finding clusters ---- */

struct search {
    struct name zone; /* lower case */
    const struct cluster *found;
    const char *word;
    struct text_list {
        char text[400];
        size_t len;
        uint32_t more; /* that found no room */
    } known;           /* for whoever asked for one that is not there */
};

static bool is_zone_of(const struct cluster *c, const struct name *zone)
{
    for (uint32_t i = 0; i < c->zones.n; i++) {
        if (name_equal(c->zones.list[i].wire, zone->wire))
            return true;
    }
    return false;
}

static void look_at(const struct cluster *c, void *context)
{
    struct search *s = context;
    if (is_zone_of(c, &s->zone))
        s->found = c;
    size_t room = sizeof s->known.text - s->known.len;
    if (strlen(c->label) + 3 >= room)
        s->known.more++;
    else
        s->known.len += (size_t)snprintf(s->known.text + s->known.len, room, "%s%s",
                                         s->known.len == 0 ? "" : ", ", c->label);
}

static int read_zone(const char *word, struct name *out)
{
    if (name_parse(out, text_of(word)) < 0)
        return -1;
    name_lower(out->wire, out->wire, out->len);
    return 0;
}

static void find_cluster(const struct plan *plan, struct search *s)
{
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        if (plan->blocks[i].clusters != NULL)
            cluster_map_each(plan->blocks[i].clusters, look_at, s);
    }
}

/* ---- flush ---- */

struct flush {
    struct cache_pick pick;
    const struct name *zone;
};

/* A cluster's reverse names are its own too; they are known by what they were mapped
 * by. */
static void pick_mapping(const struct cluster *c, void *context)
{
    struct flush *f = context;
    if (is_zone_of(c, f->zone))
        f->pick.mapping = c->mapping;
}

static uint64_t flush_all(const struct plan *plan, struct flush *f, bool zone)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < plan->blocks_n; i++) {
        const struct plan_block *b = &plan->blocks[i];
        if (b->cache == NULL)
            continue;
        f->pick.mapping = 0;
        if (zone && b->clusters != NULL)
            cluster_map_each(b->clusters, pick_mapping, f);
        n += cachestore_flush(b->cache, &f->pick);
    }
    return n;
}

/* "app.web.svc" and "app.web.svc.cluster-b.local" are the same name of cluster-b.local.
 */
static int read_name(const char *word, const struct name *zone, struct name *out)
{
    struct name name;
    size_t len = strlen(word);
    if (read_zone(word, &name) < 0)
        return -1;
    if (name_under(name.wire, zone->wire, NULL)) {
        *out = name;
        return 0;
    }
    if (word[len - 1] == '.')
        return -1;
    return name_join(out, name.wire, (size_t)name.len - 1, zone->wire);
}

static cJSON *flush(struct tree *t, struct reload *r, const struct control_words *w)
{
    struct name zone, name;
    char text[NAME_TEXT_MAX];
    bool one = w->n > 2;
    if (read_zone(w->list[1], &zone) < 0)
        return control_error(t, "'%s' is no zone", w->list[1]);
    if (one && read_name(w->list[2], &zone, &name) < 0)
        return control_error(t, "'%s' is no name under %s", w->list[2], w->list[1]);
    struct flush f = {.zone = &zone};
    if (one)
        f.pick.name = name.wire;
    else
        f.pick.zone = zone.wire;
    uint64_t n = flush_all(r->plan, &f, !one);
    name_print(one ? name.wire : zone.wire, text);
    log_info("control: %s%s flushed: %llu answers", one ? "" : "zone ", text,
             (unsigned long long)n);
    cJSON *root = tree_object(t);
    tree_text(t, root, one ? "name" : "zone", "%s", text);
    tree_number(t, root, "flushed", (double)n);
    const char *near = n > 0 || cluster_of_name(r->plan, &zone) != NULL
                           ? NULL
                           : cluster_near(r->plan, w->list[1]);
    if (near != NULL)
        tree_text(t, root, "near", "%s", near);
    return root;
}

/* How many answers under a zone are kept, for `isthmus check`. */
static cJSON *cached(struct tree *t, struct reload *r, const struct control_words *w)
{
    struct name zone;
    if (read_zone(w->list[1], &zone) < 0)
        return control_error(t, "'%s' is no zone", w->list[1]);
    struct flush f = {.zone = &zone, .pick = {.zone = zone.wire, .stay = true}};
    cJSON *root = tree_object(t);
    tree_number(t, root, "cached", (double)flush_all(r->plan, &f, true));
    return root;
}

/* ---- drain ---- */

static bool has_address(const struct cluster *c, const struct addr *addr)
{
    for (uint32_t i = 0; i < c->group.n; i++) {
        if (addr_equal(&c->group.list[i]->endpoint.addr, addr))
            return true;
    }
    return false;
}

static cJSON *set_drain(struct tree *t, struct reload *r, const struct cluster *c,
                        const struct addr *addr, bool on)
{
    struct errors errs;
    char text[ADDR_TEXT_MAX] = "";
    cJSON *root = tree_object(t);
    if (drains_set(&r->drains, c, addr, on) < 0)
        t->failed = true;
    drains_apply(&r->drains, r->plan);
    errors_init(&errs);
    drains_save(&r->drains, &errs);
    if (addr != NULL)
        addr_print(addr, text);
    log_info("control: %s%s%s %s", c->label, addr == NULL ? "" : " ", text,
             on ? "drained" : "undrained");
    tree_text(t, root, "cluster", "%s", c->label);
    if (addr != NULL)
        tree_text(t, root, "address", "%s", text);
    tree_bool(t, root, "drained", on);
    tree_bool(t, root, "whole", health_drained(&c->group));
    tree_text(t, root, "until", "%s",
              r->drains.path == NULL || errs.n > 0 ? "restart" : "undrain");
    if (errs.n > 0)
        tree_text(t, root, "warning", "not kept over a restart: %s",
                  errs.list == NULL ? "out of memory" : errs.list[0].text);
    errors_release(&errs);
    return root;
}

static cJSON *no_cluster(struct tree *t, const struct plan *plan,
                         const struct search *s)
{
    char more[32] = "";
    const char *near = cluster_near(plan, s->word);
    if (near != NULL)
        return control_error(t, "no cluster %s, did you mean %s?", s->word, near);
    if (s->known.more > 0)
        snprintf(more, sizeof more, " and %u more", s->known.more);
    return control_error(t, "no cluster %s: there is %s%s", s->word,
                         s->known.len == 0 ? "none" : s->known.text, more);
}

static cJSON *drain(struct tree *t, struct reload *r, const struct control_words *w)
{
    struct search s = {.word = w->list[1]};
    struct addr addr;
    bool on = strcmp(w->list[0], "drain") == 0, one = w->n > 2;
    if (read_zone(w->list[1], &s.zone) < 0)
        return control_error(t, "'%s' is no zone", w->list[1]);
    find_cluster(r->plan, &s);
    if (s.found == NULL)
        return no_cluster(t, r->plan, &s);
    if (one && addr_parse(&addr, text_of(w->list[2]), 53) < 0)
        return control_error(t, "'%s' is no address: expected ADDRESS or ADDRESS:PORT",
                             w->list[2]);
    if (one && !has_address(s.found, &addr))
        return control_error(t, "%s is no DNS address of %s (`isthmus status`)",
                             w->list[2], s.found->label);
    return set_drain(t, r, s.found, one ? &addr : NULL, on);
}

/* ---- accept ---- */

static cJSON *no_inventory(struct tree *t, const struct plan *plan, const char *word)
{
    cJSON *list = status_inventories(t, plan), *one;
    char known[400] = "";
    size_t len = 0;
    cJSON_ArrayForEach(one, list)
    {
        if (len < sizeof known)
            len += (size_t)snprintf(known + len, sizeof known - len, "%s%s",
                                    len == 0 ? "" : ", ", tree_text_of(one, "source"));
    }
    tree_free(list);
    return control_error(t, "no inventory %s: there is %s", word,
                         len == 0 ? "none" : known);
}

static cJSON *accept_source(struct tree *t, struct reload *r,
                            const struct control_words *w)
{
    uint32_t held = 0;
    const char *source = clusters_accept(r->plan, w->list[1], &held);
    if (source == NULL)
        return no_inventory(t, r->plan, w->list[1]);
    if (held == 0)
        return control_error(t, "nothing of %s is held: all it serves it lists",
                             source);
    log_info("control: inventory %s accepted: %u clusters go", source, held);
    cJSON *root = tree_object(t);
    tree_text(t, root, "source", "%s", source);
    tree_number(t, root, "accepted", held);
    return root;
}

/* ---- the others ---- */

static cJSON *log_level(struct tree *t, struct reload *r, const struct control_words *w)
{
    static const struct {
        const char *word;
        int level;
    } levels[] = {
        {"debug", LOG_DEBUG}, {"info", LOG_INFO},       {"warning", LOG_WARNING},
        {"error", LOG_ERROR}, {"default", LOG_DEFAULT},
    };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(levels[i].word, w->list[1]) != 0)
            continue;
        log_info("control: log level %s", levels[i].word);
        log_set_level(levels[i].level);
        cJSON *root = tree_object(t);
        tree_text(t, root, "level", "%s", levels[i].word);
        return root;
    }
    return control_error(
        t, "no level '%s': expected debug, info, warning, error or default",
        w->list[1]);
}

static cJSON *status(struct tree *t, struct reload *r, const struct control_words *w)
{
    if (w->n < 2)
        return status_all(t, r, turn_clock_us());
    struct search s = {.word = w->list[1]};
    if (read_zone(s.word, &s.zone) < 0)
        return control_error(t, "'%s' is no zone", s.word);
    find_cluster(r->plan, &s);
    if (s.found == NULL)
        return no_cluster(t, r->plan, &s);
    cJSON *root = tree_object(t);
    tree_put(t, root, "clusters", status_clusters(t, r->plan, s.found->label));
    return root;
}

/* ---- reload ---- */

static cJSON *reload(struct tree *t, struct reload *r, const struct control_words *w,
                     struct control_later *later)
{
    if (r->admin.leaving)
        return control_error(t, "the server is about to end, and reloads no more");
    log_info("control: Reloading");
    reload_begin(r, "isthmus reload");
    later->reload = true;
    return NULL;
}

cJSON *control_reloaded(struct tree *t, const struct reload *r)
{
    if (r->failure.n == 0 && r->left_behind > 0)
        return control_error(t, "%u workers could not go over: out of memory",
                             r->left_behind);
    cJSON *root = tree_object(t);
    tree_text(t, root, "file", "%s", r->plan->config->file);
    tree_bool(t, root, "reloaded", r->failure.n == 0);
    if (r->failure.n > 0)
        tree_put(t, root, "refused", status_errors(t, &r->failure));
    return root;
}

/* explain NAME TYPE FROM; "-" for what is left out. */
static cJSON *explain(struct tree *t, struct reload *r, const struct control_words *w,
                      struct control_later *later)
{
    struct errors errs;
    cJSON *root = NULL;
    struct explain_what what = {
        .name = w->list[1], .type = w->list[2], .from = w->list[3]};
    if (strcmp(what.type, "-") == 0)
        what.type = "";
    if (strcmp(what.from, "-") == 0)
        what.from = "";
    errors_init(&errs);
    later->explain = explain_new(r->plan, &what, &errs);
    if (later->explain == NULL)
        root = error_of(t, &errs);
    errors_release(&errs);
    return root;
}

static const struct {
    const char *name, *words;
    unsigned least, most;
    cJSON *(*run)(struct tree *t, struct reload *r, const struct control_words *w);
    cJSON *(*begin)(struct tree *t, struct reload *r, const struct control_words *w,
                    struct control_later *later);
} commands[] = {
    {"status", "status [ZONE]", 1, 2, status, NULL},
    {"flush", "flush ZONE [NAME]", 2, 3, flush, NULL},
    {"cached", "cached ZONE", 2, 2, cached, NULL},
    {"drain", "drain ZONE [ADDRESS]", 2, 3, drain, NULL},
    {"undrain", "undrain ZONE [ADDRESS]", 2, 3, drain, NULL},
    {"accept", "accept SOURCE", 2, 2, accept_source, NULL},
    {"log-level", "log-level LEVEL", 2, 2, log_level, NULL},
    {"reload", "reload", 1, 1, NULL, reload},
    {"explain", "explain NAME [TYPE [FROM]]", 2, 4, NULL, explain},
};

cJSON *control_run(struct tree *t, struct reload *r, const struct control_words *words,
                   struct control_later *later)
{
    *later = (struct control_later){0};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, words->list[0]) != 0)
            continue;
        if (words->n < commands[i].least || words->n > commands[i].most)
            return control_error(t, "expected %s", commands[i].words);
        if (commands[i].begin != NULL)
            return commands[i].begin(t, r, words, later);
        return commands[i].run(t, r, words);
    }
    return control_error(t, "unknown command '%.60s'", words->list[0]);
}
