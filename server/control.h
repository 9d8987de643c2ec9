/* A hand on the running server: a Unix socket at which `isthmus status`, `flush`,
 * `drain`, `undrain`, `accept`, `log-level`, `reload` and `explain` speak to it.
 *
 *     control_init(&c, &reload);
 *     control_open(&c, path, &errs);   // serves on the loop of reload.wake
 *     control_poll(&c);                // whenever `wake` fires
 *     control_follow(&c);              // behind reload_poll()
 *     control_close(&c);               // takes no more
 *     control_release(&c);             // once the workers have been joined
 *
 * The protocol: a command on a line (words with a blank between them, CONTROL_LINE_MAX
 * octets), and one line of JSON back, {"error": TEXT} when it could not be done; then
 * the next command. Who may is a matter of file permissions: the socket is made for the
 * user and the group of the server (0660), and its folder may be narrower still.
 *
 * All on the control thread; a client can hold up nobody but itself, and not for longer
 * than CONTROL_IDLE_S. The file of a server that has died is replaced, that of one that
 * lives is an error. */
#ifndef ISTHMUS_SERVER_CONTROL_H
#define ISTHMUS_SERVER_CONTROL_H

#include "server/reload.h"

struct control_client;

struct control {
    struct reload *reload;
    const char *path; /* NULL: not open */
    uint64_t device, inode;
    uv_pipe_t listener;
    uv_timer_t timer; /* looks for clients that are idle */
    struct control_client *clients;
    unsigned clients_n;
    unsigned turn; /* which worker explains next */
};

void control_init(struct control *c, struct reload *r);

/* 0, or -1 after adding an error. `path` stays the caller's. */
int control_open(struct control *c, const char *path, struct errors *errs)
    __attribute__((warn_unused_result));

void control_poll(struct control *c);

/* Answers those who wait for a reload that has ended. */
void control_follow(struct control *c);
void control_close(struct control *c);
void control_release(struct control *c);

#endif
