#include "resolver/expr_code.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- words ---- */

enum word_kind { WORD_END, WORD_NUMBER, WORD_TEXT, WORD_NAME, WORD_SIGN };

struct word {
    enum word_kind kind;
    struct text source; /* as written */
    struct text text;   /* of a TEXT, escapes replaced */
    int64_t number;
};

/* What waits for its right side, or for its end. */
struct pending {
    enum { PENDING_UNARY, PENDING_BINARY, PENDING_PAREN, PENDING_CALL } kind;
    const struct binary *binary;
    const struct function *function;
    enum expr_op unary;
    unsigned binds; /* of an operator: the higher, the tighter */
    unsigned args;  /* of a call, so far */
    bool negated;   /* `not in` */
    uint32_t jump;  /* of `and` and `or`: its instruction */
};

struct compiler {
    struct arena *arena;
    const char *text, *at;
    struct word word; /* the next */
    struct expr_instr *list;
    uint32_t n, cap;
    enum expr_kind kinds[EXPR_DEPTH_MAX]; /* of the values in hand here */
    uint32_t kinds_n;
    struct pending pending[EXPR_DEPTH_MAX];
    uint32_t pending_n;
    const char *warning;
    char *why;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct compiler *c,
                                                        const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->why, EXPR_WHY_MAX, fmt, args);
    va_end(args);
    return -1;
}

static int unexpected(struct compiler *c, const char *expected)
{
    struct text found = c->word.source;
    if (c->word.kind == WORD_END)
        return refuse(c, "unexpected end: expected %s", expected);
    return refuse(c, "unexpected '%.*s' at column %zu: expected %s", (int)found.len,
                  found.at, (size_t)(found.at - c->text) + 1, expected);
}

static bool is_letter(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_';
}

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static int read_number(struct compiler *c)
{
    uint64_t value = 0;
    const char *at = c->at;
    for (; is_digit(*at); at++) {
        if (value > (uint64_t)INT64_MAX / 10 - 1)
            return refuse(c, "a number is too large");
        value = value * 10 + (uint64_t)(*at - '0');
    }
    bool fraction = *at == '.' && at[1] != '.';
    if (fraction || is_letter(*at))
        return refuse(c, "numbers are whole and decimal: found '%.*s'",
                      (int)(at - c->at + 2), c->at);
    c->word.kind = WORD_NUMBER;
    c->word.number = (int64_t)value;
    c->at = at;
    return 0;
}

/* One character behind a backslash; false when it stands for nothing. */
static bool read_escape(const char **at, char *out)
{
    static const char names[] = "\\'\"`abfnrtv", meant[] = "\\'\"`\a\b\f\n\r\t\v";
    const char *found = **at == '\0' ? NULL : strchr(names, **at);
    if (found != NULL) {
        *out = meant[found - names];
        ++*at;
        return true;
    }
    char hex[3] = "", *end;
    if (**at != 'x' || (*at)[1] == '\0' || (*at)[2] == '\0')
        return false;
    memcpy(hex, *at + 1, 2);
    *out = (char)strtoul(hex, &end, 16);
    *at += 3;
    return *end == '\0' && hex[0] != '-' && hex[0] != '+' && hex[0] != ' ';
}

static int read_text(struct compiler *c, char quote)
{
    const char *at = c->at + 1;
    size_t len = 0;
    char *out = arena_alloc(c->arena, strlen(at) + 1);
    if (out == NULL)
        return refuse(c, "out of memory");
    while (*at != quote) {
        if (*at == '\0')
            return refuse(c, "the text that begins at column %zu does not end",
                          (size_t)(c->at - c->text) + 1);
        if (*at != '\\' || quote == '`') {
            out[len++] = *at++;
            continue;
        }
        at++;
        if (!read_escape(&at, &out[len++]))
            return refuse(c, "'\\%c' means nothing in a text; a backslash is \\\\",
                          *at == '\0' ? ' ' : *at);
    }
    c->at = at + 1;
    c->word.kind = WORD_TEXT;
    c->word.text = (struct text){.at = out, .len = len};
    return 0;
}

