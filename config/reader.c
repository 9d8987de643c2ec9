#include "config/reader.h"

#include "base/log.h"
#include "base/nearest.h"

#include <stdarg.h>
#include <stdlib.h>

struct reader reader_init(const struct directive *d, struct arena *a,
                          struct errors *errs)
{
    return (struct reader){.directive = d, .arena = a, .errs = errs};
}

const struct token *reader_token(const struct reader *rd)
{
    return &rd->directive->tokens[rd->at > 0 ? rd->at - 1 : 0];
}

/* ---- moving on ---- */

/* The next token when it stands on the line of the current one, else NULL. */
static const struct token *reader_same_line(const struct reader *rd)
{
    const struct directive *d = rd->directive;
    if (rd->at == d->tokens_n)
        return NULL;
    const struct token *next = &d->tokens[rd->at];
    return rd->at == 0 || token_same_line(next - 1, next) ? next : NULL;
}

static bool reader_same_line_is(const struct reader *rd, const char *word)
{
    const struct token *next = reader_same_line(rd);
    return next != NULL && token_is(next, word);
}

bool reader_next(struct reader *rd)
{
    if (rd->at == rd->directive->tokens_n)
        return false;
    rd->at++;
    return true;
}

bool reader_arg(struct reader *rd, const char **word)
{
    const struct token *next = reader_same_line(rd);
    if (next == NULL || token_is(next, "{"))
        return false;
    if (token_is(next, "}"))
        rd->nesting = 0; /* of a block on one line: read as an argument, yet its end */
    rd->at++;
    *word = next->text;
    return true;
}

/* Opens the block whose brace stands on this line. `{}` counts as no block. */
static bool reader_open(struct reader *rd)
{
    if (!reader_same_line_is(rd, "{"))
        return false;
    rd->at++;
    if (!reader_next(rd) || token_is(reader_token(rd), "}"))
        return false;
    rd->nesting = 1;
    return true;
}

bool reader_block(struct reader *rd)
{
    if (rd->nesting == 0)
        return reader_open(rd);
    if (reader_next(rd) && !token_is(reader_token(rd), "}"))
        return true;
    rd->nesting = 0;
    return false;
}

struct token_list reader_args(struct reader *rd)
{
    struct token_list args = {.list = &rd->directive->tokens[rd->at]};
    const char *word;
    while (reader_arg(rd, &word))
        args.n++;
    return args;
}

/* As reader_arg, but a `}` is left where it can end the block. */
static bool reader_arg_in_block(struct reader *rd, const char **word)
{
    if (rd->nesting > 0 && reader_same_line_is(rd, "}"))
        return false;
    return reader_arg(rd, word);
}

/* Passes over the rest of an option that was wrong, a block of its own included. */
static void reader_skip(struct reader *rd)
{
    const char *word;
    uint32_t depth = 0;
    if (rd->nesting == 0)
        return;
    while (reader_arg_in_block(rd, &word))
        continue;
    if (!reader_same_line_is(rd, "{"))
        return;
    while (reader_next(rd)) {
        depth += token_is(reader_token(rd), "{");
        depth -= token_is(reader_token(rd), "}");
        if (depth == 0)
            return;
    }
}

/* ---- errors ---- */

int reader_error(struct reader *rd, const char *fmt, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return error_at(rd->errs, reader_token(rd)->at, "plugin/%s: %s",
                    rd->directive->name, text);
}

/* How what is being read is written, as the end of a message; empty: not known. */
static const char *reader_usage(const struct reader *rd, char *out, size_t room)
{
    const struct option *o = rd->option;
    out[0] = '\0';
    if (rd->nesting == 0 && rd->directive->usage != NULL)
        snprintf(out, room, ": expected `%s`", rd->directive->usage);
    else if (o != NULL && o->kind != OPTION_OTHER && o->args != NULL)
        snprintf(out, room, ": expected `%s %s`", o->name, o->args);
    return out;
}

int reader_error_args(struct reader *rd)
{
    const char *word = reader_token(rd)->text;
    if (strcmp(word, "{") == 0)
        return reader_error(rd, "Unexpected token '{', expecting argument");
    if (strcmp(word, "}") == 0)
        return reader_error(rd, "Wrong argument count or unexpected line ending after "
                                "'}': put the '}' on a line of its own");
    char usage[200];
    return reader_error(rd,
                        "Wrong argument count or unexpected line ending after '%s'%s",
                        word, reader_usage(rd, usage, sizeof usage));
}

