#include "resolver/plugins/cache_setup.h"

#include "base/hash.h"
#include "resolver/plan.h"

#include <inttypes.h>
#include <stdlib.h>

#define SECOND  INT64_C(1000000)
#define TTL_MAX INT64_C(2147483647)

/* ---- values ---- */

static bool is_integer(const char *word)
{
    if (*word == '-' || *word == '+')
        word++;
    size_t digits = strspn(word, "0123456789");
    return digits > 0 && word[digits] == '\0';
}

static int read_number(struct reader *rd, const char *word, int64_t *out)
{
    if (!is_integer(word) || strlen(word) > 18)
        return reader_error(rd, "'%s' is no number", word);
    *out = strtoll(word, NULL, 10);
    return 0;
}

static int read_ttl(struct reader *rd, const char *word, int64_t least, uint32_t *out)
{
    int64_t ttl;
    if (read_number(rd, word, &ttl) < 0)
        return -1;
    if (ttl < least && least > 0)
        return reader_error(rd, "cache TTL can not be zero or negative: %s", word);
    if (ttl < least)
        return reader_error(rd, "cache min TTL can not be negative: %s", word);
    *out = (uint32_t)(ttl > TTL_MAX ? TTL_MAX : ttl);
    return 0;
}

static int not_negative(struct reader *rd, const char *what, const char *word,
                        int64_t us)
{
    if (us >= 0)
        return 0;
    return reader_error(rd, "%s can't be negative: %s", what, word);
}

/* ---- options ---- */

/* CAPACITY [TTL] [MINTTL] */
static int parse_bounds(struct reader *rd, struct cache_bounds *b)
{
    struct token_list args = reader_args(rd);
    int64_t entries;
    if (args.n < 1 || args.n > 3)
        return reader_error_args(rd);
    if (read_number(rd, args.list[0].text, &entries) < 0)
        return -1;
    b->entries = (uint32_t)(entries < 0           ? 0
                            : entries > INT32_MAX ? INT32_MAX
                                                  : entries);
    b->written = b->written || args.n > 1;
    if (args.n > 1 && read_ttl(rd, args.list[1].text, 1, &b->max_s) < 0)
        return -1;
    return args.n > 2 ? read_ttl(rd, args.list[2].text, 0, &b->min_s) : 0;
}

static int parse_success(struct reader *rd, void *state)
{
    return parse_bounds(rd, &((struct cache_plugin *)state)->bounds[CACHE_SUCCESS]);
}

static int parse_denial(struct reader *rd, void *state)
{
    return parse_bounds(rd, &((struct cache_plugin *)state)->bounds[CACHE_DENIAL]);
}

static int read_percent(struct reader *rd, const char *word, uint32_t *out)
{
    size_t len = strlen(word);
    char digits[8];
    int64_t percent;
    if (len == 0 || word[len - 1] != '%')
        return reader_error(rd,
                            "last character of percentage should be `%%`, but is: "
                            "'%c'",
                            len == 0 ? ' ' : word[len - 1]);
    if (len > sizeof digits)
        return reader_error(rd, "percentage should fall in range [10, 90]: %s", word);
    memcpy(digits, word, len - 1);
    digits[len - 1] = '\0';
    if (read_number(rd, digits, &percent) < 0)
        return -1;
    if (percent < 10 || percent > 90)
        return reader_error(rd, "percentage should fall in range [10, 90]: %s", digits);
    *out = (uint32_t)percent;
    return 0;
}

/* AMOUNT [DURATION [PERCENT%]] */
static int parse_prefetch(struct reader *rd, void *state)
{
    struct cache_plugin *c = state;
    struct token_list args = reader_args(rd);
    int64_t amount;
    if (args.n < 1 || args.n > 3)
        return reader_error_args(rd);
    if (read_number(rd, args.list[0].text, &amount) < 0)
        return -1;
    if (amount < 0 || amount > UINT32_MAX)
        return reader_error(rd, "prefetch amount should be positive: %s",
                            args.list[0].text);
    c->prefetch = (uint32_t)amount;
    if (args.n > 1 && reader_duration(rd, args.list[1].text, &c->prefetch_gap_us) < 0)
        return -1;
    return args.n > 2 ? read_percent(rd, args.list[2].text, &c->prefetch_percent) : 0;
}

static int read_stale_ttl(struct reader *rd, const char *word, uint32_t *out)
{
    int64_t us;
    if (reader_duration(rd, word, &us) < 0 ||
        not_negative(rd, "serve_stale TTL", word, us) < 0)
        return -1;
    if (us % SECOND != 0)
        return reader_error(rd, "serve_stale TTL must be whole seconds: %s", word);
    *out = (uint32_t)(us / SECOND > TTL_MAX ? TTL_MAX : us / SECOND);
    return 0;
}

