#include "base/log.h"
#include "base/nearest.h"
#include "resolver/plugins/rewrite/rewrite_reading.h"
#include "resolver/rdata.h"

/* ---- words ---- */

/* The mode a word names, or -1. */
static int mode_of(const char *word)
{
    for (int i = 0; rewrite_mode_words[i] != NULL; i++) {
        if (rewrite_is_word(word, rewrite_mode_words[i]))
            return i;
    }
    return -1;
}

/* Digits only, `len` of them. */
static bool parse_number(const char *word, size_t len, uint32_t max, uint32_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (word[i] < '0' || word[i] > '9' || n > max)
            return false;
        n = n * 10 + (uint64_t)(word[i] - '0');
    }
    *out = (uint32_t)n;
    return len > 0 && n <= max;
}

/* ---- FROM and TO ---- */

/* Groups {0} to {100} that TO uses; each counts once. */
static unsigned groups_used(const char *to)
{
    unsigned n = 0;
    for (unsigned i = 0; i <= 100; i++) {
        char placeholder[8];
        snprintf(placeholder, sizeof placeholder, "{%u}", i);
        n += strstr(to, placeholder) != NULL;
    }
    return n;
}

static int check_groups(const struct rewrite_reading *r, const struct pattern *p,
                        const char *from, const char *to)
{
    if (groups_used(to) <= pattern_groups_n(p))
        return 0;
    return rewrite_refuse(
        r,
        "the rewrite regex pattern (%s) uses more subexpressions than its "
        "corresponding matching regex pattern (%s): expected at most %u, "
        "{0} counts",
        to, from, pattern_groups_n(p));
}

static int read_match(struct rewrite_reading *r, struct rewrite_match *m, unsigned mode,
                      struct rewrite_words *words)
{
    if (rewrite_match_init(m, (enum rewrite_mode)mode, words, r->rd->arena) == 0)
        return 0;
    if (words->why[0] == '\0')
        return rewrite_refuse_memory(r);
    return rewrite_refuse(r, "invalid regex matching pattern: %s: %s", words->from,
                          words->why);
}

/* CoreDNS says nothing here. */
static void warn_useless(const struct rewrite_reading *r,
                         const struct rewrite_words *words)
{
    const struct rewrite_match *m = &r->rule->match;
    if (m->never)
        log_warning("%s:%u: plugin/rewrite: no name can match '%s'", r->at.file,
                    r->at.line, words->from);
    if (m->illegal && words->to != NULL)
        log_warning(
            "%s:%u: plugin/rewrite: '%s' makes no legal name: what matches gets "
            "SERVFAIL",
            r->at.file, r->at.line, words->to);
}

/* ---- name ---- */

/* CoreDNS compiles TO of an exact rule, to count groups, and refuses what is no regular
 * expression, such as *.x. */
static int check_exact(const struct rewrite_reading *r)
{
    char why[PATTERN_WHY_MAX];
    const struct rewrite_match *m = &r->rule->match;
    struct arena passing;
    arena_init(&passing, NULL, 0);
    const struct pattern *p = pattern_new(&passing, m->to_text, 0, why);
    int rc = p == NULL ? rewrite_refuse(r, "invalid regex matching pattern: %s: %s",
                                        m->to_text, why)
                       : check_groups(r, p, m->to_text, m->from_text);
    arena_release(&passing);
    return rc;
}

static struct rewrite_answer *add_answer(struct rewrite_reading *r)
{
    struct rewrite_rule *rule = r->rule;
    if (rule->answers_n == rule->answers_cap) {
        uint32_t cap = rule->answers_cap == 0 ? 2 : rule->answers_cap * 2;
        struct rewrite_answer *list = arena_array(r->rd->arena, cap, sizeof *list);
        if (list == NULL)
            return NULL;
        if (rule->answers_n > 0)
            memcpy(list, rule->answers, rule->answers_n * sizeof *list);
        rule->answers = list;
        rule->answers_cap = cap;
    }
    return &rule->answers[rule->answers_n++];
}

