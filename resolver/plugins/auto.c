/* auto: answers for the zones whose files lie in a directory.
 *
 *     auto example.org {
 *         directory /etc/isthmus/zones ^(.*)\.zone$ {1}
 *         reload 30s
 *     }
 *
 * A file whose name matches the regular expression is a zone, named by the template.
 * The directory is looked through again from time to time, folders in it as well: new
 * files are new zones, those of files that are gone end, and a changed file with
 * another serial takes the place of the old zone. A file that cannot be read leaves its
 * zone as it was. Names that lie in no zone go on to the next plugin. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "resolver/pattern.h"
#include "resolver/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define DEFAULT_PATTERN  "db\\.(.*)"
#define DEFAULT_TEMPLATE "{1}"

/* One `auto` line. */
struct auto_line {
    struct zones zones; /* that may be asked here */
    const char *directory;
    const struct pattern *pattern;
    const char *name; /* the template */
    int64_t reload_us;
    struct feed *feed; /* of struct auto_zones */
    struct plan *plan;
    const struct plan_block *block;
    struct auto_line *next;

    /* the control thread's */
    bool told; /* that the directory cannot be read */
    struct setup *setup;
};

struct auto_file {
    const char *path;
    struct source_stamp seen;
    struct zone *zone; /* NULL: none could be read from it yet */
    bool news;         /* it is another than at the look before */
    struct name apex;
};

/* What the directory held at one look. */
struct auto_zones {
    struct zonetab serves; /* -> struct auto_file, with a zone */
    struct zonetab files;  /* all */
};

struct auto_plugin {
    struct auto_line *lines;
};

static const struct fall nothing_falls;

/* ---- names ---- */

/* One reference `{1}` or `{name}` at `at`, as in Go also `$1` or `${1}`. Returns octets
 * read; 0: it is none. */
