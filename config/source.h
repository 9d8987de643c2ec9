/* Text from files: whole, bounded, once. */
#ifndef ISTHMUS_CONFIG_SOURCE_H
#define ISTHMUS_CONFIG_SOURCE_H

#include "base/arena.h"
#include "base/error.h"

/* Reads a whole regular file (or standard input for the path "stdin" when `std_in`) of
 * at most CONFIG_FILE_MAX octets into the arena, NUL-terminated behind text.len. Errors
 * name `at`, the place that asked for the file. 0 or -1. */
int source_read(struct arena *a, const char *path, struct where at, struct text *out,
                struct errors *errs);
int source_read_stdin(struct arena *a, struct text *out, struct errors *errs);

/* What tells whether a file has changed. */
struct source_stamp {
    int64_t size, changed_ns; /* of its text, as the file system says */
    uint64_t inode;           /* another file may have been put in its place */
    bool directory;
};

/* Returns 0 or an errno. */
int source_stamp(const char *path, struct source_stamp *out);
bool source_stamp_equal(const struct source_stamp *a, const struct source_stamp *b);

struct paths {
    const char **list; /* sorted as Go's filepath.Glob sorts */
    uint32_t n;
};

/* Files that match a pattern of at most one `*` and one `?`; hidden files are not
 * special. A pattern without wildcard gives itself when it exists, else nothing.
 * Directories are given too. -1 only on lack of memory. */
int source_glob(struct arena *a, const char *pattern, struct paths *out);

/* All files below a directory, itself perhaps a link to one, but not behind links to
 * others: in the order of Go's filepath.Walk. Folders that cannot be read are passed
 * over with a warning. 0, or an errno: the directory itself cannot be read, or no
 * memory. */
int source_tree(struct arena *a, const char *directory, struct paths *out);

/* `path` seen from the directory of `base_file`, when it is relative. NULL: no memory.
 */
const char *source_relative(struct arena *a, const char *base_file, const char *path);

#endif