/* `name REGEX TO` or `value REGEX TO`, the words from `at` on. */
static int read_answer(struct rewrite_reading *r, uint32_t at)
{
    const char *kind = r->words[at];
    if (r->n - at < 3)
        return rewrite_refuse(
            r,
            "%s answer rule for %s rule: 2 arguments required: a regular "
            "expression and a name",
            kind, r->words[0]);
    struct rewrite_words words = {.from = r->words[at + 1],
                                  .to = r->words[at + 2],
                                  .dotted = true,
                                  .caseless = true};
    struct rewrite_match m = {0};
    struct rewrite_answer *answer = add_answer(r);
    if (answer == NULL)
        return rewrite_refuse_memory(r);
    if (read_match(r, &m, REWRITE_REGEX, &words) < 0)
        return -1;
    answer->value = strcmp(kind, "value") == 0;
    answer->regex = m.regex;
    return check_groups(r, m.regex.pattern, words.from, words.to);
}

/* One answer rule from word `at` on; the word `answer` may be left out but for the
 * first. Returns how many words it took, or -1. */
static int read_answer_rule(struct rewrite_reading *r, uint32_t at, bool *named)
{
    int skipped = strcmp(r->words[at], "answer") == 0;
    at += (uint32_t)skipped;
    if (at == r->n)
        return rewrite_refuse(r,
                              "type missing for answer rule for %s rule: expected "
                              "auto, name or value",
                              r->words[0]);
    const char *kind = r->words[at];
    if (strcmp(kind, "auto") == 0) {
        r->rule->automatic = true;
        return skipped + 1;
    }
    bool is_name = strcmp(kind, "name") == 0;
    if (!is_name && strcmp(kind, "value") != 0)
        return rewrite_refuse(r,
                              "invalid type \"%s\" for answer rule for %s rule: "
                              "expected auto, name or value",
                              kind, r->words[0]);
    *named = *named || is_name;
    return read_answer(r, at) < 0 ? -1 : skipped + 3;
}

/* All behind FROM and TO: `answer auto`, `answer name ...`, `answer value ...`. */
static int read_answers(struct rewrite_reading *r)
{
    bool named = false;
    if (r->n == 4)
        return rewrite_refuse(
            r,
            "invalid arguments for %s rule: expected `answer auto`, "
            "`answer name REGEX TO` or `answer value REGEX TO` behind "
            "FROM and TO",
            r->words[0]);
    if (strcmp(r->words[3], "answer") != 0)
        return rewrite_refuse(r,
                              "exceeded the number of arguments for a non-answer rule "
                              "argument for %s rule: did you mean `answer %s`?",
                              r->words[0], r->words[3]);
    for (uint32_t at = 3; at < r->n;) {
        int used = read_answer_rule(r, at, &named);
        if (used < 0)
            return -1;
        at += (uint32_t)used;
    }
    if (r->rule->automatic && named)
        return rewrite_refuse(r,
                              "auto name answer rule cannot be combined with explicit "
                              "name answer rules: leave out one of them");
    return 0;
}

static int read_name(struct reader *unused, void *reading)
{
    struct rewrite_reading *r = reading;
    struct rewrite_rule *rule = r->rule;
    uint32_t first = r->n > 2;
    if (r->n < 2)
        return rewrite_refuse(
            r, "too few arguments for a name rule: expected [MODE] FROM TO");
    int mode = first == 0 ? REWRITE_EXACT : mode_of(r->words[0]);
    if (mode < 0)
        return rewrite_refuse(
            r,
            "name rule supports only exact, prefix, suffix, substring, and "
            "regex name matching, received: %s",
            r->words[0]);
    struct rewrite_words words = {
        .from = r->words[first], .to = r->words[first + 1], .dotted = true};
    if ((r->n > 3 && read_answers(r) < 0) ||
        read_match(r, &rule->match, (unsigned)mode, &words) < 0)
        return -1;
    warn_useless(r, &words);
    if (mode == REWRITE_REGEX)
        return check_groups(r, rule->match.regex.pattern, words.from, words.to);
    rule->zone = rule->automatic && rewrite_is_dotted(&rule->match);
    if (mode != REWRITE_EXACT)
        return 0;
    rule->automatic = true;
    return check_exact(r);
}

