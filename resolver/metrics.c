#include "resolver/metrics.h"

#include "base/cursor.h"
#include "resolver/plan.h"
#include "resolver/registry.h"
#include "resolver/upstream.h"

#include <stdlib.h>

/* ---- meters ---- */

static const uint32_t cells_of[METER_KINDS] = {
    [METER_SERVED] = SERVED_CELLS,
    [METER_CACHE] = CACHED_CELLS,
    [METER_FORWARD] = FORWARD_CELLS,
    [METER_PROXY] = PROXY_CELLS,
    [METER_CLUSTER] = CLUSTER_CELLS,
    [METER_INVENTORY] = 0,
    [METER_SHED] = SHED_CELLS,
    [METER_HTTPS] = METRICS_STATUSES,
    [METER_ACL_ALLOWED] = 1,
    [METER_ACL] = ACL_CELLS,
    [METER_DNS64] = 1,
    [METER_LOCAL] = 1,
    [METER_TEMPLATE] = 1,
};

const uint16_t metrics_statuses[METRICS_STATUSES] = {500, 200, 400, 404, 405, 411,
                                                     413, 414, 415, 431, 503, 505};

uint32_t metrics_status_cell(unsigned status)
{
    uint32_t cell = METRICS_STATUSES - 1;
    while (cell > 0 && metrics_statuses[cell] != status)
        cell--;
    return cell;
}

struct wish {
    enum meter_kind kind;
    const char *labels;
};

static int start(void *object, const void *argument)
{
    struct meter *m = object;
    const struct wish *w = argument;
    m->kind = w->kind;
    m->labels = strdup(w->labels);
    return m->labels == NULL ? -1 : 0;
}

static void stop(void *object)
{
    struct meter *m = object;
    struct meter_cells *c = atomic_load(&m->cells);
    while (c != NULL) {
        struct meter_cells *next = c->next;
        free(c);
        c = next;
    }
    free(m->labels);
}

static const struct registry_kind meter_kind = {
    .name = "meter", .size = sizeof(struct meter), .init = start, .release = stop};

/* From the heap. */
static struct span key_of(const struct wish *w)
{
    size_t len = 1 + strlen(w->labels);
    uint8_t *key = malloc(len);
    if (key == NULL)
        return (struct span){0};
    key[0] = (uint8_t)w->kind;
    memcpy(key + 1, w->labels, len - 1);
    return (struct span){.at = key, .len = len};
}

static struct meter *claim(struct plan *p, const struct wish *w)
{
    struct span key = key_of(w);
    uint32_t id;
    if (key.at == NULL)
        return NULL;
    struct meter *m = registry_claim(p->registry, &meter_kind, key, w, &id);
    free((void *)(uintptr_t)key.at);
    if (m != NULL && m->serial == 0) {
        m->id = id; /* not again: workers read it */
        m->serial = registry_serial(p->registry);
    }
    return m;
}

static struct meter_use *use_of(const struct meter *m, const struct plan *p)
{
    struct meter_use *use = m->uses;
    while (use != NULL && use->plan != p)
        use = use->same;
    return use;
}

static struct meter_use *add_use(struct plan *p, struct meter *m, const void *context)
{
    struct meter_use *use = calloc(1, sizeof *use);
    if (use == NULL)
        return NULL;
    _Atomic(struct meter_use *) *first = &p->meters.first[m->kind];
    _Atomic(struct meter_use *) **last = &p->meters.last[m->kind];
    if (*first == NULL)
        *last = first;
    use->meter = m;
    use->context = context;
    use->plan = p;
    use->same = m->uses;
    use->prev = *last;
    m->uses = use;
    **last = use;
    *last = &use->next;
    p->meters.n++;
    return use;
}

static struct meter *claim_use(struct plan *p, const struct wish *w,
                               const void *context)
{
    struct meter *m = claim(p, w);
    struct meter_use *use = m == NULL ? NULL : use_of(m, p);
    if (m == NULL)
        return NULL;
    if (use != NULL || (use = add_use(p, m, context)) == NULL)
        registry_drop(p->registry, m); /* shown once, however often it is claimed */
    if (use == NULL)
        return NULL;
    use->claims++;
    return m;
}

const struct meter *metrics_claim(struct plan *p, enum meter_kind kind,
                                  const char *labels, const void *context)
{
    struct wish w = {.kind = kind, .labels = labels};
    if (labels == NULL)
        return NULL;
    registry_enter(p->registry);
    const struct meter *m = claim_use(p, &w, context);
    registry_leave(p->registry);
    return m;
}

