#include "resolver/plugins/rewrite/rewrite_reading.h"

#include <stdarg.h>

int rewrite_refuse(const struct rewrite_reading *r, const char *fmt, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return error_at(r->rd->errs, r->at, "plugin/rewrite: %s", text);
}

int rewrite_refuse_memory(const struct rewrite_reading *r)
{
    return rewrite_refuse(r, "out of memory");
}

bool rewrite_is_word(const char *found, const char *word)
{
    return strcasecmp(found, word) == 0;
}
