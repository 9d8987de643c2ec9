#include "resolver/plan.h"

#include "base/limits.h"
#include "base/log.h"
#include "config/source.h"
#include "resolver/clusters.h"
#include "resolver/transfer.h"

#include <stdlib.h>

/* ---- blocks ---- */

static int add_zone(struct arena *a, struct zones *zones, const struct name *zone)
{
    if (zones->n == zones->cap) {
        uint32_t cap = zones->cap == 0 ? 1 : zones->cap * 2;
        struct name *list = arena_array(a, cap, sizeof *list);
        if (list == NULL)
            return -1;
        if (zones->n > 0)
            memcpy(list, zones->list, zones->n * sizeof *list);
        zones->list = list;
        zones->cap = cap;
    }
    zones->list[zones->n++] = *zone;
    return 0;
}

static int read_keys(struct plan *p, struct plan_block *b, struct errors *errs)
{
    const struct block *source = b->source;
    b->keys = arena_array(&p->arena, source->keys_n, sizeof *b->keys);
    if (b->keys == NULL)
        return error_at(errs, b->at, "out of memory");
    for (uint32_t i = 0; i < source->keys_n; i++) {
        struct key *key = &b->keys[b->keys_n];
        if (key_parse(&p->arena, source->keys[i].text, source->keys[i].at, key, errs) <
            0)
            continue;
        b->keys_n++;
        for (uint32_t z = 0; z < key->zones.n; z++) {
            struct name *zone = &key->zones.list[z];
            if (add_zone(&p->arena, &b->zones, zone) < 0 ||
                zonetab_add(&b->serves, &p->arena, zone->wire, zone, NULL) < 0)
                return error_at(errs, b->at, "out of memory");
        }
    }
    return 0;
}

static const struct directive *directive_of(const struct block *b, const char *name)
{
    for (uint32_t i = 0; i < b->directives_n; i++) {
        if (strcmp(b->directives[i].name, name) == 0)
            return &b->directives[i];
    }
    return NULL;
}

static int run_setup(struct plan *p, struct plan_block *b, const struct plugin *plugin,
                     const struct directive *d, struct errors *errs)
{
    struct setup s = {.arena = &p->arena,
                      .errs = errs,
                      .registry = p->registry,
                      .plan = p,
                      .block = b};
    int rc = plugin->setup(&s, d);
    struct slot slot = {.plugin = plugin, .state = s.state};
    /* Also after a failure: what was claimed so far has to be given back. */
    b->setup_done[b->setup_n++] = slot;
    if (rc == 0 && plugin->admits != NULL)
        b->filter = slot;
    bool on_the_way =
        !s.passive && (plugin->on_query != NULL || plugin->on_response != NULL);
    if (rc == 0 && on_the_way)
        b->chain[b->chain_n++] = slot;
    return rc;
}

/* `view NAME {`: wanted by plugins whose setup comes before that of view. */
static const char *view_name(const struct block *source)
{
    const struct directive *d = directive_of(source, "view");
    return d == NULL ? NULL : d->tokens_n > 1 ? d->tokens[1].text : "";
}

/* All plugins of a block in the fixed order; goes on after errors, so that all come
 * out. */
static void set_up_block(struct plan *p, struct plan_block *b, struct errors *errs)
{
    uint32_t n = b->source->directives_n;
    b->chain = arena_array(&p->arena, n, sizeof *b->chain);
    b->setup_done = arena_array(&p->arena, n, sizeof *b->setup_done);
    if (n > 0 && (b->chain == NULL || b->setup_done == NULL)) {
        error_at(errs, b->at, "out of memory");
        return;
    }
    if (n == 0)
        return;
    for (const struct plugin *const *plugin = plugin_list; *plugin != NULL; plugin++) {
        const struct directive *d = directive_of(b->source, (*plugin)->name);
        if (d != NULL)
            run_setup(p, b, *plugin, d, errs);
    }
}

/* ---- listeners ---- */