static int reader_one_missing(struct reader *rd)
{
    if (reader_same_line_is(rd, "{"))
        return reader_error(rd, "Unexpected token '{', expecting argument after '%s'",
                            reader_token(rd)->text);
    return reader_error(rd,
                        "Wrong argument count or unexpected line ending after '%s': "
                        "expected one argument",
                        reader_token(rd)->text);
}

int reader_one(struct reader *rd, const char **word)
{
    const char *extra;
    if (!reader_arg_in_block(rd, word))
        return reader_one_missing(rd);
    if (!reader_arg_in_block(rd, &extra))
        return 0;
    return reader_error(rd,
                        "Wrong argument count or unexpected line ending after '%s': "
                        "expected one argument, '%s'",
                        extra, *word);
}

int reader_no_arg(struct reader *rd)
{
    const char *extra, *word = reader_token(rd)->text;
    if (!reader_arg(rd, &extra))
        return 0;
    if (strcmp(extra, "}") == 0)
        return reader_error_args(rd);
    return reader_error(
        rd,
        "Wrong argument count or unexpected line ending after '%s': '%s' "
        "takes no argument",
        extra, word);
}

int reader_alone(struct reader *rd)
{
    while (reader_next(rd)) {
        if (reader_no_arg(rd) < 0)
            return -1;
        if (reader_same_line_is(rd, "{"))
            return reader_error(rd, "Unexpected token '{', expecting argument");
    }
    return 0;
}

/* ---- numbers ---- */

static bool parse_u32(const char *word, uint32_t min, uint32_t max, uint32_t *out)
{
    uint64_t n = 0;
    if (*word == '\0')
        return false;
    for (const char *p = word; *p != '\0'; p++) {
        n = n * 10 + (uint64_t)(*p - '0');
        if (*p < '0' || *p > '9' || n > UINT32_MAX)
            return false;
    }
    if (n < min || n > max)
        return false;
    *out = (uint32_t)n;
    return true;
}

int reader_u32(struct reader *rd, const char *word, uint32_t min, uint32_t max,
               uint32_t *out)
{
    if (parse_u32(word, min, max, out))
        return 0;
    return reader_error(rd, "invalid number '%s': expected %u to %u", word, min, max);
}

int reader_duration(struct reader *rd, const char *word, int64_t *out_us)
{
    switch (duration_parse(word, out_us)) {
    case DURATION_GOOD:
        return 0;
    case DURATION_NO_UNIT:
        return reader_error(rd,
                            "time: missing unit in duration \"%s\": expected a number "
                            "with a unit, such as 500ms, 30s or 1h30m",
                            word);
    case DURATION_BAD_UNIT:
        return reader_error(
            rd,
            "time: unknown unit in duration \"%s\": expected one of ns, "
            "us, ms, s, m, h",
            word);
    case DURATION_INVALID:
        break;
    }
    return reader_error(rd,
                        "time: invalid duration \"%s\": expected a number with a unit, "
                        "such as 500ms, 30s or 1h30m",
                        word);
}

/* ---- options ---- */

/* The value of an option: its arguments are read, what is wrong is said. */
struct option_value {
    struct reader *rd;
    const struct option *option;
    void *to; /* the field in the plugin's state */
};

static int option_u32(const struct option_value *v, const char *word)
{
    const struct option *o = v->option;
    uint32_t min = (uint32_t)o->min;
    uint32_t max = o->max == 0 ? UINT32_MAX : (uint32_t)o->max;
    if (parse_u32(word, min, max, v->to))
        return 0;
    return reader_error(v->rd, "%s: invalid number '%s': expected %u to %u", o->name,
                        word, min, max);
}

static int option_duration(const struct option_value *v, const char *word)
{
    const struct option *o = v->option;
    char least[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];
    int64_t us;
    if (reader_duration(v->rd, word, &us) < 0)
        return -1;
    if (us < 0 && o->min >= 0)
        return reader_error(v->rd, "%s can't be negative: %s", o->name, word);
    if (us == 0 && o->min > 0)
        return reader_error(v->rd, "%s must be positive: %s", o->name, word);
    if (us < o->min)
        return reader_error(v->rd, "%s is too short: %s: expected at least %s", o->name,
                            word, duration_print(o->min, least));
    if (o->max != 0 && us > o->max)
        return reader_error(v->rd, "%s is too long: %s: expected at most %s", o->name,
                            word, duration_print(o->max, most));
    memcpy(v->to, &us, sizeof us);
    return 0;
}

