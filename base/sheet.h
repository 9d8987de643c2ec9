/* Text that grows on the heap, for pages, answers and what comes in pieces.
 *
 *     struct sheet s = {0};
 *     sheet_print(&s, "%s %u\n", name, n);
 *     sheet_text(&s, "done\n");
 *     char *text = sheet_take(&s, &len);      // NULL: no memory; else free() it
 *
 * A failure sticks: what comes after it is dropped, so check once, at the end. */
#ifndef ISTHMUS_BASE_SHEET_H
#define ISTHMUS_BASE_SHEET_H

#include "base/span.h"

#include <stdarg.h>

struct sheet {
    char *text; /* with a zero octet behind it; NULL: nothing was put in yet */
    size_t len, cap;
    bool failed; /* no memory */
};

void sheet_put(struct sheet *s, const char *at, size_t len);
static inline void sheet_text(struct sheet *s, const char *text)
{
    sheet_put(s, text, strlen(text));
}
void sheet_print(struct sheet *s, const char *form, ...)
    __attribute__((format(printf, 2, 3)));
void sheet_vprint(struct sheet *s, const char *form, va_list args)
    __attribute__((format(printf, 2, 0)));

/* The text, which is the caller's now, and its length (`len` may be NULL); the sheet is
 * empty again. NULL: it has failed, or nothing was put in. */
char *sheet_take(struct sheet *s, size_t *len);

/* Frees what is not taken. */
void sheet_release(struct sheet *s);

#endif
