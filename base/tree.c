#include "base/tree.h"

#include "base/library.h"

#include <pthread.h>

/* ---- the library ---- */

#define CALLS(CALL)                                                                    \
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

/* ---- texts ---- */

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
