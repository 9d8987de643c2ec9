/* file: answers for zones from a zone file (RFC 1035 section 5).
 *
 *     file db.example.org example.org {
 *         fallthrough
 *     }
 *
 * One file can make several zones, its names being relative to each. A file that cannot
 * be read is a warning, and its zones answer SERVFAIL; a file with an error in it stops
 * the start. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "config/source.h"
#include "resolver/fall.h"
#include "resolver/plan.h"
#include "resolver/zonefile.h"

struct file_zone {
    const struct zonedata *data; /* NULL: the file could not be read */
};

struct file_plugin {
    struct zonetab zones; /* -> struct file_zone */
    struct fall fall;     /* one for all zones of the block, as in CoreDNS */
};

/* ---- options ---- */

static int parse_fallthrough(struct reader *rd, void *state)
{
    return fall_read(rd, &((struct file_plugin *)state)->fall);
}

/* CoreDNS looks at the file once a minute, or as often as told. `reload 0`, which turns
 * that off, is what happens here. */
static int parse_reload(struct reader *rd, void *state)
{
    const char *word;
    int64_t us;
    if (reader_one(rd, &word) < 0 || reader_duration(rd, word, &us) < 0)
        return -1;
    if (us == 0)
        return 0;
    return reader_error(rd,
                        "reload %s: reading a zone file again by itself is not in this "
                        "version of isthmus; `reload 0`, or nothing, reads it at start",
                        word);
}

static const struct option options[] = {
    {.name = "fallthrough",
     .kind = OPTION_CUSTOM,
     .parse = parse_fallthrough,
     .args = "[ZONES...]",
     .help = "names that do not exist go on to the next plugin"},
    {.name = "reload",
     .kind = OPTION_CUSTOM,
     .parse = parse_reload,
     .args = "0",
     .fallback = "0",
     .help = "never: the file is read at start"},
    {.name = "reload_by_mtime",
     .kind = OPTION_REFUSED,
     .help = "reading a zone file again by itself is not in this version of isthmus"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

/* ---- setup ---- */

static int add_zone(struct reader *rd, struct file_plugin *p, const struct name *zone,
                    const struct zonedata *data)
{
    char text[NAME_TEXT_MAX];
    struct file_zone *z = arena_alloc(rd->arena, sizeof *z);
    struct name *name = arena_copy(rd->arena, zone, sizeof *zone);
    void *old = NULL;
    if (z == NULL || name == NULL)
        return reader_error(rd, "out of memory");
    z->data = data;
    if (zonetab_add(&p->zones, rd->arena, name->wire, z, &old) < 0)
        return reader_error(rd, "out of memory");
    if (old == NULL)
        return 0;
    struct file_zone *first = old;
    first->data = data;
    name_print(zone->wire, text);
    log_warning("%s:%u: plugin/file: zone %s has two files; the last is used",
                reader_token(rd)->at.file, reader_token(rd)->at.line, text);
    return 0;
}

/* The text of the file; false when it could not be read, which is told. */
static bool read_text(struct reader *rd, struct arena *scratch, struct source *from)
{
    struct errors errs;
    errors_init(&errs);
    struct where at = reader_token(rd)->at;
    bool read = source_read(scratch, from->file, at, &from->text, &errs) == 0;
    if (!read)
        log_warning("plugin/file: Failed to open: %s; its zones answer SERVFAIL",
                    errs.list == NULL ? "out of memory" : errs.list->text);
    errors_release(&errs);
    return read;
}

/* Makes a zone of each name. Goes on after an error in the file. */
static int load(struct reader *rd, struct file_plugin *p, const char *file,
                const struct zones *zones)
{
    struct arena scratch;
    struct source from = {.file = file};
    int rc = 0;
    arena_init(&scratch, NULL, 0);
    bool read = read_text(rd, &scratch, &from);
    for (uint32_t i = 0; rc == 0 && i < zones->n; i++) {
        const struct zonedata *data = NULL;
        if (read)
            data = zonefile_parse(rd->arena, from, &zones->list[i], rd->errs);
        rc = read && data == NULL ? -1 : add_zone(rd, p, &zones->list[i], data);
    }
    arena_release(&scratch);
    return rc;
}

static int read_zones(struct reader *rd, struct zones *zones)
{
    const char *word;
    while (reader_arg(rd, &word)) {
        int added = zones_add(rd->arena, zones, word);
        if (added < 0)
            return reader_error(rd, "out of memory");
        if (added > 0) /* CoreDNS is silent here */
            log_warning("%s:%u: plugin/file: '%s' is no zone and is passed over",
                        reader_token(rd)->at.file, reader_token(rd)->at.line, word);
    }
    return 0;
}

static int read_line(struct setup *s, struct reader *rd, struct file_plugin *p)
{
    const char *file;
    struct zones zones = {0};
    if (!reader_arg(rd, &file))
        return reader_error_args(rd);
    uint32_t at = rd->at;
    file = plan_path(s->block, s->arena, file);
    if (file == NULL)
        return reader_error(rd, "out of memory");
    if (read_zones(rd, &zones) < 0)
        return -1;
    int rc = load(rd, p, file, rd->at == at ? &s->block->zones : &zones);
    return reader_options(rd, options, OPTIONS_N, p) < 0 ? -1 : rc;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct file_plugin *p = arena_alloc(s->arena, sizeof *p);
    int rc = 0;
    if (p == NULL)
        return error_at(s->errs, d->at, "plugin/file: out of memory");
    s->state = p;
    while (reader_next(&rd)) {
        if (read_line(s, &rd, p) < 0)
            rc = -1;
    }
    return rc;
}

/* ---- queries ---- */

static enum verdict on_query(struct query *q, const void *state)
{
    const struct file_plugin *p = state;
    if (q->request.class != DNS_IN)
        return PASS;
    const struct file_zone *zone = zonetab_find(&p->zones, query_key(q), 0, NULL);
    if (zone == NULL)
        return PASS;
    if (zone->data == NULL)
        return query_fail_ede(q, DNS_SERVFAIL, NULL, EDE_NOT_READY,
                              "zone file could not be read");
    struct msg *m = &q->response.msg;
    query_respond(q, DNS_NOERROR, true, 8);
    if (q->response.failed ||
        zonedata_answer(zone->data, query_key(q), q->request.type, &q->arena, m) < 0)
        return query_fail(q, DNS_SERVFAIL, "plugin/file: out of memory");
    bool missing = m->rcode == DNS_NXDOMAIN && msg_count(m, SECTION_ANSWER) == 0;
    if (missing && fall_through(&p->fall, q->request.lower)) {
        q->response = (struct response){0};
        return PASS;
    }
    return DONE;
}

const struct plugin plugin_file = {
    .name = "file",
    .help = "answers for zones from a zone file",
    .synopsis = "file DBFILE [ZONES...]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .on_query = on_query,
};
