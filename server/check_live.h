/* What the running server knows of the clusters that are checked: how long an address
 * has been failing, what is still served of it, what is drained, and whether the server
 * runs with this very file. Without a server, or without a right to its socket,
 * nothing. */
#ifndef ISTHMUS_SERVER_CHECK_LIVE_H
#define ISTHMUS_SERVER_CHECK_LIVE_H

#include "resolver/plan.h"
#include "server/check.h"
#include "server/command.h"

/* The file that the running server was started with, from the heap. NULL: no server
 * answers, or it has none. */
char *check_live_file(const struct command_line *l);

/* After the clusters have been judged. */
void check_live(struct check *k, const struct plan *plan, const struct command_line *l);

#endif
