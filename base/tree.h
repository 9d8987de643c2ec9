/* JSON (RFC 8259) read as a tree, by cJSON, which is loaded when the first text is: who
 * reads none has none of its memory. Who writes JSON has base/json_out.h.
 *
 *     cJSON *root = tree_parse(text, len);
 *     const char *name = tree_text_of(root, "name");    // "" without
 *     tree_free(root);
 *
 * All functions take NULL for a tree, and then find nothing. */
#ifndef ISTHMUS_BASE_TREE_H
#define ISTHMUS_BASE_TREE_H

#include "base/span.h"

#include <cjson/cJSON.h>

/* Whether cJSON is there, and what to install when it is not. */
bool tree_ready(void);
#define TREE_MEND "JSON needs libcjson.so.1, which cannot be loaded: install libcjson1"

/* NULL: no JSON, no memory, or no cJSON. */
cJSON *tree_parse(const char *text, size_t len);
/* The same; *end is where the value ended, or where it was seen to be none; NULL:
 * nobody has looked. */
cJSON *tree_read(const char *text, size_t len, const char **end);
void tree_free(cJSON *root);

/* The member; NULL when there is none, or `object` is none. */
cJSON *tree_get(const cJSON *object, const char *key);
/* Its text, "" without. Its number, 0 without. */
const char *tree_text_of(const cJSON *object, const char *key);
double tree_number_of(const cJSON *object, const char *key);
bool tree_is(const cJSON *object, const char *key); /* it is `true` */

#endif