static void read_sign(struct compiler *c)
{
    static const char *const doubled[] = {
        "==", "!=", "<=", ">=", "&&", "||", "..", "**"};
    size_t len = 1;
    for (size_t i = 0; i < sizeof doubled / sizeof *doubled; i++) {
        if (strncmp(c->at, doubled[i], 2) == 0)
            len = 2;
    }
    c->at += len;
    c->word.kind = WORD_SIGN;
}

static int next(struct compiler *c)
{
    c->at += strspn(c->at, " \t\r\n");
    const char *from = c->at;
    int rc = 0;
    c->word = (struct word){.kind = WORD_END};
    if (is_digit(*from)) {
        rc = read_number(c);
    } else if (*from == '\'' || *from == '"' || *from == '`') {
        rc = read_text(c, *from);
    } else if (is_letter(*from)) {
        while (is_letter(*c->at) || is_digit(*c->at))
            c->at++;
        c->word.kind = WORD_NAME;
    } else if (*from != '\0') {
        read_sign(c);
    }
    c->word.source = (struct text){.at = from, .len = (size_t)(c->at - from)};
    return rc;
}

static bool word_is(const struct compiler *c, const char *source)
{
    return (c->word.kind == WORD_NAME || c->word.kind == WORD_SIGN) &&
           text_is(c->word.source, source);
}

/* ---- the program ---- */

static struct expr_instr *emit(struct compiler *c, enum expr_op op)
{
    if (c->n == c->cap) {
        uint32_t cap = c->cap == 0 ? 16 : c->cap * 2;
        struct expr_instr *list = arena_array(c->arena, cap, sizeof *list);
        if (list == NULL) {
            refuse(c, "out of memory");
            return NULL;
        }
        if (c->n > 0)
            memcpy(list, c->list, c->n * sizeof *list);
        c->list = list;
        c->cap = cap;
    }
    c->list[c->n] = (struct expr_instr){.op = op};
    return &c->list[c->n++];
}

static int push_kind(struct compiler *c, enum expr_kind kind)
{
    if (c->kinds_n == EXPR_DEPTH_MAX)
        return refuse(c, "it is nested more than %d deep", EXPR_DEPTH_MAX);
    c->kinds[c->kinds_n++] = kind;
    return 0;
}

static int push_value(struct compiler *c, const struct expr_value *value)
{
    struct expr_instr *i = emit(c, EXPR_PUSH);
    if (i == NULL)
        return -1;
    i->value = *value;
    return push_kind(c, value->kind);
}

/* The last instruction when it is a text written there. */
static const struct text *literal(const struct compiler *c)
{
    const struct expr_instr *last = &c->list[c->n - 1];
    bool text = last->op == EXPR_PUSH && last->value.kind == EXPR_TEXT;
    return text ? &last->value.text : NULL;
}

static const char *kind_name(enum expr_kind kind)
{
    static const char *const names[] = {"a truth", "a number", "a text", "a list"};
    return names[kind];
}

/* ---- functions ---- */

struct function {
    const char *name;
    unsigned args; /* all of them texts */
    enum expr_kind gives;
    enum expr_op op;
    enum expr_field field;
};

static const struct function functions[] = {
    {"bufsize", 0, EXPR_NUMBER, EXPR_GET, EXPR_BUFSIZE},
    {"class", 0, EXPR_TEXT, EXPR_GET, EXPR_CLASS},
    {"client_ip", 0, EXPR_TEXT, EXPR_GET, EXPR_CLIENT_IP},
    {"do", 0, EXPR_BOOL, EXPR_GET, EXPR_DO},
    {"id", 0, EXPR_NUMBER, EXPR_GET, EXPR_ID},
    {"name", 0, EXPR_TEXT, EXPR_GET, EXPR_NAME},
    {"opcode", 0, EXPR_NUMBER, EXPR_GET, EXPR_OPCODE},
    {"port", 0, EXPR_TEXT, EXPR_GET, EXPR_PORT},
    {"proto", 0, EXPR_TEXT, EXPR_GET, EXPR_PROTO},
    {"server_ip", 0, EXPR_TEXT, EXPR_GET, EXPR_SERVER_IP},
    {"server_port", 0, EXPR_TEXT, EXPR_GET, EXPR_SERVER_PORT},
    {"size", 0, EXPR_NUMBER, EXPR_GET, EXPR_SIZE},
    {"type", 0, EXPR_TEXT, EXPR_GET, EXPR_TYPE},
    {"incidr", 2, EXPR_BOOL, EXPR_INCIDR_TEXT, 0},
    {"metadata", 1, EXPR_TEXT, EXPR_METADATA, 0},
    {"len", 1, EXPR_NUMBER, EXPR_LEN, 0},
    {"lower", 1, EXPR_TEXT, EXPR_LOWER, 0},
    {"upper", 1, EXPR_TEXT, EXPR_UPPER, 0},
    {"trim", 1, EXPR_TEXT, EXPR_TRIM, 0},
};

