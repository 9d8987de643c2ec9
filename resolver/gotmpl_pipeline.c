/* Pipelines: values, fields, functions, parentheses. */
#include "resolver/gotmpl_reader.h"

const char *gotmpl_type_name(enum gotmpl_type type)
{
    static const char *const names[] = {
        [GOTMPL_NONE] = "nothing",
        [GOTMPL_BOOL] = "true or false",
        [GOTMPL_NUMBER] = "a number",
        [GOTMPL_TEXT] = "a text",
        [GOTMPL_LIST] = "a list",
        [GOTMPL_GROUPS] = "a map",
        [GOTMPL_QUESTION] = "a question",
        [GOTMPL_QUESTIONS] = "a list of questions",
        [GOTMPL_MESSAGE] = "a message",
        [GOTMPL_DATA] = "the data of a template",
        [GOTMPL_MIXED] = "now this, now that",
    };
    return names[type];
}

/* ---- fields ---- */

struct field {
    enum gotmpl_type of;
    const char *name;
    enum gotmpl_field field;
    enum gotmpl_type type;
    uint32_t bit; /* of a FLAG */
};

/* The header's bits are those of RFC 1035 section 4.1.1. */
static const struct field fields[] = {
    {GOTMPL_DATA, "Zone", GOTMPL_ZONE, GOTMPL_TEXT, 0},
    {GOTMPL_DATA, "Name", GOTMPL_NAME, GOTMPL_TEXT, 0},
    {GOTMPL_DATA, "Class", GOTMPL_CLASS, GOTMPL_TEXT, 0},
    {GOTMPL_DATA, "Type", GOTMPL_QTYPE_TEXT, GOTMPL_TEXT, 0},
    {GOTMPL_DATA, "Remote", GOTMPL_REMOTE, GOTMPL_TEXT, 0},
    {GOTMPL_DATA, "Regex", GOTMPL_REGEX, GOTMPL_TEXT, 0},
    {GOTMPL_DATA, "Match", GOTMPL_MATCH, GOTMPL_LIST, 0},
    {GOTMPL_DATA, "Group", GOTMPL_GROUP, GOTMPL_GROUPS, 0},
    {GOTMPL_DATA, "Question", GOTMPL_THE_QUESTION, GOTMPL_QUESTION, 0},
    {GOTMPL_DATA, "Message", GOTMPL_THE_MESSAGE, GOTMPL_MESSAGE, 0},
    {GOTMPL_QUESTION, "Name", GOTMPL_QUESTION_NAME, GOTMPL_TEXT, 0},
    {GOTMPL_QUESTION, "Qtype", GOTMPL_QUESTION_TYPE, GOTMPL_NUMBER, 0},
    {GOTMPL_QUESTION, "Qclass", GOTMPL_QUESTION_CLASS, GOTMPL_NUMBER, 0},
    {GOTMPL_MESSAGE, "Question", GOTMPL_ALL_QUESTIONS, GOTMPL_QUESTIONS, 0},
    {GOTMPL_MESSAGE, "Id", GOTMPL_ID, GOTMPL_NUMBER, 0},
    {GOTMPL_MESSAGE, "Opcode", GOTMPL_OPCODE, GOTMPL_NUMBER, 0},
    {GOTMPL_MESSAGE, "Rcode", GOTMPL_RCODE, GOTMPL_NUMBER, 0},
    {GOTMPL_MESSAGE, "Response", GOTMPL_FLAG, GOTMPL_BOOL, 0x8000},
    {GOTMPL_MESSAGE, "Authoritative", GOTMPL_FLAG, GOTMPL_BOOL, 0x0400},
    {GOTMPL_MESSAGE, "Truncated", GOTMPL_FLAG, GOTMPL_BOOL, 0x0200},
    {GOTMPL_MESSAGE, "RecursionDesired", GOTMPL_FLAG, GOTMPL_BOOL, 0x0100},
    {GOTMPL_MESSAGE, "RecursionAvailable", GOTMPL_FLAG, GOTMPL_BOOL, 0x0080},
    {GOTMPL_MESSAGE, "Zero", GOTMPL_FLAG, GOTMPL_BOOL, 0x0040},
    {GOTMPL_MESSAGE, "AuthenticatedData", GOTMPL_FLAG, GOTMPL_BOOL, 0x0020},
    {GOTMPL_MESSAGE, "CheckingDisabled", GOTMPL_FLAG, GOTMPL_BOOL, 0x0010},
};

