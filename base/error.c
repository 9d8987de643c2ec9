#include "base/error.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LIST_FIRST 4

void errors_init(struct errors *errs)
{
    *errs = (struct errors){0};
}

uint32_t errors_told(const struct errors *errs)
{
    return errs->n < errs->list_cap ? errs->n : errs->list_cap;
}

void errors_release(struct errors *errs)
{
    for (uint32_t i = 0; i < errors_told(errs); i++)
        free(errs->list[i].file);
    free(errs->list);
    errors_init(errs);
}

/* The next free place of the list, or NULL: the list is full, or memory is short. */
static struct error *next_place(struct errors *errs)
{
    if (errs->n < errs->list_cap)
        return &errs->list[errs->n];
    if (errs->n > errs->list_cap || errs->list_cap >= ERRORS_MAX)
        return NULL; /* none may be told after one that could not be */
    uint32_t cap = errs->list_cap == 0 ? LIST_FIRST : errs->list_cap * 2;
    struct error *list = realloc(errs->list, cap * sizeof *list);
    if (list == NULL)
        return NULL;
    errs->list = list;
    errs->list_cap = cap;
    return &list[errs->n];
}

/* What was found in a file may hold anything; what is printed stays one line, and
 * leaves a terminal alone. */
static void blank_controls(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
}

int error_at(struct errors *errs, struct where at, const char *fmt, ...)
{
    struct error *e = next_place(errs);
    va_list args;

    if (errs->n < UINT32_MAX)
        errs->n++;
    if (e == NULL)
        return -1;
    e->file = at.line != 0 ? strdup(at.file) : NULL;
    e->at = e->file != NULL ? (struct where){e->file, at.line} : (struct where){0};
    va_start(args, fmt);
    int len = vsnprintf(e->text, sizeof e->text, fmt, args);
    va_end(args);
    if (len < 0)
        memcpy(e->text, "?", 2);
    if (len >= ERROR_TEXT_MAX)
        memcpy(e->text + ERROR_TEXT_MAX - 4, "...", 4);
    blank_controls(e->text);
    return -1;
}

void errors_add(struct errors *errs, const struct errors *more)
{
    uint32_t told = errors_told(more);
    for (uint32_t i = 0; i < told; i++)
        error_at(errs, more->list[i].at, "%s", more->list[i].text);
    errs->n += more->n - told;
}

void errors_print(const struct errors *errs, FILE *out)
{
    uint32_t told = errors_told(errs);

    for (uint32_t i = 0; i < told; i++) {
        const struct error *e = &errs->list[i];
        if (e->at.line != 0)
            fprintf(out, "%s:%u - ", e->at.file, e->at.line);
        fprintf(out, "%s\n", e->text);
    }
    if (errs->n > told)
        fprintf(out, "and %u more\n", errs->n - told);
}
