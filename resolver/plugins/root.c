/* root: the directory in which the block's plugins look for files that are named by a
 * relative path. A directory that is not there may come later, hence only a warning. */
#include "resolver/plugin.h"

#include "base/log.h"
#include "config/source.h"
#include "resolver/plan.h"

#include <errno.h>

static int check(struct reader *rd, const char *path)
{
    struct source_stamp stamp;
    int error = source_stamp(path, &stamp);
    if (error == ENOENT)
        log_warning("plugin/root: Root path does not exist: %s", path);
    else if (error != 0)
        return reader_error(rd, "unable to access root path '%s': %s", path,
                            strerror(error));
    return 0;
}

/* The last of several counts. */
static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    while (reader_next(&rd)) {
        if (reader_one(&rd, &s->block->root) < 0)
            return -1;
    }
    return check(&rd, s->block->root);
}

const struct plugin plugin_root = {
    .name = "root",
    .help = "the directory that relative paths of the block's plugins begin in",
    .synopsis = "root PATH",
    .setup = setup,
};
