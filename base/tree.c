#include "base/tree.h"

#include "base/library.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the library ---- */

#define CALLS(CALL)                                                                    \
    CALL(cJSON_CreateObject)                                                           \
    CALL(cJSON_CreateArray)                                                            \
    CALL(cJSON_CreateString)                                                           \
    CALL(cJSON_CreateNumber)                                                           \
    CALL(cJSON_CreateBool)                                                             \
    CALL(cJSON_AddItemToObjectCS)                                                      \
    CALL(cJSON_AddItemToArray)                                                         \
    CALL(cJSON_PrintUnformatted)                                                       \
    CALL(cJSON_ParseWithLengthOpts)                                                    \
    CALL(cJSON_GetObjectItemCaseSensitive)                                             \
    CALL(cJSON_Delete)

/* Filled once, read by every thread afterwards. */
static struct {
    pthread_once_t once;
    bool ready;
    CALLS(LIBRARY_FIELD)
} library = {.once = PTHREAD_ONCE_INIT};

static void load(void)
{
#define CALL(name) {#name, offsetof(__typeof__(library), name)},
    static const struct library_call calls[] = {CALLS(CALL)};
#undef CALL
    library.ready = library_open("libcjson.so.1", calls, sizeof calls / sizeof *calls,
                                 &library) != NULL;
}

bool tree_ready(void)
{
    pthread_once(&library.once, load);
    return library.ready;
}

/* ---- making ---- */

static cJSON *made(struct tree *t, cJSON *value)
{
    if (value == NULL)
        t->failed = true;
    return value;
}

cJSON *tree_object(struct tree *t)
{
    return made(t, tree_ready() ? library.cJSON_CreateObject() : NULL);
}

cJSON *tree_array(struct tree *t)
{
    return made(t, tree_ready() ? library.cJSON_CreateArray() : NULL);
}

void tree_put(struct tree *t, cJSON *object, const char *key, cJSON *value)
{
    if (value != NULL && object != NULL &&
        library.cJSON_AddItemToObjectCS(object, key, value))
        return;
    t->failed = true;
    tree_free(value);
}

void tree_add(struct tree *t, cJSON *array, cJSON *value)
{
    if (value != NULL && array != NULL && library.cJSON_AddItemToArray(array, value))
        return;
    t->failed = true;
    tree_free(value);
}

/* Octets of the character at `at` (RFC 3629 section 4); 0: it is none. */
static size_t character_len(const unsigned char *at)
{
    size_t len = at[0] < 0x80   ? 1
                 : at[0] < 0xc2 ? 0
                 : at[0] < 0xe0 ? 2
                 : at[0] < 0xf0 ? 3
                 : at[0] < 0xf5 ? 4
                                : 0;
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool beyond = (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf4 && at[1] > 0x8f);
    return overlong || beyond ? 0 : len;
}

static void mend(char *text)
{
    while (*text != '\0') {
        size_t len = character_len((const unsigned char *)text);
        if (len == 0)
            *text = '?';
        text += len == 0 ? 1 : len;
    }
}

void tree_text(struct tree *t, cJSON *object, const char *key, const char *form, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, form);
    int len = vasprintf(&text, form, args);
    va_end(args);
    if (len < 0)
        text = NULL;
    if (text != NULL)
        mend(text);
    bool can = text != NULL && object != NULL;
    tree_put(t, object, key, can ? library.cJSON_CreateString(text) : NULL);
    free(text);
}

void tree_number(struct tree *t, cJSON *object, const char *key, double n)
{
    tree_put(t, object, key, object == NULL ? NULL : library.cJSON_CreateNumber(n));
}

void tree_bool(struct tree *t, cJSON *object, const char *key, bool is)
{
    tree_put(t, object, key, object == NULL ? NULL : library.cJSON_CreateBool(is));
}

void tree_add_text(struct tree *t, cJSON *array, const char *text)
{
    char *copy = strdup(text);
    if (copy != NULL)
        mend(copy);
    bool can = copy != NULL && array != NULL;
    tree_add(t, array, can ? library.cJSON_CreateString(copy) : NULL);
    free(copy);
}

/* ---- texts ---- */

char *tree_print(struct tree *t, const cJSON *root)
{
    char *text =
        root == NULL || t->failed ? NULL : library.cJSON_PrintUnformatted(root);
    if (text == NULL)
        t->failed = true;
    return text;
}

cJSON *tree_parse(const char *text, size_t len)
{
    const char *end;
    return tree_read(text, len, &end);
}

cJSON *tree_read(const char *text, size_t len, const char **end)
{
    *end = NULL;
    return tree_ready() ? library.cJSON_ParseWithLengthOpts(text, len, end, false)
                        : NULL;
}

void tree_free(cJSON *root)
{
    if (root != NULL)
        library.cJSON_Delete(root);
}

/* ---- reading ---- */

cJSON *tree_get(const cJSON *object, const char *key)
{
    return object == NULL ? NULL
                          : library.cJSON_GetObjectItemCaseSensitive(object, key);
}

const char *tree_text_of(const cJSON *object, const char *key)
{
    const cJSON *value = tree_get(object, key);
    return value == NULL || value->valuestring == NULL ? "" : value->valuestring;
}

double tree_number_of(const cJSON *object, const char *key)
{
    const cJSON *value = tree_get(object, key);
    return value == NULL ? 0 : value->valuedouble;
}

bool tree_is(const cJSON *object, const char *key)
{
    const cJSON *value = tree_get(object, key);
    return value != NULL && (value->type & cJSON_True) != 0;
}
