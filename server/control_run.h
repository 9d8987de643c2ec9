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

/* The answer; NULL without memory, or when *explain is set: then it comes later. */
cJSON *control_run(struct tree *t, struct reload *r, const struct control_words *words,
                   struct explain **explain);

cJSON *control_error(struct tree *t, const char *form, ...)
    __attribute__((format(printf, 2, 3)));

#endif
