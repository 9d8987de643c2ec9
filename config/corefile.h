/* The grammar of a Corefile (coredns-reference 1.2 to 1.4): keys, blocks, directives,
 * snippets, import, environment variables. Knows no plugin: which words are directives
 * is told by the caller.
 *
 *     . {                      one block: keys "." and two directives
 *         errors
 *         forward . 10.0.0.1
 *     }
 *
 * A directive that stands twice in a block is one directive whose tokens are joined, as
 * in CoreDNS. Order of different directives is kept as written (plugins have a fixed
 * order). */
#ifndef ISTHMUS_CONFIG_COREFILE_H
#define ISTHMUS_CONFIG_COREFILE_H

#include "config/lexer.h"

/* All tokens of one directive of a block: each occurrence begins with the directive's
 * name. */
struct directive {
    const char *name;
    struct where at; /* of the first occurrence */
    struct token *tokens;
    uint32_t tokens_n;
    const char *usage; /* how it is written, for messages; NULL: not known */
};

struct block {
    struct token *keys; /* as written, environment expanded */
    uint32_t keys_n;
    struct directive *directives;
    uint32_t directives_n;
    struct where at;
};

/* Words the caller knows. `refused` (may be NULL) gives the reason for a word that
 * CoreDNS or its world knows and we do not have, e.g. kubernetes; NULL for a word it
 * does not know. The directive's tokens are given so that the reason can use its
 * arguments. `usage` (may be NULL) gives how one of the words is written. */
struct vocabulary {
    const char *const *words;
    uint32_t words_n;
    const char *(*usage)(const char *word);
    const char *(*refused)(const char *word, const struct directive *d,
                           struct arena *a);
};

struct corefile {
    struct block *blocks;
    uint32_t blocks_n;
    struct arena
        tokens; /* the lists of keys and directives; their texts are not here */
};

/* Parses; everything lives in the arena, but for the file's name and the lists of
 * tokens, which go with corefile_forget(), errors or not. Adds every error it
 * can find, not only the first: after an unknown directive it goes on with the next.
 * Returns 0, or -1 when errors were added. Warnings (an empty glob) are logged. */
int corefile_parse(struct arena *a, struct source from, const struct vocabulary *words,
                   struct corefile *out, struct errors *errs);

/* Frees the tokens: blocks and directives have none from now on. Texts stay. */
void corefile_forget(struct corefile *c);

#endif