static int refuse_field(struct gotmpl_reader *rd, enum gotmpl_type of)
{
    struct text name = rd->token.text;
    if (of == GOTMPL_DATA && text_is(name, "Var"))
        return gotmpl_refuse(rd, ".Var needs the option `var`, which is not in this "
                                 "version of isthmus");
    if (of == GOTMPL_DATA && text_is(name, "Meta"))
        return gotmpl_refuse(rd, ".Meta stands first in a command: .Meta \"label\"");
    return gotmpl_refuse(rd, ".%.*s is not offered here: it is asked of %s",
                         (int)name.len, name.at, gotmpl_type_name(of));
}

/* One field of the value on the stack. */
static int read_field(struct gotmpl_reader *rd, enum gotmpl_type *type)
{
    struct text name = rd->token.text;
    struct gotmpl_instr instr = {.op = GOTMPL_GET_KEY};
    if (*type == GOTMPL_GROUPS) {
        /* With a NUL behind it, for the pattern's table of names. */
        instr.value.text = (struct text){arena_text(rd->arena, name), name.len};
        if (instr.value.text.at == NULL)
            return gotmpl_refuse(rd, "out of memory");
        *type = GOTMPL_TEXT;
        return gotmpl_emit(rd, instr);
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct field *f = &fields[i];
        if (f->of != *type || !text_is(name, f->name))
            continue;
        instr =
            (struct gotmpl_instr){.op = GOTMPL_GET_FIELD, .a = f->bit, .b = f->field};
        *type = f->type;
        return gotmpl_emit(rd, instr);
    }
    return refuse_field(rd, *type);
}

/* Fields that hang on a value without a blank: .A.B, $x.A, (...).A */
static int read_chain(struct gotmpl_reader *rd, enum gotmpl_type *type)
{
    while (rd->token.kind == GOTMPL_FIELD_NAME && rd->token.glued) {
        if (read_field(rd, type) < 0 || gotmpl_advance(rd) < 0)
            return -1;
    }
    return 0;
}

/* ---- functions ---- */

struct function {
    const char *name;
    enum gotmpl_function function;
    uint32_t min, max;
};

static const struct function functions[] = {
    {"and", GOTMPL_FN_AND, 1, GOTMPL_ARGS_MAX},
    {"or", GOTMPL_FN_OR, 1, GOTMPL_ARGS_MAX},
    {"not", GOTMPL_FN_NOT, 1, 1},
    {"eq", GOTMPL_FN_EQ, 2, GOTMPL_ARGS_MAX},
    {"ne", GOTMPL_FN_NE, 2, 2},
    {"lt", GOTMPL_FN_LT, 2, 2},
    {"le", GOTMPL_FN_LE, 2, 2},
    {"gt", GOTMPL_FN_GT, 2, 2},
    {"ge", GOTMPL_FN_GE, 2, 2},
    {"len", GOTMPL_FN_LEN, 1, 1},
    {"index", GOTMPL_FN_INDEX, 2, 2},
    {"slice", GOTMPL_FN_SLICE, 1, 3},
    {"print", GOTMPL_FN_PRINT, 1, GOTMPL_ARGS_MAX},
    {"println", GOTMPL_FN_PRINTLN, 1, GOTMPL_ARGS_MAX},
    {"printf", GOTMPL_FN_PRINTF, 1, GOTMPL_ARGS_MAX},
    {"parseInt", GOTMPL_FN_PARSEINT, 3, 3},
    {".Meta", GOTMPL_FN_META, 1, 1},
};

static const struct function *function_of(enum gotmpl_function function)
{
    size_t i = 0;
    while (functions[i].function != function)
        i++;
    return &functions[i];
}

