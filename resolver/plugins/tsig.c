/* tsig: questions signed with a shared key are checked, and their answers signed.
 *
 *     tsig example.org {
 *         secret transfer.key. NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk=
 *         secrets /etc/isthmus/keys
 *         require AXFR IXFR
 *         require_opcode NOTIFY
 *     }
 *
 * Behind it a question is like one without a signature: what is forwarded goes
 * unsigned, and AD is taken from the answer (RFC 8945 section 5.5). The algorithm is
 * the client's choice, as in CoreDNS: what a file of keys says of it is not held
 * against anyone. The keys of all blocks are known to each that has a `tsig`. */
#include "resolver/plugins/tsig_keys.h"

#include "base/log.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"

struct tsig {
    struct zones zones;
    struct tsig_keys keys;
    bool all_types, all_opcodes;
    uint16_t *types;
    uint32_t types_n;
    uint16_t opcodes; /* a bit for each */
};

/* ---- options ---- */

static int parse_secret(struct reader *rd, void *state)
{
    struct tsig *t = state;
    const char *name, *secret;
    if (!reader_arg(rd, &name))
        return reader_error_args(rd);
    return reader_one(rd, &secret) < 0
               ? -1
               : tsig_keys_add(&t->keys, rd, text_of(name), text_of(secret));
}

static int parse_secrets(struct reader *rd, void *state)
{
    const char *path;
    return reader_one(rd, &path) < 0
               ? -1
               : tsig_keys_read(&((struct tsig *)state)->keys, rd, path);
}

/* `all`, `none` or words; a later line takes the place of an earlier one. */
static int read_words(struct reader *rd, bool *all, struct token_list *words)
{
    *words = reader_args(rd);
    if (words->n > 0 && token_is(&words->list[words->n - 1], "}"))
        words->n--; /* of a block on one line */
    if (words->n == 0)
        return reader_error_args(rd);
    bool none = token_is(&words->list[0], "none");
    *all = *all || token_is(&words->list[0], "all");
    if (none || token_is(&words->list[0], "all"))
        words->n = 0;
    return 0;
}

static int parse_require(struct reader *rd, void *state)
{
    struct tsig *t = state;
    struct token_list words;
    t->types_n = 0;
    if (read_words(rd, &t->all_types, &words) < 0)
        return -1;
    t->types = arena_array(rd->arena, words.n, sizeof *t->types);
    if (t->types == NULL)
        return reader_error(rd, "out of memory");
    for (uint32_t i = 0; i < words.n; i++) {
        const char *word = words.list[i].text;
        if (rdata_type_parse(text_of(word), &t->types[t->types_n++]) < 0)
            return reader_error(rd, "unknown query type '%s'", word);
    }
    return 0;
}

static int parse_require_opcode(struct reader *rd, void *state)
{
    static const char *const names[] = {"QUERY", "IQUERY", "STATUS",
                                        NULL,    "NOTIFY", "UPDATE"};
    struct tsig *t = state;
    struct token_list words;
    t->opcodes = 0;
    if (read_words(rd, &t->all_opcodes, &words) < 0)
        return -1;
    for (uint32_t i = 0; i < words.n; i++) {
        unsigned opcode = 0;
        while (opcode < sizeof names / sizeof *names &&
               (names[opcode] == NULL || !token_is(&words.list[i], names[opcode])))
            opcode++;
        if (opcode == sizeof names / sizeof *names)
            return reader_error(rd,
                                "unknown opcode '%s': expected QUERY, IQUERY, STATUS, "
                                "NOTIFY or UPDATE",
                                words.list[i].text);
        t->opcodes |= (uint16_t)(1u << opcode);
    }
    return 0;
}

static const struct option options[] = {
    {.name = "secret",
     .kind = OPTION_CUSTOM,
     .parse = parse_secret,
     .args = "NAME KEY",
     .help = "a key, in base64"},
    {.name = "secrets",
     .kind = OPTION_CUSTOM,
     .parse = parse_secrets,
     .args = "FILE",
     .help = "a file of keys, as in named.conf"},
    {.name = "require",
     .kind = OPTION_CUSTOM,
     .parse = parse_require,
     .args = "all|none|QTYPE...",
     .fallback = "none",
     .help = "types of questions that must be signed; others are REFUSED"},
    {.name = "require_opcode",
     .kind = OPTION_CUSTOM,
     .parse = parse_require_opcode,
     .args = "all|none|OPCODE...",
     .fallback = "none",
     .help = "opcodes of messages that must be signed"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct tsig *t = arena_alloc(s->arena, sizeof *t);
    if (t == NULL)
        return error_at(s->errs, d->at, "plugin/tsig: out of memory");
    reader_next(&rd);
    if (plan_zones(s, &rd, &t->zones) < 0 ||
        reader_options(&rd, options, OPTIONS_N, t) < 0)
        return -1;
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    t->keys.next = s->plan->tsig_keys;
    s->plan->tsig_keys = &t->keys;
    s->block->checks_tsig = true;
    s->state = t;
    return 0;
}

/* ---- queries ---- */

/* Questions that others lead to are ours. */
static bool is_required(const struct tsig *t, const struct query *q)
{
    bool required = t->all_types || t->all_opcodes ||
                    (t->opcodes >> DNS_OPCODE(q->request.flags) & 1u) != 0;
    for (uint32_t i = 0; i < t->types_n; i++)
        required = required || t->types[i] == q->request.type;
    return required && q->depth == 0;
}

static enum verdict refuse(struct query *q, const char *why)
{
    return query_fail_ede(q, DNS_REFUSED, NULL, EDE_PROHIBITED, why);
}

static enum verdict check(struct query *q, const struct tsig *t)
{
    struct tsig_record record;
    struct tsig_session *session = arena_alloc(&q->arena, sizeof *session);
    const struct request *req = &q->request;
    if (session == NULL)
        return query_fail(q, DNS_SERVFAIL, "plugin/tsig: out of memory");
    if (tsig_read(req->wire, req->signature, &record) < 0)
        return query_fail(q, DNS_FORMERR, NULL);
    const struct tsig_key *key = tsig_keys_find(&t->keys, &record.name);
    for (const struct tsig_keys *more = q->hold->plan->tsig_keys;
         key == NULL && more != NULL; more = more->next)
        key = tsig_keys_find(more, &record.name);
    enum tsig_status status =
        tsig_check(&record, req->wire, key, query_wall_us(q) / 1000000, session);
    if (status == TSIG_FORMERR)
        return query_fail(q, DNS_FORMERR, NULL);
    q->tsig = session;
    if (status == TSIG_OK)
        return PASS;
    log_debug("plugin/tsig: TSIG validation failed: error %u", (unsigned)status);
    return query_fail(q, DNS_NOTAUTH, NULL);
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct tsig *t = state;
    bool here = zones_match(&t->zones, q->request.lower) != NULL;
    if (q->request.signature == 0)
        return here && is_required(t, q) ? refuse(q, "a signature is required") : PASS;
    return here ? check(q, t) : refuse(q, "signed, and not checked here");
}

const struct plugin plugin_tsig = {
    .name = "tsig",
    .help = "checks the signatures of questions and signs their answers",
    .synopsis = "tsig [ZONES...]",
    .options = options,
    .options_n = OPTIONS_N,
    .hears_notify = true,
    .setup = setup,
    .on_query = on_query,
};
