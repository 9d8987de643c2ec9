/* view: its block takes only questions for which every expression is true
 * (coredns-reference 1.11, resolver/expr.h). Several blocks may then serve one zone; in
 * file order the first that takes a question answers it, from cache or not.
 *
 *     view office {
 *         expr incidr(client_ip(), '10.8.0.0/16') && type() in ['A', 'AAAA']
 *     }
 */
#include "resolver/plugin.h"

#include "base/log.h"
#include "resolver/expr.h"

struct view {
    const struct expr **list;
    uint32_t n, cap;
};

/* The words of a line with one blank between them. */
static char *read_line(struct reader *rd)
{
    struct token_list args = reader_args(rd);
    char *text = arena_text(rd->arena, TEXT(""));
    for (uint32_t i = 0; i < args.n && text != NULL; i++)
        text = arena_printf(rd->arena, "%s%s%s", text, i > 0 ? " " : "",
                            args.list[i].text);
    return text;
}

static int keep(struct arena *a, struct view *v, const struct expr *e)
{
    if (v->n == v->cap) {
        uint32_t cap = v->cap == 0 ? 2 : v->cap * 2;
        const struct expr **list = arena_array(a, cap, sizeof(void *));
        if (list == NULL)
            return -1;
        if (v->n > 0)
            memcpy(list, v->list, v->n * sizeof(void *));
        v->list = list;
        v->cap = cap;
    }
    v->list[v->n++] = e;
    return 0;
}

static int parse_expr(struct reader *rd, void *state)
{
    struct where at = reader_token(rd)->at;
    char why[EXPR_WHY_MAX];
    const char *text = read_line(rd);
    if (text == NULL)
        return reader_error(rd, "out of memory");
    const struct expr *e = expr_compile(rd->arena, text, why);
    if (e == NULL)
        return error_at(rd->errs, at, "plugin/view: expr %s: %s", text, why);
    if (expr_warning(e) != NULL)
        log_warning("plugin/view: %s:%u: expr %s: %s", at.file, at.line, text,
                    expr_warning(e));
    return keep(rd->arena, state, e) < 0 ? reader_error(rd, "out of memory") : 0;
}

static const struct option options[] = {
    {.name = "expr",
     .kind = OPTION_CUSTOM,
     .parse = parse_expr,
     .args = "EXPRESSION",
     .help = "must be true of a question; may be repeated. A part of expr-lang: of the "
             "question bufsize() class() client_ip() do() id() name() opcode() port() "
             "proto() server_ip() server_port() size() type(); incidr(IP, CIDR) "
             "metadata(LABEL) len(TEXT) lower(TEXT) upper(TEXT) trim(TEXT); || && ! or "
             "and not == != < > <= >= + - * % in contains startsWith endsWith matches; "
             "'texts', whole numbers, [1, 2] and 1..9"},
};

static int setup(struct setup *s, const struct directive *d)
{
    struct view *v = arena_alloc(s->arena, sizeof *v);
    struct reader rd = reader_init(d, s->arena, s->errs);
    const char *name;
    if (v == NULL)
        return error_at(s->errs, d->at, "out of memory");
    s->state = v;
    if (!reader_next(&rd) || reader_one(&rd, &name) < 0 ||
        reader_options(&rd, options, 1, v) < 0)
        return -1;
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    return 0;
}

static bool admits(struct query *q, const struct plan_block *b, const void *state)
{
    const struct view *v = state;
    for (uint32_t i = 0; i < v->n; i++) {
        if (!expr_true(v->list[i], q, b))
            return false;
    }
    return true;
}

const struct plugin plugin_view = {
    .name = "view",
    .help = "the block takes only questions that an expression is true of",
    .synopsis = "view NAME",
    .options = options,
    .options_n = 1,
    .setup = setup,
    .admits = admits,
};
