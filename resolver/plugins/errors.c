/* errors: a line for each query that ended in an error of ours.
 *
 *     [ERROR] plugin/errors: 2 example.org. A: plugin/forward: no healthy proxies
 *
 * The number is the response code, or 0 where a `rewrite` changed the answer; name and
 * type are those the failing plugin saw (CoreDNS prints the same). An answer that
 * merely carries an error code, such as an upstream's SERVFAIL, is no error here.
 *
 * With `consolidate 5m "i/o timeout$"` errors whose text matches have no lines of their
 * own; the control thread tells every five minutes how many there were. The first
 * pattern that matches counts. */
#include "base/log.h"
#include "resolver/core.h"
#include "resolver/pattern.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"

/* One `consolidate`; also of a plan in use the counter changes. */
struct alike {
    const struct pattern *pattern;
    const char *text;
    int64_t period_us;
    enum log_level level;
    bool show_first;
    _Atomic uint32_t n; /* since it was told last */
    struct alike *next;
};

struct errors_plugin {
    bool stacktrace;
    struct alike *first, **last;
};

/* ---- setup ---- */

static int read_level(const char *word, enum log_level *out)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {{"warning", LOG_WARNING},
                  {"error", LOG_ERROR},
                  {"info", LOG_INFO},
                  {"debug", LOG_DEBUG}};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(word, levels[i].name) == 0) {
            *out = levels[i].level;
            return 0;
        }
    }
    return -1;
}

/* [LEVEL] [show_first] */
static int read_manner(struct reader *rd, struct token_list args, struct alike *a)
{
    uint32_t at = 2;
    if (at < args.n && read_level(args.list[at].text, &a->level) == 0)
        at++;
    if (at < args.n && strcmp(args.list[at].text, "show_first") == 0) {
        a->show_first = true;
        at++;
    }
    if (at == args.n)
        return 0;
    return reader_error(rd,
                        "unknown option '%s' in consolidate: expected warning, error, "
                        "info or debug, then show_first",
                        args.list[at].text);
}

static int parse_consolidate(struct reader *rd, void *state)
{
    struct errors_plugin *e = state;
    struct token_list args = reader_args(rd);
    char why[PATTERN_WHY_MAX];
    if (args.n < 2 || args.n > 4)
        return reader_error_args(rd);
    struct alike *a = arena_alloc(rd->arena, sizeof *a);
    if (a == NULL)
        return reader_error(rd, "out of memory");
    a->level = LOG_ERROR;
    a->text = args.list[1].text;
    if (reader_duration(rd, args.list[0].text, &a->period_us) < 0)
        return -1;
    if (a->period_us <= 0)
        return reader_error(rd, "consolidate needs a period above 0: %s",
                            args.list[0].text);
    a->pattern = pattern_new(rd->arena, a->text, 0, why);
    if (a->pattern == NULL)
        return reader_error(rd, "invalid pattern '%s': %s", a->text, why);
    *e->last = a;
    e->last = &a->next;
    return read_manner(rd, args, a);
}

static const struct option options[] = {
    {.name = "stacktrace",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct errors_plugin, stacktrace),
     .help = "traces of Go's panics; accepted with a warning, for there are none"},
    {.name = "consolidate",
     .kind = OPTION_CUSTOM,
     .parse = parse_consolidate,
     .args = "DURATION REGEX [warning|error|info|debug] [show_first]",
     .help = "errors whose text matches are counted, and one line every DURATION says "
             "how many; with show_first the first has a line of its own"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

static int read_argument(struct reader *rd)
{
    const char *word;
    if (!reader_arg(rd, &word))
        return 0;
    if (strcmp(word, "stdout") != 0)
        return reader_error(rd, "invalid log file: %s: expected stdout or nothing",
                            word);
    return reader_no_arg(rd);
}

/* A single one that had its own line needs no other. */
static void tell(struct alike *a)
{
    char period[DURATION_TEXT_MAX];
    uint32_t n = atomic_exchange_explicit(&a->n, 0, memory_order_relaxed);
    if (n > (a->show_first ? 1u : 0u))
        log_line(a->level, "plugin/errors: %u errors like '%s' occurred in last %s", n,
                 a->text, duration_print(a->period_us, period));
}

static void on_period(struct feed *f, void *context)
{
    tell(context);
}

/* A feed that brings nothing: its looks are the clock. */
static int start_clock(struct setup *s, struct alike *a)
{
    struct feed_source source = {
        .interval_us = a->period_us, .look = on_period, .context = a};
    return feed_new(&s->plan->feeds, s->arena, &source) == NULL ? -1 : 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct errors_plugin *e = arena_alloc(s->arena, sizeof *e);
    if (e == NULL)
        return error_at(s->errs, d->at, "plugin/errors: out of memory");
    e->last = &e->first;
    s->state = e;
    reader_next(&rd);
    if (read_argument(&rd) < 0 || reader_options(&rd, options, OPTIONS_N, e) < 0)
        return -1;
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    for (struct alike *a = e->first; a != NULL; a = a->next) {
        if (start_clock(s, a) < 0)
            return error_at(s->errs, d->at, "plugin/errors: out of memory");
    }
    if (e->stacktrace)
        log_warning("%s:%u: plugin/errors: stacktrace changes nothing: no panic of "
                    "this program is caught and gone on from",
                    d->at.file, d->at.line);
    return 0;
}

/* What was counted since the last line is told at the end. */
static void release(struct registry *reg, void *state)
{
    struct errors_plugin *e = state;
    for (struct alike *a = e->first; a != NULL; a = a->next)
        tell(a);
}

/* ---- queries ---- */

/* One that gave up has not matched: then there is a line too many, and none lost. */
static struct alike *alike_of(const struct query *q, const struct errors_plugin *e)
{
    struct pattern_found found;
    struct text text = text_of(q->response->error);
    struct alike *a = e->first;
    while (a != NULL &&
           pattern_match(a->pattern, &q->r->patterns, text, &found) != PATTERN_MATCH)
        a = a->next;
    return a;
}

static enum verdict on_response(struct query *q, const void *state)
{
    const struct response *res = q->response;
    char name[NAME_TEXT_MAX], type[16];
    enum log_level level = LOG_ERROR;
    if (!res->failed || res->error == NULL)
        return PASS;
    struct alike *a = alike_of(q, state);
    if (a != NULL) {
        bool first = atomic_fetch_add_explicit(&a->n, 1, memory_order_relaxed) == 0;
        if (!first || !a->show_first)
            return PASS;
        level = a->level;
    }
    struct request_below req = query_asked_below(q);
    name_print(req.lower, name);
    log_line(level, "plugin/errors: %u %s %s: %s", req.reverted ? 0u : res->msg.rcode,
             name, rdata_type_print(req.type, type), res->error);
    return PASS;
}

const struct plugin plugin_errors = {
    .name = "errors",
    .help = "prints a line for each query that ended in an error",
    .synopsis = "errors [stdout]",
    .options = options,
    .options_n = OPTIONS_N,
    .hears_notify = true,
    .setup = setup,
    .release = release,
    .on_response = on_response,
};
