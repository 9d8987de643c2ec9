/* loadbalance: the order of addresses in answers, which clients take for advice.
 *
 *     loadbalance                        # shuffles addresses and mail exchangers
 *     loadbalance weighted FILE {        # one address first, chosen by weight
 *         reload 30s
 *     }
 *     loadbalance {
 *         prefer 10.0.0.0/8              # these in front
 *     }
 *
 * CNAMEs stay in front and in their order, for some clients follow them in one pass;
 * then stand other records, addresses, and mail exchangers. With `prefer` the other
 * records stand last. It works on cached answers too. */
#include "resolver/plugin.h"

#include "base/cursor.h"
#include "base/log.h"
#include "config/source.h"
#include "resolver/core.h"
#include "resolver/plan.h"
#include "resolver/plugins/loadbalance_weights.h"

#include <errno.h>

#define DEFAULT_RELOAD_US INT64_C(30000000)

enum policy {
    POLICY_SHUFFLE,  /* round_robin, as CoreDNS calls it */
    POLICY_WEIGHTED, /* one address first */
};

struct loadbalance {
    enum policy policy;
    struct cidr *prefer;
    uint32_t prefer_n, prefer_cap;
    struct feed *weights; /* of struct weights */

    /* the control thread's */
    const char *path;
    int64_t reload_us;
    struct source_stamp seen; /* of what was read last */
    bool told;                /* that it cannot be read */
};

/* ---- options ---- */

static int add_prefer(struct reader *rd, struct loadbalance *lb, const char *word)
{
    if (lb->prefer_n == lb->prefer_cap) {
        uint32_t cap = lb->prefer_cap == 0 ? 4 : lb->prefer_cap * 2;
        struct cidr *list = arena_array(rd->arena, cap, sizeof *list);
        if (list == NULL)
            return reader_error(rd, "out of memory");
        if (lb->prefer_n > 0)
            memcpy(list, lb->prefer, lb->prefer_n * sizeof *list);
        lb->prefer = list;
        lb->prefer_cap = cap;
    }
    if (cidr_parse(&lb->prefer[lb->prefer_n], text_of(word), NULL) < 0)
        return reader_error(rd, "invalid CIDR \"%s\": expected ADDRESS/LENGTH", word);
    lb->prefer_n++;
    return 0;
}

static int parse_prefer(struct reader *rd, void *state)
{
    const char *word;
    while (reader_arg(rd, &word) && strcmp(word, "}") != 0) {
        if (add_prefer(rd, state, word) < 0)
            return -1;
    }
    return 0;
}

static int parse_reload(struct reader *rd, void *state)
{
    struct loadbalance *lb = state;
    const char *word;
    if (lb->policy != POLICY_WEIGHTED)
        return reader_error(rd,
                            "unknown property 'reload': only `weighted` has a file");
    if (reader_one(rd, &word) < 0 || reader_duration(rd, word, &lb->reload_us) < 0)
        return -1;
    if (lb->reload_us < 0)
        return reader_error(rd, "invalid reload duration '%s': expected 0 or more",
                            word);
    return 0;
}

