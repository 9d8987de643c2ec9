/* What expr.c writes and expr_run.c executes: a program for a machine with a stack of
 * values. For these two only. */
#ifndef ISTHMUS_RESOLVER_EXPR_CODE_H
#define ISTHMUS_RESOLVER_EXPR_CODE_H

#include "base/limits.h"
#include "resolver/expr.h"
#include "resolver/pattern.h"

enum expr_kind { EXPR_BOOL, EXPR_NUMBER, EXPR_TEXT, EXPR_LIST };

struct expr_value {
    enum expr_kind kind;
    bool truth;
    int64_t number;
    struct text text;
    const struct expr_list *list;
};

struct expr_list {
    bool range; /* low to high; otherwise items */
    int64_t low, high;
    struct expr_value *items;
    uint32_t n;
};

/* Functions of the question. */
enum expr_field {
    EXPR_BUFSIZE,
    EXPR_CLASS,
    EXPR_CLIENT_IP,
    EXPR_DO,
    EXPR_ID,
    EXPR_NAME,
    EXPR_OPCODE,
    EXPR_PORT,
    EXPR_PROTO,
    EXPR_SERVER_IP,
    EXPR_SERVER_PORT,
    EXPR_SIZE,
    EXPR_TYPE,
};

enum expr_op {
    EXPR_PUSH,        /* `value` */
    EXPR_GET,         /* `field` */
    EXPR_JUMP_FALSE,  /* false: stays and jumps to `to`; true: is dropped */
    EXPR_JUMP_TRUE,   /* the other way round */
    EXPR_INCIDR,      /* text -> bool, in `cidr` */
    EXPR_INCIDR_TEXT, /* text, text -> bool */
    EXPR_METADATA,
    EXPR_LEN,
    EXPR_LOWER,
    EXPR_UPPER,
    EXPR_TRIM,
    EXPR_NEGATE,
    EXPR_NOT,
    EXPR_EQUAL,
    EXPR_LESS,
    EXPR_LESS_EQUAL,
    EXPR_ADD,
    EXPR_SUBTRACT,
    EXPR_MULTIPLY,
    EXPR_REMAINDER,
    EXPR_IN,
    EXPR_CONTAINS,
    EXPR_STARTS,
    EXPR_ENDS,
    EXPR_MATCHES, /* `pattern` */
    EXPR_FAIL,    /* nothing can be true any more */
};

struct expr_instr {
    enum expr_op op;
    enum expr_field field;
    uint32_t to;
    struct expr_value value;
    struct cidr cidr;
    const struct pattern *pattern;
};

struct expr {
    struct expr_instr *list;
    uint32_t n;
    bool condition; /* it gives a truth */
    const char *warning;
};

#endif