static struct plan_server *server_for(struct plan *p, enum scheme scheme,
                                      const struct addr *addr)
{
    uint16_t found = plan_server_index(p, scheme, addr);
    if (found != UINT16_MAX)
        return &p->servers[found];
    if (p->servers_n == p->servers_cap) {
        uint32_t cap = p->servers_cap == 0 ? 4 : p->servers_cap * 2;
        struct plan_server *list = arena_array(&p->arena, cap, sizeof *list);
        if (list == NULL || cap >= UINT16_MAX)
            return NULL;
        if (p->servers_n > 0)
            memcpy(list, p->servers, p->servers_n * sizeof *list);
        p->servers = list;
        p->servers_cap = cap;
    }
    struct plan_server *s = &p->servers[p->servers_n++];
    *s = (struct plan_server){
        .scheme = scheme, .addr = *addr, .https_max = HTTPS_CLIENTS};
    return s;
}

/* "dns://example.org.:53", with " on 10.0.0.1" for a bound one. */
static const char *serving(struct arena *a, enum scheme scheme, const uint8_t *zone,
                           const struct addr *addr)
{
    char name[NAME_TEXT_MAX], ip[ADDR_TEXT_MAX];
    name_print(zone, name);
    bool bound = addr->family != 0;
    return arena_printf(a, "%s://%s:%u%s%s", scheme_name(scheme), name, addr->port,
                        bound ? " on " : "", bound ? addr_print_ip(addr, ip) : "");
}

static bool has_zone(const struct plan_server *s, const struct name *zone)
{
    struct name_key key;
    unsigned label = 0;
    name_key_init(&key, zone->wire);
    return zonetab_find(&s->zones, &key, 0, &label) != NULL && label == 0;
}

/* A zone served on every address and on one of them: which would answer is chance. */
static int check_overlap(struct plan *p, const struct plan_server *mine,
                         const struct name *zone, struct where at, struct errors *errs)
{
    for (uint32_t i = 0; i < p->servers_n; i++) {
        const struct plan_server *s = &p->servers[i];
        bool one_bound = (s->addr.family == 0) != (mine->addr.family == 0);
        if (s == mine || s->scheme != mine->scheme || s->addr.port != mine->addr.port ||
            !one_bound || !has_zone(s, zone))
            continue;
        return error_at(
            errs, at,
            "cannot serve %s - zone overlap listener capacity with %s: give "
            "both blocks a bind line, or neither",
            serving(&p->arena, mine->scheme, zone->wire, &mine->addr),
            serving(&p->arena, s->scheme, zone->wire, &s->addr));
    }
    return 0;
}

/* Behind the views of the same zone that stand before it in the file. */
static int join_views(struct plan *p, const struct plan_server *s,
                      struct plan_zone *first, struct plan_zone *z, struct errors *errs)
{
    struct plan_zone **end = &first->next;
    const struct plan_block *other = NULL;
    for (struct plan_zone *v = first; v != NULL; v = v->next) {
        other = v->block->view == NULL ? v->block : other;
        end = &v->next;
    }
    *end = z;
    if (other == NULL || z->block->view != NULL)
        return 0;
    return error_at(
        errs, z->block->at,
        "cannot serve %s - it is already defined (%s:%u): put all plugins of "
        "the zone into one block",
        serving(&p->arena, s->scheme, z->zone.wire, &s->addr), other->at.file,
        other->at.line);
}

static int serve_zone(struct plan *p, struct plan_server *s, struct plan_block *b,
                      const struct name *zone, struct errors *errs)
{
    struct plan_zone *z = arena_alloc(&p->arena, sizeof *z);
    if (z == NULL)
        return error_at(errs, b->at, "out of memory");
    *z = (struct plan_zone){.zone = *zone, .block = b};
    void *first = NULL;
    int added = zonetab_add(&s->zones, &p->arena, z->zone.wire, z, &first);
    if (added < 0)
        return error_at(errs, b->at, "out of memory");
    if (added > 0 && join_views(p, s, first, z, errs) < 0)
        return -1;
    return check_overlap(p, s, zone, b->at, errs);
}

static void set_timeouts(struct plan_timeouts *to, const struct plan_timeouts *from)
{
    if (from->read_us > 0)
        to->read_us = from->read_us;
    if (from->write_us > 0)
        to->write_us = from->write_us;
    if (from->idle_us > 0)
        to->idle_us = from->idle_us;
    if (from->queries_written)
        to->queries_max = from->queries_max;
}