static const struct option options[] = {
    {.name = "prefer",
     .kind = OPTION_CUSTOM,
     .parse = parse_prefer,
     .args = "CIDR...",
     .help = "addresses in these networks come first, in the order of the list"},
    {.name = "reload",
     .kind = OPTION_CUSTOM,
     .parse = parse_reload,
     .args = "DURATION",
     .fallback = "30s",
     .help = "of weighted: how often to look whether the file has changed; 0 = never"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

/* ---- the file of weights ---- */

static int read_weights(struct loadbalance *lb, struct feed_value *v,
                        struct errors *errs)
{
    struct arena passing;
    struct text text;
    arena_init(&passing, NULL, 0);
    if (source_read(&passing, lb->path, (struct where){0}, &text, errs) == 0)
        v->data = weights_parse(&v->arena, lb->path, text, errs);
    arena_release(&passing);
    return v->data == NULL ? -1 : 0;
}

/* Reads the file and publishes. 0, or -1 after adding errors. */
static int load(struct loadbalance *lb, struct feed *f, struct errors *errs)
{
    struct feed_value *v = feed_value_new();
    if (v == NULL)
        return error_at(errs, (struct where){0}, "out of memory");
    if (read_weights(lb, v, errs) < 0) {
        feed_value_free(v);
        return -1;
    }
    feed_publish(f, v);
    log_info("plugin/loadbalance: Successfully reloaded weight file %s", lb->path);
    return 0;
}

static void tell_once(struct loadbalance *lb, const struct errors *errs)
{
    const struct error *e = errs->list;
    if (!lb->told && e != NULL && e->at.line > 0)
        log_error("plugin/loadbalance: %s:%u - %s", e->at.file, e->at.line, e->text);
    else if (!lb->told && e != NULL)
        log_error("plugin/loadbalance: %s", e->text);
    lb->told = true;
}

static void look(struct feed *f, void *context)
{
    struct loadbalance *lb = context;
    struct source_stamp stamp;
    struct errors errs;
    if (source_stamp(lb->path, &stamp) != 0 || source_stamp_equal(&stamp, &lb->seen))
        return;
    errors_init(&errs);
    if (load(lb, f, &errs) < 0)
        tell_once(lb, &errs);
    else
        lb->told = false;
    lb->seen = stamp; /* what is wrong stays wrong until it changes */
    errors_release(&errs);
}

/* The first reading: what is wrong in the file is wrong in the configuration; a file
 * that is not there may come later. */
static int load_first(struct setup *s, struct reader *rd, struct loadbalance *lb)
{
    struct feed_source source = {
        .interval_us = lb->reload_us, .look = look, .context = lb};
    char every[DURATION_TEXT_MAX];
    lb->weights = feed_new(&s->plan->feeds, s->arena, &source);
    if (lb->weights == NULL)
        return reader_error(rd, "out of memory");
    int error = source_stamp(lb->path, &lb->seen);
    if (error != 0 && lb->reload_us == 0)
        return reader_error(rd, "weight file open error: %s: %s", lb->path,
                            strerror(error));
    if (error == 0)
        return load(lb, lb->weights, s->errs);
    log_warning(
        "plugin/loadbalance: Failed to open weight file: %s: %s. Will try again "
        "in %s",
        lb->path, strerror(error), duration_print(lb->reload_us, every));
    return 0;
}

/* ---- setup ---- */

static int read_policy(struct setup *s, struct reader *rd, struct loadbalance *lb)
{
    const char *policy, *file, *extra;
    if (!reader_arg(rd, &policy))
        return 0;
    if (strcmp(policy, "round_robin") == 0) {
        if (reader_arg(rd, &extra))
            return reader_error(rd, "unknown property for round_robin: %s", extra);
        return 0;
    }
    if (strcmp(policy, "weighted") != 0)
        return reader_error(rd, "unknown policy: %s: expected round_robin or weighted",
                            policy);
    if (!reader_arg(rd, &file))
        return reader_error(rd, "missing weight file argument");
    if (reader_arg(rd, &extra))
        return reader_error(rd, "unexpected argument '%s' after the weight file",
                            extra);
    lb->policy = POLICY_WEIGHTED;
    lb->path = plan_path(s->block, s->arena, file);
    return lb->path == NULL ? reader_error(rd, "out of memory") : 0;
}

/* The last of several directives counts. */
static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct loadbalance *lb = arena_alloc(s->arena, sizeof *lb);
    if (lb == NULL)
        return error_at(s->errs, d->at, "out of memory");
    while (reader_next(&rd)) {
        *lb = (struct loadbalance){.reload_us = DEFAULT_RELOAD_US};
        if (read_policy(s, &rd, lb) < 0 ||
            reader_options(&rd, options, OPTIONS_N, lb) < 0)
            return -1;
    }
    s->state = lb;
    return lb->policy == POLICY_WEIGHTED ? load_first(s, &rd, lb) : 0;
}

/* ---- chance ---- */

/* Numbers for one answer, from octets nobody can guess (splitmix64). */
struct dice {
    uint64_t state;
};

static struct dice dice_take(struct query *q)
{
    struct dice d;
    q->r->io->random(q->r->io, &d.state, sizeof d.state);
    return d;
}

/* From 0 to n - 1. */
static uint32_t dice_below(struct dice *d, uint32_t n)
{
    uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(((z ^ z >> 31) >> 32) * n >> 32);
}

static void swap(struct rr *a, struct rr *b)
{
    struct rr kept = *a;
    *a = *b;
    *b = kept;
}

static void shuffle(struct rr *list, uint32_t n, struct dice *d)
{
    for (uint32_t i = n; i > 1; i--)
        swap(&list[i - 1], &list[dice_below(d, i)]);
}

/* ---- order ---- */

enum rank { RANK_CNAME, RANK_OTHER, RANK_ADDRESS, RANK_MX, RANKS };

static enum rank rank_of(const struct rr *rr)
{
    switch (rr->type) {
    case DNS_CNAME:
        return RANK_CNAME;
    case DNS_A:
    case DNS_AAAA:
        return RANK_ADDRESS;
    case DNS_MX:
        return RANK_MX;
    default:
        return RANK_OTHER;
    }
}

/* One section, taken apart by rank. */
struct sorted {
    struct rr *list[RANKS];
    uint32_t n[RANKS];
};

/* Moves the records of a section to `to`, rank after rank; how many there are. */
static uint32_t sort_section(const struct msg *m, enum section section,
                             const enum rank order[RANKS], struct rr *to,
                             struct sorted *out)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < RANKS; i++) {
        enum rank rank = order[i];
        out->list[rank] = to + n;
        msg_each_rr (rr, m) {
            if (rr->section == section && rank_of(rr) == rank)
                to[n++] = *rr;
        }
        out->n[rank] = (uint32_t)(to + n - out->list[rank]);
    }
    return n;
}

