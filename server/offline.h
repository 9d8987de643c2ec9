/* A Corefile made ready as the server would, for commands that only look at it: nothing
 * is listened on, nothing is asked. */
#ifndef ISTHMUS_SERVER_OFFLINE_H
#define ISTHMUS_SERVER_OFFLINE_H

#include "resolver/plan.h"
#include "server/findings.h"

#include <stdio.h>

struct offline {
    struct registry *registry;
    struct plan *plan; /* NULL: errors are among the findings */
    bool lookups;      /* host names of `forward` may be asked for */
    FILE *log;         /* what was logged */
};

/* `conf` as after -conf. Errors, and what is logged on the way, become findings. `o` is
 * to be released in any case. */
void offline_load(struct offline *o, const char *conf, struct findings *f);
void offline_release(struct offline *o);

#endif
