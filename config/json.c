#include "config/json.h"

#include "base/limits.h"

/* ---- walking ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static size_t skip_space(struct text t, size_t at)
{
    while (at < t.len && is_space(t.at[at]))
        at++;
    return at;
}

struct text json_trim(struct text text)
{
    struct text t = text_from(text, skip_space(text, 0));
    while (t.len > 0 && is_space(t.at[t.len - 1]))
        t.len--;
    return t;
}

/* Behind the string that begins at `at`; 0: it does not end. */
static size_t skip_string(struct text t, size_t at)
{
    for (at++; at < t.len; at++) {
        if (t.at[at] == '"')
            return at + 1;
        if (t.at[at] == '\\')
            at++;
    }
    return 0;
}

static size_t skip_word(struct text t, size_t at)
{
    size_t from = at;
    while (at < t.len && !is_space(t.at[at]) && strchr(",:]}[{\"", t.at[at]) == NULL)
        at++;
    return at == from ? 0 : at;
}

/* Behind an array or an object, which may not be deeper than JSON_DEPTH_MAX. */
static size_t skip_nested(struct text t, size_t at)
{
    unsigned depth = 0;
    while (at < t.len) {
        char c = t.at[at];
        if (c == '"') {
            at = skip_string(t, at);
            if (at == 0)
                return 0;
            continue;
        }
        if ((c == '{' || c == '[') && ++depth > JSON_DEPTH_MAX)
            return 0;
        at++;
        if ((c == '}' || c == ']') && --depth == 0)
            return at;
    }
    return 0;
}

static size_t skip_value(struct text t, size_t at)
{
    if (at >= t.len)
        return 0;
    if (t.at[at] == '"')
        return skip_string(t, at);
    if (t.at[at] == '{' || t.at[at] == '[')
        return skip_nested(t, at);
    return skip_word(t, at);
}

struct json_walk json_walk(struct text text)
{
    struct text t = json_trim(text);
    bool object = t.len > 0 && t.at[0] == '{';
    bool array = t.len > 0 && t.at[0] == '[';
    return (struct json_walk){
        .text = t, .at = 1, .object = object, .broken = !object && !array};
}

static bool broken(struct json_walk *w)
{
    w->broken = true;
    return false;
}

static bool walk_key(struct json_walk *w)
{
    struct text t = w->text;
    size_t end = w->at < t.len && t.at[w->at] == '"' ? skip_string(t, w->at) : 0;
    if (end == 0)
        return broken(w);
    w->key = (struct text){.at = t.at + w->at + 1, .len = end - w->at - 2};
    w->at = skip_space(t, end);
    if (w->at >= t.len || t.at[w->at] != ':')
        return broken(w);
    w->at = skip_space(t, w->at + 1);
    return true;
}

/* Past the comma in front of every value but the first. True: there is a value. */
static bool walk_to_value(struct json_walk *w)
{
    struct text t = w->text;
    w->at = skip_space(t, w->at);
    if (w->at < t.len && t.at[w->at] == (w->object ? '}' : ']')) {
        w->ended = true;
        return w->at + 1 == t.len ? false : broken(w);
    }
    if (w->begun && (w->at >= t.len || t.at[w->at] != ','))
        return broken(w);
    if (w->begun)
        w->at = skip_space(t, w->at + 1);
    w->begun = true;
    return true;
}

bool json_next(struct json_walk *w)
{
    if (w->broken || w->ended || !walk_to_value(w) || (w->object && !walk_key(w)))
        return false;
    size_t end = skip_value(w->text, w->at);
    if (end == 0)
        return broken(w);
    w->value = (struct text){.at = w->text.at + w->at, .len = end - w->at};
    w->at = end;
    return true;
}

size_t json_offset(struct text object, const char *key, int index)
{
    struct json_walk w = json_walk(object);
    while (json_next(&w)) {
        if (!text_is(w.key, key))
            continue;
        struct text found = w.value;
        if (index >= 0) {
            struct json_walk in = json_walk(found);
            for (int i = 0; i <= index && json_next(&in); i++)
                found = in.value;
        }
        return (size_t)(found.at - object.at);
    }
    return 0;
}

/* ---- trees ---- */

cJSON *json_parse(struct text text, size_t *wrong)
{
    const char *end;
    cJSON *tree = tree_read(text.at, text.len, &end);
    size_t at = end == NULL ? SIZE_MAX : (size_t)(end - text.at);
    if (tree != NULL && skip_space(text, at) == text.len)
        return tree;
    tree_free(tree);
    *wrong = at;
    return NULL;
}