static const struct function *function_find(struct text name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (text_is(name, functions[i].name))
            return &functions[i];
    }
    return NULL;
}

/* A subnet written there is read once. One that is none can hold nobody, which CoreDNS
 * finds out with the first question. */
static int emit_incidr(struct compiler *c)
{
    const struct text *subnet = literal(c);
    struct cidr cidr = {0};
    if (subnet == NULL)
        return emit(c, EXPR_INCIDR_TEXT) == NULL ? -1 : 0;
    bool good = cidr_parse(&cidr, *subnet, NULL) == 0;
    if (!good)
        c->warning = arena_printf(c->arena, "'%.*s' is no subnet: nobody is in it",
                                  (int)subnet->len, subnet->at);
    c->list[c->n - 1] =
        (struct expr_instr){.op = good ? EXPR_INCIDR : EXPR_FAIL, .cidr = cidr};
    return 0;
}

static int emit_call(struct compiler *c, const struct pending *p)
{
    const struct function *f = p->function;
    if (p->args != f->args)
        return refuse(c, "%s() takes %u argument%s, not %u", f->name, f->args,
                      f->args == 1 ? "" : "s", p->args);
    for (unsigned i = 0; i < f->args; i++) {
        enum expr_kind kind = c->kinds[--c->kinds_n];
        if (kind != EXPR_TEXT)
            return refuse(c, "%s() takes a text, not %s", f->name, kind_name(kind));
    }
    if (f->op == EXPR_INCIDR_TEXT)
        return emit_incidr(c) < 0 ? -1 : push_kind(c, f->gives);
    struct expr_instr *i = emit(c, f->op);
    if (i == NULL)
        return -1;
    i->field = f->field;
    return push_kind(c, f->gives);
}

/* ---- operators ---- */

struct binary {
    const char *name;
    enum expr_op op;
    unsigned binds;
    bool swapped, negated; /* a > b is b < a, a >= b is not a < b */
    unsigned takes;        /* kinds, as bits; both sides of the same */
    enum expr_kind gives;
};

#define TRUTHS  (1u << EXPR_BOOL)
#define NUMBERS (1u << EXPR_NUMBER)
#define TEXTS   (1u << EXPR_TEXT)

