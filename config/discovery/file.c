/* Files of JSON: one, or all of a directory whose names end in .json and begin with no
 * dot. The kernel tells what happens to them (inotify); where it does not (NFS, a mount
 * that is changed elsewhere) a look from time to time finds it. Only files whose size,
 * time or inode changed are read.
 *
 * A file of a directory that is gone has taken its clusters with it. A directory or the
 * one file that cannot be read says nothing: all stays. */
#include "config/discovery/discovery_own.h"

#include "base/hash.h"
#include "config/source.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 1000 /* between looks, where nothing is said */
#define YOUNG_NS                                                                       \
    1000000000 /* a file that is wrong may be in the middle of being written */
#define RETRY_MS 200
/* Nothing happens for this long before what is gone is gone: `rm *.json` is one step,
 * which `shrink` judges whole, although the kernel tells of each file. */
#define QUIET_MS  100
#define LOOK_COST 50 /* looks take at most one part in so many of the time */

/* A file as it was when it was read. */
struct known {
    struct source_stamp stamp;
    const char *part;
    uint32_t look; /* the last look at all files that saw it; 0: it is not there */
    bool read;
};

struct files {
    struct discovery *d;
    const char *path;
    bool directory;
    struct table known; /* by the address of the part's name, which is made once */
    uint32_t look;
    bool again;       /* something was in the middle of being written */
    bool gone;        /* something happened, and files may be gone */
    bool all;         /* something happened that may concern any file */
    int events;       /* inotify; -1: none to be had */
    int watch;        /* of the directory; -1: none */
    uint64_t took_ns; /* the last look at all files */
};

