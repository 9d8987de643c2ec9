#include "server/discover_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct discover_file {
    char *name, *path, *beside; /* NAME; DIR/NAME.json; DIR/.NAME.json.new */
    char *text;
    bool same; /* it is there and says this */
};

static const struct where nowhere;

static void release_one(struct discover_file *one)
{
    free(one->name);
    free(one->path);
    free(one->beside);
    free(one->text);
}

int discover_files_add(struct discover_files *f, const char *name, char *text)
{
    struct discover_file one = {.name = strdup(name), .text = text};
    if (f->n == f->cap) {
        uint32_t cap = f->cap == 0 ? 8 : f->cap * 2;
        struct discover_file *list = realloc(f->list, cap * sizeof *list);
        if (list != NULL) {
            f->list = list;
            f->cap = cap;
        }
    }
    if (asprintf(&one.path, "%s/%s.json", f->directory, name) < 0)
        one.path = NULL;
    if (asprintf(&one.beside, "%s/.%s.json.new", f->directory, name) < 0)
        one.beside = NULL;
    if (f->n == f->cap || one.name == NULL || one.text == NULL || one.path == NULL ||
        one.beside == NULL) {
        release_one(&one);
        return -1;
    }
    f->list[f->n++] = one;
    return 0;
}

/* ---- what is there ---- */

static int wrong(struct errors *errs, const char *path)
{
    return error_at(errs, nowhere, "%s: %s", path, strerror(errno));
}

/* Two that are one name would be one file, and one inventory takes only the first. */
static int check_names(const struct discover_files *f, struct errors *errs)
{
    uint32_t before = errs->n;
    for (uint32_t i = 0; i < f->n; i++) {
        const char *name = f->list[i].name;
        if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
            error_at(errs, nowhere, "'%s' is no name for a cluster's file", name);
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(f->list[k].name, name) == 0)
                error_at(errs, nowhere,
                         "two clusters are called %s: ask for one of "
                         "them alone",
                         name);
        }
    }
    return errs->n > before ? -1 : 0;
}

/* Never waits, as a pipe would have it. NULL: `errno`, 0 when it is no file. */
static FILE *open_file(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    errno = 0;
    FILE *in = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? fdopen(fd, "r") : NULL;
    if (in == NULL)
        close(fd);
    return in;
}

/* 1: it says this; 0: it says something else, or nobody knows; -1: it is not there. */
static int compare(const struct discover_file *one)
{
    size_t len = strlen(one->text);
    char *text = malloc(len + 1);
    FILE *in = open_file(one->path);
    int rc = in == NULL && errno == ENOENT ? -1 : 0;
    if (in != NULL && text != NULL)
        rc = fread(text, 1, len + 1, in) == len && memcmp(text, one->text, len) == 0;
    if (in != NULL)
        fclose(in);
    free(text);
    return rc;
}

static int look(struct discover_files *f, struct errors *errs)
{
    uint32_t before = errs->n;
    for (uint32_t i = 0; i < f->n; i++) {
        int found = compare(&f->list[i]);
        f->list[i].same = found == 1;
        if (found == 0 && !f->force)
            error_at(errs, nowhere,
                     "%s is there and says something else: look at it, and replace it "
                     "by --force",
                     f->list[i].path);
    }
    if (errs->n > before)
        return error_at(errs, nowhere, "nothing is written");
    return 0;
}

/* ---- writing ---- */

/* New, whatever there was: where a link may lead, nothing is written. */
static FILE *create(const char *path)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (out == NULL && fd >= 0)
        close(fd);
    return out;
}

static int write_text(const char *path, const char *text)
{
    FILE *out = create(path);
    if (out == NULL)
        return -1;
    int rc =
        fputs(text, out) >= 0 && fflush(out) == 0 && fsync(fileno(out)) == 0 ? 0 : -1;
    return fclose(out) == 0 ? rc : -1;
}

/* Without `force` not even what has come since it was looked for is replaced. */
static int put_in_place(const struct discover_files *f, const struct discover_file *one)
{
    unsigned flags = f->force ? 0 : RENAME_NOREPLACE;
    int rc = renameat2(AT_FDCWD, one->beside, AT_FDCWD, one->path, flags);
    if (rc < 0 && errno == EINVAL) /* a file system that has no such flag */
        rc = rename(one->beside, one->path);
    return rc;
}

int discover_files_write(struct discover_files *f, struct errors *errs)
{
    if (check_names(f, errs) < 0)
        return -1;
    if (mkdir(f->directory, 0777) < 0 && errno != EEXIST)
        return wrong(errs, f->directory);
    if (look(f, errs) < 0)
        return -1;
    for (uint32_t i = 0; i < f->n; i++) {
        const struct discover_file *one = &f->list[i];
        f->same += one->same;
        if (one->same)
            continue;
        if (write_text(one->beside, one->text) < 0 || put_in_place(f, one) < 0) {
            wrong(errs, one->path);
            unlink(one->beside);
            return -1;
        }
        f->written++;
    }
    return 0;
}

void discover_files_release(struct discover_files *f)
{
    for (uint32_t i = 0; i < f->n; i++)
        release_one(&f->list[i]);
    free(f->list);
    f->list = NULL;
    f->n = f->cap = 0;
}

int discover_files_finish(struct discover_files *f, int rc)
{
    struct errors errs;
    errors_init(&errs);
    if (rc < 0)
        error_at(&errs, nowhere, "out of memory");
    else
        rc = discover_files_write(f, &errs);
    errors_print(&errs, stderr);
    if (rc == 0)
        fprintf(stderr, "%s: %u files written, %u were there\n", f->directory,
                f->written, f->same);
    errors_release(&errs);
    discover_files_release(f);
    return rc;
}
