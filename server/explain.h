/* One question, asked by a worker as a client would ask it, and its way told as JSON:
 * `isthmus explain`, of a running server or of a Corefile.
 *
 *     struct explain *e = explain_new(plan, &what, &errs);
 *     worker_ask(w, &e->question);
 *     ... once e->question.done:
 *     explain_json(&j, e, plan);
 *     explain_free(e);
 */
#ifndef ISTHMUS_SERVER_EXPLAIN_H
#define ISTHMUS_SERVER_EXPLAIN_H

#include "base/json_out.h"
#include "server/worker.h"

struct explain_what {
    const char *name, *type, *from; /* "" for A, and for 127.0.0.1 */
};

struct explain {
    struct worker_question question;
    struct trace *trace;
    struct name name;
    uint16_t type;
    char from[ADDR_TEXT_MAX];
};

/* NULL after adding an error: a word that is none, or no memory. The listener is the
 * one that serves the longest zone of the name. */
struct explain *explain_new(const struct plan *plan, const struct explain_what *what,
                            struct errors *errs);
void explain_free(struct explain *e);

/* What happened. `plan` tells whose the addresses in the answer are. */
void explain_json(struct json_out *j, const struct explain *e, const struct plan *plan);

/* The whole without a server: makes the plan of a Corefile, with one worker that
 * listens nowhere, and waits for its answer. 0, or -1 after adding errors. */
int explain_offline(struct json_out *j, const char *conf,
                    const struct explain_what *what, struct errors *errs);

#endif
