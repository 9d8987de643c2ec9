/* The last step: OPT, flags, size, TC, and out (coredns-reference 3.3). */
#ifndef ISTHMUS_RESOLVER_RESPOND_H
#define ISTHMUS_RESOLVER_RESPOND_H

#include "resolver/encode.h"
#include "resolver/query.h"

/* Encodes q->response for q->client and hands it to io. */
void respond_finish(struct query *q, struct encoder *e, struct io *io);

/* The same for one of several messages of the reply; false: the client has gone. */
bool respond_part(struct query *q, struct encoder *e, struct io *io);

/* An error to a message that never became a query; `wire` is at least a header. `req`
 * gives the question and OPT to go along; NULL: neither. */
void respond_error(const struct client *c, struct span wire, const struct request *req,
                   uint16_t rcode, struct io *io);

#endif