static size_t reference(const struct pattern *p, const char *at,
                        const struct pattern_found *found, struct text *out)
{
    size_t dollar = *at == '$', brace = at[dollar] == '{';
    const char *word = at + dollar + brace;
    size_t len = strspn(word, "0123456789_abcdefghijklmnopqrstuvwxyz"
                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    char name[64];
    if (dollar + brace == 0 || len == 0 || len >= sizeof name ||
        (brace > 0 && word[len] != '}'))
        return 0;
    memcpy(name, word, len);
    name[len] = '\0';
    bool number = strspn(name, "0123456789") == len;
    unsigned group = 0;
    if (number)
        group = (unsigned)strtoul(name, NULL, 10);
    else
        group = pattern_group_named(p, name);
    *out = number || group > 0 ? pattern_group(found, group) : (struct text){"", 0};
    return dollar + brace + len + brace;
}

/* The zone's name by the template. 0, or -1: no domain name. */
static int expand(const struct auto_line *l, const struct pattern_found *found,
                  struct name *out)
{
    char text[NAME_TEXT_MAX];
    size_t len = 0;
    for (const char *at = l->name; *at != '\0';) {
        struct text piece = {at, 1};
        size_t taken = reference(l->pattern, at, found, &piece);
        if (piece.len >= sizeof text - len)
            return -1;
        memcpy(text + len, piece.at, piece.len);
        len += piece.len;
        at += taken > 0 ? taken : 1;
    }
    if (len == 0)
        text[len++] = '.'; /* db. is the root's */
    struct name name;
    if (name_parse(&name, (struct text){text, len}) < 0)
        return -1;
    out->len = name.len;
    name_lower(out->wire, name.wire, name.len);
    return 0;
}

/* ---- looking ---- */

struct scan {
    const struct auto_line *line;
    const struct auto_zones *old; /* NULL at first */
    struct auto_zones *now;
    struct arena *arena;
    struct pattern_scratch *scratch;
    bool changed;
};

static struct auto_file *file_of(const struct zonetab *t, const struct name *apex)
{
    struct name_key key;
    unsigned label = 0;
    name_key_init(&key, apex->wire);
    struct auto_file *file = zonetab_find(t, &key, 0, &label);
    return label == 0 ? file : NULL;
}

/* What a file that is new or has changed makes of the zone that it made before, which
 * may be NULL. Another of the same serial is none. */
static struct zone *renew(const struct scan *s, struct zone *old,
                          struct auto_file *file)
{
    struct zone_reading r;
    zone_read(&r, file->path, &file->apex, (struct where){0},
              feed_stopped(s->line->feed));
    log_errors(LOG_WARNING, "plugin/auto", &r.errs);
    /* One that is being written is read when it is whole. */
    file->seen = r.whole ? r.stamp : (struct source_stamp){0};
    struct zone *zone = r.whole || s->old == NULL ? r.zone : NULL;
    if (zone == NULL || (old != NULL && zone->serial == old->serial))
        zone = old;
    if (zone != NULL)
        zone_use(zone);
    zone_reading_release(&r);
    return zone;
}

static void read_file(struct scan *s, struct auto_file *file,
                      const struct auto_file *was)
{
    char apex[NAME_TEXT_MAX];
    struct zone *old = was == NULL ? NULL : was->zone;
    file->zone = renew(s, old, file);
    file->news = file->zone != old;
    s->changed = true;
    name_print(file->apex.wire, apex);
    if (file->news && old == NULL)
        log_info("plugin/auto: Inserting zone `%s' from: %s", apex, file->path);
    else if (file->news)
        zone_log_reloaded("auto", file->zone, file->path);
}

/* The file's zone: the one it made before as long as it is the same. */
static int take_file(struct scan *s, struct auto_file *file)
{
    const struct auto_file *was =
        s->old == NULL ? NULL : file_of(&s->old->files, &file->apex);
    bool same = was != NULL && strcmp(was->path, file->path) == 0 &&
                source_stamp_equal(&was->seen, &file->seen);
    if (!same)
        read_file(s, file, was);
    else if (was->zone != NULL)
        zone_use(was->zone);
    if (same)
        file->zone = was->zone;
    if (zonetab_add(&s->now->files, s->arena, file->apex.wire, file, NULL) < 0)
        return -1;
    return file->zone == NULL
               ? 0
               : zonetab_add(&s->now->serves, s->arena, file->apex.wire, file, NULL);
}

/* A file of the directory. 0, or -1: no memory. */
static int see_file(struct scan *s, const char *path)
{
    const char *base = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    struct pattern_found found;
    struct auto_file file = {0};
    if (pattern_match(s->line->pattern, &s->scratch, text_of(base), &found) !=
        PATTERN_MATCH)
        return 0;
    if (expand(s->line, &found, &file.apex) < 0) {
        log_debug("plugin/auto: %s: its name makes no zone", path);
        return 0;
    }
    const struct auto_file *first = file_of(&s->now->files, &file.apex);
    if (first != NULL) {
        log_warning("plugin/auto: Multiple zone files match one origin: using \"%s\" "
                    "instead of \"%s\"",
                    first->path, path);
        return 0;
    }
    if (source_stamp(path, &file.seen) != 0 || file.seen.directory)
        return 0;
    file.path = arena_text(s->arena, text_of(path));
    struct auto_file *kept = arena_copy(s->arena, &file, sizeof file);
    return file.path == NULL || kept == NULL ? -1 : take_file(s, kept);
}

static void tell_ended(struct scan *s)
{
    char apex[NAME_TEXT_MAX];
    for (uint32_t i = 0; s->old != NULL && i < s->old->files.n; i++) {
        const struct auto_file *file = s->old->files.entries[i].value;
        if (file_of(&s->now->files, &file->apex) != NULL)
            continue;
        name_print(file->apex.wire, apex);
        log_info("plugin/auto: Deleting zone `%s'", apex);
        s->changed = true;
    }
}

static void release_zones(const void *data)
{
    const struct auto_zones *zones = data;
    for (uint32_t i = 0; i < zones->files.n; i++)
        zone_done(((struct auto_file *)zones->files.entries[i].value)->zone);
}

static int see_files(struct scan *s, const struct paths *paths)
{
    int rc = 0;
    const _Atomic bool *stopped = feed_stopped(s->line->feed);
    for (uint32_t i = 0; rc == 0 && i < paths->n && !*stopped; i++)
        rc = see_file(s, paths->list[i]);
    if (rc == 0 && !*stopped)
        tell_ended(s);
    pattern_scratch_free(s->scratch);
    return rc;
}

/* What a look came to. */
struct auto_reading {
    struct feed_value *value; /* NULL: out of memory, or */
    int error;                /* the directory cannot be read */
    bool changed;
};

static void see_paths(struct auto_reading *r, const struct auto_line *l,
                      const struct paths *paths)
{
    struct scan s = {.line = l, .old = feed_get(l->feed)};
    struct feed_value *v = r->value = feed_value_new();
    int rc = -1;
    if (v != NULL) {
        v->data = s.now = arena_alloc(&v->arena, sizeof *s.now);
        v->release = release_zones;
        s.arena = &v->arena;
        rc = s.now == NULL ? -1 : see_files(&s, paths);
    }
    r->changed = s.changed || s.old == NULL;
    if (rc < 0) {
        feed_value_free(v);
        r->value = NULL;
    }
}

/* Of a thread of its own: there may be thousands of files. */
static void *read_tree(void *context)
{
    const struct auto_line *l = context;
    struct auto_reading *r = calloc(1, sizeof *r);
    struct arena scratch;
    struct paths paths;
    if (r == NULL)
        return NULL;
    arena_init(&scratch, NULL, 0);
    r->error = source_tree(&scratch, l->directory, &paths);
    if (r->error == 0)
        see_paths(r, l, &paths);
    arena_release(&scratch);
    return r;
}

static void put_in_place(struct feed *f, const struct auto_line *l,
                         struct feed_value *v)
{
    const struct auto_zones *zones = v->data;
    feed_publish(f, v);
    for (uint32_t i = 0; i < zones->files.n; i++) {
        const struct auto_file *file = zones->files.entries[i].value;
        if (file->news)
            transfer_notify(l->plan, l->block, &file->apex);
    }
}

/* A directory that is away for a while takes no zone with it. */
static void take_tree(struct feed *f, void *context, void *reading)
{
    struct auto_line *l = context;
    struct auto_reading none = {0}, *r = reading == NULL ? &none : reading;
    if (r->error != 0 && !l->told)
        log_warning("plugin/auto: could not read directory %s: %s", l->directory,
                    strerror(r->error));
    else if (r->error == 0 && r->value == NULL)
        log_error("plugin/auto: %s: out of memory: its zones stay as they are",
                  l->directory);
    l->told = r->error != 0;
    if (r->value != NULL && r->changed)
        put_in_place(f, l, r->value);
    else
        feed_value_free(r->value);
    free(reading);
}

static void look(struct feed *f, void *context)
{
    feed_read(f);
}

/* ---- options ---- */

static int read_pattern(struct reader *rd, struct auto_line *l, const char *word)
{
    char why[PATTERN_WHY_MAX];
    l->pattern = pattern_new(rd->arena, word, 0, why);
    if (l->pattern == NULL)
        return reader_error(rd, "could not parse regex: %s: %s", word, why);
    if (pattern_groups_n(l->pattern) == 0)
        return reader_error(rd, "Need at least one sub expression: '%s' has no (...)",
                            word);
    return reader_one(rd, &l->name);
}

static int parse_directory(struct reader *rd, void *state)
{
    struct auto_line *l = state;
    const char *word;
    struct source_stamp stamp;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    l->directory = plan_path(l->setup->block, rd->arena, word);
    if (l->directory == NULL)
        return reader_error(rd, "out of memory");
    int error = source_stamp(l->directory, &stamp);
    if (error != 0 && error != ENOENT)
        return reader_error(rd, "Unable to access root path '%s': %s", l->directory,
                            strerror(error));
    return reader_arg(rd, &word) && strcmp(word, "}") != 0 ? read_pattern(rd, l, word)
                                                           : 0;
}

static const struct option options[] = {
    {.name = "directory",
     .kind = OPTION_CUSTOM,
     .parse = parse_directory,
     .args = "DIR [REGEXP ORIGIN_TEMPLATE]",
     .fallback = "DIR db\\.(.*) {1}",
     .help = "where the files are; those whose names match are zones named by the "
             "template"},
    {.name = "reload",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct auto_line, reload_us),
     .args = "DURATION",
     .fallback = "1m",
     .help = "how often to look for changes; 0 = never"},
    ZONE_OPTION_UPSTREAM,
};
#define OPTIONS_N (sizeof options / sizeof *options)

