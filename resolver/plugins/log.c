/* log: a line for each query, or for those of some names and some kinds of answer.
 *
 *     log example.org "{remote} {name} {rcode}" {
 *         class denial error
 *     }
 *
 * The first rule whose name is at or above the question's decides. Lines go through the
 * ring of base/log.h: a full pipe loses lines and never blocks a worker. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "resolver/fill.h"

/* Kinds of answers; a rule has a set of them. */
enum log_class {
    CLASS_SUCCESS = 1, /* NOERROR with an answer, or a delegation */
    CLASS_DENIAL = 2,  /* NXDOMAIN or no data, with the SOA that says so */
    CLASS_ERROR = 4,   /* the rest */
    CLASS_ALL = 7,
};

struct log_rule {
    struct name name;
    struct fill format;
    unsigned classes; /* of enum log_class */
};

struct log_plugin {
    struct log_rule *rules;
    uint32_t n, cap;
};

/* ---- setup ---- */

static int parse_class(struct reader *rd, void *state)
{
    static const struct {
        const char *name;
        enum log_class class;
    } names[] = {{"all", CLASS_ALL},
                 {"success", CLASS_SUCCESS},
                 {"denial", CLASS_DENIAL},
                 {"error", CLASS_ERROR}};
    unsigned *classes = state;
    struct token_list words = reader_args(rd);
    if (words.n == 0)
        return reader_error_args(rd);
    for (uint32_t i = 0; i < words.n; i++) {
        unsigned found = 0;
        for (size_t n = 0; n < sizeof names / sizeof *names; n++)
            found |= token_is(&words.list[i], names[n].name) ? names[n].class : 0;
        if (found == 0)
            return reader_error(
                rd, "invalid Class: %s: expected all, success, denial or error",
                words.list[i].text);
        *classes |= found;
    }
    return 0;
}

static const struct option options[] = {
    {.name = "class",
     .kind = OPTION_CUSTOM,
     .parse = parse_class,
     .args = "all|success|denial|error...",
     .fallback = "all",
     .help = "kinds of answers that are logged"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

static int add_rule(struct reader *rd, struct log_plugin *p, const char *name,
                    const struct fill *format)
{
    struct log_rule rule = {.format = *format};
    const struct where *at = &reader_token(rd)->at;
    /* "" is the root there, a variable that is not set for one. */
    if (name_parse(&rule.name, text_of(name[0] == '\0' ? "." : name)) < 0) {
        log_warning("%s:%u: plugin/log: '%s' is no domain name, and no question is "
                    "below it",
                    at->file, at->line, name);
        return 0;
    }
    if (p->n == p->cap) {
        uint32_t cap = p->cap == 0 ? 4 : p->cap * 2;
        struct log_rule *rules = arena_array(rd->arena, cap, sizeof *rules);
        if (rules == NULL)
            return reader_error(rd, "out of memory");
        if (p->n > 0)
            memcpy(rules, p->rules, p->n * sizeof *rules);
        p->rules = rules;
        p->cap = cap;
    }
    p->rules[p->n++] = rule;
    return 0;
}

/* A single argument is always a name, even where it looks like a format. */
static void warn_lone_format(const struct reader *rd, const char *word)
{
    const struct where *at = &reader_token(rd)->at;
    if (strchr(word, '{') != NULL)
        log_warning("%s:%u: plugin/log: '%s' is read as a name; for a format write "
                    "`log . FORMAT`",
                    at->file, at->line, word);
}

/* Names, the last argument being a format if it has braces and is not the only one. */
static int read_arguments(struct reader *rd, struct log_plugin *p)
{
    struct token_list args = reader_args(rd);
    const char *text = FILL_COMMON;
    struct fill format;
    if (args.n == 1)
        warn_lone_format(rd, args.list[0].text);
    if (args.n > 1 && strchr(args.list[args.n - 1].text, '{') != NULL)
        text = args.list[--args.n].text;
    if (fill_parse(&format, rd->arena, text) < 0)
        return reader_error(rd, "out of memory");
    if (args.n == 0)
        return add_rule(rd, p, ".", &format);
    for (uint32_t i = 0; i < args.n; i++) {
        if (add_rule(rd, p, args.list[i].text, &format) < 0)
            return -1;
    }
    return 0;
}

static int read_line(struct reader *rd, struct log_plugin *p)
{
    uint32_t before = p->n;
    unsigned classes = 0;
    if (read_arguments(rd, p) < 0 ||
        reader_options(rd, options, OPTIONS_N, &classes) < 0)
        return -1;
    for (uint32_t i = before; i < p->n; i++)
        p->rules[i].classes = classes == 0 ? CLASS_ALL : classes;
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct log_plugin *p = arena_alloc(s->arena, sizeof *p);
    if (p == NULL)
        return error_at(s->errs, d->at, "plugin/log: out of memory");
    s->state = p;
    while (reader_next(&rd)) {
        if (read_line(&rd, p) < 0)
            return -1;
    }
    return 0;
}

/* ---- queries ---- */

static bool has_soa(const struct msg *m)
{
    msg_each_rr (rr, m) {
        if (rr->section == SECTION_AUTHORITY && rr->type == DNS_SOA)
            return true;
    }
    return false;
}

/* As CoreDNS's response.Typify: a denial without SOA is an error, NOERROR without
 * anything (whoami) is none. */
static enum log_class class_of(const struct response *res)
{
    const struct msg *m = &res->msg;
    if (m->rcode == DNS_NOERROR && msg_count(m, SECTION_ANSWER) > 0)
        return CLASS_SUCCESS;
    if ((m->rcode == DNS_NOERROR || m->rcode == DNS_NXDOMAIN) && has_soa(m))
        return CLASS_DENIAL;
    return m->rcode == DNS_NOERROR ? CLASS_SUCCESS : CLASS_ERROR;
}

static const struct log_rule *rule_for(const struct log_plugin *p,
                                       const struct query *q)
{
    for (uint32_t i = 0; i < p->n; i++) {
        if (name_under(q->request.lower, p->rules[i].name.wire, NULL))
            return &p->rules[i];
    }
    return NULL;
}

static void tell(struct query *q, const void *state, enum log_class class)
{
    static const char level[] = "[INFO] ";
    const struct log_rule *rule = rule_for(state, q);
    if (rule == NULL || (rule->classes & class) == 0)
        return;
    char line[sizeof level + LOG_LINE_MAX]; /* what is longer, log_raw cuts */
    size_t len = sizeof level - 1;
    memcpy(line, level, len);
    len += fill_run(&rule->format, q, line + len, sizeof line - len);
    log_raw(line, len);
}

static enum verdict on_response(struct query *q, const void *state)
{
    tell(q, state, class_of(q->response));
    return PASS;
}

static void on_drop(struct query *q, const void *state)
{
    tell(q, state, CLASS_ERROR);
}

const struct plugin plugin_log = {
    .name = "log",
    .help = "prints a line for each query",
    .synopsis = "log [NAME...] [FORMAT]",
    .options = options,
    .options_n = OPTIONS_N,
    .hears_notify = true,
    .setup = setup,
    .on_response = on_response,
    .on_drop = on_drop,
};