static struct gotmpl_command *command(struct gotmpl_reader *rd)
{
    return &rd->commands[rd->commands_n - 1];
}

static int refuse_types(struct gotmpl_reader *rd, const struct gotmpl_command *c,
                        const char *expected)
{
    return gotmpl_refuse(rd, "%s: expected %s, not %s", function_of(c->function)->name,
                         expected, gotmpl_type_name(c->args[0]));
}

/* Whether a value of this type can be written. A mixed one is looked at when it runs.
 */
static bool is_printable(enum gotmpl_type type)
{
    return type == GOTMPL_BOOL || type == GOTMPL_NUMBER || type == GOTMPL_TEXT ||
           type == GOTMPL_MIXED;
}

/* What all arguments have in common. */
static enum gotmpl_type common_type(const struct gotmpl_command *c)
{
    for (uint32_t i = 1; i < c->args_n; i++) {
        if (c->args[i] != c->args[0])
            return GOTMPL_MIXED;
    }
    return c->args[0];
}

static int check_comparison(struct gotmpl_reader *rd, const struct gotmpl_command *c)
{
    bool order = c->function != GOTMPL_FN_EQ && c->function != GOTMPL_FN_NE;
    for (uint32_t i = 0; i < c->args_n; i++) {
        enum gotmpl_type type = c->args[i];
        if (!is_printable(type) || (order && type == GOTMPL_BOOL))
            return refuse_types(rd, c,
                                order ? "numbers or texts"
                                      : "texts, numbers, or true and false");
        bool known = type != GOTMPL_MIXED && c->args[0] != GOTMPL_MIXED;
        if (known && type != c->args[0])
            return gotmpl_refuse(rd, "%s compares %s with %s",
                                 function_of(c->function)->name,
                                 gotmpl_type_name(c->args[0]), gotmpl_type_name(type));
    }
    return 0;
}

static int check_printable(struct gotmpl_reader *rd, const struct gotmpl_command *c)
{
    for (uint32_t i = 0; i < c->args_n; i++) {
        if (!is_printable(c->args[i]))
            return gotmpl_refuse(rd, "%s: %s cannot be printed",
                                 function_of(c->function)->name,
                                 gotmpl_type_name(c->args[i]));
    }
    return 0;
}

static int check_printf(struct gotmpl_reader *rd, const struct gotmpl_command *c)
{
    struct text format = c->format;
    struct gotmpl_verb v;
    uint32_t verbs = 0;
    if (format.at == NULL)
        return gotmpl_refuse(rd, "printf: its format must be a quoted text");
    while (gotmpl_format_next(&format, &v)) {
        if (v.verb == '?')
            return gotmpl_refuse(rd, "printf: %.*s is not offered here",
                                 (int)v.text.len, v.text.at);
        verbs += v.verb != 0;
    }
    if (verbs != c->args_n - 1)
        return gotmpl_refuse(rd, "printf: its format wants %u values, it has %u", verbs,
                             c->args_n - 1);
    return check_printable(rd, c);
}

static int check_index(struct gotmpl_reader *rd, const struct gotmpl_command *c,
                       enum gotmpl_type *result)
{
    enum gotmpl_type key = c->args[0] == GOTMPL_GROUPS ? GOTMPL_TEXT : GOTMPL_NUMBER;
    switch ((int)c->args[0]) {
    case GOTMPL_LIST:
    case GOTMPL_GROUPS:
        *result = GOTMPL_TEXT;
        break;
    case GOTMPL_QUESTIONS:
        *result = GOTMPL_QUESTION;
        break;
    case GOTMPL_TEXT:
        *result = GOTMPL_NUMBER;
        break;
    default:
        return refuse_types(rd, c, "a list, a map or a text");
    }
    if (c->args[1] != key && c->args[1] != GOTMPL_MIXED)
        return gotmpl_refuse(rd, "index: %s has %s for a key, not %s",
                             gotmpl_type_name(c->args[0]), gotmpl_type_name(key),
                             gotmpl_type_name(c->args[1]));
    return 0;
}

