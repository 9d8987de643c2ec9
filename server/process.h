/* The process of `isthmus -conf ...`, from start to end:
 *
 *     configuration -> plan -> listening sockets -> workers -> banner, pid file ->
 * signals
 *
 * What fails before the banner goes to standard error and ends the start with status 1.
 * The thread that calls process_run() becomes the control thread: it waits for signals,
 * loads configurations, frees what the workers no longer use, and answers no query. */
#ifndef ISTHMUS_SERVER_PROCESS_H
#define ISTHMUS_SERVER_PROCESS_H

#include "server/arguments.h"

/* Returns the exit status: 0 after SIGTERM, SIGINT or SIGQUIT; 1 when the start failed;
 * 2 after a second SIGINT. */
int process_run(const struct arguments *args);

#endif
