/* The other end of the control socket: what `isthmus status` and its like do. */
#ifndef ISTHMUS_SERVER_CONTROL_CLIENT_H
#define ISTHMUS_SERVER_CONTROL_CLIENT_H

#include "base/tree.h"
#include "server/command.h"

#define CONTROL_PATH     "/run/isthmus/control" /* where the unit of examples/ has it */
#define CONTROL_VARIABLE "ISTHMUS_CONTROL"      /* of the environment, instead of it */

/* For every command that speaks to a server: in front of its own. */
#define CONTROL_OPTIONS                                                                \
    {"control", "SOCKET", "the server's socket (" CONTROL_PATH ")"},                   \
    {                                                                                  \
        "json", NULL, "print JSON, on one line"                                        \
    }

/* What became of a command. */
struct control_reply {
    int status; /* exit status; not 0: what is wrong has been printed */
    char *text; /* JSON on one line, without its end; from the heap */
    cJSON *root;
};

/* Says the words, up to a NULL, to the server of the command line. */
struct control_reply control_ask(const struct command_line *l,
                                 const char *const *words);

/* The same where there may be no server: nothing is printed. NULL: no answer, or an
 * error; else freed with tree_free(). */
cJSON *control_try(const struct command_line *l, const char *const *words);

void control_reply_free(struct control_reply *r);

#endif
