/* The clusters that `isthmus discover` found, as files of an inventory: one a cluster,
 * DIR/NAME.json.
 *
 *     struct discover_files f = {.directory = "clusters.d"};
 *     discover_files_add(&f, "kind-a", text);     // takes the text
 *     rc = discover_files_write(&f, &errs);
 *     discover_files_release(&f);
 *
 * A file that is there and says something else is somebody's: unless `force`, nothing
 * at all is written. Each is replaced as a whole, so that a server which watches the
 * folder reads it old or new; one that says the same is left alone. */
#ifndef ISTHMUS_SERVER_DISCOVER_FILES_H
#define ISTHMUS_SERVER_DISCOVER_FILES_H

#include "base/error.h"

#include <stdbool.h>

struct discover_file;

struct discover_files {
    const char *directory; /* made if it is not there; its parent must be */
    bool force;            /* replace what says something else */
    struct discover_file *list;
    uint32_t n, cap;
    uint32_t written, same; /* out */
};

/* `text` is from the heap and taken in any case; NULL: no memory. 0 or -1. */
int discover_files_add(struct discover_files *f, const char *name, char *text);

/* 0, or -1 after adding errors: what is in the way, each with its name. */
int discover_files_write(struct discover_files *f, struct errors *errs);
void discover_files_release(struct discover_files *f);

/* For the commands: writes them, says how it went on standard error, and releases.
 * `rc` < 0: there was no memory before. 0 or -1. */
int discover_files_finish(struct discover_files *f, int rc);

#endif
