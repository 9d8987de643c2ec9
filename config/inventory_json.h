/* Clusters from JSON: one object, a list of them, `{"clusters": [...]}`, or what
 * `serf members -format=json` prints. examples/inventory.schema.json says what may
 * stand where; errors give file and line, the JSON Pointer of the value and the
 * schema's word for what is wrong with it:
 *
 *     c.json:3: /clusters/0/services/1: "10.96.0.0/33": format: no subnet, expected ...
 *
 * A cluster that is wrong is left out and the others are read; of a text that is no
 * JSON nothing can be told. */
#ifndef ISTHMUS_CONFIG_INVENTORY_JSON_H
#define ISTHMUS_CONFIG_INVENTORY_JSON_H

#include "config/inventory.h"

/* Where records go. */
struct inventory_sink {
    void *context;
    /* Whether the next record is known by the digest of its text: it is then not read.
     * May be NULL. */
    bool (*known)(void *context, uint64_t digest);
    /* Takes the record. 0, or -1 after adding an error, and the record is the caller's
     * still. */
    int (*put)(void *context, struct inventory_record *r, struct errors *errs);
    /* The cluster has left, says the text itself. May be NULL. */
    void (*gone)(void *context, const char *name);
    /* Set: the text is a last known map, in which each cluster tells its `part`, the
     * records' file, and `since`. */
    const char *(*part)(void *context, const char *name);
};

enum inventory_result {
    INVENTORY_WHOLE, /* all of it was read */
    INVENTORY_PART,  /* some clusters were wrong: errors were added */
    INVENTORY_BAD,   /* not JSON, or no inventory: what was put may not be all there was
                      */
};

/* `file` outlives the records: they point to it. Tables are hashed: hash_seed() first.
 */
enum inventory_result inventory_read_json(const char *file, struct text text,
                                          const struct inventory_sink *sink,
                                          struct errors *errs);

#endif
