/* Failures, for a human: what was found, what was expected, how to mend it.
 *
 * A reader of configuration goes on after an error so that all errors of a file come
 * out at once; therefore errors are collected:
 *
 *     return error_at(errs, tok->at, "unknown policy '%s': expected random or "
 *                                    "sequential", word);       // always -1
 *
 * Lines are printed as `FILE:LINE - TEXT`, without the place when there is none. */
#ifndef ISTHMUS_BASE_ERROR_H
#define ISTHMUS_BASE_ERROR_H

#include <stdint.h>
#include <stdio.h>

/* A place in a text file. `file` is borrowed and outlives every use; line 0 = no place.
 */
struct where {
    const char *file;
    uint32_t line;
};

#define ERROR_TEXT_MAX 512 /* longer messages end in "..." */
#define ERRORS_MAX     64  /* further ones are only counted */

struct error {
    struct where at; /* at.file is `file` */
    char *file;      /* a copy: errors outlive the configuration they are about */
    char text[ERROR_TEXT_MAX];
};

struct errors {
    uint32_t n; /* errors that happened; the first ERRORS_MAX are in list */
    struct error *list;
    uint32_t list_cap;
};

void errors_init(struct errors *errs);
void errors_release(struct errors *errs);

/* Adds one error. Returns -1 always, so that it can end a function. When memory is
 * short the error is still counted in errs->n. */
int error_at(struct errors *errs, struct where at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* How many of them are in the list. */
uint32_t errors_told(const struct errors *errs);

/* Adds those of another list, which keeps them. */
void errors_add(struct errors *errs, const struct errors *more);

/* Writes every error as a line of its own, then "and N more" where some were only
 * counted. */
void errors_print(const struct errors *errs, FILE *out);

#endif