static void set_https(struct plan_server *s, const struct plan_block *b)
{
    if (s->https_written || !b->https_written)
        return;
    s->https_written = true;
    s->https_max = b->https_max;
}

static int serve_key(struct plan *p, struct plan_block *b, const struct key *key,
                     const struct addr *addr, struct errors *errs)
{
    struct plan_server *s = server_for(p, key->scheme, addr);
    if (s == NULL)
        return error_at(errs, b->at, "out of memory or too many listeners");
    if (b->any_class)
        s->any_class = true;
    set_timeouts(&s->timeouts, &b->timeouts);
    if (b->proxy != NULL)
        s->proxy = b->proxy;
    s->shed = s->shed || b->shed;
    if (s->scheme != SCHEME_DNS && plan_tls_add(&s->tls, &p->arena, &b->tls) < 0)
        return error_at(errs, b->at, "out of memory");
    set_https(s, b);
    for (uint32_t i = 0; i < key->zones.n; i++) {
        if (serve_zone(p, s, b, &key->zones.list[i], errs) < 0)
            return -1;
    }
    return 0;
}

static const char *scheme_refusal(enum scheme s)
{
    switch (s) {
    case SCHEME_DNS:
    case SCHEME_TLS:
    case SCHEME_HTTPS:
        return NULL;
    case SCHEME_QUIC:
    case SCHEME_GRPC:
    case SCHEME_HTTPS3:
        return "listeners of this scheme are not offered by isthmus; use dns://";
    case SCHEME_UNIX:
        return "no server listens on a unix:// key (CoreDNS ignores it without a word); use dns://";
    }
    return "unknown scheme";
}

static void add_listeners(struct plan *p, struct plan_block *b, uint16_t dns_port,
                          struct errors *errs)
{
    for (uint32_t i = 0; i < b->keys_n; i++) {
        const struct key *key = &b->keys[i];
        const char *refusal = scheme_refusal(key->scheme);
        if (refusal != NULL) {
            error_at(errs, b->at, "%s:// is not supported: %s",
                     scheme_name(key->scheme), refusal);
            continue;
        }
        bool flag = key->scheme == SCHEME_DNS && !key->port_written && dns_port != 0;
        struct addr addr = {.port = flag ? dns_port : key->port};
        if (!b->bind.written)
            serve_key(p, b, key, &addr, errs);
        for (uint32_t n = 0; n < b->bind.n; n++) {
            uint16_t port = addr.port;
            addr = b->bind.list[n];
            addr.port = port;
            serve_key(p, b, key, &addr, errs);
        }
    }
}

/* ---- the whole ---- */

static bool has_plugin(const struct plan_block *b, const char *name)
{
    for (uint16_t i = 0; i < b->chain_n; i++) {
        if (strcmp(b->chain[i].plugin->name, name) == 0)
            return true;
    }
    return false;
}

/* Whoever maps clusters expects them to outlive their DNS for a while. */
static void tell_uncached(const struct plan *p)
{
    for (uint32_t i = 0; i < p->blocks_n; i++) {
        const struct plan_block *b = &p->blocks[i];
        if (b->clusters == NULL || has_plugin(b, "cache"))
            continue;
        log_info(
            "plugin/cluster: no `cache` beside the cluster lines (%s:%u): nothing is "
            "kept, and nothing served when a cluster's DNS is away",
            b->at.file, b->at.line);
        return;
    }
}

static void build_blocks(struct plan *p, const struct plan_flags *flags,
                         struct errors *errs)
{
    const struct corefile *c = &p->config->corefile;
    p->blocks = arena_array(&p->arena, c->blocks_n, sizeof *p->blocks);
    if (p->blocks == NULL) {
        error_at(errs, (struct where){0}, "out of memory");
        return;
    }
    for (uint32_t i = 0; i < c->blocks_n; i++) {
        struct plan_block *b = &p->blocks[p->blocks_n++];
        b->source = &c->blocks[i];
        b->at = b->source->at;
        b->view = view_name(b->source);
        if (read_keys(p, b, errs) < 0)
            return;
        set_up_block(p, b, errs);
        if (b->sockets > p->workers)
            p->workers = b->sockets;
        add_listeners(p, b, flags->dns_port, errs);
    }
    for (uint32_t i = 0; i < p->servers_n && errs->n == 0; i++)
        plan_tls_finish(&p->servers[i].tls, &p->arena, p->outside, errs);
    if (errs->n == 0)
        tell_uncached(p);
    if (p->servers_n == 0 && errs->n == 0 && !p->config->flawed)
        error_at(errs, (struct where){.file = p->config->file},
                 "nothing to listen on: every block's addresses are excepted by bind");
}

