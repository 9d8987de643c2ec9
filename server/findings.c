#include "server/findings.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_MAX 1024

void findings_init(struct findings *f)
{
    *f = (struct findings){0};
    arena_init(&f->arena, NULL, 0);
    f->last = &f->first;
}

void findings_release(struct findings *f)
{
    arena_release(&f->arena);
}

void findings_add(struct findings *f, enum finding_level level, struct where at,
                  const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    f->n[level]++;
    struct finding *one = arena_alloc(&f->arena, sizeof *one);
    if (one == NULL)
        return;
    one->level = level;
    one->at = at;
    one->kind = fmt[0] == '%' ? NULL : fmt;
    if (at.file != NULL)
        one->at.file = arena_text(&f->arena, text_of(at.file));
    one->text = arena_text(&f->arena, text_of(text));
    if (one->text == NULL)
        return;
    *f->last = one;
    f->last = &one->next;
}

const char *finding_level_print(enum finding_level level)
{
    static const char *const words[] = {[FINDING_NOTE] = "note",
                                        [FINDING_WARNING] = "warning",
                                        [FINDING_ERROR] = "error"};
    return words[level];
}
