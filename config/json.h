/* JSON texts (RFC 8259), read piece by piece: a list of a hundred thousand objects is
 * walked over in place, and only the object in hand is made a tree (base/tree.h).
 *
 *     struct json_walk w = json_walk(list);         // of an array or an object
 *     while (json_next(&w))
 *         tree = json_parse(w.value);
 *     if (w.broken) ...                             // not JSON, or deeper than allowed
 *
 * The walk looks no closer than it must to find where values end; json_parse() is
 * strict. */
#ifndef ISTHMUS_CONFIG_JSON_H
#define ISTHMUS_CONFIG_JSON_H

#include "base/span.h"
#include "base/tree.h"

struct json_walk {
    struct text text;
    size_t at; /* behind the last value */
    bool object, begun, ended, broken;
    struct text key;   /* of an object: between its quotes, escapes as they are */
    struct text value; /* without the space around it */
};

/* Over the values of the array or object that `text` is; of anything else there are
 * none, and the walk is broken. */
struct json_walk json_walk(struct text text);

/* The next value; false at the end. */
bool json_next(struct json_walk *w);

/* The text without white space at either end. */
struct text json_trim(struct text text);

/* The tree of one value, which must be all of `text`. NULL: it is no JSON, and *wrong
 * is the offset of where that shows; or (*wrong = SIZE_MAX) no cJSON.
 * Freed by tree_free(). */
cJSON *json_parse(struct text text, size_t *wrong);

/* Where in `object` the value of a key stands, or the n-th value of the array there
 * (`index` < 0: the whole); the object's own beginning when there is none such. */
size_t json_offset(struct text object, const char *key, int index);

#endif
