/* pprof: CoreDNS's profiler. Accepted so that a Corefile loads; says what to use
 * instead. */
#include "resolver/plugin.h"

#include "base/log.h"

static int parse_block_rate(struct reader *rd, void *state)
{
    struct token_list args = reader_args(rd);
    return args.n > 1 ? reader_error_args(rd) : 0;
}

static const struct option options[] = {
    {.name = "block",
     .kind = OPTION_CUSTOM,
     .parse = parse_block_rate,
     .args = "[RATE]",
     .help = "rate of CoreDNS's block profile; without meaning here, and warned about"},
};

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    while (reader_next(&rd)) {
        struct token_list args = reader_args(&rd);
        if (args.n > 1)
            return reader_error_args(&rd);
        if (reader_options(&rd, options, 1, NULL) < 0)
            return -1;
    }
    log_warning(
        "plugin/pprof: %s:%u: there is no Go program to profile here, and nothing "
        "listens; use `perf record -p PID`",
        d->at.file, d->at.line);
    return 0;
}

const struct plugin plugin_pprof = {
    .name = "pprof",
    .help = "accepted with a warning: use perf",
    .synopsis = "pprof [ADDRESS]",
    .options = options,
    .options_n = 1,
    .setup = setup,
};