/* [RESPTTL [RECHECK]] from argument `at` on */
static int read_stale_tail(struct reader *rd, struct token_list args, uint32_t at,
                           struct cache_stale *stale)
{
    if (args.n > at && read_stale_ttl(rd, args.list[at].text, &stale->ttl_s) < 0)
        return -1;
    if (args.n <= at + 1)
        return 0;
    const char *word = args.list[at + 1].text;
    if (reader_duration(rd, word, &stale->recheck_us) < 0 ||
        not_negative(rd, "serve_stale recheck", word, stale->recheck_us) < 0)
        return -1;
    if (stale->recheck_us > 300 * SECOND)
        return reader_error(
            rd, "serve_stale recheck over 5 minutes is not permitted: %s", word);
    return args.n > at + 2 ? reader_error_args(rd) : 0;
}

/* [DURATION [immediate [RESPTTL [RECHECK]] | verify [TIMEOUT [RESPTTL [RECHECK]]]]] */
static int parse_stale(struct reader *rd, void *state)
{
    struct cache_stale *stale = &((struct cache_plugin *)state)->stale;
    struct token_list args = reader_args(rd);
    stale->on = stale->written = true;
    if (args.n > 5)
        return reader_error_args(rd);
    if (args.n > 0 && (reader_duration(rd, args.list[0].text, &stale->until_us) < 0 ||
                       not_negative(rd, "serve_stale duration", args.list[0].text,
                                    stale->until_us) < 0))
        return -1;
    if (args.n < 2)
        return 0;
    const char *mode = args.list[1].text;
    if (strcasecmp(mode, "immediate") == 0) {
        stale->mode = STALE_IMMEDIATE;
        return read_stale_tail(rd, args, 2, stale);
    }
    if (strcasecmp(mode, "verify") != 0)
        return reader_error(rd,
                            "invalid value for serve_stale refresh mode: %s: "
                            "expected immediate or verify",
                            mode);
    stale->mode = STALE_VERIFY;
    if (args.n > 2 && (reader_duration(rd, args.list[2].text, &stale->timeout_us) < 0 ||
                       not_negative(rd, "serve_stale verify timeout", args.list[2].text,
                                    stale->timeout_us) < 0))
        return -1;
    return read_stale_tail(rd, args, 3, stale);
}

static int parse_policy(struct reader *rd, void *state)
{
    struct cache_plugin *c = state;
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    if (c->prefer_positive)
        return reader_error(rd, "serve_stale_policy can only be specified once");
    if (strcmp(word, "prefer_positive") != 0)
        return reader_error(rd,
                            "unknown serve_stale_policy '%s': expected "
                            "prefer_positive",
                            word);
    c->prefer_positive = true;
    return 0;
}

static int parse_servfail(struct reader *rd, void *state)
{
    struct cache_plugin *c = state;
    const char *word;
    if (reader_one(rd, &word) < 0 || reader_duration(rd, word, &c->servfail_us) < 0)
        return -1;
    if (c->servfail_us < 0)
        return reader_error(rd, "invalid negative servfail TTL: %s", word);
    if (c->servfail_us > 300 * SECOND)
        return reader_error(
            rd, "caching SERVFAIL responses over 5 minutes is not permitted");
    return 0;
}

static int parse_disable(struct reader *rd, void *state)
{
    struct cache_plugin *c = state;
    struct token_list args = reader_args(rd);
    if (args.n < 1)
        return reader_error_args(rd);
    const char *word = args.list[0].text;
    bool success = strcmp(word, "success") == 0;
    if (!success && strcmp(word, "denial") != 0)
        return reader_error(rd,
                            "cache type for disable must be \"success\" or "
                            "\"denial\": %s",
                            word);
    struct cache_bounds *b = &c->bounds[success ? CACHE_SUCCESS : CACHE_DENIAL];
    b->disabled = true;
    for (uint32_t i = 1; i < args.n; i++) {
        if (zones_add(rd->arena, &b->disabled_for, args.list[i].text) < 0)
            return reader_error(rd, "out of memory");
    }
    return 0;
}

const struct option cache_options[CACHE_OPTIONS_N] = {
    {.name = "success",
     .kind = OPTION_CUSTOM,
     .parse = parse_success,
     .args = "CAPACITY [TTL] [MINTTL]",
     .fallback = "10000 3600 5",
     .help = "answers kept, and the bounds of their TTL in seconds"},
    {.name = "denial",
     .kind = OPTION_CUSTOM,
     .parse = parse_denial,
     .args = "CAPACITY [TTL] [MINTTL]",
     .fallback = "10000 1800 5",
     .help = "negative answers kept, and the bounds of their TTL in seconds"},
    {.name = "prefetch",
     .kind = OPTION_CUSTOM,
     .parse = parse_prefetch,
     .args = "AMOUNT [DURATION [PERCENT%]]",
     .fallback = "0 1m 10%",
     .help =
         "asks anew for names hit AMOUNT times without a gap of DURATION, once less "
         "than PERCENT of their life is left"},
    {.name = "serve_stale",
     .kind = OPTION_CUSTOM,
     .parse = parse_stale,
     .args =
         "[DURATION [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]]",
     .fallback = "1h immediate 0s 0s",
     .help = "answers with what has expired, at once or when asking anew fails"},
    {.name = "serve_stale_policy",
     .kind = OPTION_CUSTOM,
     .parse = parse_policy,
     .args = "prefer_positive",
     .help = "a negative answer does not replace an answer that may still be served "
             "stale"},
    {.name = "servfail",
     .kind = OPTION_CUSTOM,
     .parse = parse_servfail,
     .args = "DURATION",
     .fallback = "5s",
     .help = "how long SERVFAIL and NOTIMP of an upstream are kept; 0: not"},
    {.name = "disable",
     .kind = OPTION_CUSTOM,
     .parse = parse_disable,
     .args = "success|denial [ZONES...]",
     .help = "keeps none of these"},
    {.name = "keepttl",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct cache_plugin, keep_ttl),
     .help = "TTLs are not counted down"},
};

