#include "resolver/gotmpl.h"

#include "resolver/gotmpl_reader.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- what both readers use ---- */

int gotmpl_refuse(struct gotmpl_reader *rd, const char *fmt, ...)
{
    va_list args;
    if (rd->why[0] != '\0')
        return -1;
    va_start(args, fmt);
    vsnprintf(rd->why, GOTMPL_WHY_MAX, fmt, args);
    va_end(args);
    return -1;
}

int gotmpl_advance(struct gotmpl_reader *rd)
{
    rd->token = gotmpl_lex_next(&rd->lex);
    if (rd->token.kind != GOTMPL_FLAW)
        return 0;
    return gotmpl_refuse(rd, "%.*s", (int)rd->token.text.len, rd->token.text.at);
}

static int grow(struct gotmpl_reader *rd)
{
    uint32_t cap = rd->code_cap == 0 ? 8 : rd->code_cap * 2;
    struct gotmpl_instr *code = arena_array(rd->arena, cap, sizeof *code);
    if (code == NULL)
        return gotmpl_refuse(rd, "out of memory");
    if (rd->code_n > 0)
        memcpy(code, rd->code, rd->code_n * sizeof *code);
    rd->code = code;
    rd->code_cap = cap;
    return 0;
}

/* What an instruction adds to the stack of values, where it does not jump. */
static int balance(const struct gotmpl_instr *i)
{
    switch (i->op) {
    case GOTMPL_PUSH:
    case GOTMPL_PUSH_DOT:
    case GOTMPL_PUSH_ROOT:
    case GOTMPL_PUSH_VAR:
        return 1;
    case GOTMPL_PRINT:
    case GOTMPL_SET_VAR:
    case GOTMPL_JUMP_FALSE:
    case GOTMPL_UNLESS_FALSE:
    case GOTMPL_UNLESS_TRUE:
    case GOTMPL_WITH:
    case GOTMPL_RANGE:
        return -1;
    case GOTMPL_CALL:
        return 1 - (int)i->a;
    case GOTMPL_WRITE:
    case GOTMPL_GET_FIELD:
    case GOTMPL_GET_KEY:
    case GOTMPL_JUMP:
    case GOTMPL_WITH_END:
    case GOTMPL_RANGE_NEXT:
    case GOTMPL_RANGE_BREAK:
        break;
    }
    return 0;
}

int gotmpl_emit(struct gotmpl_reader *rd, struct gotmpl_instr instr)
{
    if (rd->code_n == rd->code_cap && grow(rd) < 0)
        return -1;
    rd->code[rd->code_n++] = instr;
    rd->values = (uint32_t)((int)rd->values + balance(&instr));
    if (rd->values > rd->values_max)
        rd->values_max = rd->values;
    return 0;
}

int gotmpl_emit_jump(struct gotmpl_reader *rd, enum gotmpl_op op,
                     struct gotmpl_target *to)
{
    struct gotmpl_instr jump = {.op = op, .a = to->last};
    to->last = rd->code_n + 1;
    return gotmpl_emit(rd, jump);
}

void gotmpl_land(struct gotmpl_reader *rd, struct gotmpl_target *to)
{
    while (to->last != 0) {
        struct gotmpl_instr *jump = &rd->code[to->last - 1];
        to->last = jump->a;
        jump->a = rd->code_n;
    }
}

int gotmpl_declare(struct gotmpl_reader *rd, struct text name, enum gotmpl_type type)
{
    if (rd->vars_n == GOTMPL_VARS_MAX)
        return gotmpl_refuse(rd, "more than %d variables", GOTMPL_VARS_MAX);
    rd->vars[rd->vars_n] = (struct gotmpl_var){.name = name, .type = type};
    if (++rd->vars_n > rd->vars_max)
        rd->vars_max = rd->vars_n;
    return (int)rd->vars_n - 1;
}

struct gotmpl_var *gotmpl_var(struct gotmpl_reader *rd, struct text name)
{
    for (uint32_t i = rd->vars_n; i-- > 0;) {
        if (rd->vars[i].name.at != NULL && text_equal(rd->vars[i].name, name))
            return &rd->vars[i];
    }
    return NULL;
}

/* ---- variables ---- */

/* `$a :=`, `$a =`, or `$a, $b :=` before a pipeline. */
struct head {
    struct text names[2];
    uint32_t names_n; /* 0: there is no such thing */
    bool assign;
};

