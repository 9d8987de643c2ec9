/* `isthmus demo`: the main job in a box.
 *
 * Two miniature clusters and the forwarder in front of them run in this process through
 * real sockets on loopback; a dozen questions go over UDP and TCP, and each answer is
 * compared with what that cluster holds. */
#ifndef ISTHMUS_SERVER_DEMO_H
#define ISTHMUS_SERVER_DEMO_H

/* argv[0] is "demo"; `--stay` keeps serving after the questions until SIGINT or
 * SIGTERM. Returns the exit status: 0; 1 when an answer was wrong or the start failed;
 * 2 for unknown words. */
int demo_run(int argc, char **argv);

#endif