struct plan *plan_build(struct config *config, struct registry *reg,
                        const struct plan_flags *flags, struct errors *errs)
{
    struct plan *p = calloc(1, sizeof *p);
    if (p == NULL) {
        config_free(config);
        error_at(errs, (struct where){0}, "out of memory");
        return NULL;
    }
    arena_init(&p->arena, NULL, 0);
    p->config = config;
    p->registry = reg;
    p->outside = flags->outside;
    p->errs = errs;
    p->feeds.later = flags->read_later;
    p->uses = 1;
    retirement_init(&p->retirement, flags->epoch + 1);
    uint32_t before = errs->n;
    build_blocks(p, flags, errs);
    if (errs->n == before && metrics_measure(p) < 0)
        error_at(errs, (struct where){0}, "out of memory");
    if (errs->n == before && !config->flawed) {
        clusters_publish(p);
        p->errs = NULL;
        return p;
    }
    plan_free(p);
    return NULL;
}

void plan_free(struct plan *p)
{
    if (p == NULL)
        return;
    retirement_release(&p->retirement);
    clusters_release(p);
    feeds_release(&p->feeds); /* values may be of what plugins have claimed */
    for (uint32_t i = 0; i < p->blocks_n; i++) {
        struct plan_block *b = &p->blocks[i];
        for (uint32_t n = 0; n < b->setup_n; n++) {
            const struct slot *s = &b->setup_done[n];
            if (s->plugin->release != NULL && s->state != NULL)
                s->plugin->release(p->registry, (void *)(uintptr_t)s->state);
        }
    }
    for (uint32_t i = 0; i < p->servers_n; i++)
        plan_tls_release(&p->servers[i].tls, p->outside);
    metrics_release(p);
    notifies_free(p->notifies);
    arena_release(&p->arena);
    config_free(p->config);
    free(p);
}

void plan_use(struct plan *p)
{
    p->uses++;
}

void plan_done(struct plan *p)
{
    if (--p->uses == 0 && p->unused != NULL)
        p->unused(p, p->unused_context);
}

/* How many blocks before this one have a view of the same name. */
static uint32_t views_before(const struct plan *p, const struct plan_block *b)
{
    uint32_t n = 0;
    for (const struct plan_block *other = p->blocks; other != b; other++)
        n += other->view != NULL && strcmp(other->view, b->view) == 0;
    return n;
}

/* The keys as written, each behind a blank: there may be ten thousand. */
static char *key_texts(struct arena *a, const struct block *source)
{
    size_t len = 1, at = 0;
    for (uint32_t i = 0; i < source->keys_n; i++)
        len += 1 + strlen(source->keys[i].text);
    char *text = arena_alloc(a, len);
    for (uint32_t i = 0; text != NULL && i < source->keys_n; i++) {
        size_t n = strlen(source->keys[i].text);
        text[at++] = ' ';
        memcpy(text + at, source->keys[i].text, n);
        at += n;
    }
    return text;
}

const char *plan_block_name(const struct setup *s)
{
    const struct plan_block *b = s->block;
    char *name = key_texts(s->arena, b->source);
    char ip[ADDR_TEXT_MAX];
    for (uint32_t i = 0; i < b->bind.n && name != NULL; i++)
        name = arena_printf(s->arena, "%s on %s", name,
                            addr_print_ip(&b->bind.list[i], ip));
    if (b->view != NULL && name != NULL)
        name = arena_printf(s->arena, "%s view %u %s", name, views_before(s->plan, b),
                            b->view);
    return name;
}

const char *plan_path(const struct plan_block *b, struct arena *a, const char *path)
{
    if (path[0] == '/' || b->root == NULL)
        return arena_text(a, text_of(path));
    return arena_printf(a, "%s/%s", b->root, path);
}

