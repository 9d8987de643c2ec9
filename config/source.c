#include "config/source.h"

#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_FIRST 4096 /* octets tried at first where the size is not known */

/* What could be read so far; it moves into twice the space when it is full. */
struct gathering {
    char *at;
    size_t len, cap;
};

static int source_grow(struct arena *a, struct gathering *g)
{
    size_t cap = g->cap * 2;
    char *more = arena_alloc(a, cap);
    if (more == NULL)
        return -1;
    memcpy(more, g->at, g->len);
    g->at = more;
    g->cap = cap;
    return 0;
}

static ssize_t source_read_some(int fd, const struct gathering *g)
{
    ssize_t n;
    do
        n = read(fd, g->at + g->len, g->cap - 1 - g->len);
    while (n < 0 && errno == EINTR);
    return n;
}

/* Reads to the end, whatever fstat() said: a file may grow meanwhile. */
static int source_gather(struct arena *a, int fd, size_t expected, struct text *out)
{
    struct gathering g = {.cap = expected + 2};
    g.at = arena_alloc(a, g.cap);
    if (g.at == NULL) {
        errno = ENOMEM;
        return -1;
    }
    for (;;) {
        ssize_t n = source_read_some(fd, &g);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        g.len += (size_t)n;
        if (g.len > CONFIG_FILE_MAX) {
            errno = EFBIG;
            return -1;
        }
        if (g.len == g.cap - 1 && source_grow(a, &g) < 0) {
            errno = ENOMEM;
            return -1;
        }
    }
    g.at[g.len] = '\0';
    *out = (struct text){.at = g.at, .len = g.len};
    return 0;
}

static const char *source_reason(int error)
{
    return error == EFBIG ? "it is longer than a configuration may be"
                          : strerror(error);
}

/* Why an open file cannot be read, or NULL. */
static const char *source_flaw(int fd, off_t *size)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return source_reason(errno);
    if (S_ISDIR(st.st_mode))
        return "is a directory";
    if (!S_ISREG(st.st_mode))
        return "is not a regular file";
    *size = st.st_size;
    return st.st_size > CONFIG_FILE_MAX ? source_reason(EFBIG) : NULL;
}

int source_read(struct arena *a, const char *path, struct where at, struct text *out,
                struct errors *errs)
{
    /* Not blocking: opening a FIFO would otherwise wait for its writer for ever. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    off_t size = 0;
    const char *flaw = source_flaw(fd, &size);
    if (flaw == NULL && source_gather(a, fd, (size_t)size, out) < 0)
        flaw = source_reason(errno);
    if (fd >= 0)
        close(fd);
    return flaw == NULL ? 0 : error_at(errs, at, "could not read %s: %s", path, flaw);
}

int source_read_stdin(struct arena *a, struct text *out, struct errors *errs)
{
    if (source_gather(a, STDIN_FILENO, READ_FIRST, out) == 0)
        return 0;
    return error_at(errs, (struct where){0}, "could not read standard input: %s",
                    source_reason(errno));
}

int source_stamp(const char *path, struct source_stamp *out)
{
    struct stat st;
    *out = (struct source_stamp){0};
    if (stat(path, &st) < 0)
        return errno;
    out->size = st.st_size;
    out->changed_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    out->inode = st.st_ino;
    out->directory = S_ISDIR(st.st_mode);
    return 0;
}

bool source_stamp_equal(const struct source_stamp *a, const struct source_stamp *b)
{
    return a->size == b->size && a->changed_ns == b->changed_ns && a->inode == b->inode;
}

/* By components: "a/x" stands before "a.b/x", because Go sorts within each directory.
 */
static int source_compare(const void *left, const void *right)
{
    const char *a = *(const char *const *)left, *b = *(const char *const *)right;
    while (*a == *b && *a != '\0') {
        a++;
        b++;
    }
    int x = *a == '/' ? 1 : (unsigned char)*a, y = *b == '/' ? 1 : (unsigned char)*b;
    return (*a == '\0' ? 0 : x) - (*b == '\0' ? 0 : y);
}

/* `.` and `..` as a component: GLOB_PERIOD lets `*` match them, Go does not. */
static bool source_is_dots(const char *path, const char *pattern)
{
    const char *last = strrchr(path, '/');
    last = last == NULL ? path : last + 1;
    const char *wanted = strrchr(pattern, '/');
    wanted = wanted == NULL ? pattern : wanted + 1;
    return (strcmp(last, ".") == 0 || strcmp(last, "..") == 0) &&
           strcmp(last, wanted) != 0;
}

static int source_copy_paths(struct arena *a, const glob_t *found, const char *pattern,
                             struct paths *out)
{
    out->list = arena_array(a, found->gl_pathc, sizeof *out->list);
    if (out->list == NULL)
        return -1;
    for (size_t i = 0; i < found->gl_pathc; i++) {
        const char *path = found->gl_pathv[i];
        if (source_is_dots(path, pattern))
            continue;
        out->list[out->n] = arena_text(a, text_of(path));
        if (out->list[out->n] == NULL)
            return -1;
        out->n++;
    }
    qsort(out->list, out->n, sizeof *out->list, source_compare);
    return 0;
}

static int source_exact(struct arena *a, const char *path, struct paths *out)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return 0;
    out->list = arena_alloc(a, sizeof *out->list);
    if (out->list == NULL)
        return -1;
    out->list[0] = arena_text(a, text_of(path));
    if (out->list[0] == NULL)
        return -1;
    out->n = 1;
    return 0;
}

