/* What gotmpl.c writes and gotmpl_run.c executes: the program of a template, for a
 * machine with a stack of values, one of dots, and one of loops. For these two only. */
#ifndef ISTHMUS_RESOLVER_GOTMPL_CODE_H
#define ISTHMUS_RESOLVER_GOTMPL_CODE_H

#include "resolver/gotmpl.h"

enum gotmpl_type {
    GOTMPL_NONE, /* a key that is not there */
    GOTMPL_BOOL,
    GOTMPL_NUMBER,
    GOTMPL_TEXT,
    GOTMPL_LIST,      /* .Match */
    GOTMPL_GROUPS,    /* .Group */
    GOTMPL_QUESTION,  /* .Question */
    GOTMPL_QUESTIONS, /* .Message.Question: a list of one */
    GOTMPL_MESSAGE,   /* .Message */
    GOTMPL_DATA,      /* $ */
    GOTMPL_MIXED, /* while reading only: what `and` and `or` give of several types */
};

struct gotmpl_value {
    enum gotmpl_type type;
    bool truth;         /* of a BOOL */
    bool negative;      /* of a NUMBER */
    uint64_t magnitude; /* of a NUMBER */
    struct text text;
};

enum gotmpl_field {
    GOTMPL_ZONE,
    GOTMPL_NAME,
    GOTMPL_CLASS,
    GOTMPL_QTYPE_TEXT, /* .Type */
    GOTMPL_REMOTE,
    GOTMPL_REGEX,
    GOTMPL_MATCH,
    GOTMPL_GROUP,
    GOTMPL_THE_QUESTION,
    GOTMPL_THE_MESSAGE,
    GOTMPL_QUESTION_NAME,
    GOTMPL_QUESTION_TYPE,
    GOTMPL_QUESTION_CLASS,
    GOTMPL_ID,
    GOTMPL_OPCODE,
    GOTMPL_RCODE,
    GOTMPL_FLAG, /* a bit of the flags: instr->a */
    GOTMPL_ALL_QUESTIONS,
};

enum gotmpl_function {
    GOTMPL_FN_NONE, /* a command that is one value */
    GOTMPL_FN_AND,
    GOTMPL_FN_OR,
    GOTMPL_FN_NOT,
    GOTMPL_FN_EQ,
    GOTMPL_FN_NE,
    GOTMPL_FN_LT,
    GOTMPL_FN_LE,
    GOTMPL_FN_GT,
    GOTMPL_FN_GE,
    GOTMPL_FN_LEN,
    GOTMPL_FN_INDEX,
    GOTMPL_FN_SLICE,
    GOTMPL_FN_PRINT,
    GOTMPL_FN_PRINTLN,
    GOTMPL_FN_PRINTF,
    GOTMPL_FN_PARSEINT,
    GOTMPL_FN_META,
};

enum gotmpl_op {
    GOTMPL_WRITE,        /* value: literal text */
    GOTMPL_PRINT,        /* pops and writes */
    GOTMPL_PUSH,         /* value */
    GOTMPL_PUSH_DOT,     /* . */
    GOTMPL_PUSH_ROOT,    /* $ */
    GOTMPL_PUSH_VAR,     /* a: slot */
    GOTMPL_SET_VAR,      /* pops; a: slot */
    GOTMPL_GET_FIELD,    /* pops, pushes; b: enum gotmpl_field */
    GOTMPL_GET_KEY,      /* pops groups, pushes; value: the key */
    GOTMPL_CALL,         /* pops a, pushes; b: enum gotmpl_function */
    GOTMPL_JUMP,         /* a: where to */
    GOTMPL_JUMP_FALSE,   /* pops; a */
    GOTMPL_UNLESS_FALSE, /* false: to a, keeping the value; else pops it (`and`) */
    GOTMPL_UNLESS_TRUE,  /* the same for `or` */
    GOTMPL_WITH,         /* pops; false: to a; else the value is the dot */
    GOTMPL_WITH_END,     /* the dot before comes back */
    GOTMPL_RANGE,        /* pops, begins a loop; nothing in it: to a */
    GOTMPL_RANGE_NEXT,   /* the next element is the dot, and in slots b and b + 1;
                            none: ends the loop, to a */
    GOTMPL_RANGE_BREAK,  /* ends the loop */
};

struct gotmpl_instr {
    enum gotmpl_op op;
    uint32_t a, b;
    struct gotmpl_value value;
};

#define GOTMPL_NO_SLOT UINT32_MAX

struct gotmpl {
    const struct gotmpl_instr *code;
    uint32_t code_n;
    uint32_t values_max, vars_n; /* stack and variables that a run needs */
};

/* How many blocks and parentheses may stand in one another. */
#define GOTMPL_NEST_MAX 32

/* ---- gotmpl_format.c ---- */

/* A piece of a format: text, or a verb with its flags. */
struct gotmpl_verb {
    char verb; /* 0: text */
    struct text text;
    bool minus, plus, space, zero, sharp;
    bool has_precision;
    unsigned width, precision;
};

/* Takes the next piece off the front; false at the end. A verb that is not offered has
 * verb '?', with its spelling in `text`. */
bool gotmpl_format_next(struct text *format, struct gotmpl_verb *out);

/* Writes a value as the verb says. 0, or -1 with out->error. */
int gotmpl_format_value(const struct gotmpl_verb *v, const struct gotmpl_value *value,
                        struct gotmpl_out *out);

/* Writes a value as %v: text, a number, true. */
int gotmpl_format_plain(const struct gotmpl_value *value, struct gotmpl_out *out);

int gotmpl_put(struct gotmpl_out *out, struct text text);

/* ---- gotmpl_call.c ---- */

bool gotmpl_is_true(const struct gotmpl_value *v, const struct gotmpl_data *data);

/* One call of a function that is neither `and` nor `or`. */
struct gotmpl_call {
    enum gotmpl_function function;
    const struct gotmpl_value *args;
    uint32_t n;
    const struct gotmpl_data *data;
    struct arena *arena;
    struct gotmpl_value result;
    const char *error;
};

/* 0, or -1 with call->error. */
int gotmpl_call(struct gotmpl_call *call);

/* The value of .Group for a key, NONE when there is none. */
struct gotmpl_value gotmpl_group(const struct gotmpl_data *data, const char *key);

#endif