/* ---- the directive ---- */

static void set_defaults(struct cache_plugin *c)
{
    *c = (struct cache_plugin){
        .bounds = {[CACHE_SUCCESS] = {.entries = 10000, .max_s = 3600, .min_s = 5},
                   [CACHE_DENIAL] = {.entries = 10000, .max_s = 1800, .min_s = 5}},
        .stale = {.mode = STALE_IMMEDIATE, .until_us = 3600 * SECOND},
        .servfail_us = 5 * SECOND,
        .prefetch_gap_us = 60 * SECOND,
        .prefetch_percent = 10,
    };
}

static int read_arguments(struct reader *rd, struct cache_plugin *c)
{
    struct token_list args = reader_args(rd);
    uint32_t first = 0;
    if (args.n > 0 && is_integer(args.list[0].text)) {
        uint32_t ttl;
        if (read_ttl(rd, args.list[0].text, 1, &ttl) < 0)
            return -1;
        c->bounds[CACHE_SUCCESS].max_s = c->bounds[CACHE_DENIAL].max_s = ttl;
        c->bounds[CACHE_SUCCESS].written = c->bounds[CACHE_DENIAL].written = true;
        first = 1;
    }
    for (uint32_t i = first; i < args.n; i++) {
        if (zones_add(rd->arena, &c->zones, args.list[i].text) < 0)
            return reader_error(rd, "out of memory");
    }
    return 0;
}

/* Whether what is kept could be another answer under another text of this directive: it
 * stands below the cache, or says where those below look for files. Not so `cluster`,
 * whose entries end by themselves when its mapping changes (cache_key.mapping). */
static bool shapes_answers(const char *name)
{
    bool below = false;
    if (strcmp(name, "root") == 0)
        return true;
    for (const struct plugin *const *p = plugin_list; *p != NULL; p++) {
        if (below && strcmp((*p)->name, name) == 0)
            return strcmp(name, "cluster") != 0 && strcmp(name, "inventory") != 0;
        below = below || strcmp((*p)->name, "cache") == 0;
    }
    return false;
}

static uint64_t hash_answers(const struct block *b)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < b->directives_n; i++) {
        const struct directive *d = &b->directives[i];
        if (!shapes_answers(d->name))
            continue;
        for (uint32_t t = 0; t < d->tokens_n; t++) {
            const char *text = d->tokens[t].text;
            hash = hash_mix(hash, hash_bytes(text, strlen(text)));
        }
    }
    return hash;
}

/* The same block keeps its store over a reload while what makes its answers stays the
 * same; another `hosts` or `forward` line is to be seen at once. */
static struct cachestore *claim_store(struct setup *s)
{
    const char *name = plan_block_name(s);
    char *key = name == NULL ? NULL
                             : arena_printf(s->arena, "%016" PRIx64 "%s",
                                            hash_answers(s->block->source), name);
    if (key == NULL)
        return NULL;
    struct span octets = {.at = (const uint8_t *)key, .len = strlen(key)};
    return registry_claim(s->registry, &cachestore_kind, octets, NULL, NULL);
}

int cache_setup(struct setup *s, const struct directive *d)
{
    struct cache_plugin *c = arena_alloc(s->arena, sizeof *c);
    if (c == NULL)
        return error_at(s->errs, d->at, "out of memory");
    s->state = c;
    set_defaults(c);
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (!reader_next(&rd) || read_arguments(&rd, c) < 0 ||
        reader_options(&rd, cache_options, CACHE_OPTIONS_N, c) < 0)
        return -1;
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    if (c->prefer_positive && !c->stale.on)
        return reader_error(&rd, "serve_stale_policy needs serve_stale");
    c->store = claim_store(s);
    s->block->cache = c->store;
    s->block->cached = &c->zones;
    if (c->store == NULL)
        return error_at(s->errs, d->at, "out of memory");
    struct cache_limits limits = {
        {c->bounds[CACHE_SUCCESS].entries, c->bounds[CACHE_DENIAL].entries}};
    cachestore_limit(c->store, &limits);
    return 0;
}

void cache_release(struct registry *reg, void *state)
{
    struct cache_plugin *c = state;
    if (c->store != NULL)
        registry_drop(reg, c->store);
}