int source_glob(struct arena *a, const char *pattern, struct paths *out)
{
    *out = (struct paths){0};
    if (strpbrk(pattern, "*?[\\") == NULL)
        return source_exact(a, pattern, out);
    glob_t found = {0};
    int rc = glob(pattern, GLOB_NOSORT | GLOB_PERIOD, NULL, &found);
    if (rc == 0)
        rc = source_copy_paths(a, &found, pattern, out);
    else
        rc = rc == GLOB_NOSPACE ? -1 : 0; /* what cannot be listed does not match */
    globfree(&found);
    return rc;
}

/* ---- trees ---- */

static int source_by_name(const FTSENT **left, const FTSENT **right)
{
    return strcmp((*left)->fts_name, (*right)->fts_name);
}

static int source_add_path(struct arena *a, struct paths *out, uint32_t *cap,
                           const char *path)
{
    if (out->n == *cap) {
        *cap = *cap == 0 ? 16 : *cap * 2;
        const char **list = arena_array(a, *cap, sizeof *list);
        if (list == NULL)
            return ENOMEM;
        if (out->n > 0)
            memcpy(list, out->list, out->n * sizeof *list);
        out->list = list;
    }
    out->list[out->n] = arena_text(a, text_of(path));
    return out->list[out->n++] == NULL ? ENOMEM : 0;
}

static int source_take_entry(struct arena *a, struct paths *out, uint32_t *cap,
                             const FTSENT *e)
{
    bool unreadable = e->fts_info == FTS_DNR || e->fts_info == FTS_ERR;
    if (unreadable && e->fts_level == FTS_ROOTLEVEL)
        return e->fts_errno;
    if (unreadable)
        log_warning("could not read %s: %s", e->fts_path, strerror(e->fts_errno));
    bool file = e->fts_info == FTS_F || e->fts_info == FTS_SL;
    return file ? source_add_path(a, out, cap, e->fts_path) : 0;
}

int source_tree(struct arena *a, const char *directory, struct paths *out)
{
    struct source_stamp stamp;
    int error = source_stamp(directory, &stamp);
    char *text = arena_text(a, text_of(directory));
    char *const roots[] = {text, NULL};
    uint32_t cap = 0;
    *out = (struct paths){0};
    if (error != 0 || !stamp.directory || text == NULL)
        return error != 0 ? error : text == NULL ? ENOMEM : ENOTDIR;
    FTS *tree =
        fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, source_by_name);
    if (tree == NULL)
        return errno;
    for (const FTSENT *e; error == 0 && (e = fts_read(tree)) != NULL;)
        error = source_take_entry(a, out, &cap, e);
    fts_close(tree);
    return error;
}

const char *source_relative(struct arena *a, const char *base_file, const char *path)
{
    const char *slash = strrchr(base_file, '/');
    if (path[0] == '/' || slash == NULL)
        return arena_text(a, text_of(path));
    return arena_printf(a, "%.*s/%s", (int)(slash - base_file), base_file, path);
}
