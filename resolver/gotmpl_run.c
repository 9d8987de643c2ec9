/* The machine that runs a template. */
#include "base/limits.h"
#include "resolver/gotmpl_code.h"

struct loop {
    struct gotmpl_value over;
    uint64_t i, n;
    uint32_t dots_n; /* outside */
};

struct machine {
    const struct gotmpl *program;
    const struct gotmpl_data *data;
    struct arena *arena;
    struct gotmpl_out *out;
    uint32_t at;
    struct gotmpl_value *values, *vars;
    uint32_t values_n;
    /* One more than blocks can be nested. */
    struct gotmpl_value dots[GOTMPL_NEST_MAX + 1];
    uint32_t dots_n;
    struct loop loops[GOTMPL_NEST_MAX];
    uint32_t loops_n;
};

static void push(struct machine *m, struct gotmpl_value v)
{
    m->values[m->values_n++] = v;
}

static struct gotmpl_value pop(struct machine *m)
{
    return m->values[--m->values_n];
}

static bool is_true(const struct machine *m, const struct gotmpl_value *v)
{
    return gotmpl_is_true(v, m->data);
}

/* ---- fields ---- */

static struct gotmpl_value of_text(struct text text)
{
    return (struct gotmpl_value){.type = GOTMPL_TEXT, .text = text};
}

static struct gotmpl_value of_number(uint64_t n)
{
    return (struct gotmpl_value){.type = GOTMPL_NUMBER, .magnitude = n};
}

static struct gotmpl_value of_type(enum gotmpl_type type)
{
    return (struct gotmpl_value){.type = type};
}

static struct gotmpl_value field_value(const struct gotmpl_data *d,
                                       const struct gotmpl_instr *i)
{
    switch ((enum gotmpl_field)i->b) {
    case GOTMPL_ZONE:
        return of_text(d->zone);
    case GOTMPL_NAME:
        return of_text(d->name);
    case GOTMPL_CLASS:
        return of_text(d->class);
    case GOTMPL_QTYPE_TEXT:
        return of_text(d->type);
    case GOTMPL_REMOTE:
        return of_text(d->remote);
    case GOTMPL_REGEX:
        return of_text(d->regex);
    case GOTMPL_MATCH:
        return of_type(GOTMPL_LIST);
    case GOTMPL_GROUP:
        return of_type(GOTMPL_GROUPS);
    case GOTMPL_THE_QUESTION:
        return of_type(GOTMPL_QUESTION);
    case GOTMPL_ALL_QUESTIONS:
        return of_type(GOTMPL_QUESTIONS);
    case GOTMPL_THE_MESSAGE:
        return of_type(GOTMPL_MESSAGE);
    case GOTMPL_QUESTION_NAME:
        return of_text(d->question.name);
    case GOTMPL_QUESTION_TYPE:
        return of_number(d->question.type);
    case GOTMPL_QUESTION_CLASS:
        return of_number(d->question.class);
    case GOTMPL_ID:
        return of_number(d->id);
    case GOTMPL_OPCODE:
        return of_number(d->flags >> 11 & 15u);
    case GOTMPL_RCODE:
        return of_number(d->flags & 15u);
    case GOTMPL_FLAG:
        return (struct gotmpl_value){.type = GOTMPL_BOOL,
                                     .truth = (d->flags & i->a) != 0};
    }
    return of_type(GOTMPL_NONE);
}

/* ---- blocks ---- */

/* `with`: true goes on with the value as the dot. */
static void begin_with(struct machine *m, const struct gotmpl_instr *i)
{
    struct gotmpl_value v = pop(m);
    if (is_true(m, &v))
        m->dots[m->dots_n++] = v;
    else
        m->at = i->a;
}

static void begin_range(struct machine *m, const struct gotmpl_instr *i)
{
    struct loop *l = &m->loops[m->loops_n];
    *l = (struct loop){.over = pop(m), .dots_n = m->dots_n};
    if (l->over.type == GOTMPL_LIST)
        l->n = m->data->found->n;
    else if (l->over.type == GOTMPL_QUESTIONS)
        l->n = 1;
    else
        l->n = l->over.negative ? 0 : l->over.magnitude;
    if (l->n == 0)
        m->at = i->a;
    else
        m->loops_n++;
}

static void end_range(struct machine *m)
{
    m->dots_n = m->loops[--m->loops_n].dots_n;
}

static struct gotmpl_value element(const struct machine *m, const struct loop *l)
{
    if (l->over.type == GOTMPL_LIST)
        return of_text(pattern_group(m->data->found, (unsigned)l->i));
    if (l->over.type == GOTMPL_QUESTIONS)
        return of_type(GOTMPL_QUESTION);
    return of_number(l->i);
}

