#include "config/tape.h"

#include <assert.h>

#define TAPE_FIRST 8

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
    while (t->n > 0) {
        const struct tape_list *top = &t->stack[t->n - 1];
        if (top->at < top->n)
            return &top->list[top->at];
        t->n--;
    }
    return NULL;
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
    assert(t->n > 0);
    t->stack[t->n - 1].at++;
}

bool tape_new_line(const struct tape *t, const struct token *next)
{
    return !t->started || token_new_line(&t->current, next);
}
