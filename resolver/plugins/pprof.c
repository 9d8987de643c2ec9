/* pprof: CoreDNS's profiler. Accepted so that a Corefile loads; says what to use
 * instead. */
#include "resolver/plugin.h"

#include "base/log.h"

static int parse_block_rate(struct reader *rd, void *state)
{
    struct token_list args = reader_args(rd);
    if (args.n > 1)
        return reader_error_args(rd);
    uint32_t rate;
    return args.n == 1 ? reader_u32(rd, args.list[0].text, 0, UINT32_MAX, &rate) : 0;
}

/* CoreDNS wants a port; the host may be missing, or be any name. */
static int check_address(struct reader *rd, const char *word)
{
    const char *colon = strrchr(word, ':');
    if (colon == NULL)
        return reader_error(rd, "address %s: missing port: expected HOST:PORT", word);
    return 0;
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
    for (bool again = false; reader_next(&rd); again = true) {
        struct token_list args = reader_args(&rd);
        if (again)
            return reader_error(&rd,
                                "this plugin can only be used once per Server Block");
        if (args.n > 1)
            return reader_error_args(&rd);
        if (args.n == 1 && check_address(&rd, args.list[0].text) < 0)
            return -1;
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