static void next_of_range(struct machine *m, const struct gotmpl_instr *i)
{
    struct loop *l = &m->loops[m->loops_n - 1];
    if (l->i == l->n) {
        end_range(m);
        m->at = i->a;
        return;
    }
    struct gotmpl_value v = element(m, l);
    uint32_t slot = i->b;
    m->dots_n = l->dots_n; /* `continue` may come from inside a `with` */
    m->dots[m->dots_n++] = v;
    if (slot != GOTMPL_NO_SLOT && i->value.truth)
        m->vars[slot++] = of_number(l->i);
    if (slot != GOTMPL_NO_SLOT)
        m->vars[slot] = v;
    l->i++;
}

/* ---- the machine ---- */

static int call(struct machine *m, const struct gotmpl_instr *i)
{
    m->values_n -= i->a;
    struct gotmpl_call c = {.function = (enum gotmpl_function)i->b,
                            .args = m->values + m->values_n,
                            .n = i->a,
                            .data = m->data,
                            .arena = m->arena};
    if (gotmpl_call(&c) < 0) {
        m->out->error = c.error;
        return -1;
    }
    push(m, c.result);
    return 0;
}

/* `and`, `or`: the value stays when it decides. */
static void shortcut(struct machine *m, const struct gotmpl_instr *i)
{
    bool decides = i->op == GOTMPL_UNLESS_TRUE;
    if (is_true(m, &m->values[m->values_n - 1]) == decides)
        m->at = i->a;
    else
        m->values_n--;
}

static int print(struct machine *m)
{
    struct gotmpl_value v = pop(m);
    return gotmpl_format_plain(&v, m->out);
}

/* The instructions for blocks. */
static void step_block(struct machine *m, const struct gotmpl_instr *i)
{
    struct gotmpl_value v;
    switch ((int)i->op) {
    case GOTMPL_JUMP_FALSE:
        v = pop(m);
        if (is_true(m, &v))
            break;
        m->at = i->a;
        break;
    case GOTMPL_JUMP:
        m->at = i->a;
        break;
    case GOTMPL_WITH:
        begin_with(m, i);
        break;
    case GOTMPL_WITH_END:
        m->dots_n--;
        break;
    case GOTMPL_RANGE:
        begin_range(m, i);
        break;
    case GOTMPL_RANGE_NEXT:
        next_of_range(m, i);
        break;
    case GOTMPL_RANGE_BREAK:
        end_range(m);
        break;
    default:
        shortcut(m, i);
        break;
    }
}

static int step(struct machine *m)
{
    const struct gotmpl_instr *i = &m->program->code[m->at++];
    switch ((int)i->op) {
    case GOTMPL_WRITE:
        return gotmpl_put(m->out, i->value.text);
    case GOTMPL_PRINT:
        return print(m);
    case GOTMPL_PUSH:
        push(m, i->value);
        return 0;
    case GOTMPL_PUSH_DOT:
        push(m, m->dots[m->dots_n - 1]);
        return 0;
    case GOTMPL_PUSH_ROOT:
        push(m, m->dots[0]);
        return 0;
    case GOTMPL_PUSH_VAR:
        push(m, m->vars[i->a]);
        return 0;
    case GOTMPL_SET_VAR:
        m->vars[i->a] = pop(m);
        return 0;
    case GOTMPL_GET_FIELD:
        m->values[m->values_n - 1] = field_value(m->data, i);
        return 0;
    case GOTMPL_GET_KEY:
        m->values[m->values_n - 1] = gotmpl_group(m->data, i->value.text.at);
        return 0;
    case GOTMPL_CALL:
        return call(m, i);
    default:
        step_block(m, i);
        return 0;
    }
}

int gotmpl_run(const struct gotmpl *t, const struct gotmpl_data *data,
               struct arena *arena, struct gotmpl_out *out)
{
    struct machine m = {.program = t, .data = data, .arena = arena, .out = out};
    m.dots[m.dots_n++] = of_type(GOTMPL_DATA);
    m.values = arena_array(arena, t->values_max, sizeof *m.values);
    m.vars = arena_array(arena, t->vars_n, sizeof *m.vars);
    if (m.values == NULL || m.vars == NULL) {
        out->error = "out of memory";
        return -1;
    }
    for (unsigned steps = 0; m.at < t->code_n; steps++) {
        if (steps == GOTMPL_STEPS_MAX) {
            out->error = "the template runs for too long";
            return -1;
        }
        if (step(&m) < 0)
            return -1;
    }
    return 0;
}