/* ---- setup ---- */

static const struct zone *zone_of(struct query *q, const struct auto_plugin *p)
{
    for (const struct auto_line *l = p->lines; l != NULL; l = l->next) {
        const struct auto_zones *zones = l->feed == NULL ? NULL : feed_get(l->feed);
        const struct auto_file *file =
            zones == NULL || zones_match(&l->zones, q->request.lower) == NULL
                ? NULL
                : zonetab_find(&zones->serves, query_key(q), 0, NULL);
        if (file != NULL)
            return file->zone;
    }
    return NULL;
}

static const struct zone *find(struct query *q, const void *state, bool *known)
{
    const struct zone *z = zone_of(q, state);
    *known = z != NULL && name_equal(z->apex.wire, q->request.lower);
    return *known ? z : NULL;
}

static int follow_directory(struct setup *s, struct reader *rd, struct auto_line *l)
{
    struct feed_source source = {.interval_us = l->reload_us,
                                 .look = look,
                                 .context = l,
                                 .read = read_tree,
                                 .take = take_tree};
    if (l->directory == NULL) {
        log_warning("%s:%u: plugin/auto: no `directory DIR`: there are no zones",
                    reader_token(rd)->at.file, reader_token(rd)->at.line);
        return 0;
    }
    l->feed = feed_new(&s->plan->feeds, s->arena, &source);
    if (l->feed == NULL)
        return reader_error(rd, "out of memory");
    feed_refresh(l->feed);
    return 0;
}

