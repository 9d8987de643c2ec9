#include "server/control_run.h"

#include "base/log.h"
#include "resolver/cachestore.h"
#include "resolver/cluster_servers.h"
#include "resolver/clusters.h"
#include "server/near.h"
#include "server/status.h"
#include "server/turn.h"

#include <stdarg.h>
#include <stdio.h>

int control_error(struct json_out *j, const char *form, ...)
{
    struct sheet text = {0};
    va_list args;
    va_start(args, form);
    sheet_vprint(&text, form, args);
    va_end(args);
    json_open(j, NULL, '{');
    json_text(j, "error", text.text);
    json_close(j, '}');
    j->sheet.failed = j->sheet.failed || text.failed;
    sheet_release(&text);
    return -1;
}

static int error_of(struct json_out *j, const struct errors *errs)
{
    return control_error(j, "%s",
                         errs->list == NULL ? "out of memory" : errs->list[0].text);
}

/* ---- finding clusters ---- */

/* What there is, for whoever asked for one that is not there. */
struct known {
    char text[400];
    size_t len;
    uint32_t more; /* that found no room */
};

static void add_known(struct known *k, const char *word)
{
    size_t room = sizeof k->text - k->len;
    if (strlen(word) + 3 >= room)
        k->more++;
    else
        k->len += (size_t)snprintf(k->text + k->len, room, "%s%s",
                                   k->len == 0 ? "" : ", ", word);
}

/* No `what` has the name `word`. */
static int unknown(struct json_out *j, const char *what, const char *word,
                   const struct known *k)
{
    char more[32] = "";
    if (k->more > 0)
        snprintf(more, sizeof more, " and %u more", k->more);
    return control_error(j, "no %s %s: there is %s%s", what, word,
                         k->len == 0 ? "none" : k->text, more);
}

struct search {
    struct name zone; /* lower case */
    const struct cluster *found;
    char label[NAME_TEXT_MAX]; /* its */
    const char *word;
    struct known known;
};

static bool is_zone_of(const struct cluster *c, const struct name *zone)
{
    for (uint32_t i = 0; i < c->zones_n; i++) {
        if (name_equal(cluster_zone_wire(cluster_zone(c, i)), zone->wire))
            return true;
    }
    return false;
}

static void look_at(const struct cluster *c, void *context)
{
    struct search *s = context;
    char label[NAME_TEXT_MAX];
    cluster_label(c, label);
    if (is_zone_of(c, &s->zone)) {
        s->found = c;
        memcpy(s->label, label, strlen(label) + 1);
    }
    add_known(&s->known, label);
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

static int flush(struct json_out *j, struct reload *r, const struct control_words *w)
{
    struct name zone, name;
    char text[NAME_TEXT_MAX], known[CLUSTER_NEAR_MAX];
    bool one = w->n > 2;
    if (read_zone(w->list[1], &zone) < 0)
        return control_error(j, "'%s' is no zone", w->list[1]);
    if (one && read_name(w->list[2], &zone, &name) < 0)
        return control_error(j, "'%s' is no name under %s", w->list[2], w->list[1]);
    struct flush f = {.zone = &zone};
    if (one)
        f.pick.name = name.wire;
    else
        f.pick.zone = zone.wire;
    uint64_t n = flush_all(r->plan, &f, !one);
    name_print(one ? name.wire : zone.wire, text);
    log_info("control: %s%s flushed: %llu answers", one ? "" : "zone ", text,
             (unsigned long long)n);
    json_open(j, NULL, '{');
    json_text(j, one ? "name" : "zone", text);
    json_number(j, "flushed", (int64_t)n);
    const char *near = n > 0 || cluster_of_name(r->plan, &zone) != NULL
                           ? NULL
                           : cluster_near(r->plan, w->list[1], known);
    if (near != NULL)
        json_text(j, "near", near);
    json_close(j, '}');
    return 0;
}

/* How many answers under a zone are kept, for `isthmus check`. */
static int cached(struct json_out *j, struct reload *r, const struct control_words *w)
{
    struct name zone;
    if (read_zone(w->list[1], &zone) < 0)
        return control_error(j, "'%s' is no zone", w->list[1]);
    struct flush f = {.zone = &zone, .pick = {.zone = zone.wire, .stay = true}};
    json_open(j, NULL, '{');
    json_number(j, "cached", (int64_t)flush_all(r->plan, &f, true));
    json_close(j, '}');
    return 0;
}

/* ---- drain ---- */

static bool has_address(const struct cluster *c, const struct addr *addr)
{
    struct addr dns[INVENTORY_LIST_MAX];
    uint32_t n = cluster_dns(c, dns);
    for (uint32_t i = 0; i < n; i++) {
        if (addr_equal(&dns[i], addr))
            return true;
    }
    return false;
}

static int set_drain(struct json_out *j, struct reload *r, const struct cluster *c,
                     const struct addr *addr, bool on)
{
    struct errors errs;
    char text[ADDR_TEXT_MAX] = "", label[NAME_TEXT_MAX];
    cluster_label(c, label);
    json_open(j, NULL, '{');
    if (drains_set(&r->drains, c, addr, on) < 0)
        j->sheet.failed = true;
    drains_apply(&r->drains, r->plan);
    errors_init(&errs);
    drains_save(&r->drains, &errs);
    if (addr != NULL)
        addr_print(addr, text);
    log_info("control: %s%s%s %s", label, addr == NULL ? "" : " ", text,
             on ? "drained" : "undrained");
    json_text(j, "cluster", label);
    if (addr != NULL)
        json_text(j, "address", text);
    json_bool(j, "drained", on);
    json_bool(j, "whole", cluster_drained(c));
    json_text(j, "until", r->drains.path == NULL || errs.n > 0 ? "restart" : "undrain");
    if (errs.n > 0)
        json_print(j, "warning", "not kept over a restart: %s",
                   errs.list == NULL ? "out of memory" : errs.list[0].text);
    errors_release(&errs);
    json_close(j, '}');
    return 0;
}

static int no_cluster(struct json_out *j, const struct plan *plan,
                      const struct search *s)
{
    char text[CLUSTER_NEAR_MAX];
    const char *near = cluster_near(plan, s->word, text);
    if (near != NULL)
        return control_error(j, "no cluster %s, did you mean %s?", s->word, near);
    return unknown(j, "cluster", s->word, &s->known);
}

static int drain(struct json_out *j, struct reload *r, const struct control_words *w)
{
    struct search s = {.word = w->list[1]};
    struct addr addr;
    bool on = strcmp(w->list[0], "drain") == 0, one = w->n > 2;
    if (read_zone(w->list[1], &s.zone) < 0)
        return control_error(j, "'%s' is no zone", w->list[1]);
    find_cluster(r->plan, &s);
    if (s.found == NULL)
        return no_cluster(j, r->plan, &s);
    if (one && addr_parse(&addr, text_of(w->list[2]), 53) < 0)
        return control_error(j, "'%s' is no address: expected ADDRESS or ADDRESS:PORT",
                             w->list[2]);
    if (one && !has_address(s.found, &addr))
        return control_error(j, "%s is no DNS address of %s (`isthmus status`)",
                             w->list[2], s.label);
    return set_drain(j, r, s.found, one ? &addr : NULL, on);
}

/* ---- accept ---- */

static void add_source(const struct clusters_report *r, void *context)
{
    add_known(context, r->source.source);
}

static int accept_source(struct json_out *j, struct reload *r,
                         const struct control_words *w)
{
    uint32_t held = 0;
    struct known known = {.len = 0};
    const char *source = clusters_accept(r->plan, w->list[1], &held);
    if (source == NULL) {
        clusters_each_report(r->plan, add_source, &known);
        return unknown(j, "inventory", w->list[1], &known);
    }
    if (held == 0)
        return control_error(j, "nothing of %s is held: all it serves it lists",
                             source);
    log_info("control: inventory %s accepted: %u clusters go", source, held);
    json_open(j, NULL, '{');
    json_text(j, "source", source);
    json_number(j, "accepted", held);
    json_close(j, '}');
    return 0;
}

/* ---- the others ---- */

static int log_level(struct json_out *j, struct reload *r,
                     const struct control_words *w)
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
        json_open(j, NULL, '{');
        json_text(j, "level", levels[i].word);
        json_close(j, '}');
        return 0;
    }
    return control_error(
        j, "no level '%s': expected debug, info, warning, error or default",
        w->list[1]);
}

