/* multisocket: how many workers listen, each with sockets of its own (SO_REUSEPORT), so
 * that the kernel spreads the load over that many threads. */
#include "resolver/plugin.h"

#include "resolver/plan.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define SOCKETS_MAX 1024

/* The processors this process may run on; cgroups and taskset count. */
static uint32_t usable_cpus(void)
{
    cpu_set_t set;
    long n = sched_getaffinity(0, sizeof set, &set) == 0
                 ? CPU_COUNT(&set)
                 : sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1)
        return 1;
    return n > SOCKETS_MAX ? SOCKETS_MAX : (uint32_t)n;
}

static int read_number(struct reader *rd, const char *word, uint32_t *out)
{
    char *end;
    errno = 0;
    long n = strtol(word, &end, 10);
    if (end == word || *end != '\0' || errno != 0)
        return reader_error(rd,
                            "invalid num sockets: '%s': expected a number from 1 "
                            "to %d",
                            word, SOCKETS_MAX);
    if (n < 1)
        return reader_error(rd, "num sockets can not be zero or negative: %ld", n);
    if (n > SOCKETS_MAX)
        return reader_error(rd, "num sockets exceeds maximum (%d): %ld", SOCKETS_MAX,
                            n);
    *out = (uint32_t)n;
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    const char *word;
    uint32_t n = usable_cpus();
    reader_next(&rd);
    if (reader_arg(&rd, &word) &&
        (read_number(&rd, word, &n) < 0 || reader_no_arg(&rd) < 0))
        return -1;
    if (reader_next(&rd)) /* a block, or a second line */
        return reader_error_args(&rd);
    s->block->sockets = n;
    return 0;
}

const struct plugin plugin_multisocket = {
    .name = "multisocket",
    .help = "how many workers listen; default: one for each usable processor",
    .synopsis = "multisocket [1..1024]",
    .setup = setup,
};