static uint64_t monotonic_ns(void)
{
    struct timespec ts = {0};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- one file ---- */

static uint32_t hash_of(const char *part)
{
    return (uint32_t)hash_bytes(&part, sizeof part);
}

static bool is_known(const void *entry, const void *key)
{
    return ((const struct known *)entry)->part == key;
}

static struct known *known_find(const struct files *f, const char *part)
{
    return table_get(&f->known, hash_of(part), is_known, part);
}

static struct known *known_of(struct files *f, const char *path)
{
    const char *part = discovery_part(f->d, path);
    struct known *k = known_find(f, part);
    if (k != NULL)
        return k;
    k = calloc(1, sizeof *k);
    if (k == NULL)
        return NULL;
    k->part = part;
    if (table_put(&f->known, hash_of(part), k) == 0)
        return k;
    free(k);
    return NULL;
}

/* What is wrong with a file that was written just now is not said: the rest may come.
 */
static void read_file(struct files *f, struct known *k,
                      const struct source_stamp *stamp)
{
    struct discovery *d = f->d;
    struct arena a;
    struct errors errs;
    struct text text;
    enum inventory_result result = INVENTORY_BAD;
    bool young = discovery_now_ns() < (uint64_t)stamp->changed_ns + YOUNG_NS;
    errors_init(&errs);
    arena_init(&a, NULL, 0);
    discovery_begin(d, k->part);
    if (source_read(&a, k->part, (struct where){0}, &text, &errs) == 0)
        result = inventory_read_json(k->part, text, discovery_sink(d), &errs);
    bool again = result == INVENTORY_BAD && young;
    discovery_end(d, result, again ? NULL : &errs);
    k->read = !again;
    k->stamp = *stamp;
    f->again = f->again || again;
    arena_release(&a);
    errors_release(&errs);
}

/* Reads it if it has changed. 0 or an errno. */
static int look_at(struct files *f, const char *path)
{
    struct source_stamp stamp;
    struct known *k = known_of(f, path);
    int error = k == NULL ? ENOMEM : source_stamp(path, &stamp);
    if (error == ENOENT) {
        k->look = 0;
        k->read = false;
    }
    if (error != 0)
        return error;
    k->look = f->look;
    if (!k->read || !source_stamp_equal(&stamp, &k->stamp))
        read_file(f, k, &stamp);
    return 0;
}

/* ---- a directory ---- */

static bool is_ours(const char *name)
{
    size_t len = strlen(name);
    return name[0] != '.' && len > 5 && strcmp(name + len - 5, ".json") == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static const struct dirent *next_entry(DIR *dir)
{
    errno = 0; /* readdir() leaves it alone at the end */
    return readdir(dir);
}

/* Sorted, so that of two clusters that exclude each other the same one stays on every
 * machine. 0 or an errno. */
static int list_names(const char *path, struct arena *a, char ***list, uint32_t *n)
{
    const struct dirent *e;
    uint32_t cap = 0;
    int error = ENOMEM;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return errno;
    while ((e = next_entry(dir)) != NULL) {
        if (!is_ours(e->d_name))
            continue;
        if (*n == cap) {
            cap = cap == 0 ? 64 : cap * 2;
            char **more = realloc(*list, cap * sizeof *more);
            if (more == NULL)
                goto out;
            *list = more;
        }
        (*list)[*n] = arena_printf(a, "%s/%s", path, e->d_name);
        if ((*list)[*n] == NULL)
            goto out;
        ++*n;
    }
    error = errno;
    if (*n > 0)
        qsort(*list, *n, sizeof **list, by_name);
out:
    closedir(dir);
    return error;
}

/* The clusters of files that are not there any more go; all of them in one step. */
static void drop_gone(struct files *f)
{
    const struct discovery_part *p;
    const char **gone = NULL;
    uint32_t n = 0;
    f->gone = false;
    for (p = f->d->parts; p != NULL; p = p->next)
        n += p->n > 0;
    gone = n == 0 ? NULL : calloc(n, sizeof *gone);
    n = 0;
    for (p = f->d->parts; gone != NULL && p != NULL; p = p->next) {
        const struct known *k = p->n == 0 ? NULL : known_find(f, p->name);
        if (p->n > 0 && (k == NULL || k->look != f->look))
            gone[n++] = p->name;
    }
    discovery_parts_gone(f->d, gone, n);
    free(gone);
}

static void look_at_directory(struct files *f)
{
    struct arena a;
    char **list = NULL;
    uint32_t n = 0;
    arena_init(&a, NULL, 0);
    int error = list_names(f->path, &a, &list, &n);
    if (error == 0) {
        f->look++;
        for (uint32_t i = 0; i < n; i++)
            look_at(f, list[i]);
        drop_gone(f);
    } else {
        discovery_failed(f->d, "%s", strerror(error));
    }
    free(list);
    arena_release(&a);
}

/* ---- looks ---- */

/* The directory in which things happen: that of a file, too. */
static void watch(struct files *f)
{
    const uint32_t what = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                          IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;
    char path[PATH_MAX];
    const char *slash = strrchr(f->path, '/');
    if (f->events < 0 || f->watch >= 0)
        return;
    if (f->directory)
        snprintf(path, sizeof path, "%s", f->path);
    else
        snprintf(path, sizeof path, "%.*s",
                 slash == NULL ? 1 : (int)(slash - f->path) + 1,
                 slash == NULL ? "." : f->path);
    f->watch = inotify_add_watch(f->events, path, what | IN_ONLYDIR);
}

/* It is not where we look any more, or has ended by itself. */
static void unwatch(struct files *f, bool remove)
{
    if (remove && f->watch >= 0)
        inotify_rm_watch(f->events, f->watch);
    f->watch = -1;
}

static void look_at_all(struct files *f)
{
    uint64_t began_ns = monotonic_ns();
    struct source_stamp stamp;
    int error = source_stamp(f->path, &stamp);
    f->again = f->all = false;
    if (error == 0)
        f->directory = stamp.directory;
    watch(f);
    if (error == 0 && f->directory) {
        look_at_directory(f);
    } else if (error == 0) {
        f->look++;
        error = look_at(f, f->path);
        if (error == 0)
            discovery_parts_gone(f->d, NULL, 0);
    }
    if (error != 0)
        discovery_failed(f->d, "%s", strerror(error));
    f->took_ns = monotonic_ns() - began_ns;
}

static void happened(struct files *f, const struct inotify_event *e)
{
    char path[PATH_MAX];
    if ((e->mask & IN_IGNORED) != 0 && e->wd != f->watch)
        return;
    if ((e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) {
        unwatch(f, (e->mask & IN_IGNORED) == 0);
        f->all = true;
    } else if (e->len == 0 || !f->directory || !is_ours(e->name)) {
        /* A mounted ConfigMap changes by a link besides the files. */
        f->all = f->all || (e->len > 0 && (!f->directory || e->name[0] == '.'));
    } else if ((size_t)snprintf(path, sizeof path, "%s/%s", f->path, e->name) <
               sizeof path) {
        look_at(f, path);
    }
}

/* False: nothing has happened. */
static bool read_events(struct files *f)
{
    _Alignas(struct inotify_event) char room[8192];
    ssize_t len;
    bool any = false;
    while (f->events >= 0 && (len = read(f->events, room, sizeof room)) > 0) {
        for (const char *at = room; at < room + len;) {
            const struct inotify_event *e = (const void *)at;
            happened(f, e);
            at += sizeof *e + e->len;
            any = true;
        }
    }
    return any;
}

static uint64_t pause_ns(struct files *f)
{
    uint64_t wanted = (uint64_t)discovery_settings(f->d).interval_us * 1000;
    uint64_t least = f->took_ns * LOOK_COST;
    if (wanted == 0)
        wanted = LOOK_MS * UINT64_C(1000000);
    return wanted > least ? wanted : least;
}

/* Until it is time to look at all; false: to end. */
static bool rest(struct files *f)
{
    uint64_t until_ns = monotonic_ns() + pause_ns(f), now_ns;
    while (!f->all && (now_ns = monotonic_ns()) < until_ns) {
        uint64_t left_ms = (until_ns - now_ns) / 1000000 + 1;
        if (left_ms > RETRY_MS && f->again)
            left_ms = RETRY_MS;
        if (left_ms > QUIET_MS && f->gone)
            left_ms = QUIET_MS;
        bool again = f->again;
        if (!discovery_wait(f->d, f->events, (int)left_ms))
            return false;
        if (read_events(f))
            f->gone = f->directory;
        else if (f->gone)
            drop_gone(f);
        if (again)
            break;
    }
    return true;
}

static void run(struct discovery *d)
{
    struct files f = {.d = d,
                      .path = discovery_settings(d).source,
                      .events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
                      .watch = -1};
    struct known *k;
    do
        look_at_all(&f);
    while (rest(&f));
    for (uint32_t at = 0; (k = table_next(&f.known, &at)) != NULL;)
        free(k);
    table_release(&f.known);
    if (f.events >= 0)
        close(f.events);
}

const struct discovery_source discovery_file = {
    .name = "file", .scheme = "", .run = run};
