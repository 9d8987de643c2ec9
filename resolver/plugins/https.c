/* https: limits of https:// listeners (DNS over HTTPS, RFC 8484). Where blocks share a
 * listener, the first that says something counts. */
#include "resolver/plugin.h"

#include "resolver/plan.h"

static int parse_connections(struct reader *rd, void *state)
{
    struct plan_block *b = state;
    const char *word;
    if (reader_one(rd, &word) < 0 ||
        reader_u32(rd, word, 0, INT32_MAX, &b->https_max) < 0)
        return -1;
    if (b->https_written)
        return reader_error(rd,
                            "max_connections already defined for this server block");
    b->https_written = true;
    return 0;
}

static const struct option options[] = {
    {.name = "max_connections",
     .kind = OPTION_CUSTOM,
     .parse = parse_connections,
     .args = "N",
     .fallback = "200",
     .help = "of all clients at an address; the one idle for longest makes room for "
             "another. 0: no limit of its own"},
};

#define OPTIONS_N (sizeof options / sizeof *options)

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    while (reader_next(&rd)) {
        if (reader_args(&rd).n > 0)
            return reader_error_args(&rd);
        if (reader_options(&rd, options, OPTIONS_N, s->block) < 0)
            return -1;
    }
    return 0;
}

const struct plugin plugin_https = {
    .name = "https",
    .help = "limits of https:// listeners",
    .synopsis = "https",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
};
