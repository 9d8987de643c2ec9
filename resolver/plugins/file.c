/* file: answers for zones from a zone file (RFC 1035 section 5).
 *
 *     file db.example.org example.org {
 *         reload 30s
 *         fallthrough
 *     }
 *
 * One file can make several zones, its names being relative to each. A file that cannot
 * be read is a warning, and its zones answer SERVFAIL until it can; a file with an
 * error in it stops the start. Later an error leaves the zone as it was. The file is
 * looked at again from time to time, and a zone whose serial differs takes the place of
 * the old. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "resolver/transfer.h"

#include <inttypes.h>
#include <stdlib.h>

struct file_zone {
    struct name apex;
    const char *path;
    bool by_mtime;
    struct feed *feed; /* of struct zone */
    struct plan *plan;
    const struct plan_block *block;

    /* the control thread's */
    struct where at;
    struct source_stamp seen; /* of what was read last */
    bool told;                /* that it cannot be read */
};

struct file_plugin {
    struct zonetab zones; /* -> struct file_zone */
    struct fall fall;     /* one for all zones of the block, as in CoreDNS */

    /* while it is set up: a line has what lines before it say, as in CoreDNS */
    int64_t reload_us;
    bool by_mtime;
};

/* ---- options ---- */

static int parse_fallthrough(struct reader *rd, void *state)
{
    return fall_read(rd, &((struct file_plugin *)state)->fall);
}

static const struct option options[] = {
    {.name = "reload",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct file_plugin, reload_us),
     .args = "DURATION",
     .fallback = "1m",
     .help = "how often to look whether the file has changed; 0 = never"},
    {.name = "reload_by_mtime",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct file_plugin, by_mtime),
     .help = "a changed file is a changed zone, also with the same serial"},
    {.name = "fallthrough",
     .kind = OPTION_CUSTOM,
     .parse = parse_fallthrough,
     .args = "[ZONES...]",
     .help = "names that do not exist go on to the next plugin"},
    ZONE_OPTION_UPSTREAM,
};
#define OPTIONS_N (sizeof options / sizeof *options)

/* ---- the file ---- */

/* Takes the zone of `r`. */
static void put_in_place(struct feed *f, struct file_zone *z, struct zone_reading *r)
{
    const struct zone *old = feed_get(f);
    struct zone *zone = r->zone;
    char apex[NAME_TEXT_MAX];
    name_print(z->apex.wire, apex);
    if (old != NULL && !z->by_mtime && old->serial == zone->serial) {
        log_info("plugin/file: %s has changed, but not the serial %" PRIu32
                 " of zone %s, which stays as it is",
                 z->path, zone->serial, apex);
        return;
    }
    r->zone = NULL;
    if (zone_publish(f, zone) < 0) {
        log_error("plugin/file: zone %s stays as it is: out of memory", apex);
        return;
    }
    transfer_notify(z->plan, z->block, &z->apex);
    if (z->plan->errs == NULL)
        zone_log_reloaded("file", zone, z->path);
}

static void tell(const struct file_zone *z, const struct zone_reading *r)
{
    char prefix[NAME_TEXT_MAX + 64], apex[NAME_TEXT_MAX];
    name_print(z->apex.wire, apex);
    snprintf(prefix, sizeof prefix, "plugin/file: zone %s stays as it is", apex);
    if (z->plan->errs != NULL)
        errors_add(z->plan->errs, &r->errs);
    else
        log_errors(LOG_ERROR, prefix, &r->errs);
}

/* Of a thread of its own. */
static void *read_file(void *context)
{
    const struct file_zone *z = context;
    struct zone_reading *r = malloc(sizeof *r);
    if (r != NULL)
        zone_read(r, z->path, &z->apex, z->at, feed_stopped(z->feed));
    return r;
}

static void take_file(struct feed *f, void *context, void *reading)
{
    struct file_zone *z = context;
    struct zone_reading none = {0}, *r = reading == NULL ? &none : reading;
    if (reading == NULL)
        error_at(&none.errs, z->at, "plugin/file: out of memory");
    tell(z, r);
    /* One that is being written is read when it is whole. */
    bool usable = r->whole || z->plan->errs != NULL;
    if (usable)
        z->seen = r->stamp;
    if (usable && r->zone != NULL)
        put_in_place(f, z, r);
    zone_reading_release(r);
    free(reading);
}

static void look(struct feed *f, void *context)
{
    struct file_zone *z = context;
    struct source_stamp stamp;
    int error = source_stamp(z->path, &stamp);
    if (error != 0 && z->plan->errs == NULL && !z->told)
        log_error("plugin/file: Failed to open %s: %s", z->path, strerror(error));
    z->told = error != 0;
    if (error == 0 && !source_stamp_equal(&stamp, &z->seen))
        feed_read(f);
}

/* ---- setup ---- */