/* As they came. */
static uint32_t keep_section(const struct msg *m, enum section section, struct rr *to)
{
    uint32_t n = 0;
    msg_each_rr (rr, m) {
        if (rr->section == section)
            to[n++] = *rr;
    }
    return n;
}

static bool has_addresses(const struct msg *m, enum section section)
{
    msg_each_rr (rr, m) {
        if (rr->section == section && rank_of(rr) == RANK_ADDRESS)
            return true;
    }
    return false;
}

/* Chooses an address by weight and puts it first. */
static void put_first(const struct weights *w, struct rr *list, uint32_t n,
                      struct dice *d)
{
    struct name owner;
    uint32_t sum = 0, chosen = 0;
    /* Each in turn replaces the one chosen so far with its share of the sum so far: one
     * pass, and no list of weights. */
    for (uint32_t i = 0; i < n; i++) {
        uint8_t family = list[i].type == DNS_A ? 4 : 6;
        bool sound = list[i].rdlen == (family == 4 ? 4 : 16);
        unsigned weight = 1;
        msg_owner(&list[i], &owner);
        if (w != NULL && sound)
            weight = weights_get(w, owner.wire, family, list[i].base + list[i].rdata);
        sum += weight;
        if (dice_below(d, sum) < weight)
            chosen = i;
    }
    if (n > 0)
        swap(&list[0], &list[chosen]);
}

/* The first network of the list that holds the address; the number of networks when
 * none does. */
static uint32_t preference(const struct loadbalance *lb, const struct rr *rr)
{
    struct addr addr = {.family = rr->type == DNS_A ? 4 : 6};
    uint32_t i = 0;
    if (rr->rdlen != (addr.family == 4 ? 4 : 16))
        return lb->prefer_n;
    memcpy(addr.ip, rr->base + rr->rdata, rr->rdlen);
    while (i < lb->prefer_n && !cidr_contains(&lb->prefer[i], &addr))
        i++;
    return i;
}

