/* dnstap: what was asked and answered, as messages for others to read
 * (https://dnstap.info). The plugin of that name puts taps on a block; these functions
 * write to them. Nothing here waits: io->tap() takes a copy.
 *
 * Clients' questions are written as they came; responses as the plugins below `dnstap`
 * left them, which lacks what is settled last: OPT, and cutting to the client's size.
 */
#ifndef ISTHMUS_RESOLVER_DNSTAP_H
#define ISTHMUS_RESOLVER_DNSTAP_H

#include "resolver/fill.h"

struct inquiry;
struct upstream_result;

struct dnstap_tap {
    void *sink; /* of struct outside */
    bool full;  /* with the messages themselves */
    struct span identity, version;
    bool extra_written;
    struct fill extra;
    struct dnstap_tap *next;
};

/* The client's own question, on its way down; and its response. */
void dnstap_query(struct query *q, const struct dnstap_tap *taps);
void dnstap_response(struct query *q, const struct dnstap_tap *taps);

/* What `in` asked for the query, and the answer; `answer` is empty: there is none. */
void dnstap_forwarded(struct query *q, const struct inquiry *in,
                      const struct upstream_result *res, struct span answer);

#endif
