/* JSON (RFC 8259) as a tree, by cJSON, which is loaded when the first tree is made: who
 * makes none has none of its memory.
 *
 *     struct tree t = {0};
 *     cJSON *root = tree_object(&t);
 *     tree_text(&t, root, "name", "%s", label);
 *     tree_put(&t, root, "dns", list);            // `list` is root's from now on
 *     char *text = tree_print(&t, root);          // NULL when anything has failed
 *     tree_free(root);
 *
 * Failures stick to `t`: check once, at the end. All functions take NULL for a tree,
 * and then do nothing. */
#ifndef ISTHMUS_BASE_TREE_H
#define ISTHMUS_BASE_TREE_H

#include "base/span.h"

#include <cjson/cJSON.h>

struct tree {
    bool failed; /* no memory, or no cJSON */
};

/* Whether cJSON is there, and what to install when it is not. */
bool tree_ready(void);
#define TREE_MEND "JSON needs libcjson.so.1, which cannot be loaded: install libcjson1"

cJSON *tree_object(struct tree *t);
cJSON *tree_array(struct tree *t);

/* Members of an object. Keys are static. Octets of texts that are no UTF-8, as packets
 * and command lines may have them, become question marks. */
void tree_text(struct tree *t, cJSON *object, const char *key, const char *form, ...)
    __attribute__((format(printf, 4, 5)));
void tree_number(struct tree *t, cJSON *object, const char *key, double n);
void tree_bool(struct tree *t, cJSON *object, const char *key, bool is);
void tree_put(struct tree *t, cJSON *object, const char *key, cJSON *value);

/* Elements of an array. */
void tree_add(struct tree *t, cJSON *array, cJSON *value);
void tree_add_text(struct tree *t, cJSON *array, const char *text);

/* The tree on one line, from the heap. */
char *tree_print(struct tree *t, const cJSON *root);

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
