#include "base/sheet.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CAP_LEAST 512

/* For `more` octets and the zero behind them. */
static bool make_room(struct sheet *s, size_t more)
{
    if (s->failed || s->cap - s->len > more)
        return !s->failed;
    size_t cap = s->cap < CAP_LEAST ? CAP_LEAST : s->cap;
    while (cap - s->len <= more && cap <= SIZE_MAX / 2)
        cap *= 2;
    char *text = cap - s->len > more ? realloc(s->text, cap) : NULL;
    s->failed = text == NULL;
    if (s->failed)
        return false;
    s->text = text;
    s->cap = cap;
    return true;
}

void sheet_put(struct sheet *s, const char *at, size_t len)
{
    if (!make_room(s, len))
        return;
    if (len > 0)
        memcpy(s->text + s->len, at, len);
    s->len += len;
    s->text[s->len] = '\0';
}

void sheet_vprint(struct sheet *s, const char *form, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = s->cap - s->len;
    char *at = room > 0 ? s->text + s->len : NULL;
    int len = s->failed ? -1 : vsnprintf(at, room, form, args);
    if (len >= 0 && (size_t)len >= room && make_room(s, (size_t)len))
        vsnprintf(s->text + s->len, s->cap - s->len, form, again);
    if (len >= 0 && !s->failed)
        s->len += (size_t)len;
    va_end(again);
}

void sheet_print(struct sheet *s, const char *form, ...)
{
    va_list args;
    va_start(args, form);
    sheet_vprint(s, form, args);
    va_end(args);
}

char *sheet_take(struct sheet *s, size_t *len)
{
    char *text = s->failed ? NULL : s->text;
    if (len != NULL)
        *len = text == NULL ? 0 : s->len;
    if (text == NULL)
        free(s->text);
    *s = (struct sheet){0};
    return text;
}

void sheet_release(struct sheet *s)
{
    free(s->text);
    *s = (struct sheet){0};
}
