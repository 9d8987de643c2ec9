/* What the running server knows of the clusters that are checked: how long an address
 * has been failing, what is still served of it, what is drained, and whether the server
 * runs with this very file. Without a server, or without a right to its socket,
 * nothing. */
#ifndef ISTHMUS_SERVER_CHECK_LIVE_H
#define ISTHMUS_SERVER_CHECK_LIVE_H

#include "resolver/plan.h"
#include "server/check.h"
#include "server/command.h"

/* After the clusters have been judged. */
void check_live(struct check *k, const struct plan *plan, const struct command_line *l);

#endif
