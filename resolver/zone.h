/* A zone as the plugins that serve zones share it: `file`, `auto` and `secondary`
 * answer from it, `transfer` sends it.
 *
 *     zone_read(&reading, "db.example.org", &apex, at);
 *     ... reading.zone ...
 *     return zone_answer(q, z, &fall);       // a hook, on a worker
 *     zone_done(z);
 *
 * It is made whole and never changes; another takes its place. Who holds one counts as
 * a use, and the last use frees it: a feed's value, a transfer that takes a minute. */
#ifndef ISTHMUS_RESOLVER_ZONE_H
#define ISTHMUS_RESOLVER_ZONE_H

#include "base/error.h"
#include "config/reader.h"
#include "config/source.h"
#include "resolver/fall.h"
#include "resolver/feed.h"
#include "resolver/query.h"
#include "resolver/zonedata.h"

#include <stdatomic.h>

struct catalog;

struct zone {
    struct arena arena;
    struct name apex;              /* lower case */
    const struct zonedata *data;   /* with an SOA */
    uint32_t serial;               /* of the SOA */
    const struct catalog *catalog; /* of a catalog zone that was read as one */
    _Atomic uint32_t uses;
};

/* Without data, with one use. NULL: no memory. */
struct zone *zone_new(const struct name *apex);

#define ZONE_RELOAD_US INT64_C(60000000) /* between looks at zone files, by default */

/* A zone file as it was read. */
struct zone_reading {
    struct zone *zone;         /* with one use; NULL: `errs` has why, or stopped */
    struct source_stamp stamp; /* of the file before */
    bool whole;                /* nobody wrote to it meanwhile */
    struct errors
        errs; /* all, each at its line; of a file that cannot be read at `at` */
};

/* On any thread, until `*stop`, which may be NULL. Ends with zone_reading_release(),
 * which takes the zone along unless it was taken out. */
void zone_read(struct zone_reading *out, const char *path, const struct name *apex,
               struct where at, const _Atomic bool *stop);
void zone_reading_release(struct zone_reading *r);

/* For an option `upstream` of old Corefiles, which changes nothing. */
int zone_parse_upstream(struct reader *rd, void *state);
#define ZONE_OPTION_UPSTREAM                                                           \
    {                                                                                  \
        .name = "upstream", .kind = OPTION_CUSTOM, .parse = zone_parse_upstream,       \
        .args = "[...]", .help = "of old Corefiles; changes nothing"                   \
    }

/* The line about a zone that has taken the place of another. */
void zone_log_reloaded(const char *plugin, const struct zone *z, const char *path);

void zone_use(struct zone *z);
void zone_done(struct zone *z); /* NULL is fine */

/* Puts `z`, whose use it takes, in the place of the feed's present zone: feed_get() is
 * a `const struct zone *`. 0, or -1: no memory. */
int zone_publish(struct feed *f, struct zone *z);

/* RFC 1982: whether `a` comes after `b`. */
bool zone_serial_after(uint32_t a, uint32_t b);

/* ---- queries ---- */

/* Answers a question whose name is at or under the apex: the on_query of every plugin
 * that serves zones. PASS: the name does not exist, and falls through. A CNAME that
 * leads out of the zone is looked up through the listener, hence zone_woken. */
enum verdict zone_answer(struct query *q, const struct zone *z,
                         const struct fall *fall);

/* Their on_wake. */
enum verdict zone_woken(struct query *q, const void *state);

/* What such a plugin does with names of other zones: PASS, and REFUSED when no plugin
 * comes after it, which is what a server of zones says. */
enum verdict zone_of_others(struct query *q);

#endif