static int check_numbers(struct gotmpl_reader *rd, const struct gotmpl_command *c)
{
    if (c->args[0] != GOTMPL_TEXT && c->args[0] != GOTMPL_MIXED)
        return refuse_types(rd, c, "a text");
    for (uint32_t i = 1; i < c->args_n; i++) {
        if (c->args[i] != GOTMPL_NUMBER && c->args[i] != GOTMPL_MIXED)
            return gotmpl_refuse(rd, "%s: expected a number, not %s",
                                 function_of(c->function)->name,
                                 gotmpl_type_name(c->args[i]));
    }
    return 0;
}

static int check_len(struct gotmpl_reader *rd, const struct gotmpl_command *c)
{
    enum gotmpl_type type = c->args[0];
    if (type == GOTMPL_TEXT || type == GOTMPL_LIST || type == GOTMPL_QUESTIONS ||
        type == GOTMPL_MIXED)
        return 0;
    return refuse_types(rd, c, "a text or a list");
}

/* Checks the arguments of a whole call; *result gets the type of its value. */
static int check_call(struct gotmpl_reader *rd, const struct gotmpl_command *c,
                      enum gotmpl_type *result)
{
    *result = GOTMPL_BOOL;
    switch (c->function) {
    case GOTMPL_FN_AND:
    case GOTMPL_FN_OR:
        *result = common_type(c);
        return 0;
    case GOTMPL_FN_NONE:
    case GOTMPL_FN_NOT:
        return 0;
    case GOTMPL_FN_EQ:
    case GOTMPL_FN_NE:
    case GOTMPL_FN_LT:
    case GOTMPL_FN_LE:
    case GOTMPL_FN_GT:
    case GOTMPL_FN_GE:
        return check_comparison(rd, c);
    case GOTMPL_FN_LEN:
        *result = GOTMPL_NUMBER;
        return check_len(rd, c);
    case GOTMPL_FN_INDEX:
        return check_index(rd, c, result);
    case GOTMPL_FN_SLICE:
        *result = GOTMPL_TEXT;
        return check_numbers(rd, c);
    case GOTMPL_FN_PARSEINT:
        *result = GOTMPL_NUMBER;
        return check_numbers(rd, c);
    case GOTMPL_FN_PRINT:
    case GOTMPL_FN_PRINTLN:
    case GOTMPL_FN_META:
        *result = GOTMPL_TEXT;
        return check_printable(rd, c);
    case GOTMPL_FN_PRINTF:
        *result = GOTMPL_TEXT;
        return check_printf(rd, c);
    }
    return -1;
}

/* ---- commands ---- */

static int begin_command(struct gotmpl_reader *rd)
{
    if (rd->commands_n == GOTMPL_NEST_MAX)
        return gotmpl_refuse(rd, "parentheses are nested more than %d deep",
                             GOTMPL_NEST_MAX);
    rd->commands[rd->commands_n++] = (struct gotmpl_command){0};
    return 0;
}

/* Before an argument, or the one value of a command without a function. */
static int begin_value(struct gotmpl_reader *rd)
{
    struct gotmpl_command *c = command(rd);
    uint32_t max = c->function == GOTMPL_FN_NONE ? 1 : function_of(c->function)->max;
    if (c->function == GOTMPL_FN_NONE && c->args_n == 1)
        return gotmpl_refuse(rd, "only a function takes arguments");
    if (c->args_n == max)
        return gotmpl_refuse(rd, "%s takes at most %u arguments",
                             function_of(c->function)->name, max);
    if (c->args_n == 0)
        return 0;
    if (c->function == GOTMPL_FN_AND)
        return gotmpl_emit_jump(rd, GOTMPL_UNLESS_FALSE, &c->shortcut);
    if (c->function == GOTMPL_FN_OR)
        return gotmpl_emit_jump(rd, GOTMPL_UNLESS_TRUE, &c->shortcut);
    return 0;
}

static void end_value(struct gotmpl_reader *rd, enum gotmpl_type type)
{
    struct gotmpl_command *c = command(rd);
    c->args[c->args_n++] = type;
}

