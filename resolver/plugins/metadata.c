/* metadata: names in its zones have labels (resolver/metadata.h), which log formats and
 * views may use. */
#include "resolver/plugin.h"

#include "resolver/plan.h"

static int setup(struct setup *s, const struct directive *d)
{
    struct zones *zones = arena_alloc(s->arena, sizeof *zones);
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (zones == NULL)
        return error_at(s->errs, d->at, "out of memory");
    if (!reader_next(&rd) || plan_zones(s, &rd, zones) < 0 ||
        reader_options(&rd, NULL, 0, NULL) < 0)
        return -1;
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    s->block->metadata = zones;
    return 0;
}

const struct plugin plugin_metadata = {
    .name = "metadata",
    .help = "gives names labels for log formats and views",
    .synopsis = "metadata [ZONES...]",
    .setup = setup,
};
