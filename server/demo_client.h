/* A DNS client of a page, for the demo: asks one question and says what came. */
#ifndef ISTHMUS_SERVER_DEMO_CLIENT_H
#define ISTHMUS_SERVER_DEMO_CLIENT_H

#include "base/addr.h"
#include "resolver/msg.h"

#define DEMO_ANSWER_MAX 512

struct demo_question {
    const char *name;
    uint16_t type;
    bool tcp;
    const char *expected; /* as demo_ask prints it */
    const char *from;     /* the cluster whose answer this is */
    const char *shows;    /* what is remarkable about it */
};

/* Asks `server` one question over UDP, or TCP, for at most `wait_ms`. `answer`
 * (DEMO_ANSWER_MAX) gets the reply's records in presentation form, RDATA only, sorted
 * and joined by ", "; the code when it is not NOERROR, "no data (SOA name)" when it is
 * empty. 0, or -1: no reply. */
int demo_ask(const struct addr *server, const struct demo_question *q, unsigned wait_ms,
             char *answer);

#endif
