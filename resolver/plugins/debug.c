/* debug: prints lines that begin with [DEBUG] as well. One block that asks for them is
 * enough: lines are the program's, not a block's. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "resolver/plan.h"

/* Debug lines begin here, so that the set-up of later plugins has them; whether they go
 * on is settled by the plan that is used in the end. */
static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (reader_alone(&rd) < 0)
        return -1;
    s->plan->debug = true;
    log_enable_debug(true);
    return 0;
}

const struct plugin plugin_debug = {
    .name = "debug",
    .help = "prints debug lines",
    .synopsis = "debug",
    .setup = setup,
};