static const struct binary binaries[] = {
    {"or", EXPR_JUMP_TRUE, 10, false, false, TRUTHS, EXPR_BOOL},
    {"||", EXPR_JUMP_TRUE, 10, false, false, TRUTHS, EXPR_BOOL},
    {"and", EXPR_JUMP_FALSE, 15, false, false, TRUTHS, EXPR_BOOL},
    {"&&", EXPR_JUMP_FALSE, 15, false, false, TRUTHS, EXPR_BOOL},
    {"==", EXPR_EQUAL, 20, false, false, TRUTHS | NUMBERS | TEXTS, EXPR_BOOL},
    {"!=", EXPR_EQUAL, 20, false, true, TRUTHS | NUMBERS | TEXTS, EXPR_BOOL},
    {"<", EXPR_LESS, 20, false, false, NUMBERS | TEXTS, EXPR_BOOL},
    {"<=", EXPR_LESS_EQUAL, 20, false, false, NUMBERS | TEXTS, EXPR_BOOL},
    {">", EXPR_LESS_EQUAL, 20, false, true, NUMBERS | TEXTS, EXPR_BOOL},
    {">=", EXPR_LESS, 20, false, true, NUMBERS | TEXTS, EXPR_BOOL},
    {"in", EXPR_IN, 20, false, false, TRUTHS | NUMBERS | TEXTS, EXPR_BOOL},
    {"contains", EXPR_CONTAINS, 20, false, false, TEXTS, EXPR_BOOL},
    {"startsWith", EXPR_STARTS, 20, false, false, TEXTS, EXPR_BOOL},
    {"endsWith", EXPR_ENDS, 20, false, false, TEXTS, EXPR_BOOL},
    {"matches", EXPR_MATCHES, 20, false, false, TEXTS, EXPR_BOOL},
    {"+", EXPR_ADD, 30, false, false, NUMBERS | TEXTS, EXPR_NUMBER},
    {"-", EXPR_SUBTRACT, 30, false, false, NUMBERS, EXPR_NUMBER},
    {"*", EXPR_MULTIPLY, 60, false, false, NUMBERS, EXPR_NUMBER},
    {"%", EXPR_REMAINDER, 60, false, false, NUMBERS, EXPR_NUMBER},
};

#define NOT_BINDS    50
#define NEGATE_BINDS 90

static const struct binary *binary_find(struct text name)
{
    for (size_t i = 0; i < sizeof binaries / sizeof *binaries; i++) {
        if (text_is(name, binaries[i].name))
            return &binaries[i];
    }
    return NULL;
}

static bool jumps(const struct binary *b)
{
    return b->op == EXPR_JUMP_FALSE || b->op == EXPR_JUMP_TRUE;
}

static int emit_matches(struct compiler *c)
{
    char why[PATTERN_WHY_MAX];
    const struct text *regex = literal(c);
    if (regex == NULL)
        return refuse(c, "what stands behind `matches` must be a text written there");
    char *text = arena_text(c->arena, *regex);
    const struct pattern *p = text == NULL ? NULL : pattern_new(c->arena, text, 0, why);
    if (p == NULL)
        return refuse(c, "%.60s: %.100s", text, text == NULL ? "out of memory" : why);
    c->list[c->n - 1] = (struct expr_instr){.op = EXPR_MATCHES, .pattern = p};
    return 0;
}

static int check_sides(struct compiler *c, const struct binary *b)
{
    enum expr_kind right = c->kinds[--c->kinds_n], left = c->kinds[--c->kinds_n];
    bool list = b->op == EXPR_IN;
    bool good =
        (b->takes >> left & 1u) != 0 && (list ? right == EXPR_LIST : right == left);
    if (good)
        return push_kind(c, b->op == EXPR_ADD ? left : b->gives);
    return refuse(c, "'%s' between %s and %s", b->name, kind_name(left),
                  kind_name(right));
}

static int emit_binary(struct compiler *c, const struct pending *p)
{
    const struct binary *b = p->binary;
    int rc = 0;
    if (check_sides(c, b) < 0)
        return -1;
    if (jumps(b))
        c->list[p->jump].to = c->n;
    else if (b->op == EXPR_MATCHES)
        rc = emit_matches(c);
    else
        rc = emit(c, b->op) == NULL ? -1 : 0;
    if (rc == 0 && b->negated != p->negated)
        rc = emit(c, EXPR_NOT) == NULL ? -1 : 0;
    return rc;
}

static int emit_unary(struct compiler *c, const struct pending *p)
{
    enum expr_kind kind = c->kinds[c->kinds_n - 1];
    enum expr_kind takes = p->unary == EXPR_NOT ? EXPR_BOOL : EXPR_NUMBER;
    if (kind != takes)
        return refuse(c, "'%s' in front of %s", p->unary == EXPR_NOT ? "not" : "-",
                      kind_name(kind));
    return emit(c, p->unary) == NULL ? -1 : 0;
}

static int push_pending(struct compiler *c, struct pending p)
{
    if (c->pending_n == EXPR_DEPTH_MAX)
        return refuse(c, "it is nested more than %d deep", EXPR_DEPTH_MAX);
    c->pending[c->pending_n++] = p;
    return 0;
}