/* ---- ttl, rcode: [MODE] NAME and what to do with the answer ---- */

static int read_subject(struct rewrite_reading *r, uint32_t values_n)
{
    bool written = r->n == values_n + 2;
    int mode = written ? mode_of(r->words[0]) : REWRITE_EXACT;
    if (mode < 0)
        return rewrite_refuse(
            r,
            "unknown kind of match '%s': expected exact, prefix, suffix, "
            "substring or regex",
            r->words[0]);
    struct rewrite_words words = {.from = r->words[written], .dotted = true};
    if (read_match(r, &r->rule->match, (unsigned)mode, &words) < 0)
        return -1;
    warn_useless(r, &words);
    return 0;
}

/* N, MIN-MAX, MIN- or -MAX */
static bool parse_ttl(const char *word, uint32_t *least, uint32_t *most)
{
    size_t len = strlen(word), dash = strcspn(word, "-");
    *least = 0;
    *most = INT32_MAX;
    if (dash == len) {
        bool good = parse_number(word, len, UINT32_MAX, least);
        *most = *least;
        return good;
    }
    if (len == 1 || (dash > 0 && !parse_number(word, dash, UINT32_MAX, least)))
        return false;
    if (dash + 1 < len &&
        !parse_number(word + dash + 1, len - dash - 1, UINT32_MAX, most))
        return false;
    return *least <= *most;
}

static int read_ttl(struct reader *unused, void *reading)
{
    struct rewrite_reading *r = reading;
    if (r->n != 2 && r->n != 3)
        return rewrite_refuse(r,
                              "wrong number (%u) of arguments for a ttl rule: expected "
                              "[MODE] NAME TTL",
                              r->n);
    const char *ttl = r->words[r->n - 1];
    if (!parse_ttl(ttl, &r->rule->least, &r->rule->most))
        return rewrite_refuse(
            r,
            "invalid TTL '%s' for a ttl rule: expected seconds, as N, "
            "MIN-MAX, MIN- or -MAX",
            ttl);
    return read_subject(r, 1);
}

static bool parse_rcode(const char *word, uint16_t *out)
{
    uint32_t n;
    if (!parse_number(word, strlen(word), 23, &n))
        return rcode_parse(text_of(word), out) == 0;
    *out = (uint16_t)n;
    return true;
}

static int read_rcode(struct reader *unused, void *reading)
{
    struct rewrite_reading *r = reading;
    if (r->n != 3 && r->n != 4)
        return rewrite_refuse(
            r,
            "wrong number (%u) of arguments for a rcode rule: expected "
            "[MODE] NAME FROM TO",
            r->n);
    const char *from = r->words[r->n - 2], *to = r->words[r->n - 1];
    if (!parse_rcode(from, &r->rule->from))
        return rewrite_refuse(
            r,
            "invalid matching RCODE '%s' for a rcode rule: expected a name "
            "such as NXDOMAIN, or 0 to 23",
            from);
    if (!parse_rcode(to, &r->rule->to))
        return rewrite_refuse(
            r,
            "invalid replacement RCODE '%s' for a rcode rule: expected a name "
            "such as NOERROR, or 0 to 23",
            to);
    return read_subject(r, 2);
}

/* ---- type, class, cname ---- */