static int status(struct json_out *j, struct reload *r, const struct control_words *w)
{
    if (w->n < 2) {
        status_all(j, r, turn_clock_us());
        return 0;
    }
    struct search s = {.word = w->list[1]};
    if (read_zone(s.word, &s.zone) < 0)
        return control_error(j, "'%s' is no zone", s.word);
    find_cluster(r->plan, &s);
    if (s.found == NULL)
        return no_cluster(j, r->plan, &s);
    json_open(j, NULL, '{');
    status_clusters(j, r->plan, s.label);
    json_close(j, '}');
    return 0;
}

/* ---- reload ---- */

static int reload(struct json_out *j, struct reload *r, const struct control_words *w,
                  struct control_later *later)
{
    if (r->admin.leaving)
        return control_error(j, "the server is about to end, and reloads no more");
    log_info("control: Reloading");
    reload_begin(r, "isthmus reload");
    later->reload = true;
    return 0;
}

int control_reloaded(struct json_out *j, const struct reload *r)
{
    if (r->failure.n == 0 && r->left_behind > 0)
        return control_error(j, "%u workers could not go over: out of memory",
                             r->left_behind);
    json_open(j, NULL, '{');
    json_text(j, "file", r->plan->config->file);
    json_bool(j, "reloaded", r->failure.n == 0);
    if (r->failure.n > 0)
        status_errors(j, "refused", &r->failure);
    json_close(j, '}');
    return 0;
}

/* explain NAME TYPE FROM; "-" for what is left out. */
static int explain(struct json_out *j, struct reload *r, const struct control_words *w,
                   struct control_later *later)
{
    struct errors errs;
    int rc = 0;
    struct explain_what what = {
        .name = w->list[1], .type = w->list[2], .from = w->list[3]};
    if (strcmp(what.type, "-") == 0)
        what.type = "";
    if (strcmp(what.from, "-") == 0)
        what.from = "";
    errors_init(&errs);
    later->explain = explain_new(r->plan, &what, &errs);
    if (later->explain == NULL)
        rc = error_of(j, &errs);
    errors_release(&errs);
    return rc;
}

static const struct {
    const char *name, *words;
    unsigned least, most;
    int (*run)(struct json_out *j, struct reload *r, const struct control_words *w);
    int (*begin)(struct json_out *j, struct reload *r, const struct control_words *w,
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

int control_run(struct json_out *j, struct reload *r, const struct control_words *words,
                struct control_later *later)
{
    *later = (struct control_later){0};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, words->list[0]) != 0)
            continue;
        if (words->n < commands[i].least || words->n > commands[i].most)
            return control_error(j, "expected %s", commands[i].words);
        if (commands[i].begin != NULL)
            return commands[i].begin(j, r, words, later);
        return commands[i].run(j, r, words);
    }
    return control_error(j, "unknown command '%.60s'", words->list[0]);
}
