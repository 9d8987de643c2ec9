/* reload: the Corefile is read again from time to time, and taken over when what it
 * says has changed (server/watch.c). Comments and spacing are nothing that changes.
 *
 *     reload 30s 15s
 *
 * Of the whole process: where several blocks have it, the last one counts. */
#include "base/log.h"
#include "resolver/plan.h"

#define SECOND       INT64_C(1000000)
#define INTERVAL_MIN (2 * SECOND)
#define JITTER_MIN   SECOND

static int read_interval(struct reader *rd, const char *word, int64_t *out_us)
{
    if (reader_duration(rd, word, out_us) < 0)
        return -1;
    if (*out_us < INTERVAL_MIN)
        return reader_error(rd, "interval value must be greater or equal to 2s: %s",
                            word);
    return 0;
}

static int read_jitter(struct reader *rd, const char *word, int64_t *out_us)
{
    if (reader_duration(rd, word, out_us) < 0)
        return -1;
    if (*out_us != 0 && *out_us < JITTER_MIN)
        return reader_error(rd, "jitter value must be 0, or greater or equal to 1s: %s",
                            word);
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct plan_reload r = {.interval_us = 30 * SECOND, .jitter_us = 15 * SECOND};
    reader_next(&rd);
    struct token_list args = reader_args(&rd);
    if (args.n > 2)
        return reader_error_args(&rd);
    if (args.n > 0 && read_interval(&rd, args.list[0].text, &r.interval_us) < 0)
        return -1;
    if (args.n > 1 && read_jitter(&rd, args.list[1].text, &r.jitter_us) < 0)
        return -1;
    if (reader_next(&rd)) {
        const struct token *more = reader_token(&rd);
        log_warning(
            "%s:%u: plugin/reload: only the first line counts, '%s' is passed over",
            more->at.file, more->at.line, more->text);
    }
    if (r.jitter_us > r.interval_us / 2)
        r.jitter_us = r.interval_us / 2;
    s->plan->reload = r;
    return 0;
}

const struct plugin plugin_reload = {
    .name = "reload",
    .help =
        "takes over the Corefile when it changes; it is read every INTERVAL, 30s by "
        "default and at least 2s, more or less half of JITTER, 15s by default",
    .synopsis = "reload [INTERVAL [JITTER]]",
    .setup = setup,
};