/* Looks whether a variable stands there to be set; if not, nothing was read. */
static int read_head(struct gotmpl_reader *rd, struct head *h)
{
    struct gotmpl_lex lex = rd->lex;
    struct gotmpl_token first = rd->token;
    *h = (struct head){0};
    while (rd->token.kind == GOTMPL_VARIABLE && h->names_n < 2) {
        h->names[h->names_n++] = rd->token.text;
        if (gotmpl_advance(rd) < 0)
            return -1;
        if (rd->token.kind != GOTMPL_COMMA)
            break;
        if (gotmpl_advance(rd) < 0)
            return -1;
    }
    h->assign = rd->token.kind == GOTMPL_ASSIGN;
    if (h->names_n > 0 && (h->assign || rd->token.kind == GOTMPL_DECLARE)) {
        if (h->names[0].len == 0)
            return gotmpl_refuse(rd, "$ cannot be set");
        return gotmpl_advance(rd);
    }
    if (h->names_n > 1)
        return gotmpl_refuse(rd, "expected := after two variables");
    rd->lex = lex;
    rd->token = first;
    h->names_n = 0;
    return 0;
}

/* Sets the variable of a head to the value on the stack. */
static int set_head(struct gotmpl_reader *rd, const struct head *h,
                    enum gotmpl_type type, uint32_t *slot)
{
    if (h->names_n == 2)
        return gotmpl_refuse(rd, "only range sets two variables");
    struct gotmpl_var *var = h->assign ? gotmpl_var(rd, h->names[0]) : NULL;
    if (h->assign && var == NULL)
        return gotmpl_refuse(rd, "undefined variable \"$%.*s\"", (int)h->names[0].len,
                             h->names[0].at);
    if (var != NULL && var->type != type)
        return gotmpl_refuse(rd, "$%.*s is %s and cannot become %s",
                             (int)h->names[0].len, h->names[0].at,
                             gotmpl_type_name(var->type), gotmpl_type_name(type));
    int at =
        var != NULL ? (int)(var - rd->vars) : gotmpl_declare(rd, h->names[0], type);
    if (at < 0)
        return -1;
    *slot = (uint32_t)at;
    return gotmpl_emit(rd, (struct gotmpl_instr){.op = GOTMPL_SET_VAR, .a = *slot});
}

/* The pipeline of an `if` or a `with`: its value is on the stack, and in a variable
 * where one is set. */
static int read_condition(struct gotmpl_reader *rd, enum gotmpl_type *type)
{
    struct head h;
    uint32_t slot;
    if (gotmpl_advance(rd) < 0 || read_head(rd, &h) < 0 ||
        gotmpl_pipeline(rd, type) < 0)
        return -1;
    if (h.names_n == 0)
        return 0;
    if (set_head(rd, &h, *type, &slot) < 0)
        return -1;
    return gotmpl_emit(rd, (struct gotmpl_instr){.op = GOTMPL_PUSH_VAR, .a = slot});
}

/* ---- blocks ---- */

static int push_block(struct gotmpl_reader *rd, enum gotmpl_block_kind kind)
{
    if (rd->blocks_n == GOTMPL_NEST_MAX)
        return gotmpl_refuse(rd, "blocks are nested more than %d deep",
                             GOTMPL_NEST_MAX);
    rd->blocks[rd->blocks_n++] =
        (struct gotmpl_block){.kind = kind, .dot = rd->dot, .vars_outside = rd->vars_n};
    return 0;
}

static struct gotmpl_block *block(struct gotmpl_reader *rd)
{
    return &rd->blocks[rd->blocks_n - 1];
}

/* The branch of an `if` or `with` that begins with a condition. */
static int begin_branch(struct gotmpl_reader *rd)
{
    struct gotmpl_block *b = block(rd);
    enum gotmpl_type type;
    if (read_condition(rd, &type) < 0)
        return -1;
    b->vars_inside = rd->vars_n;
    if (b->kind == GOTMPL_IF)
        return gotmpl_emit_jump(rd, GOTMPL_JUMP_FALSE, &b->skip);
    rd->dot = type;
    b->dotted = true;
    return gotmpl_emit_jump(rd, GOTMPL_WITH, &b->skip);
}

static enum gotmpl_type element_of(enum gotmpl_type type)
{
    if (type == GOTMPL_LIST)
        return GOTMPL_TEXT;
    if (type == GOTMPL_QUESTIONS)
        return GOTMPL_QUESTION;
    return type == GOTMPL_NUMBER ? GOTMPL_NUMBER : GOTMPL_NONE;
}

