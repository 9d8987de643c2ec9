/* A template while it is read: gotmpl.c reads blocks, gotmpl_pipeline.c what stands
 * in them. For these two only. Nothing recurses: what is nested lies on stacks of
 * GOTMPL_NEST_MAX. */
#ifndef ISTHMUS_RESOLVER_GOTMPL_READER_H
#define ISTHMUS_RESOLVER_GOTMPL_READER_H

#include "resolver/gotmpl_code.h"
#include "resolver/gotmpl_lex.h"

#define GOTMPL_VARS_MAX 32 /* variables and piped values at one place */
#define GOTMPL_ARGS_MAX 16 /* of one function */

/* A place in the code that is not known yet: the last jump to it, each of which holds
 * the one before it, plus one. 0 = none. */
struct gotmpl_target {
    uint32_t last;
};

struct gotmpl_var {
    struct text name; /* at NULL: a piped value */
    enum gotmpl_type type;
};

enum gotmpl_block_kind { GOTMPL_IF, GOTMPL_WITH_BLOCK, GOTMPL_RANGE_BLOCK };

struct gotmpl_block {
    enum gotmpl_block_kind kind;
    struct gotmpl_target skip; /* where it goes when it does not apply */
    struct gotmpl_target end;
    uint32_t next;        /* of a range: its RANGE_NEXT */
    enum gotmpl_type dot; /* outside */
    uint32_t vars_outside, vars_inside;
    bool dotted; /* the branch in hand has a dot of its own */
    bool last;   /* the branch in hand is a plain else */
};

/* One command between parentheses or pipes. */
struct gotmpl_command {
    enum gotmpl_function function;
    uint32_t args_n;
    enum gotmpl_type args[GOTMPL_ARGS_MAX];
    struct text format; /* printf: its first argument, at NULL: not literal */
    bool piped;         /* the last argument comes from the command before */
    uint32_t pipe_slot;
    struct gotmpl_target shortcut; /* `and`, `or`: its end */
};

struct gotmpl_reader {
    struct arena *arena;
    char *why;
    struct gotmpl_lex lex;
    struct gotmpl_token token;

    struct gotmpl_instr *code;
    uint32_t code_n, code_cap;
    uint32_t values, values_max; /* on the stack of the run */

    struct gotmpl_var vars[GOTMPL_VARS_MAX];
    uint32_t vars_n, vars_max;
    struct gotmpl_block blocks[GOTMPL_NEST_MAX];
    uint32_t blocks_n;
    struct gotmpl_command commands[GOTMPL_NEST_MAX];
    uint32_t commands_n;
    enum gotmpl_type dot;
};

/* -1, always; the first reason is kept. */
int gotmpl_refuse(struct gotmpl_reader *rd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The next token into rd->token. 0, or -1 when it is a flaw. */
int gotmpl_advance(struct gotmpl_reader *rd);

/* Appends an instruction. 0, or -1: no memory. */
int gotmpl_emit(struct gotmpl_reader *rd, struct gotmpl_instr instr);

/* Appends a jump to a place to come; gotmpl_land() says that it is here. */
int gotmpl_emit_jump(struct gotmpl_reader *rd, enum gotmpl_op op,
                     struct gotmpl_target *to);
void gotmpl_land(struct gotmpl_reader *rd, struct gotmpl_target *to);

/* A new variable; its slot, or -1. Without a name it is a piped value. */
int gotmpl_declare(struct gotmpl_reader *rd, struct text name, enum gotmpl_type type);

/* The variable of a name; NULL when there is none. */
struct gotmpl_var *gotmpl_var(struct gotmpl_reader *rd, struct text name);

/* Reads from rd->token up to }}, which is then rd->token. Its value is on the stack. 0
 * or -1. */
int gotmpl_pipeline(struct gotmpl_reader *rd, enum gotmpl_type *type);

/* What a type is called in reasons: "a list". */
const char *gotmpl_type_name(enum gotmpl_type type);

#endif
