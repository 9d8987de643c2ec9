/* health: http://ADDR/health says OK as long as the program lives.
 *
 *     health :8080 {
 *         lameduck 5s
 *     }
 *
 * An address that cannot be had keeps the program from starting. */
#include "resolver/pages.h"
#include "resolver/plan.h"

struct health_plugin {
    int64_t lameduck_us;
};

static const struct option options[] = {
    {.name = "lameduck",
     .kind = OPTION_DURATION,
     .offset = offsetof(struct health_plugin, lameduck_us),
     .args = "DURATION",
     .fallback = "0s",
     .help = "after SIGTERM or SIGINT everything is served so much longer, while "
             "/ready says no"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

static int setup(struct setup *s, const struct directive *d)
{
    struct health_plugin h = {0};
    struct reader rd = reader_init(d, s->arena, s->errs);
    while (reader_next(&rd)) {
        if (pages_read(s, &rd, PAGE_HEALTH, ":8080") < 0 ||
            reader_options(&rd, options, OPTIONS_N, &h) < 0)
            return -1;
    }
    if (h.lameduck_us > s->plan->lameduck_us)
        s->plan->lameduck_us = h.lameduck_us;
    return 0;
}

const struct plugin plugin_health = {
    .name = "health",
    .help = "says OK at http://ADDR/health while the program lives; default :8080",
    .synopsis = "health [ADDR]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
};