static bool is_operator(const struct pending *p)
{
    return p->kind == PENDING_UNARY || p->kind == PENDING_BINARY;
}

/* Finishes operators that bind at least so tightly. */
static int reduce(struct compiler *c, unsigned binds)
{
    while (c->pending_n > 0) {
        struct pending p = c->pending[c->pending_n - 1];
        if (!is_operator(&p) || p.binds < binds)
            return 0;
        c->pending_n--;
        if ((p.kind == PENDING_UNARY ? emit_unary(c, &p) : emit_binary(c, &p)) < 0)
            return -1;
    }
    return 0;
}

/* ---- grammar: an operand, then what may follow one, in turn ---- */

#define OPERAND "a function, a text, a number or a truth"

static int scalar(struct compiler *c, struct expr_value *out)
{
    bool minus = word_is(c, "-");
    if (minus && next(c) < 0)
        return -1;
    *out = (struct expr_value){0};
    if (c->word.kind == WORD_NUMBER) {
        out->kind = EXPR_NUMBER;
        out->number = minus ? -c->word.number : c->word.number;
    } else if (c->word.kind == WORD_TEXT && !minus) {
        out->kind = EXPR_TEXT;
        out->text = c->word.text;
    } else if ((word_is(c, "true") || word_is(c, "false")) && !minus) {
        out->kind = EXPR_BOOL;
        out->truth = word_is(c, "true");
    } else {
        return unexpected(c, "a text, a number or a truth");
    }
    return next(c);
}

static int push_list(struct compiler *c, const struct expr_list *list)
{
    struct expr_value value = {.kind = EXPR_LIST,
                               .list = arena_copy(c->arena, list, sizeof *list)};
    return value.list == NULL ? refuse(c, "out of memory") : push_value(c, &value);
}

/* Behind the `[`; values only, so that nothing is computed while a list is made. */
static int read_list(struct compiler *c)
{
    size_t most = 1;
    for (const char *at = c->at; *at != '\0'; at++)
        most += *at == ',';
    struct expr_list list = {.items = arena_array(c->arena, most, sizeof *list.items)};
    if (list.items == NULL)
        return refuse(c, "out of memory");
    while (!word_is(c, "]")) {
        if (scalar(c, &list.items[list.n++]) < 0)
            return -1;
        if (word_is(c, ",")) {
            if (next(c) < 0)
                return -1;
        } else if (!word_is(c, "]")) {
            return unexpected(c, "',' or ']'");
        }
    }
    return next(c) < 0 ? -1 : push_list(c, &list);
}

/* A number, or with `..` behind it a range. */
static int read_numbers(struct compiler *c)
{
    struct expr_value low, high;
    if (scalar(c, &low) < 0)
        return -1;
    if (!word_is(c, ".."))
        return push_value(c, &low);
    if (next(c) < 0 || scalar(c, &high) < 0)
        return -1;
    if (high.kind != EXPR_NUMBER)
        return refuse(c, "'..' between a number and %s", kind_name(high.kind));
    struct expr_list list = {.range = true, .low = low.number, .high = high.number};
    return push_list(c, &list);
}

/* name( or name() */
static int read_call(struct compiler *c, bool *operand)
{
    const struct function *f = function_find(c->word.source);
    if (f == NULL)
        return unexpected(c, OPERAND);
    if (next(c) < 0)
        return -1;
    if (!word_is(c, "("))
        return unexpected(c, "'('");
    if (next(c) < 0)
        return -1;
    struct pending p = {.kind = PENDING_CALL, .function = f};
    if (!word_is(c, ")"))
        return push_pending(c, p);
    *operand = false;
    return emit_call(c, &p) < 0 ? -1 : next(c);
}

static int read_unary(struct compiler *c, enum expr_op op, unsigned binds)
{
    struct pending p = {.kind = PENDING_UNARY, .unary = op, .binds = binds};
    return push_pending(c, p) < 0 ? -1 : next(c);
}

/* *operand stays true while another one has to follow. */
static int open_paren(struct compiler *c)
{
    struct pending paren = {.kind = PENDING_PAREN};
    return push_pending(c, paren) < 0 ? -1 : next(c);
}