/* Brings those of each network forward in turn; otherwise they stay in their order.
 * Without memory they stay where they are. */
static void put_preferred(const struct loadbalance *lb, struct rr *list, uint32_t n,
                          struct arena *a)
{
    uint32_t *preferences = arena_array(a, n, sizeof *preferences);
    struct rr *before = n == 0 ? NULL : arena_copy(a, list, n * sizeof *list);
    uint32_t placed = 0;
    if (preferences == NULL || before == NULL)
        return;
    for (uint32_t i = 0; i < n; i++)
        preferences[i] = preference(lb, &list[i]);
    for (uint32_t wanted = 0; wanted <= lb->prefer_n; wanted++) {
        for (uint32_t i = 0; i < n; i++) {
            if (preferences[i] == wanted)
                list[placed++] = before[i];
        }
    }
}

/* ---- answers ---- */

static bool is_weighted_type(uint16_t type)
{
    return type == DNS_A || type == DNS_AAAA || type == DNS_SRV;
}

/* Writes one section to `to` in its new order; how many records it has. */
static uint32_t arrange(struct query *q, const struct loadbalance *lb,
                        enum section section, struct rr *to, struct dice *d)
{
    static const enum rank plain[RANKS] = {RANK_CNAME, RANK_OTHER, RANK_ADDRESS,
                                           RANK_MX};
    static const enum rank forward[RANKS] = {RANK_CNAME, RANK_ADDRESS, RANK_MX,
                                             RANK_OTHER};
    const struct msg *m = &q->response->msg;
    bool outer = section == SECTION_AUTHORITY;
    bool prefer = lb->prefer_n > 0 && !outer;
    bool weighted = lb->policy == POLICY_WEIGHTED;
    bool touched = !weighted || (!outer && is_weighted_type(q->request.type) &&
                                 has_addresses(m, section));
    struct sorted s;
    if (!touched && !prefer)
        return keep_section(m, section, to);
    uint32_t n = sort_section(m, section, prefer ? forward : plain, to, &s);
    if (touched && weighted)
        put_first(feed_get(lb->weights), s.list[RANK_ADDRESS], s.n[RANK_ADDRESS], d);
    if (!weighted) {
        shuffle(s.list[RANK_ADDRESS], s.n[RANK_ADDRESS], d);
        shuffle(s.list[RANK_MX], s.n[RANK_MX], d);
    }
    if (prefer)
        put_preferred(lb, s.list[RANK_ADDRESS], s.n[RANK_ADDRESS], &q->arena);
    return n;
}

static bool is_to_be_balanced(const struct query *q)
{
    const struct response *res = q->response;
    return !res->failed && res->msg.rcode == DNS_NOERROR && res->msg.rr_n > 1 &&
           q->request.type != DNS_AXFR && q->request.type != DNS_IXFR;
}

static enum verdict on_response(struct query *q, const void *state)
{
    const struct loadbalance *lb = state;
    struct msg *m = &q->response->msg;
    uint32_t n = 0;
    if (!is_to_be_balanced(q))
        return PASS;
    struct rr *list = arena_array(&q->arena, m->rr_n, sizeof *list);
    if (list == NULL)
        return PASS; /* the order is advice; an answer is not lost for it */
    struct dice d = dice_take(q);
    for (unsigned section = SECTION_ANSWER; section <= SECTION_ADDITIONAL; section++)
        n += arrange(q, lb, (enum section)section, list + n, &d);
    if (n == m->rr_n && memcmp(list, m->rr, n * sizeof *list) == 0)
        return PASS; /* unedited messages leave by a shorter way */
    m->rr = list;
    m->rr_n = m->rr_cap = n;
    m->edited = true;
    return PASS;
}

const struct plugin plugin_loadbalance = {
    .name = "loadbalance",
    .help = "the order of addresses in answers: by chance, by weight, by network",
    .synopsis = "loadbalance [round_robin | weighted FILE]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .on_response = on_response,
};