static const struct meter *claim_cluster(struct plan *p, const char *labels,
                                         struct upstream_group *g)
{
    struct wish w = {.kind = METER_CLUSTER, .labels = labels};
    if (labels == NULL)
        return NULL;
    registry_enter(p->registry);
    const struct meter *m = claim_use(p, &w, NULL);
    if (m != NULL) {
        struct meter_use *use = use_of(m, p);
        g->older = (struct upstream_group *)(uintptr_t)atomic_load(&use->context);
        use->context = g;
    }
    registry_leave(p->registry);
    return m;
}

/* The newest of those that stay is shown: the older may be on its way out. */
static void let_context(struct meter_use *use, const void *context)
{
    if (use->meter->kind != METER_CLUSTER)
        return;
    struct upstream_group *g =
        (struct upstream_group *)(uintptr_t)atomic_load(&use->context);
    if (g == context) {
        use->context = g == NULL ? NULL : g->older;
        return;
    }
    while (g != NULL && g->older != context)
        g = g->older;
    if (g != NULL)
        g->older = g->older->older;
}

static void end_use(struct plan *p, struct meter_use *use)
{
    struct meter_use **at = &use->meter->uses;
    while (*at != use)
        at = &(*at)->same;
    *at = use->same;
    *use->prev = use->next;
    if (use->next != NULL)
        use->next->prev = use->prev;
    else
        p->meters.last[use->meter->kind] = use->prev;
    p->meters.n--;
    registry_drop(p->registry, use->meter);
    free(use);
}

/* The plan may have let go of all it had. */
static void let_go(struct plan *p, const struct meter *m, const void *context)
{
    if (m == NULL)
        return;
    registry_enter(p->registry);
    struct meter_use *use = p->meters.n == 0 ? NULL : use_of(m, p);
    if (use != NULL)
        let_context(use, context);
    if (use != NULL && --use->claims == 0)
        end_use(p, use);
    registry_leave(p->registry);
}

void metrics_release(struct plan *p)
{
    for (unsigned kind = 0; kind < METER_KINDS; kind++) {
        while (p->meters.first[kind] != NULL) {
            registry_enter(p->registry); /* others wait for one at most */
            end_use(p, p->meters.first[kind]);
            registry_leave(p->registry);
        }
    }
}

const struct meter_use *metrics_last(const struct plan *p, enum meter_kind kind)
{
    if (p->meters.first[kind] == NULL)
        return NULL;
    return (const struct meter_use *)((uintptr_t)p->meters.last[kind] -
                                      offsetof(struct meter_use, next));
}

const char *metrics_label(struct arena *a, const char *name, const char *value)
{
    char *text = value == NULL ? NULL : arena_alloc(a, 2 * strlen(value) + 1);
    char *to = text;
    if (text == NULL)
        return NULL;
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            *to++ = '\\';
        *to++ = *value == '\n' ? 'n' : *value;
    }
    return arena_printf(a, "%s=\"%s\"", name, text);
}

/* ---- a plan's servers, zones and caches ---- */

/* `server="dns://:53"`, with an address in front of the port for a bound one. */
static const char *server_label(struct plan *p, const struct plan_server *s)
{
    char ip[ADDR_TEXT_MAX] = "";
    if (s->addr.family != 0)
        addr_print_ip(&s->addr, ip);
    bool v6 = s->addr.family == 6;
    return metrics_label(&p->arena, "server",
                         arena_printf(&p->arena, "%s://%s%s%s:%u",
                                      scheme_name(s->scheme), v6 ? "[" : "", ip,
                                      v6 ? "]" : "", s->addr.port));
}

/* The zones with commas between them: a block may have thousands. */
static const char *zones_label(struct plan *p, const struct zones *zones)
{
    char name[NAME_TEXT_MAX];
    size_t len = 1, at = 0;
    for (uint32_t i = 0; i < zones->n; i++)
        len += name_print(zones->list[i].wire, name) + 1;
    char *text = arena_alloc(&p->arena, len);
    for (uint32_t i = 0; text != NULL && i < zones->n; i++) {
        if (i > 0)
            text[at++] = ',';
        size_t n = name_print(zones->list[i].wire, name);
        memcpy(text + at, name, n);
        at += n;
    }
    return metrics_label(&p->arena, "zones", text);
}

