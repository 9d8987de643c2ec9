/* The tokens a Corefile's parser reads, with imports spliced in where they stand. The
 * file itself is lexed while it is read: its tokens are never in memory all at once.
 *
 * A splice is a list put in front of what is left; nothing is copied or moved, so that
 * ten thousand imports cost what their tokens cost. Lists are borrowed for as long as
 * the tape.
 *
 *     while ((next = tape_peek(t)) != NULL && !tape_new_line(t, next))
 *         tape_take(t);                                  // arguments of the current
 * token */
#ifndef ISTHMUS_CONFIG_TAPE_H
#define ISTHMUS_CONFIG_TAPE_H

#include "config/lexer.h"

struct tape_list {
    const struct token *list;
    uint32_t n, at;
};

struct tape {
    struct arena *arena;
    struct lexer *lexer; /* what is read when the lists are; NULL: nothing */
    struct token ahead;  /* read from the lexer, not yet taken */
    bool ahead_read;
    struct tape_list *stack; /* the last is read first */
    uint32_t n, cap;
    struct token current; /* the last that was taken */
    bool started;         /* false: none was taken yet */
};

/* Puts `tokens` in front of what is left to read. 0, or -1 on lack of memory. */
int tape_splice(struct tape *t, const struct tokens *tokens)
    __attribute__((warn_unused_result));

/* The next token, or NULL at the end. Valid until the next call that changes the tape.
 */
const struct token *tape_peek(struct tape *t);

/* Makes the next token the current one. There must be one. */
void tape_take(struct tape *t);

/* Passes over the next token; the current one stays, as if the other had never been
 * there. */
void tape_drop(struct tape *t);

/* Whether `next` begins a line of its own after the current token. */
bool tape_new_line(const struct tape *t, const struct token *next);

#endif