static int declare_elements(struct gotmpl_reader *rd, const struct head *h,
                            enum gotmpl_type element, struct gotmpl_instr *next)
{
    next->b = h->names_n == 0 ? GOTMPL_NO_SLOT : rd->vars_n;
    next->value.truth = h->names_n == 2; /* the index as well */
    for (uint32_t i = 0; i < h->names_n; i++) {
        bool index = h->names_n == 2 && i == 0;
        if (gotmpl_declare(rd, h->names[i], index ? GOTMPL_NUMBER : element) < 0)
            return -1;
    }
    return 0;
}

static int begin_range(struct gotmpl_reader *rd)
{
    struct gotmpl_block *b = block(rd);
    struct gotmpl_instr next = {.op = GOTMPL_RANGE_NEXT};
    enum gotmpl_type type;
    struct head h;
    if (gotmpl_advance(rd) < 0 || read_head(rd, &h) < 0 ||
        gotmpl_pipeline(rd, &type) < 0)
        return -1;
    enum gotmpl_type element = element_of(type);
    if (h.assign)
        return gotmpl_refuse(rd, "range sets new variables only: write :=");
    if (element == GOTMPL_NONE)
        return gotmpl_refuse(rd, "range over %s is not offered here",
                             gotmpl_type_name(type));
    if (type == GOTMPL_NUMBER && h.names_n == 2)
        return gotmpl_refuse(rd, "range over a number sets one variable only");
    if (gotmpl_emit_jump(rd, GOTMPL_RANGE, &b->skip) < 0 ||
        declare_elements(rd, &h, element, &next) < 0)
        return -1;
    b->next = rd->code_n;
    b->vars_inside = rd->vars_n;
    b->dotted = true;
    rd->dot = element;
    next.a = b->end.last;
    b->end.last = rd->code_n + 1;
    return gotmpl_emit(rd, next);
}

/* The branch in hand ends: what it leaves behind, and where it goes. */
static int end_branch(struct gotmpl_reader *rd, struct gotmpl_block *b)
{
    struct gotmpl_instr end = {.op = GOTMPL_WITH_END};
    rd->dot = b->dot;
    rd->vars_n = b->vars_inside;
    if (!b->dotted)
        return 0;
    b->dotted = false;
    if (b->kind == GOTMPL_RANGE_BLOCK)
        end = (struct gotmpl_instr){.op = GOTMPL_JUMP, .a = b->next};
    return gotmpl_emit(rd, end);
}

static int read_else(struct gotmpl_reader *rd)
{
    static const char *const again[] = {
        [GOTMPL_IF] = "if", [GOTMPL_WITH_BLOCK] = "with", [GOTMPL_RANGE_BLOCK] = ""};
    if (rd->blocks_n == 0 || block(rd)->last)
        return gotmpl_refuse(rd, "{{else}} has no {{if}}, {{with}} or {{range}}");
    struct gotmpl_block *b = block(rd);
    if (end_branch(rd, b) < 0 || gotmpl_advance(rd) < 0)
        return -1;
    if (b->kind != GOTMPL_RANGE_BLOCK && gotmpl_emit_jump(rd, GOTMPL_JUMP, &b->end) < 0)
        return -1;
    gotmpl_land(rd, &b->skip);
    if (rd->token.kind == GOTMPL_WORD && text_is(rd->token.text, again[b->kind]))
        return begin_branch(rd);
    b->last = true;
    return 0;
}

static int read_end(struct gotmpl_reader *rd)
{
    if (rd->blocks_n == 0)
        return gotmpl_refuse(rd, "{{end}} has no {{if}}, {{with}} or {{range}}");
    struct gotmpl_block *b = block(rd);
    if (end_branch(rd, b) < 0)
        return -1;
    gotmpl_land(rd, &b->skip);
    gotmpl_land(rd, &b->end);
    rd->vars_n = b->vars_outside;
    rd->blocks_n--;
    return gotmpl_advance(rd);
}

/* {{break}}, {{continue}}: of the innermost range whose body this is. */
static int read_leave(struct gotmpl_reader *rd, bool leave)
{
    struct gotmpl_block *b = NULL;
    for (uint32_t i = rd->blocks_n; i-- > 0 && b == NULL;) {
        if (rd->blocks[i].kind == GOTMPL_RANGE_BLOCK && !rd->blocks[i].last)
            b = &rd->blocks[i];
    }
    if (b == NULL)
        return gotmpl_refuse(rd, "{{%s}} outside of {{range}}",
                             leave ? "break" : "continue");
    struct gotmpl_instr op = {.op = GOTMPL_RANGE_BREAK};
    if (!leave)
        op = (struct gotmpl_instr){.op = GOTMPL_JUMP, .a = b->next};
    if (gotmpl_emit(rd, op) < 0 ||
        (leave && gotmpl_emit_jump(rd, GOTMPL_JUMP, &b->end) < 0))
        return -1;
    return gotmpl_advance(rd);
}