static int read_mnemonics(struct rewrite_reading *r, const char *what,
                          int (*parse)(struct text, uint16_t *))
{
    uint16_t *const to[] = {&r->rule->from, &r->rule->to};
    if (r->n != 2)
        return rewrite_refuse(
            r, "%s rules must have exactly two arguments: FROM and TO", what);
    for (uint32_t i = 0; i < 2; i++) {
        if (parse(text_of(r->words[i]), to[i]) < 0)
            return rewrite_refuse(r, "invalid %s \"%s\": expected a mnemonic", what,
                                  r->words[i]);
    }
    return 0;
}

static int read_type(struct reader *unused, void *reading)
{
    return read_mnemonics(reading, "type", rdata_type_parse);
}

static int read_class(struct reader *unused, void *reading)
{
    return read_mnemonics(reading, "class", rdata_class_parse);
}

/* Unlike names, FROM and TO get no final dot, but for `exact`. */
static int read_cname(struct reader *unused, void *reading)
{
    struct rewrite_reading *r = reading;
    uint32_t first = r->n == 3;
    if (r->n != 2 && r->n != 3)
        return rewrite_refuse(
            r,
            "wrong number (%u) of arguments for a cname rule: expected "
            "[MODE] FROM TO",
            r->n);
    int mode = first == 0 ? REWRITE_EXACT : mode_of(r->words[0]);
    if (mode < 0)
        return rewrite_refuse(
            r,
            "unknown cname rewrite type: %s: expected exact, prefix, suffix, "
            "substring or regex",
            r->words[0]);
    struct rewrite_words words = {
        .from = r->words[first], .to = r->words[first + 1], .caseless = true};
    if (read_match(r, &r->rule->match, (unsigned)mode, &words) < 0)
        return -1;
    warn_useless(r, &words);
    return 0;
}

/* ---- the directive ---- */

#define MODE_NAME "[exact|prefix|suffix|substring|regex] NAME"

const struct option rewrite_kinds[REWRITE_KINDS_N] = {
    {.name = "name",
     .kind = OPTION_CUSTOM,
     .parse = read_name,
     .args = "[exact|prefix|suffix|substring|regex] FROM TO [answer auto|name REGEX "
             "TO|value REGEX TO]...",
     .help = "asks for another name; `answer` brings the client's names back"},
    {.name = "type",
     .kind = OPTION_CUSTOM,
     .parse = read_type,
     .args = "FROM TO",
     .help = "asks for another type"},
    {.name = "class",
     .kind = OPTION_CUSTOM,
     .parse = read_class,
     .args = "FROM TO",
     .help = "asks in another class"},
    {.name = "ttl",
     .kind = OPTION_CUSTOM,
     .parse = read_ttl,
     .args = MODE_NAME " N|MIN-MAX|MIN-|-MAX",
     .help = "keeps the TTLs of answers to questions for NAME within a range"},
    {.name = "rcode",
     .kind = OPTION_CUSTOM,
     .parse = read_rcode,
     .args = MODE_NAME " FROM TO",
     .help = "another response code in answers to questions for NAME"},
    {.name = "cname",
     .kind = OPTION_CUSTOM,
     .parse = read_cname,
     .args = "[exact|prefix|suffix|substring|regex] FROM TO",
     .help = "another target for CNAMEs in answers, looked up anew"},
    {.name = "edns0",
     .kind = OPTION_CUSTOM,
     .parse = rewrite_read_edns0,
     .args = "local|nsid|subnet set|append|replace|unset [CODE DATA|V4BITS V6BITS] "
             "[revert]",
     .help = "EDNS options of the question, as upstream servers see them"},
};

/* The words of one rule: those on its line, and when they are fewer than two those of
 * the block behind them, which belong to the same rule. */
