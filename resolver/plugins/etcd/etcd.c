/* etcd: answers from records that SkyDNS keeps in etcd.
 *
 *     etcd skydns.local {
 *         path /skydns
 *         endpoint https://10.0.0.1:2379 https://10.0.0.2:2379
 *         tls client.crt client.key ca.crt
 *         fallthrough
 *     }
 *
 * The key /skydns/local/skydns/web/a is a.web.skydns.local; a question for
 * web.skydns.local is answered with the records of all keys below it. config/skydns.h
 * says what a value is.
 *
 * Nobody asks etcd for a question's sake: all keys below the path are held, and etcd
 * tells what changes. While it is away what was known is served; before anything is
 * known the answer is SERVFAIL. A reload of the Corefile keeps the records. */
#include "resolver/plugins/etcd/etcd_own.h"

#include "base/log.h"
#include "config/discovery/access.h"
#include "resolver/outside.h"
#include "resolver/plan.h"
#include "resolver/registry.h"

#define DEFAULT_ENDPOINT "http://localhost:2379"
#define MIN_LEASE_S      30
#define MAX_LEASE_S      86400
#define SETTLE_MS        2000  /* for the first look */
#define SETTLE_MS_MAX    10000 /* while it goes on: some 200,000 keys */
#define TLS_FILES        3

/* ---- options ---- */

static int parse_nothing(struct reader *rd, void *state)
{
    return reader_no_arg(rd);
}

static int parse_upstream(struct reader *rd, void *state)
{
    reader_args(rd);
    return 0;
}

static int parse_fallthrough(struct reader *rd, void *state)
{
    return fall_read(rd, &((struct etcd *)state)->fall);
}

/* Made clean as Go's path.Join does, but for `..`, which nobody means. */
static int parse_path(struct reader *rd, void *state)
{
    const char *word, *path = "";
    if (reader_one(rd, &word) < 0)
        return -1;
    for (size_t len; *(word += strspn(word, "/")) != '\0'; word += len) {
        len = strcspn(word, "/");
        if (len == 2 && memcmp(word, "..", len) == 0)
            return reader_error(rd, "path: '..' is no part of a key");
        if (len == 1 && word[0] == '.')
            continue;
        path = arena_printf(rd->arena, "%s/%.*s", path, (int)len, word);
        if (path == NULL)
            return reader_error(rd, "out of memory");
    }
    if (strlen(path) > ETCD_PATH_MAX)
        return reader_error(rd, "path: longer than %d octets", ETCD_PATH_MAX);
    ((struct etcd *)state)->path = path;
    return 0;
}

static int parse_endpoint(struct reader *rd, void *state)
{
    struct token_list args = reader_args(rd);
    const char *all = "";
    if (args.n == 0)
        return reader_error_args(rd);
    for (uint32_t i = 0; all != NULL && i < args.n; i++) {
        const char *word = args.list[i].text;
        if (access_check_endpoint(rd, word, "credentials") < 0)
            return -1;
        if (strstr(word, "://") != NULL && strncmp(word, "http://", 7) != 0 &&
            strncmp(word, "https://", 8) != 0)
            return reader_error(rd,
                                "endpoint '%s': expected http://HOST:PORT or "
                                "https://HOST:PORT",
                                word);
        all = arena_printf(rd->arena, "%s%s%s", all, i == 0 ? "" : " ", word);
    }
    ((struct etcd *)state)->endpoints = all;
    return all == NULL ? reader_error(rd, "out of memory") : 0;
}

static int parse_credentials(struct reader *rd, void *state)
{
    struct etcd *e = state;
    struct token_list args = reader_args(rd);
    if (args.n == 0)
        return reader_error_args(rd);
    if (args.n != 2)
        return reader_error(rd,
                            "credentials requires 2 arguments, username and password");
    bool both = args.list[0].text[0] != '\0' && args.list[1].text[0] != '\0';
    e->user = both ? args.list[0].text : NULL;
    e->password = both ? args.list[1].text : NULL;
    return 0;
}

static int parse_tls(struct reader *rd, void *state)
{
    struct etcd *e = state;
    e->tls = reader_args(rd);
    e->has_tls = true;
    if (e->tls.n > TLS_FILES)
        return reader_error(
            rd, "maximum of three arguments allowed for TLS config, found %u",
            e->tls.n);
    return 0;
}

