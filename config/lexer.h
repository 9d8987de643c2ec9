/* A Corefile's characters to tokens (coredns-reference 1.1): the rules of Caddy's
 * lexer, its quirks included, because real Corefiles depend on them.
 *
 * A token's text is NUL-terminated and lives in the arena; quotedness is forgotten. */
#ifndef ISTHMUS_CONFIG_LEXER_H
#define ISTHMUS_CONFIG_LEXER_H

#include "base/arena.h"
#include "base/error.h"

struct token {
    const char *text;
    struct where at; /* where the token started */
};

struct tokens {
    struct token *list;
    uint32_t n, cap;
};

/* A text and the file it stands in. */
struct source {
    const char *file; /* borrowed for as long as the tokens */
    struct text text; /* borrowed until it is read */
};

/* A text being read token by token. */
struct lexer {
    struct source from;
    size_t at;
    uint32_t line;
    char *out; /* where the next token's text goes */
};

/* Begins. 0, or -1 on lack of memory or a NUL octet in the text (an error is added). */
int lexer_init(struct lexer *lx, struct arena *a, struct source from,
               struct errors *errs);

/* The next token; false at the end. */
bool lexer_next(struct lexer *lx, struct token *token);

/* Appends all tokens of `from`. 0, or -1 as lexer_init. */
int lexer_run(struct arena *a, struct source from, struct tokens *out,
              struct errors *errs);

/* Appends one token, amortised. 0, or -1 on lack of memory (nothing is added to any
 * list of errors). */
int tokens_push(struct arena *a, struct tokens *list, struct token token)
    __attribute__((warn_unused_result));

/* Whether `token` is exactly the text `word`. */
bool token_is(const struct token *token, const char *word);

/* Whether `next` stands on the line on which `before` ended: what Caddy calls an
 * argument. A quoted token that holds newlines ends on a later line than it started. */
bool token_same_line(const struct token *before, const struct token *next);

/* Whether `next` begins a line of its own after `before`. Not the opposite of the
 * above: a token of a snippet that was written further up in the same file does
 * neither. */
bool token_new_line(const struct token *before, const struct token *next);

#endif
