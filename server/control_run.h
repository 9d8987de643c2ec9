/* What the commands of the control socket do. */
#ifndef ISTHMUS_SERVER_CONTROL_RUN_H
#define ISTHMUS_SERVER_CONTROL_RUN_H

#include "server/explain.h"
#include "server/reload.h"

#define CONTROL_WORDS_MAX 8

struct control_words {
    const char *list[CONTROL_WORDS_MAX]; /* "" behind the last */
    unsigned n;
};

/* What an answer waits for, which then comes later. */
struct control_later {
    struct explain *explain; /* a worker's turn; NULL: not for one */
    bool reload;             /* the end of a reload: control_reloaded() */
};

/* The answer; NULL without memory, or when something in *later is set. */
cJSON *control_run(struct tree *t, struct reload *r, const struct control_words *words,
                   struct control_later *later);

/* How the last reload went; none is going on. */
cJSON *control_reloaded(struct tree *t, const struct reload *r);

cJSON *control_error(struct tree *t, const char *form, ...)
    __attribute__((format(printf, 2, 3)));

#endif