static const struct zone *find(struct query *q, const void *state, bool *known)
{
    const struct file_plugin *p = state;
    unsigned label = 0;
    const struct file_zone *z = zonetab_find(&p->zones, query_key(q), 0, &label);
    *known = z != NULL && label == 0;
    return *known ? feed_get(z->feed) : NULL;
}

/* A file that is not there is awaited, if it is looked for. */
static int check_missing(struct reader *rd, const struct file_plugin *p,
                         const struct file_zone *z)
{
    char wait[DURATION_TEXT_MAX];
    struct source_stamp stamp;
    int error = source_stamp(z->path, &stamp);
    if (error == 0)
        return 0;
    if (p->reload_us == 0)
        return reader_error(rd, "could not read %s: %s", z->path, strerror(error));
    log_warning("plugin/file: Failed to open %s: %s: its zones answer SERVFAIL; trying "
                "again in %s",
                z->path, strerror(error), duration_print(p->reload_us, wait));
    return 0;
}

static int follow_file(struct setup *s, struct reader *rd, struct file_plugin *p,
                       struct file_zone *z)
{
    struct feed_source source = {.interval_us = p->reload_us,
                                 .look = look,
                                 .context = z,
                                 .read = read_file,
                                 .take = take_file};
    uint32_t before = s->errs->n;
    z->by_mtime = p->by_mtime;
    z->feed = feed_new(&s->plan->feeds, s->arena, &source);
    if (z->feed == NULL)
        return reader_error(rd, "out of memory");
    feed_refresh(z->feed);
    return s->errs->n > before ? -1 : 0;
}

static int add_zone(struct setup *s, struct reader *rd, struct file_plugin *p,
                    const struct file_zone *from)
{
    char text[NAME_TEXT_MAX];
    struct file_zone *z = arena_copy(s->arena, from, sizeof *from);
    void *old = NULL;
    if (z == NULL || zonetab_add(&p->zones, s->arena, z->apex.wire, z, &old) < 0)
        return reader_error(rd, "out of memory");
    if (old != NULL) {
        struct file_zone *first = old;
        feed_stop(first->feed);
        *first = *from;
        z = first;
        name_print(z->apex.wire, text);
        log_warning("%s:%u: plugin/file: zone %s has two files; the last is used",
                    z->at.file, z->at.line, text);
    }
    return follow_file(s, rd, p, z);
}

/* Makes a zone of each name. Goes on after an error in the file. */
static int add_zones(struct setup *s, struct reader *rd, struct file_plugin *p,
                     struct file_zone *z, const struct zones *zones)
{
    int rc = check_missing(rd, p, z);
    for (uint32_t i = 0; rc == 0 && i < zones->n; i++) {
        z->apex = zones->list[i];
        rc = add_zone(s, rd, p, z);
    }
    return rc;
}

static int read_line(struct setup *s, struct reader *rd, struct file_plugin *p)
{
    const char *file;
    struct zones zones = {0};
    struct file_zone z = {
        .at = reader_token(rd)->at, .plan = s->plan, .block = s->block};
    if (!reader_arg(rd, &file))
        return reader_error_args(rd);
    z.path = plan_path(s->block, s->arena, file);
    if (z.path == NULL)
        return reader_error(rd, "out of memory");
    if (plan_zones(s, rd, &zones) < 0)
        return -1;
    int rc = reader_options(rd, options, OPTIONS_N, p);
    return rc < 0 ? -1 : add_zones(s, rd, p, &z, &zones);
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct file_plugin *p = arena_alloc(s->arena, sizeof *p);
    int rc = 0;
    if (p == NULL)
        return error_at(s->errs, d->at, "plugin/file: out of memory");
    s->state = p;
    p->reload_us = ZONE_RELOAD_US;
    while (reader_next(&rd)) {
        if (read_line(s, &rd, p) < 0)
            rc = -1;
    }
    struct zone_source source = {.find = find, .state = p};
    return zone_source_add(s, &source) < 0 ? -1 : rc;
}

/* ---- queries ---- */

static enum verdict on_query(struct query *q, const void *state)
{
    const struct file_plugin *p = state;
    const struct file_zone *z = q->request.class != DNS_IN
                                    ? NULL
                                    : zonetab_find(&p->zones, query_key(q), 0, NULL);
    if (z == NULL)
        return zone_of_others(q);
    const struct zone *zone = feed_get(z->feed);
    if (zone == NULL)
        return query_fail_ede(q, DNS_SERVFAIL, NULL, EDE_NOT_READY,
                              "zone file could not be read");
    return zone_answer(q, zone, &p->fall);
}

const struct plugin plugin_file = {
    .name = "file",
    .help = "answers for zones from a zone file",
    .synopsis = "file DBFILE [ZONES...]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .on_query = on_query,
    .on_wake = zone_woken,
};
