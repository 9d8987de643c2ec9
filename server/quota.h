/* How many connections clients have open, over all workers: in total and from one
 * address (RFC 7766 section 6.2.2). Asked once for each connection, never for a query:
 * hence one lock for all. */
#ifndef ISTHMUS_SERVER_QUOTA_H
#define ISTHMUS_SERVER_QUOTA_H

#include "base/addr.h"

struct quota;

enum quota_verdict {
    QUOTA_TAKEN,   /* counted: quota_give() when the connection closes */
    QUOTA_FULL,    /* the total is reached, or memory is */
    QUOTA_ADDRESS, /* this address has its share */
};

/* NULL: no memory. */
struct quota *quota_new(uint32_t total_max, uint32_t address_max);
void quota_free(struct quota *q); /* NULL is fine */

enum quota_verdict quota_take(struct quota *q, const struct addr *peer);
void quota_give(struct quota *q, const struct addr *peer);

/* A connection turns out to be another address's: QUOTA_TAKEN, or it stays `from`'s. */
enum quota_verdict quota_move(struct quota *q, const struct addr *from,
                              const struct addr *to);

#endif