/* The labels after each other; NULL: no memory, also for one of them. */
static const char *join(struct plan *p, const char *server, const char *zone,
                        const char *view)
{
    const char *label = metrics_label(&p->arena, "view", view == NULL ? "" : view);
    if (server == NULL || zone == NULL || label == NULL)
        return NULL;
    return arena_printf(&p->arena, "%s,%s,%s", server, zone, label);
}

/* A server in hand. Zones come block by block, so the last block's cache is remembered:
 * its label has all zones of the block. */
struct measuring {
    struct plan *plan;
    const char *server; /* the label */
    const struct plan_block *cached;
    const struct meter *cache_meter;
};

static int measure_cache(struct measuring *m, struct plan_zone *z)
{
    const struct plan_block *b = z->block;
    if (b->cache == NULL)
        return 0;
    if (m->cached != b) {
        const struct zones *zones = b->cached->n > 0 ? b->cached : &b->zones;
        const char *labels =
            join(m->plan, m->server, zones_label(m->plan, zones), b->view);
        m->cached = b;
        m->cache_meter = metrics_claim(m->plan, METER_CACHE, labels, b->cache);
    }
    z->cache_meter = m->cache_meter;
    return z->cache_meter == NULL ? -1 : 0;
}

/* ---- of plugins ---- */

const char *measure_join(struct measure *m, const char *a, const char *b)
{
    return a == NULL || b == NULL ? NULL : arena_printf(&m->plan->arena, "%s,%s", a, b);
}

static int grow_list(struct measure *m)
{
    if (m->n < m->cap)
        return 0;
    uint32_t cap = m->cap == 0 ? 4 : m->cap * 2;
    const struct meter **list =
        arena_array(&m->plan->arena, cap, sizeof(struct meter *));
    if (list == NULL)
        return -1;
    if (m->n > 0)
        memcpy(list, m->list, m->n * sizeof(struct meter *));
    m->list = list;
    m->cap = cap;
    return 0;
}

void measure_claim(struct measure *m, enum meter_kind kind, const char *labels)
{
    const struct meter *meter = metrics_claim(m->plan, kind, labels, NULL);
    m->failed = m->failed || meter == NULL || grow_list(m) < 0;
    if (!m->failed)
        m->list[m->n++] = meter;
}

static int measure_plugins(struct measuring *m, struct plan_zone *z)
{
    const struct plan_block *b = z->block;
    const char *view = b->view == NULL ? "" : b->view;
    z->counters = arena_array(&m->plan->arena, b->chain_n, sizeof(struct meter **));
    bool failed = z->counters == NULL && b->chain_n > 0;
    for (uint16_t i = 0; i < b->chain_n && !failed; i++) {
        struct measure one = {
            .plan = m->plan,
            .zone = z,
            .server = m->server,
            .view = metrics_label(&m->plan->arena, "view", view),
        };
        z->counters[i] = NULL;
        if (b->chain[i].plugin->measure == NULL)
            continue;
        b->chain[i].plugin->measure(&one, b->chain[i].state);
        z->counters[i] = one.list;
        failed = one.failed;
    }
    return failed ? -1 : 0;
}

static int measure_zone(struct measuring *m, struct plan_zone *z)
{
    char name[NAME_TEXT_MAX];
    name_print(z->zone.wire, name);
    const char *zone = metrics_label(&m->plan->arena, "zone", name);
    const char *labels = join(m->plan, m->server, zone, z->block->view);
    z->meter = metrics_claim(m->plan, METER_SERVED, labels, z);
    return z->meter == NULL || measure_plugins(m, z) < 0 ? -1 : measure_cache(m, z);
}

static int measure_server(struct plan *p, struct plan_server *s)
{
    struct measuring m = {.plan = p};
    for (uint32_t i = 0; i < s->zones.n; i++) {
        for (struct plan_zone *z = s->zones.entries[i].value; z != NULL; z = z->next) {
            if (!z->block->measured)
                continue;
            if (m.server == NULL)
                m.server = server_label(p, s);
            if (measure_zone(&m, z) < 0)
                return -1;
        }
    }
    if (m.server == NULL)
        return 0;
    s->refused = metrics_claim(p, METER_SERVED,
                               join(p, m.server, "zone=\"dropped\"", NULL), NULL);
    bool https = s->scheme == SCHEME_HTTPS;
    if (s->shed)
        s->shed_meter = metrics_claim(p, METER_SHED, m.server, NULL);
    if (https)
        s->https_meter = metrics_claim(p, METER_HTTPS, m.server, NULL);
    return s->refused == NULL || (s->shed && s->shed_meter == NULL) ||
                   (https && s->https_meter == NULL)
               ? -1
               : 0;
}

