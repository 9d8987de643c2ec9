/* Many ladders at once: as fast as they answer, and no more than LADDERS_AT_ONCE of
 * them under way. */
#ifndef ISTHMUS_SERVER_LADDERS_H
#define ISTHMUS_SERVER_LADDERS_H

#include "server/ladder.h"
#include "server/terminal.h"

#define LADDERS_AT_ONCE 250 /* with three sockets each, below the usual 1024 */

struct ladders {
    const struct ladder_question *questions;
    struct ladder_result *results; /* out: as many */
    uint32_t n;
    struct terminal_progress *progress; /* NULL: not shown */
};

/* Returns when all are through. 0, or an errno: they could not be begun. */
int ladders_run(const struct ladders *all);

#endif
