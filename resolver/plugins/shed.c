/* shed: what becomes of UDP when answers come faster than a socket takes them. Without
 * it a reply that the kernel has no room for is dropped, the newest with the oldest;
 * with it the newest are kept and sent first, and while no more can be kept, questions
 * are dropped before anything is done for them. It speaks for the listener, whichever
 * of its blocks has it. */
#include "resolver/plugin.h"

#include "resolver/plan.h"

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    reader_next(&rd);
    if (reader_args(&rd).n > 0 || reader_block(&rd))
        return reader_error_args(&rd);
    if (reader_next(&rd))
        return reader_error(&rd, "this plugin can only be used once per Server Block");
    for (uint32_t i = 0; i < s->block->keys_n; i++) {
        if (s->block->keys[i].scheme != SCHEME_DNS)
            return error_at(s->errs, d->at,
                            "plugin/shed: only plain DNS server blocks are supported; "
                            "this one has a key of %s://",
                            scheme_name(s->block->keys[i].scheme));
    }
    s->block->shed = true;
    return 0;
}

const struct plugin plugin_shed = {
    .name = "shed",
    .help = "under overload the newest UDP answers are sent first, and questions "
            "dropped early",
    .synopsis = "shed",
    .setup = setup,
};
