/* The text of a template to tokens: what stands outside of {{ }}, and the words within
 * (text/template/parse/lex.go tells the rules). */
#ifndef ISTHMUS_RESOLVER_GOTMPL_LEX_H
#define ISTHMUS_RESOLVER_GOTMPL_LEX_H

#include "base/arena.h"

enum gotmpl_token_kind {
    GOTMPL_END_OF_TEXT,
    GOTMPL_LITERAL,    /* outside of {{ }}, blanks trimmed where a `-` says so */
    GOTMPL_OPEN,       /* {{ */
    GOTMPL_CLOSE,      /* }} */
    GOTMPL_FIELD_NAME, /* .Name, without its dot */
    GOTMPL_DOT,        /* . alone */
    GOTMPL_VARIABLE,   /* $name; `$` alone has no text */
    GOTMPL_WORD,       /* if, printf, true ... */
    GOTMPL_STRING,     /* text without quotes, escapes resolved */
    GOTMPL_INTEGER,
    GOTMPL_LPAREN,
    GOTMPL_RPAREN,
    GOTMPL_PIPE,
    GOTMPL_COMMA,
    GOTMPL_DECLARE, /* := */
    GOTMPL_ASSIGN,  /* = */
    GOTMPL_FLAW,    /* `text` says what is wrong */
};

struct gotmpl_token {
    enum gotmpl_token_kind kind;
    bool glued; /* nothing stands between it and the token before */
    struct text text;
    bool negative; /* of an INTEGER */
    uint64_t magnitude;
};

struct gotmpl_lex {
    struct arena *arena;
    struct text text;
    size_t at;
    bool inside;     /* between {{ and }} */
    bool trim_after; /* the last }} had a `-` */
};

/* The next token. After END_OF_TEXT or FLAW there is none. */
struct gotmpl_token gotmpl_lex_next(struct gotmpl_lex *lex);

#endif