static int add_piped(struct gotmpl_reader *rd)
{
    struct gotmpl_command *c = command(rd);
    struct gotmpl_instr push = {.op = GOTMPL_PUSH_VAR, .a = c->pipe_slot};
    if (c->function == GOTMPL_FN_NONE)
        return gotmpl_refuse(rd, "only a function can follow |");
    if (begin_value(rd) < 0 || gotmpl_emit(rd, push) < 0)
        return -1;
    end_value(rd, rd->vars[c->pipe_slot].type);
    return 0;
}

/* The command in hand is whole: its value is on the stack. */
static int end_command(struct gotmpl_reader *rd, enum gotmpl_type *type)
{
    struct gotmpl_command *c = command(rd);
    if (c->piped && add_piped(rd) < 0)
        return -1;
    if (c->function == GOTMPL_FN_NONE) {
        *type = c->args[0];
        return c->args_n == 1 ? 0 : gotmpl_refuse(rd, "a value is missing");
    }
    const struct function *f = function_of(c->function);
    if (c->args_n < f->min)
        return gotmpl_refuse(rd, "%s takes at least %u arguments", f->name, f->min);
    if (check_call(rd, c, type) < 0)
        return -1;
    gotmpl_land(rd, &c->shortcut);
    if (c->function == GOTMPL_FN_AND || c->function == GOTMPL_FN_OR)
        return 0;
    return gotmpl_emit(
        rd, (struct gotmpl_instr){.op = GOTMPL_CALL, .a = c->args_n, .b = c->function});
}

/* `|`: the value so far is the last argument of the next command. */
static int pipe_on(struct gotmpl_reader *rd)
{
    enum gotmpl_type type;
    if (end_command(rd, &type) < 0)
        return -1;
    int slot = gotmpl_declare(rd, (struct text){0}, type);
    if (slot < 0)
        return -1;
    *command(rd) = (struct gotmpl_command){.piped = true, .pipe_slot = (uint32_t)slot};
    struct gotmpl_instr set = {.op = GOTMPL_SET_VAR, .a = (uint32_t)slot};
    return gotmpl_emit(rd, set) < 0 ? -1 : gotmpl_advance(rd);
}

/* `)`: what is in the parentheses is a value of the command outside. */
static int close_parenthesis(struct gotmpl_reader *rd)
{
    enum gotmpl_type type;
    if (end_command(rd, &type) < 0 || gotmpl_advance(rd) < 0)
        return -1;
    rd->commands_n--;
    if (read_chain(rd, &type) < 0)
        return -1;
    end_value(rd, type);
    return 0;
}

/* ---- values ---- */

static int begin_function(struct gotmpl_reader *rd, enum gotmpl_function function)
{
    struct gotmpl_command *c = command(rd);
    if (c->function != GOTMPL_FN_NONE || c->args_n > 0)
        return gotmpl_refuse(rd, "%s has to stand first: put it into ( )",
                             function_of(function)->name);
    c->function = function;
    return gotmpl_advance(rd);
}

static int refuse_word(struct gotmpl_reader *rd)
{
    static const char *const others[] = {"html", "js", "urlquery", "call", "nil"};
    struct text word = rd->token.text;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (text_is(word, others[i]))
            return gotmpl_refuse(rd, "%s is not offered here", others[i]);
    }
    return gotmpl_refuse(rd, "function \"%.*s\" not defined", (int)word.len, word.at);
}

static int read_word(struct gotmpl_reader *rd)
{
    struct text word = rd->token.text;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (text_is(word, functions[i].name))
            return begin_function(rd, functions[i].function);
    }
    struct gotmpl_instr push = {.op = GOTMPL_PUSH};
    push.value.type = GOTMPL_BOOL;
    push.value.truth = text_is(word, "true");
    if (!push.value.truth && !text_is(word, "false"))
        return refuse_word(rd);
    if (begin_value(rd) < 0 || gotmpl_emit(rd, push) < 0)
        return -1;
    end_value(rd, GOTMPL_BOOL);
    return gotmpl_advance(rd);
}