static int collect(struct rewrite_reading *r)
{
    struct reader *rd = r->rd;
    struct token_list line = reader_args(rd);
    const struct token *block = &rd->directive->tokens[rd->at + 1];
    uint32_t block_n = 0;
    while (line.n < 2 && reader_block(rd))
        block_n++;
    r->words = arena_array(rd->arena, line.n + block_n + 1, sizeof *r->words);
    if (r->words == NULL)
        return rewrite_refuse_memory(r);
    for (uint32_t i = 0; i < line.n; i++)
        r->words[r->n++] = line.list[i].text;
    for (uint32_t i = 0; i < block_n; i++)
        r->words[r->n++] = block[i].text;
    return 0;
}

static int unknown_field(const struct rewrite_reading *r, const char *word)
{
    const char *names[REWRITE_KINDS_N];
    if (rewrite_is_word(word, "answer"))
        return rewrite_refuse(
            r, "response rewrites must begin with a name rule: write name FROM "
               "TO in front of answer");
    for (unsigned i = 0; i < REWRITE_KINDS_N; i++)
        names[i] = rewrite_kinds[i].name;
    const char *near = nearest_word(word, names, REWRITE_KINDS_N);
    if (near != NULL)
        return rewrite_refuse(r, "invalid rule type \"%s\", did you mean \"%s\"?", word,
                              near);
    return rewrite_refuse(
        r,
        "invalid rule type \"%s\": expected name, type, class, ttl, rcode, "
        "cname or edns0",
        word);
}

static int read_rule(struct rewrite_reading *r)
{
    bool go_on, mode;
    if (collect(r) < 0)
        return -1;
    if (r->n == 0)
        return rewrite_refuse(
            r, "no rule type specified for rewrite: expected name, type, "
               "class, ttl, rcode, cname or edns0");
    go_on = rewrite_is_word(r->words[0], "continue");
    mode = go_on || rewrite_is_word(r->words[0], "stop");
    if (mode && r->n < 2)
        return rewrite_refuse(r, "%s rule must begin with a rule type", r->words[0]);
    const char *field = r->words[mode];
    r->rule->stop = !go_on;
    r->words += mode + 1;
    r->n -= mode + 1u;
    for (unsigned i = 0; i < REWRITE_KINDS_N; i++) {
        if (!rewrite_is_word(field, rewrite_kinds[i].name))
            continue;
        r->rule->kind = (enum rewrite_kind)i;
        return rewrite_kinds[i].parse(r->rd, r);
    }
    return unknown_field(r, field);
}

static int add_rule(struct rewrite *w, struct rewrite_rule *rule, struct arena *a)
{
    if (w->rules_n == w->rules_cap) {
        uint32_t cap = w->rules_cap == 0 ? 4 : w->rules_cap * 2;
        struct rewrite_rule **list = arena_array(a, cap, sizeof *list);
        if (list == NULL)
            return -1;
        if (w->rules_n > 0)
            memcpy(list, w->rules, w->rules_n * sizeof *list);
        w->rules = list;
        w->rules_cap = cap;
    }
    w->rules[w->rules_n++] = rule;
    return 0;
}

static const struct rewrite_rule *only_zone(const struct rewrite *w)
{
    const struct rewrite_rule *found = NULL;
    for (uint32_t i = 0; i < w->rules_n; i++) {
        if (!w->rules[i]->zone)
            continue;
        if (found != NULL)
            return NULL;
        found = w->rules[i];
    }
    return found;
}

int rewrite_setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct rewrite *w = arena_alloc(s->arena, sizeof *w);
    int rc = 0;
    if (w == NULL)
        return error_at(s->errs, d->at, "plugin/rewrite: out of memory");
    s->state = w;
    while (reader_next(&rd)) {
        struct rewrite_reading r = {.rd = &rd, .at = reader_token(&rd)->at};
        r.rule = arena_alloc(s->arena, sizeof *r.rule);
        if (r.rule == NULL || add_rule(w, r.rule, s->arena) < 0)
            return rewrite_refuse_memory(&r);
        if (read_rule(&r) < 0)
            rc = -1;
    }
    w->zone = only_zone(w);
    return rc;
}