int metrics_measure(struct plan *p)
{
    for (uint32_t i = 0; i < p->servers_n; i++) {
        if (measure_server(p, &p->servers[i]) < 0)
            return -1;
    }
    return 0;
}

/* ---- upstream servers ---- */

static const struct meter *claim_proxy(struct plan *p, struct arena *a,
                                       const struct upstream *up, const char *proxy)
{
    const char *to = metrics_label(a, "to", up->text);
    const char *labels = NULL;
    if (to != NULL)
        labels = arena_printf(a, "proxy_name=\"%s\",%s", proxy, to);
    return metrics_claim(p, METER_PROXY, labels, NULL);
}

static int claim_group(struct plan *p, struct arena *a, struct upstream_group *g)
{
    for (uint32_t i = 0; i < g->n; i++) {
        g->meters[i] =
            claim_proxy(p, a, g->list[i], g->rules->cluster ? "cluster" : "forward");
        if (g->meters[i] == NULL)
            return -1;
    }
    if (g->rules->cluster)
        g->meter = claim_cluster(p, metrics_label(a, "cluster", g->label), g);
    else
        g->meter = metrics_claim(p, METER_FORWARD, "", NULL);
    return g->meter == NULL ? -1 : 0;
}

bool metrics_has_cluster(const struct plan *p, const char *label)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    struct wish w = {.kind = METER_CLUSTER,
                     .labels = metrics_label(&a, "cluster", label)};
    struct span key = w.labels == NULL ? (struct span){0} : key_of(&w);
    bool has = key.at != NULL && registry_has(p->registry, &meter_kind, key);
    free((void *)(uintptr_t)key.at);
    arena_release(&a);
    return has;
}

int metrics_measure_group(struct plan *p, struct upstream_group *g)
{
    struct arena a;
    g->meters = calloc(g->n, sizeof *g->meters);
    if (g->meters == NULL)
        return -1;
    arena_init(&a, NULL, 0);
    int rc = claim_group(p, &a, g);
    arena_release(&a);
    if (rc < 0) { /* on a worker, who takes nothing out: it stays as long as the plan */
        free(g->meters);
        g->meters = NULL;
    }
    return rc;
}

void metrics_let_group(struct plan *p, struct upstream_group *g)
{
    for (uint32_t i = 0; g->meters != NULL && i < g->n; i++)
        let_go(p, g->meters[i], g);
    let_go(p, g->meter, g);
    free(g->meters);
    g->meters = NULL;
    g->meter = NULL;
}

/* ---- workers ---- */

static struct meter_cells *cells_for(const struct meter *m, unsigned worker)
{
    struct meter_cells *c = atomic_load_explicit(&m->cells, memory_order_acquire);
    while (c != NULL && c->worker != worker)
        c = c->next;
    return c;
}

/* Lines of the cache to themselves: no two workers write to one. */
static struct meter_cells *add_cells(struct meter *m, unsigned worker)
{
    enum { LINE = 64 };
    size_t len = sizeof(struct meter_cells) + cells_of[m->kind] * sizeof(uint64_t);
    len = (len + LINE - 1) / LINE * LINE;
    struct meter_cells *c = aligned_alloc(LINE, len);
    if (c == NULL)
        return NULL;
    memset(c, 0, len);
    c->worker = worker;
    c->next = atomic_load_explicit(&m->cells, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        &m->cells, &c->next, c, memory_order_release, memory_order_relaxed))
        ;
    return c;
}

static int reserve(struct metrics_desk *desk, uint32_t id)
{
    if (id < desk->n)
        return 0;
    uint32_t n = desk->n == 0 ? 16 : desk->n;
    while (n <= id)
        n *= 2;
    struct metrics_seat *list = realloc(desk->list, n * sizeof *list);
    if (list == NULL)
        return -1;
    memset(list + desk->n, 0, (n - desk->n) * sizeof *list);
    desk->list = list;
    desk->n = n;
    return 0;
}

