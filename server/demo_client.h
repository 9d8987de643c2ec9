/* A DNS client of a page, for the demo: asks one question and says what came. */
#ifndef ISTHMUS_SERVER_DEMO_CLIENT_H
#define ISTHMUS_SERVER_DEMO_CLIENT_H

#include "base/addr.h"
#include "resolver/msg.h"

#define DEMO_ANSWER_MAX 512

/* Asks `server` over UDP, or TCP, for at most `wait_ms`. `answer` gets the reply's
 * records in presentation form, RDATA only, sorted and joined by ", "; "NXDOMAIN" or
 * another code when it is not NOERROR, "no data (SOA name)" when it is empty. 0, or -1:
 * no reply. */
int demo_ask(const struct addr *server, bool tcp, const char *name, uint16_t type,
             unsigned wait_ms, char *answer);

#endif