static int read_line(struct setup *s, struct reader *rd, struct auto_line *l)
{
    char why[PATTERN_WHY_MAX];
    *l = (struct auto_line){.setup = s,
                            .plan = s->plan,
                            .block = s->block,
                            .name = DEFAULT_TEMPLATE,
                            .reload_us = ZONE_RELOAD_US};
    if (plan_zones(s, rd, &l->zones) < 0 ||
        reader_options(rd, options, OPTIONS_N, l) < 0)
        return -1;
    if (l->pattern == NULL)
        l->pattern = pattern_new(s->arena, DEFAULT_PATTERN, 0, why);
    if (l->pattern == NULL)
        return reader_error(rd, "%s", why);
    l->setup = NULL;
    return follow_directory(s, rd, l);
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct auto_plugin *p = arena_alloc(s->arena, sizeof *p);
    int rc = 0;
    if (p == NULL)
        return error_at(s->errs, d->at, "plugin/auto: out of memory");
    struct auto_line **end = &p->lines;
    while (reader_next(&rd)) {
        struct auto_line *l = arena_alloc(s->arena, sizeof *l);
        if (l == NULL)
            return reader_error(&rd, "out of memory");
        if (read_line(s, &rd, l) < 0)
            rc = -1;
        *end = l;
        end = &l->next;
    }
    struct zone_source source = {.find = find, .state = p};
    s->state = p;
    return zone_source_add(s, &source) < 0 ? -1 : rc;
}

/* ---- queries ---- */

static enum verdict on_query(struct query *q, const void *state)
{
    const struct zone *zone = q->request.class == DNS_IN ? zone_of(q, state) : NULL;
    return zone == NULL ? zone_of_others(q) : zone_answer(q, zone, &nothing_falls);
}

const struct plugin plugin_auto = {
    .name = "auto",
    .help = "answers for the zones whose files lie in a directory",
    .synopsis = "auto [ZONES...]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .on_query = on_query,
    .on_wake = zone_woken,
};
