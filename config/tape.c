#include "config/tape.h"

#include <assert.h>

#define TAPE_FIRST 8

/* Leaves lists that were read to their end. */
static struct tape_list *tape_top(struct tape *t)
{
    while (t->n > 0 && t->stack[t->n - 1].at == t->stack[t->n - 1].n)
        t->n--;
    return t->n > 0 ? &t->stack[t->n - 1] : NULL;
}

int tape_splice(struct tape *t, const struct tokens *tokens)
{
    /* Lists read to their end go first: a file that imports itself last nests no
     * deeper. */
    tape_peek(t);
    if (t->n == t->cap) {
        uint32_t cap = t->cap == 0 ? TAPE_FIRST : t->cap * 2;
        struct tape_list *more = arena_array(t->arena, cap, sizeof *more);
        if (more == NULL)
            return -1;
        if (t->n > 0)
            memcpy(more, t->stack, t->n * sizeof *more);
        t->stack = more;
        t->cap = cap;
    }
    t->stack[t->n++] = (struct tape_list){.list = tokens->list, .n = tokens->n};
    return 0;
}

const struct token *tape_peek(struct tape *t)
{
    const struct tape_list *top = tape_top(t);
    if (top != NULL)
        return &top->list[top->at];
    if (!t->ahead_read && t->lexer != NULL)
        t->ahead_read = lexer_next(t->lexer, &t->ahead);
    return t->ahead_read ? &t->ahead : NULL;
}

void tape_take(struct tape *t)
{
    const struct token *next = tape_peek(t);
    assert(next != NULL);
    t->current = *next;
    t->started = true;
    tape_drop(t);
}

void tape_drop(struct tape *t)
{
    struct tape_list *top = tape_top(t);
    assert(top != NULL || t->ahead_read);
    if (top != NULL)
        top->at++;
    else
        t->ahead_read = false;
}

bool tape_new_line(const struct tape *t, const struct token *next)
{
    return !t->started || token_new_line(&t->current, next);
}
