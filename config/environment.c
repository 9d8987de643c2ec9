#include "config/environment.h"

#include "base/limits.h"

#include <stdlib.h>

struct marks {
    const char *open, *close;
};

struct reference {
    const char *at; /* the whole of it, marks included */
    size_t len;
};

/* The first reference of `text`, if it is one that is replaced. */
static bool environment_find(const char *text, const struct marks *marks,
                             struct reference *found)
{
    size_t open = strlen(marks->open), close = strlen(marks->close);
    found->at = strstr(text, marks->open);
    if (found->at == NULL)
        return false;
    /* Searched from the opening mark on, not behind it: so does CoreDNS, and `{%}`
     * stays. */
    const char *end = strstr(found->at, marks->close);
    if (end == NULL || (size_t)(end - found->at) <= open)
        return false;
    found->len = (size_t)(end - found->at) + close;
    return true;
}

static size_t environment_count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = strstr(text, what); p != NULL;
         p = strstr(p + strlen(what), what))
        n++;
    return n;
}

/* `text` with `value` in every place of `what`; NULL when memory is short. */
static const char *environment_replace(struct arena *a, const char *text,
                                       const char *what, const char *value)
{
    size_t n = environment_count(text, what), value_len = strlen(value);
    char *out = arena_alloc(a, strlen(text) + n * value_len + 1), *to = out;
    if (out == NULL)
        return NULL;
    for (const char *p; (p = strstr(text, what)) != NULL; text = p + strlen(what)) {
        memcpy(to, text, (size_t)(p - text));
        to += p - text;
        memcpy(to, value, value_len);
        to += value_len;
    }
    memcpy(to, text, strlen(text) + 1);
    return out;
}

static const char *environment_value(struct arena *a, const char *reference,
                                     const struct marks *marks)
{
    size_t open = strlen(marks->open), close = strlen(marks->close);
    struct text name = {reference + open, strlen(reference) - open - close};
    const char *copy = arena_text(a, name);
    if (copy == NULL)
        return NULL;
    const char *value = getenv(copy);
    return value == NULL ? "" : value;
}

static int environment_memory(struct errors *errs)
{
    return error_at(errs, (struct where){0}, "out of memory");
}

static int environment_expand_marks(struct arena *a, struct token *token,
                                    const struct marks *marks, struct errors *errs)
{
    const char *text = token->text;
    size_t len_max = strlen(text) + ENV_TEXT_MAX;
    struct reference found;
    for (unsigned round = 0; environment_find(text, marks, &found); round++) {
        const char *what = arena_text(a, (struct text){found.at, found.len});
        if (what == NULL)
            return environment_memory(errs);
        if (round == ENV_ROUNDS_MAX || strlen(text) > len_max) {
            error_at(
                errs, token->at,
                "Error during parsing: the value of %s refers to itself, or to more "
                "than %d others: give the variable a value without references",
                what, ENV_ROUNDS_MAX);
            return 0;
        }
        const char *value = environment_value(a, what, marks);
        text = value == NULL ? NULL : environment_replace(a, text, what, value);
        if (text == NULL)
            return environment_memory(errs);
    }
    token->text = text;
    return 0;
}

int environment_expand(struct arena *a, struct token *token, struct errors *errs)
{
    static const struct marks percent = {"{%", "%}"}, dollar = {"{$", "}"};
    if (strchr(token->text, '{') == NULL)
        return 0;
    if (environment_expand_marks(a, token, &percent, errs) < 0)
        return -1;
    return environment_expand_marks(a, token, &dollar, errs);
}