static int open_list(struct compiler *c)
{
    return next(c) < 0 ? -1 : read_list(c);
}

static int read_scalar(struct compiler *c)
{
    struct expr_value value;
    return scalar(c, &value) < 0 ? -1 : push_value(c, &value);
}

static int read_operand(struct compiler *c, bool *operand)
{
    if (word_is(c, "("))
        return open_paren(c);
    if (word_is(c, "not") || word_is(c, "!"))
        return read_unary(c, EXPR_NOT, NOT_BINDS);
    bool minus = word_is(c, "-");
    bool number = c->word.kind == WORD_NUMBER || (minus && is_digit(*c->at));
    if (minus && !number)
        return read_unary(c, EXPR_NEGATE, NEGATE_BINDS);
    bool truth = word_is(c, "true") || word_is(c, "false");
    if (c->word.kind == WORD_NAME && !truth)
        return read_call(c, operand);
    *operand = false;
    if (word_is(c, "["))
        return open_list(c);
    if (number)
        return read_numbers(c);
    return c->word.kind == WORD_TEXT || truth ? read_scalar(c) : unexpected(c, OPERAND);
}

/* `)` or `,` */
static int read_close(struct compiler *c, bool comma, bool *operand)
{
    if (reduce(c, 0) < 0)
        return -1;
    struct pending *p = c->pending_n == 0 ? NULL : &c->pending[c->pending_n - 1];
    if (p == NULL || (comma && p->kind != PENDING_CALL))
        return unexpected(c, "an operator or the end");
    p->args++;
    if (next(c) < 0)
        return -1;
    *operand = comma;
    if (comma)
        return 0;
    c->pending_n--;
    return p->kind == PENDING_CALL ? emit_call(c, p) : 0;
}

static int read_binary(struct compiler *c, bool *operand)
{
    bool negated = word_is(c, "not");
    if (negated && next(c) < 0)
        return -1;
    bool word = c->word.kind == WORD_NAME || (c->word.kind == WORD_SIGN && !negated);
    const struct binary *b = word ? binary_find(c->word.source) : NULL;
    if (b == NULL || (negated && (b->binds != 20)))
        return unexpected(c, negated ? "in, contains, startsWith, endsWith or matches"
                                     : "an operator or the end");
    if (reduce(c, b->binds) < 0)
        return -1;
    struct pending p = {.kind = PENDING_BINARY,
                        .binary = b,
                        .binds = b->binds,
                        .negated = negated,
                        .jump = c->n};
    if (jumps(b) && emit(c, b->op) == NULL)
        return -1;
    *operand = true;
    return push_pending(c, p) < 0 ? -1 : next(c);
}

static int read_all(struct compiler *c)
{
    bool operand = true;
    if (next(c) < 0)
        return -1;
    while (operand || c->word.kind != WORD_END) {
        int rc;
        if (operand)
            rc = read_operand(c, &operand);
        else if (word_is(c, ")") || word_is(c, ","))
            rc = read_close(c, word_is(c, ","), &operand);
        else
            rc = read_binary(c, &operand);
        if (rc < 0)
            return -1;
    }
    if (reduce(c, 0) < 0)
        return -1;
    return c->pending_n > 0 ? unexpected(c, "')'") : 0;
}

const struct expr *expr_compile(struct arena *a, const char *text,
                                char why[EXPR_WHY_MAX])
{
    struct compiler c = {.arena = a, .text = arena_text(a, text_of(text)), .why = why};
    struct expr *e = arena_alloc(a, sizeof *e);
    if (e == NULL || c.text == NULL) {
        refuse(&c, "out of memory");
        return NULL;
    }
    c.at = c.text;
    if (read_all(&c) < 0)
        return NULL;
    *e = (struct expr){.list = c.list,
                       .n = c.n,
                       .condition = c.kinds[0] == EXPR_BOOL,
                       .warning = c.warning};
    if (!e->condition)
        e->warning =
            arena_printf(a, "it gives %s and is never true", kind_name(c.kinds[0]));
    return e;
}

const char *expr_warning(const struct expr *e)
{
    return e->warning;
}