static int seat(struct metrics_desk *desk, struct meter *m, unsigned worker)
{
    if (metrics_seated(desk, m))
        return 0;
    if (reserve(desk, m->id) < 0)
        return -1;
    struct meter_cells *c = cells_for(m, worker);
    if (c == NULL)
        c = add_cells(m, worker);
    if (c == NULL)
        return -1;
    desk->list[m->id] = (struct metrics_seat){.cells = c, .serial = m->serial};
    return 0;
}

int metrics_attach(struct metrics_desk *desk, const struct plan *p, unsigned worker)
{
    for (unsigned kind = 0; kind < METER_KINDS; kind++) {
        const struct meter_use *use = p->meters.first[kind];
        while (use != NULL && seat(desk, use->meter, worker) == 0)
            use = use->next;
        if (use != NULL)
            return -1;
    }
    return 0;
}

int metrics_seat_group(struct metrics_desk *desk, const struct upstream_group *g,
                       unsigned worker)
{
    for (uint32_t i = 0; i < g->n; i++) {
        if (seat(desk, (struct meter *)(uintptr_t)g->meters[i], worker) < 0)
            return -1;
    }
    return seat(desk, (struct meter *)(uintptr_t)g->meter, worker);
}

void metrics_desk_release(struct metrics_desk *desk)
{
    free(desk->list);
    *desk = (struct metrics_desk){0};
}

/* ---- counting ---- */

/* 0.25 ms doubling, as CoreDNS. */
const uint64_t metrics_times_us[METRICS_TIME_CELLS - 2] = {
    250,   500,    1000,   2000,   4000,    8000,    16000,   32000,
    64000, 128000, 256000, 512000, 1024000, 2048000, 4096000, 8192000};

const uint64_t metrics_sizes[METRICS_SIZE_CELLS - 2] = {
    0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16000, 32000, 48000, 64000};

void metrics_add_time(const struct metrics_desk *desk, const struct meter *m,
                      uint32_t cell, uint64_t us)
{
    uint32_t bucket = 0;
    while (bucket < METRICS_TIME_CELLS - 2 && us > metrics_times_us[bucket])
        bucket++;
    metrics_add(desk, m, cell + bucket, 1);
    metrics_add(desk, m, cell + METRICS_TIME_CELLS - 1, us);
}

void metrics_add_size(const struct metrics_desk *desk, const struct meter *m,
                      uint32_t cell, uint64_t octets)
{
    uint32_t bucket = 0;
    while (bucket < METRICS_SIZE_CELLS - 2 && octets > metrics_sizes[bucket])
        bucket++;
    metrics_add(desk, m, cell + bucket, 1);
    metrics_add(desk, m, cell + METRICS_SIZE_CELLS - 1, octets);
}

const char *const metrics_types[METRICS_TYPES] = {
    "A",     "AAAA", "CNAME", "DNSKEY", "DS",  "MX",   "NSEC3",
    "NSEC",  "NS",   "PTR",   "RRSIG",  "SOA", "SRV",  "TXT",
    "HTTPS", "SVCB", "IXFR",  "AXFR",   "ANY", "other"};

uint32_t metrics_type(uint16_t type)
{
    /* In the order of metrics_types. */
    static const uint16_t numbers[METRICS_TYPES - 1] = {
        DNS_A,     DNS_AAAA, DNS_CNAME, DNS_DNSKEY, DNS_DS,  DNS_MX,  DNS_NSEC3,
        DNS_NSEC,  DNS_NS,   DNS_PTR,   DNS_RRSIG,  DNS_SOA, DNS_SRV, DNS_TXT,
        DNS_HTTPS, DNS_SVCB, DNS_IXFR,  DNS_AXFR,   DNS_ANY};
    uint32_t i = 0;
    while (i < METRICS_TYPES - 1 && numbers[i] != type)
        i++;
    return i;
}

uint32_t metrics_rcode(uint16_t rcode)
{
    return rcode < METRICS_RCODES - 1 ? rcode : METRICS_RCODES - 1;
}

/* ---- reading ---- */

uint64_t metrics_sum(const struct meter *m, uint32_t cell)
{
    uint64_t sum = 0;
    const struct meter_cells *c = atomic_load_explicit(&m->cells, memory_order_acquire);
    for (; c != NULL; c = c->next)
        sum += atomic_load_explicit(&c->at[cell], memory_order_relaxed);
    return sum;
}
