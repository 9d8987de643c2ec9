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

/* Writes the answer; nothing when something in *later is set. 0, or -1: it is an error.
 */
int control_run(struct json_out *j, struct reload *r, const struct control_words *words,
                struct control_later *later);

/* How the last reload went; none is going on. */
int control_reloaded(struct json_out *j, const struct reload *r);

int control_error(struct json_out *j, const char *form, ...)
    __attribute__((format(printf, 2, 3)));

#endif