int plan_read(struct setup *s, const char *plugin, struct where at, const char *path,
              const char **out)
{
    struct text text;
    struct errors why;
    path = plan_path(s->block, s->arena, path);
    if (path == NULL)
        return error_at(s->errs, at, "out of memory");
    errors_init(&why);
    int rc = source_read(s->arena, path, at, &text, &why);
    if (rc < 0)
        error_at(s->errs, at, "plugin/%s: error reading %s: %s", plugin, path,
                 why.n > 0 ? why.list[0].text : "out of memory");
    errors_release(&why);
    *out = text.at;
    return rc;
}

int plan_zones(struct setup *s, struct reader *rd, struct zones *out)
{
    struct token_list args = reader_args(rd);
    if (args.n == 0)
        *out = s->block->zones;
    for (uint32_t i = 0; i < args.n; i++) {
        const struct token *t = &args.list[i];
        int added = zones_add(rd->arena, out, t->text);
        if (added < 0)
            return reader_error(rd, "out of memory");
        if (added > 0)
            log_warning("%s:%u: plugin/%s: '%s' is no zone and is passed over",
                        t->at.file, t->at.line, rd->directive->name, t->text);
    }
    return 0;
}

/* ---- look-up ---- */

bool plan_serves(const struct plan_block *b, const uint8_t *name)
{
    struct name_key key;
    name_key_init(&key, name);
    return zonetab_find(&b->serves, &key, 0, NULL) != NULL;
}

static const struct plan_zone *admitting(const struct plan_zone *z, struct query *q)
{
    for (; z != NULL; z = z->next) {
        const struct slot *filter = &z->block->filter;
        if (filter->plugin == NULL)
            break;
        q->judged = JUDGED_BY_NAME;
        if (filter->plugin->admits(q, z->block, filter->state))
            break;
    }
    return z;
}

const struct plan_zone *plan_find(const struct plan_server *s, struct query *q)
{
    const struct name_key *key = query_key(q);
    const struct plan_zone *found = NULL, *first;
    unsigned label = 0;
    for (unsigned skip = 0;
         (first = zonetab_find(&s->zones, key, skip, &label)) != NULL;
         skip = label + 1) {
        if (found != NULL && label == key->labels)
            break; /* the root is nobody's parent side */
        const struct plan_zone *z = admitting(first, q);
        if (z != NULL)
            found = z;
        if (z != NULL && q->request.type != DNS_DS)
            break;
    }
    return found;
}

uint16_t plan_server_index(const struct plan *p, enum scheme scheme,
                           const struct addr *addr)
{
    for (uint32_t i = 0; i < p->servers_n; i++) {
        const struct plan_server *s = &p->servers[i];
        if (s->scheme == scheme && addr_equal(&s->addr, addr))
            return (uint16_t)i;
    }
    return UINT16_MAX;
}

/* ---- banner ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *banner_line(struct arena *a, const struct plan_server *s,
                               const uint8_t *zone)
{
    char name[NAME_TEXT_MAX], ip[ADDR_TEXT_MAX];
    name_print(zone, name);
    bool plain = s->scheme == SCHEME_DNS, bound = s->addr.family != 0;
    return arena_printf(a, "%s%s%s:%u%s%s", plain ? "" : scheme_name(s->scheme),
                        plain ? "" : "://", name, s->addr.port, bound ? " on " : "",
                        bound ? addr_print_ip(&s->addr, ip) : "");
}

void plan_banner(const struct plan *p, void (*line)(const char *text))
{
    struct arena a;
    arena_init(&a, NULL, 0);
    for (uint32_t i = 0; i < p->servers_n; i++) {
        const struct plan_server *s = &p->servers[i];
        const char **lines = arena_array(&a, s->zones.n, sizeof *lines);
        uint32_t n = 0;
        for (uint32_t z = 0; lines != NULL && z < s->zones.n; z++) {
            const char *text = banner_line(&a, s, s->zones.entries[z].zone);
            if (text != NULL)
                lines[n++] = text;
        }
        if (n > 0)
            qsort(lines, n, sizeof *lines, by_text);
        for (uint32_t z = 0; z < n; z++)
            line(lines[z]);
    }
    arena_release(&a);
}
