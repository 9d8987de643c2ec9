/* ready: http://ADDR/ready says OK when queries are answered, and 503 once the program
 * is about to end.
 *
 *     ready :8181
 *
 * CoreDNS asks its plugins that have something to load first. None here has: a program
 * that serves is ready, and a cluster that is away does not make it less so. An address
 * that cannot be had is logged, and the program starts without. */
#include "resolver/pages.h"
#include "resolver/plan.h"

#include "base/log.h"

static const char *const monitor_words[] = {"until-ready", "continuously", NULL};

struct ready_plugin {
    unsigned monitor;
};

static const struct option options[] = {
    {.name = "monitor",
     .kind = OPTION_WORD,
     .words = monitor_words,
     .offset = offsetof(struct ready_plugin, monitor),
     .args = "until-ready|continuously",
     .fallback = "until-ready",
     .help =
         "how long plugins are asked that have something to load; none here has, so "
         "both mean the same"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

static int setup(struct setup *s, const struct directive *d)
{
    struct ready_plugin r = {0};
    struct reader rd = reader_init(d, s->arena, s->errs);
    reader_next(&rd);
    if (pages_read(s, &rd, PAGE_READY, ":8181") < 0 ||
        reader_options(&rd, options, OPTIONS_N, &r) < 0)
        return -1;
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    if (r.monitor != 0)
        log_warning(
            "%s:%u: plugin/ready: monitor %s changes nothing: no plugin of this "
            "program is ever not ready",
            d->at.file, d->at.line, monitor_words[r.monitor]);
    return 0;
}

const struct plugin plugin_ready = {
    .name = "ready",
    .help = "says OK at http://ADDR/ready when queries are answered; default :8181",
    .synopsis = "ready [ADDR]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
};