/* ---- actions ---- */

/* 1: the word began a block or the like, which was read; 0: it is a function; -1. */
static int read_keyword(struct gotmpl_reader *rd)
{
    static const char *const refused[] = {"define", "template", "block"};
    struct text word = rd->token.text;
    int rc = 0;
    if (text_is(word, "if"))
        rc = push_block(rd, GOTMPL_IF) < 0 ? -1 : begin_branch(rd);
    else if (text_is(word, "with"))
        rc = push_block(rd, GOTMPL_WITH_BLOCK) < 0 ? -1 : begin_branch(rd);
    else if (text_is(word, "range"))
        rc = push_block(rd, GOTMPL_RANGE_BLOCK) < 0 ? -1 : begin_range(rd);
    else if (text_is(word, "else"))
        rc = read_else(rd);
    else if (text_is(word, "end"))
        rc = read_end(rd);
    else if (text_is(word, "break") || text_is(word, "continue"))
        rc = read_leave(rd, text_is(word, "break"));
    else
        rc = 1;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (text_is(word, refused[i]))
            rc = gotmpl_refuse(rd, "{{%s}} is not offered here", refused[i]);
    }
    return rc < 0 ? -1 : 1 - rc;
}

static int read_value(struct gotmpl_reader *rd)
{
    struct head h;
    enum gotmpl_type type;
    uint32_t slot;
    if (rd->token.kind == GOTMPL_CLOSE)
        return gotmpl_refuse(rd, "there is nothing between {{ and }}");
    if (read_head(rd, &h) < 0 || gotmpl_pipeline(rd, &type) < 0)
        return -1;
    if (h.names_n > 0)
        return set_head(rd, &h, type, &slot);
    if (type != GOTMPL_TEXT && type != GOTMPL_NUMBER && type != GOTMPL_BOOL &&
        type != GOTMPL_MIXED)
        return gotmpl_refuse(rd, "%s cannot be printed: take a part of it",
                             gotmpl_type_name(type));
    return gotmpl_emit(rd, (struct gotmpl_instr){.op = GOTMPL_PRINT});
}

/* From {{ to }}. */
static int read_action(struct gotmpl_reader *rd)
{
    int done = 0;
    if (gotmpl_advance(rd) < 0)
        return -1;
    if (rd->token.kind == GOTMPL_WORD)
        done = read_keyword(rd);
    if (done == 0)
        done = read_value(rd) < 0 ? -1 : 1;
    if (done < 0)
        return -1;
    if (rd->token.kind != GOTMPL_CLOSE)
        return gotmpl_refuse(rd, "'%.*s' has no place here", (int)rd->token.text.len,
                             rd->token.text.at);
    return 0;
}

static int read_all(struct gotmpl_reader *rd)
{
    for (;;) {
        if (gotmpl_advance(rd) < 0)
            return -1;
        struct gotmpl_instr write = {.op = GOTMPL_WRITE};
        write.value.text = rd->token.text;
        if (rd->token.kind == GOTMPL_END_OF_TEXT)
            break;
        int rc =
            rd->token.kind == GOTMPL_LITERAL ? gotmpl_emit(rd, write) : read_action(rd);
        if (rc < 0)
            return -1;
    }
    if (rd->blocks_n > 0)
        return gotmpl_refuse(rd, "an {{end}} is missing");
    return 0;
}

const struct gotmpl *gotmpl_new(struct arena *arena, struct text source,
                                char why[GOTMPL_WHY_MAX])
{
    struct gotmpl_reader rd = {.arena = arena, .why = why, .dot = GOTMPL_DATA};
    struct gotmpl *t = arena_alloc(arena, sizeof *t);
    const char *copy = arena_text(arena, source);
    why[0] = '\0';
    if (t == NULL || copy == NULL) {
        gotmpl_refuse(&rd, "out of memory");
        return NULL;
    }
    rd.lex = (struct gotmpl_lex){.arena = arena, .text = {copy, source.len}};
    if (read_all(&rd) < 0)
        return NULL;
    *t = (struct gotmpl){.code = rd.code,
                         .code_n = rd.code_n,
                         .values_max = rd.values_max,
                         .vars_n = rd.vars_max};
    return t;
}

bool gotmpl_is_constant(const struct gotmpl *t)
{
    for (uint32_t i = 0; i < t->code_n; i++) {
        if (t->code[i].op != GOTMPL_WRITE)
            return false;
    }
    return true;
}
