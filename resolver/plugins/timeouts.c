/* timeouts: how long connections of clients may take. Where blocks share a listener,
 * each value is that of the last block in the file that has it, as in CoreDNS. */
#include "resolver/plugin.h"

#include "resolver/plan.h"

#define SECOND INT64_C(1000000)

/* A bare number is seconds. */
static int read_time(struct reader *rd, int64_t *out)
{
    const char *word;
    char text[DURATION_TEXT_MAX];
    if (reader_one(rd, &word) < 0)
        return -1;
    const char *time = word;
    if (word[0] != '\0' && word[strspn(word, "0123456789")] == '\0')
        time = arena_printf(rd->arena, "%ss", word);
    if (time == NULL)
        return reader_error(rd, "out of memory");
    if (reader_duration(rd, time, out) < 0)
        return -1;
    if (*out < SECOND || *out > 24 * 3600 * SECOND)
        return reader_error(
            rd, "timeout provided '%s' needs to be between 1 second and 24 hours",
            duration_print(*out, text));
    return 0;
}

static int parse_read(struct reader *rd, void *state)
{
    return read_time(rd, &((struct plan_timeouts *)state)->read_us);
}

static int parse_write(struct reader *rd, void *state)
{
    return read_time(rd, &((struct plan_timeouts *)state)->write_us);
}

static int parse_idle(struct reader *rd, void *state)
{
    return read_time(rd, &((struct plan_timeouts *)state)->idle_us);
}

static int parse_queries(struct reader *rd, void *state)
{
    struct plan_timeouts *t = state;
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    t->queries_written = true;
    t->queries_max = 0;
    if (strcmp(word, "-1") == 0)
        return 0;
    return reader_u32(rd, word, 1, INT32_MAX, &t->queries_max);
}

static const struct option options[] = {
    {.name = "read",
     .kind = OPTION_CUSTOM,
     .parse = parse_read,
     .args = "DURATION",
     .fallback = "3s",
     .help = "until a question is whole, from the connection or its first octet on"},
    {.name = "write",
     .kind = OPTION_CUSTOM,
     .parse = parse_write,
     .args = "DURATION",
     .fallback = "5s",
     .help = "until the client takes some of the answers that wait for it"},
    {.name = "idle",
     .kind = OPTION_CUSTOM,
     .parse = parse_idle,
     .args = "DURATION",
     .fallback = "10s",
     .help = "between questions"},
    {.name = "maxtcpqueries",
     .kind = OPTION_CUSTOM,
     .parse = parse_queries,
     .args = "N",
     .fallback = "-1",
     .help = "questions of one connection, which is then closed; -1: no limit"},
};

#define OPTIONS_N (sizeof options / sizeof *options)

static bool says_something(const struct plan_timeouts *t)
{
    return t->read_us > 0 || t->write_us > 0 || t->idle_us > 0 || t->queries_written;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct plan_timeouts *t = &s->block->timeouts;
    struct reader rd = reader_init(d, s->arena, s->errs);
    while (reader_next(&rd)) {
        if (reader_args(&rd).n > 0)
            return reader_error_args(&rd);
        if (reader_options(&rd, options, OPTIONS_N, t) < 0)
            return -1;
    }
    if (!says_something(t))
        return error_at(s->errs, d->at,
                        "plugin/timeouts: timeouts block with no timeouts specified: "
                        "expected read, write, idle or maxtcpqueries");
    return 0;
}

const struct plugin plugin_timeouts = {
    .name = "timeouts",
    .help = "how long connections of clients may take",
    .synopsis = "timeouts",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
};
