/* What systemd is told (sd_notify(3)): ready, loading anew, ending, how things are, and
 * that we live.
 *
 *     systemd_init(&s, &reload);        // NOTIFY_SOCKET; without it nothing is done
 *     systemd_start(&s);                // READY=1; the watchdog is fed from now on
 *     systemd_reloading(&s);            // RELOADING=1, in front of a reload that was
 *                                       // asked for
 *     systemd_follow(&s);               // whenever something may have changed
 *     systemd_stopping(&s);
 *     systemd_release(&s);
 *
 * The watchdog (WATCHDOG_USEC) is fed by this thread and on behalf of the workers: each
 * is asked to make a turn, and unless all have made one since the last time nothing is
 * sent. So a worker that hangs ends the program, which systemd then starts anew.
 *
 * The protocol is one datagram a message; no library is needed for it. */
#ifndef ISTHMUS_SERVER_SYSTEMD_H
#define ISTHMUS_SERVER_SYSTEMD_H

#include "server/reload.h"

#include <sys/un.h>

#define SYSTEMD_STATUS_MAX 256

struct systemd {
    struct reload *reload;
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_len;
    uv_timer_t watchdog, look;
    uint64_t watchdog_ms; /* between feeds; 0: none is wanted */
    uint32_t *turns;      /* of each worker, when it was asked last */
    bool hanging;         /* told */
    bool reloading, stopping;
    char status[SYSTEMD_STATUS_MAX]; /* as told last */
};

void systemd_init(struct systemd *s, struct reload *r);
void systemd_start(struct systemd *s);
void systemd_reloading(struct systemd *s);
void systemd_follow(struct systemd *s);
void systemd_stopping(struct systemd *s);

/* Its timers are closed with the loop. */
void systemd_release(struct systemd *s);

#endif