static int read_literal(struct gotmpl_reader *rd)
{
    const struct gotmpl_token *t = &rd->token;
    struct gotmpl_command *c = command(rd);
    struct gotmpl_instr push = {.op = GOTMPL_PUSH};
    bool number = t->kind == GOTMPL_INTEGER;
    push.value.type = number ? GOTMPL_NUMBER : GOTMPL_TEXT;
    push.value.magnitude = t->magnitude;
    push.value.negative = t->negative && t->magnitude > 0;
    push.value.text = t->text;
    if (begin_value(rd) < 0 || gotmpl_emit(rd, push) < 0)
        return -1;
    if (c->args_n == 0 && !number)
        c->format = t->text;
    end_value(rd, push.value.type);
    return gotmpl_advance(rd);
}

/* `.`, `.Field`, `$`, `$name`: what fields may hang on. */
static int read_variable(struct gotmpl_reader *rd)
{
    struct gotmpl_instr push = {.op = GOTMPL_PUSH_DOT};
    enum gotmpl_type type = rd->dot;
    if (rd->token.kind == GOTMPL_VARIABLE) {
        const struct gotmpl_var *var = gotmpl_var(rd, rd->token.text);
        bool root = rd->token.text.len == 0;
        if (var == NULL && !root)
            return gotmpl_refuse(rd, "undefined variable \"$%.*s\"",
                                 (int)rd->token.text.len, rd->token.text.at);
        push.op = root ? GOTMPL_PUSH_ROOT : GOTMPL_PUSH_VAR;
        push.a = root ? 0 : (uint32_t)(var - rd->vars);
        type = root ? GOTMPL_DATA : var->type;
    }
    if (begin_value(rd) < 0 || gotmpl_emit(rd, push) < 0)
        return -1;
    if (rd->token.kind == GOTMPL_FIELD_NAME && read_field(rd, &type) < 0)
        return -1;
    if (gotmpl_advance(rd) < 0 || read_chain(rd, &type) < 0)
        return -1;
    end_value(rd, type);
    return 0;
}

static bool is_meta(const struct gotmpl_reader *rd)
{
    const struct gotmpl_command *c = &rd->commands[rd->commands_n - 1];
    return rd->dot == GOTMPL_DATA && text_is(rd->token.text, "Meta") &&
           c->function == GOTMPL_FN_NONE && c->args_n == 0;
}

/* One token, or a value with its fields. */
static int read_part(struct gotmpl_reader *rd)
{
    switch ((int)rd->token.kind) {
    case GOTMPL_FIELD_NAME:
        if (is_meta(rd))
            return begin_function(rd, GOTMPL_FN_META);
        return read_variable(rd);
    case GOTMPL_DOT:
    case GOTMPL_VARIABLE:
        return read_variable(rd);
    case GOTMPL_STRING:
    case GOTMPL_INTEGER:
        return read_literal(rd);
    case GOTMPL_WORD:
        return read_word(rd);
    case GOTMPL_PIPE:
        return pipe_on(rd);
    case GOTMPL_LPAREN:
        if (begin_value(rd) < 0 || begin_command(rd) < 0)
            return -1;
        return gotmpl_advance(rd);
    default:
        return gotmpl_refuse(rd, "'%.*s' has no place here", (int)rd->token.text.len,
                             rd->token.text.at);
    }
}

int gotmpl_pipeline(struct gotmpl_reader *rd, enum gotmpl_type *type)
{
    uint32_t vars = rd->vars_n;
    rd->commands_n = 0;
    if (begin_command(rd) < 0)
        return -1;
    while (rd->token.kind != GOTMPL_CLOSE) {
        bool closing = rd->token.kind == GOTMPL_RPAREN;
        if (closing && rd->commands_n == 1)
            return gotmpl_refuse(rd, "a ) has no (");
        if ((closing ? close_parenthesis(rd) : read_part(rd)) < 0)
            return -1;
    }
    if (rd->commands_n > 1)
        return gotmpl_refuse(rd, "a ( has no )");
    if (end_command(rd, type) < 0)
        return -1;
    rd->vars_n = vars; /* piped values are no longer needed */
    return 0;
}
