#include "resolver/fall.h"

#include "base/log.h"

int fall_read(struct reader *rd, struct fall *f)
{
    struct token_list args = reader_args(rd);
    if (args.n > 0 && token_is(&args.list[args.n - 1], "}"))
        args.n--; /* of a block on one line */
    if (args.n == 0)
        f->all = true;
    for (uint32_t i = 0; i < args.n; i++) {
        const struct token *t = &args.list[i];
        int added = zones_add(rd->arena, &f->zones, t->text);
        if (added < 0)
            return reader_error(rd, "out of memory");
        if (added > 0) /* CoreDNS is silent here */
            log_warning("%s:%u: plugin/%s: fallthrough: '%s' is no zone and is passed "
                        "over",
                        t->at.file, t->at.line, rd->directive->name, t->text);
    }
    return 0;
}

bool fall_through(const struct fall *f, const uint8_t *name)
{
    return f->all || zones_match(&f->zones, name) != NULL;
}