/* "a, b or c" into `out`, as far as it fits. */
static void option_list_words(const char *const *words, char *out, size_t cap)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL && len < cap; i++) {
        const char *join = i == 0 ? "" : words[i + 1] == NULL ? " or " : ", ";
        int n = snprintf(out + len, cap - len, "%s%s", join, words[i]);
        len += n > 0 ? (size_t)n : 0;
    }
}

static int option_word(const struct option_value *v, const char *word)
{
    const char *const *words = v->option->words;
    char list[ERROR_TEXT_MAX / 2];
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], word) == 0) {
            memcpy(v->to, &i, sizeof i);
            return 0;
        }
    }
    option_list_words(words, list, sizeof list);
    return reader_error(v->rd, "unknown %s '%s': expected %s", v->option->name, word,
                        list);
}

static int option_zones(const struct option_value *v)
{
    struct reader *rd = v->rd;
    const char *word;
    if (!reader_arg_in_block(rd, &word))
        return reader_error(
            rd,
            "Wrong argument count or unexpected line ending after '%s': "
            "expected one or more zones",
            v->option->name);
    do {
        int rc = zones_add(rd->arena, v->to, word);
        if (rc < 0)
            return reader_error(rd, "out of memory");
        if (rc > 0) /* CoreDNS is silent here */
            log_warning("%s:%u: plugin/%s: %s: '%s' is no zone and is passed over",
                        reader_token(rd)->at.file, reader_token(rd)->at.line,
                        rd->directive->name, v->option->name, word);
    } while (reader_arg_in_block(rd, &word));
    return 0;
}

static int option_flag(const struct option_value *v)
{
    static const bool on = true;
    if (reader_no_arg(v->rd) < 0)
        return -1;
    memcpy(v->to, &on, sizeof on);
    return 0;
}

static int option_one(const struct option_value *v)
{
    const char *word;
    if (reader_one(v->rd, &word) < 0)
        return -1;
    if (v->option->kind == OPTION_U32)
        return option_u32(v, word);
    if (v->option->kind == OPTION_DURATION)
        return option_duration(v, word);
    return option_word(v, word);
}

static int option_read(struct reader *rd, const struct option *o, void *state)
{
    struct option_value v = {rd, o, (char *)state + o->offset};
    switch (o->kind) {
    case OPTION_FLAG:
        return option_flag(&v);
    case OPTION_U32:
    case OPTION_DURATION:
    case OPTION_WORD:
        return option_one(&v);
    case OPTION_ZONES:
        return option_zones(&v);
    case OPTION_CUSTOM:
    case OPTION_OTHER:
        return o->parse(rd, state);
    case OPTION_REFUSED:
        break;
    }
    return reader_error(rd, "property '%s' is not supported: %s", o->name, o->help);
}

#define OPTIONS_NAMED_MAX 64 /* names among which the nearest is looked for */

static int option_unknown(struct reader *rd, const struct option *options, size_t n)
{
    const char *names[OPTIONS_NAMED_MAX + 1] = {NULL};
    const char *found = reader_token(rd)->text;
    char list[ERROR_TEXT_MAX / 2];
    uint32_t names_n = 0;
    for (size_t i = 0; i < n && names_n < OPTIONS_NAMED_MAX; i++)
        if (options[i].kind != OPTION_REFUSED)
            names[names_n++] = options[i].name;
    const char *near = nearest_word(found, names, names_n);
    if (near != NULL)
        return reader_error(rd, "unknown property '%s', did you mean '%s'?", found,
                            near);
    option_list_words(names, list, sizeof list);
    return reader_error(rd, "unknown property '%s': expected %s", found,
                        names_n > 0 ? list : "no block");
}

static const struct option *option_find(const struct option *options, size_t n,
                                        const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (options[i].kind == OPTION_OTHER || strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

int reader_options(struct reader *rd, const struct option *options, size_t n,
                   void *state)
{
    int rc = 0;
    while (reader_block(rd)) {
        const struct option *o = option_find(options, n, reader_token(rd)->text);
        rd->option = o;
        int read =
            o == NULL ? option_unknown(rd, options, n) : option_read(rd, o, state);
        if (read < 0) {
            reader_skip(rd);
            rc = -1;
        }
    }
    rd->option = NULL;
    return rc;
}