/* A plain number is of seconds. */
static int parse_ttl(struct reader *rd, uint32_t fallback, uint32_t *out)
{
    const char *word;
    int64_t us;
    uint32_t s;
    if (reader_one(rd, &word) < 0)
        return -1;
    if (word[0] == '\0' || word[strspn(word, "0123456789")] == '\0') {
        if (word[0] == '\0')
            s = 0;
        else if (reader_u32(rd, word, 0, UINT32_MAX, &s) < 0)
            return -1;
    } else {
        if (reader_duration(rd, word, &us) < 0)
            return -1;
        if (us < 0 || us / 1000000 > UINT32_MAX)
            return reader_error(rd, "'%s': expected 0 to %us", word, UINT32_MAX);
        s = (uint32_t)(us / 1000000);
    }
    *out = s == 0 ? fallback : s;
    return 0;
}

static int parse_min(struct reader *rd, void *state)
{
    return parse_ttl(rd, MIN_LEASE_S, &((struct etcd *)state)->min_ttl);
}

static int parse_max(struct reader *rd, void *state)
{
    return parse_ttl(rd, MAX_LEASE_S, &((struct etcd *)state)->max_ttl);
}

static const struct option options[] = {
    {.name = "path",
     .kind = OPTION_CUSTOM,
     .parse = parse_path,
     .args = "PATH",
     .fallback = "/skydns",
     .help = "in front of the keys"},
    {.name = "endpoint",
     .kind = OPTION_CUSTOM,
     .parse = parse_endpoint,
     .args = "URL...",
     .fallback = DEFAULT_ENDPOINT,
     .help = "of etcd 3.4 or later; each is asked in its turn while others fail"},
    {.name = "credentials",
     .kind = OPTION_CUSTOM,
     .parse = parse_credentials,
     .args = "USERNAME PASSWORD",
     .help = "of a user of etcd that may read the path"},
    {.name = "tls",
     .kind = OPTION_CUSTOM,
     .parse = parse_tls,
     .args = "[CERT KEY] [CACERT]",
     .help = "PEM files: of the client, and of the CA that has signed etcd's "
             "certificate"},
    {.name = "min-lease-ttl",
     .kind = OPTION_CUSTOM,
     .parse = parse_min,
     .args = "DURATION",
     .fallback = "30s",
     .help =
         "a key's lease has at least so long to live; a plain number is of seconds"},
    {.name = "max-lease-ttl",
     .kind = OPTION_CUSTOM,
     .parse = parse_max,
     .args = "DURATION",
     .fallback = "24h",
     .help = "likewise, at most"},
    {.name = "fallthrough",
     .kind = OPTION_CUSTOM,
     .parse = parse_fallthrough,
     .args = "[ZONES...]",
     .help = "names that do not exist go on to the next plugin"},
    {.name = "stubzones",
     .kind = OPTION_CUSTOM,
     .parse = parse_nothing,
     .help = "of old Corefiles; changes nothing"},
    {.name = "debug",
     .kind = OPTION_CUSTOM,
     .parse = parse_nothing,
     .help = "likewise"},
    {.name = "upstream",
     .kind = OPTION_CUSTOM,
     .parse = parse_upstream,
     .args = "[...]",
     .help = "likewise"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

/* ---- what they mean ---- */

/* An endpoint without a scheme is one by TLS where there is `tls`. */
static int settle_endpoints(struct setup *s, struct etcd *e)
{
    const char *all = "";
    for (const char *w = e->endpoints; *w != '\0'; w += strspn(w, " ")) {
        int len = (int)strcspn(w, " ");
        const char *scheme = strstr(w, "://");
        bool has = scheme != NULL && scheme < w + len;
        all = arena_printf(s->arena, "%s%s%s%.*s", all, all[0] == '\0' ? "" : " ",
                           has          ? ""
                           : e->has_tls ? "https://"
                                        : "http://",
                           len, w);
        if (all == NULL)
            return error_at(s->errs, e->at, "plugin/etcd: out of memory");
        w += len;
    }
    e->endpoints = all;
    return 0;
}

/* One file alone is the CA's. The source reads them when it connects; here they are
 * read to see whether they are any good. */
static int settle_tls(struct setup *s, struct etcd *e, struct discovery_access *a)
{
    struct outside_tls pem = {.servername = "localhost"};
    const char **paths[TLS_FILES] = {&a->cert_file, &a->key_file, &a->ca_file};
    const char **texts[TLS_FILES] = {&pem.cert, &pem.key, &pem.ca};
    const struct outside *outside = s->plan->outside;
    char reason[OUTSIDE_REASON_MAX];
    uint32_t first = e->tls.n == 1 ? 2 : 0;
    for (uint32_t i = 0; i < e->tls.n; i++) {
        const char *word = e->tls.list[i].text;
        if (plan_read(s, "etcd", e->at, word, texts[first + i]) < 0)
            return -1;
        *paths[first + i] = plan_path(s->block, s->arena, word);
        if (*paths[first + i] == NULL)
            return error_at(s->errs, e->at, "plugin/etcd: out of memory");
    }
    if (e->tls.n == 0 || outside == NULL)
        return 0;
    void *tls = outside->tls_new(&pem, reason);
    if (tls == NULL)
        return error_at(s->errs, e->at, "plugin/etcd: tls: %s", reason);
    outside->tls_free(tls);
    return 0;
}

/* ---- the source ---- */

static int source_init(void *object, const void *argument)
{
    struct skydns_source **s = object;
    *s = skydns_source_new(argument);
    return *s == NULL ? -1 : 0;
}

static void source_release(void *object)
{
    skydns_source_free(*(struct skydns_source **)object);
}

static const struct registry_kind source_kind = {.name = "etcd",
                                                 .size = sizeof(struct skydns_source *),
                                                 .init = source_init,
                                                 .release = source_release};

static int claim_source(struct setup *s, struct etcd *e,
                        struct discovery_access *access)
{
    const struct outside *outside = s->plan->outside;
    uint8_t digest[SHA512_LEN];
    struct skydns_source_settings settings = {
        .prefix = arena_printf(s->arena, "%s/", e->path), .access = *access};
    settings.access.endpoints = e->endpoints;
    settings.access.user = e->user;
    settings.access.password = e->password;
    settings.quiet = outside == NULL || outside->use == OUTSIDE_READ;
    if (outside != NULL) {
        settings.changed = outside->changed;
        settings.context = outside->context;
    }
    if (settings.prefix != NULL) {
        skydns_source_digest(&settings, digest);
        e->source =
            registry_claim(s->registry, &source_kind,
                           (struct span){digest, sizeof digest}, &settings, NULL);
    }
    if (e->source == NULL)
        return error_at(s->errs, e->at,
                        "plugin/etcd: out of memory, descriptors or "
                        "threads");
    e->quiet = settings.quiet;
    return 0;
}

/* ---- the records ---- */

static void view_done(const void *data)
{
    skydns_view_done((struct skydns_view *)(uintptr_t)data);
}

static bool has_news(const struct feed *f, void *context)
{
    const struct etcd *e = context;
    const struct skydns_view *have = feed_get(f);
    return atomic_load(&skydns_source_map(*e->source)->number) !=
           (have == NULL ? 0 : have->number);
}

static void look(struct feed *f, void *context)
{
    const struct etcd *e = context;
    if (!has_news(f, context))
        return;
    struct feed_value *value = feed_value_new();
    if (value == NULL) {
        log_error("plugin/etcd: %s: out of memory: records stay as they are", e->label);
        return;
    }
    value->data = skydns_map_take(skydns_source_map(*e->source));
    value->release = view_done;
    feed_publish(f, value);
}

/* ---- its first look, which may take seconds ---- */

static void await(struct feed *f, void *context)
{
    feed_read(f);
}

static void *settle(void *context)
{
    const struct etcd *e = context;
    skydns_source_settle(*e->source, SETTLE_MS, SETTLE_MS_MAX, feed_stopped(e->first));
    return NULL;
}

static void settled(struct feed *f, void *context, void *reading)
{
    const struct etcd *e = context;
    bool read = atomic_load(&skydns_source_map(*e->source)->number) != 0;
    if (!read && !atomic_load(feed_stopped(f)))
        log_warning("plugin/etcd: %s:%u: %s/ has not been read yet", e->at.file,
                    e->at.line, e->path);
    feed_refresh(e->feed);
}

/* A reload goes on meanwhile with what is served. */
static int await_first(struct setup *s, struct etcd *e)
{
    struct feed_source source = {
        .look = await, .context = e, .read = settle, .take = settled};
    e->first = feed_new(&s->plan->feeds, s->arena, &source);
    if (e->first == NULL)
        return error_at(s->errs, e->at, "plugin/etcd: out of memory");
    feed_refresh(e->first);
    return 0;
}

/* ---- setup ---- */

static int add_zone(struct setup *s, struct etcd_plugin *p, struct etcd *e,
                    const struct name *apex)
{
    char text[NAME_TEXT_MAX];
    struct etcd_zone *z = arena_alloc(s->arena, sizeof *z);
    void *old = NULL;
    if (z == NULL)
        return error_at(s->errs, e->at, "plugin/etcd: out of memory");
    *z = (struct etcd_zone){.apex = *apex, .etcd = e};
    int added = zonetab_add(&p->zones, s->arena, z->apex.wire, z, &old);
    if (added < 0)
        return error_at(s->errs, e->at, "plugin/etcd: out of memory");
    if (added > 0 && ((struct etcd_zone *)old)->etcd != e) {
        name_print(apex->wire, text);
        log_warning("%s:%u: plugin/etcd: zone %s is here twice; the first is used",
                    e->at.file, e->at.line, text);
    }
    return 0;
}

static int follow(struct setup *s, struct etcd *e)
{
    struct discovery_access access = {0};
    struct feed_source source = {.look = look, .context = e, .news = has_news};
    e->label = arena_printf(s->arena, "etcd %s/", e->path);
    if (settle_endpoints(s, e) < 0 || settle_tls(s, e, &access) < 0 ||
        claim_source(s, e, &access) < 0)
        return -1;
    e->feed = feed_new(&s->plan->feeds, s->arena, &source);
    if (e->feed == NULL || e->label == NULL)
        return error_at(s->errs, e->at, "plugin/etcd: out of memory");
    if (!e->quiet)
        return await_first(s, e);
    feed_refresh(e->feed);
    return 0;
}

static int read_line(struct setup *s, struct reader *rd, struct etcd_plugin *p)
{
    struct zones zones = {0};
    struct etcd *e = arena_alloc(s->arena, sizeof *e);
    if (e == NULL)
        return reader_error(rd, "out of memory");
    *e = (struct etcd){.path = "/skydns",
                       .endpoints = DEFAULT_ENDPOINT,
                       .min_ttl = MIN_LEASE_S,
                       .max_ttl = MAX_LEASE_S,
                       .at = reader_token(rd)->at,
                       .next = p->list};
    if (plan_zones(s, rd, &zones) < 0 || reader_options(rd, options, OPTIONS_N, e) < 0)
        return -1;
    p->list = e;
    for (uint32_t i = 0; i < zones.n; i++) {
        if (add_zone(s, p, e, &zones.list[i]) < 0)
            return -1;
    }
    return follow(s, e);
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct etcd_plugin *p = arena_alloc(s->arena, sizeof *p);
    int rc = 0;
    if (p == NULL)
        return error_at(s->errs, d->at, "plugin/etcd: out of memory");
    s->state = p;
    while (reader_next(&rd)) {
        if (read_line(s, &rd, p) < 0)
            rc = -1;
    }
    return rc;
}

static void release(struct registry *reg, void *state)
{
    const struct etcd_plugin *p = state;
    for (struct etcd *e = p->list; e != NULL; e = e->next) {
        if (e->source != NULL)
            registry_drop(reg, e->source);
    }
}

/* ---- queries ---- */

static const struct etcd_zone *find(const struct etcd_plugin *p, struct query *q)
{
    return q->request.class != DNS_IN ? NULL
                                      : zonetab_find(&p->zones, query_key(q), 0, NULL);
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct etcd_zone *z = find(state, q);
    if (z == NULL)
        return PASS;
    const struct skydns_view *view = feed_get(z->etcd->feed);
    if (view == NULL)
        return query_fail_ede(q, DNS_SERVFAIL, "plugin/etcd: nothing was read yet",
                              EDE_NOT_READY, "etcd has not answered yet");
    return etcd_answer(q, state, z, view);
}

static const char *label(struct query *q, const void *state)
{
    const struct etcd_zone *z = find(state, q);
    return z == NULL ? NULL : z->etcd->label;
}

const struct plugin plugin_etcd = {
    .name = "etcd",
    .help = "answers from records that SkyDNS keeps in etcd",
    .synopsis = "etcd [ZONES...]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .release = release,
    .on_query = on_query,
    .on_wake = etcd_woken,
    .label = label,
};
