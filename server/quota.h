/* How many connections clients have open, over all workers: in total, from one address
 * (RFC 7766 section 6.2.2), and at one place we listen on, where that is limited. Asked
 * once for each connection, never for a query: hence one lock for all. */
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
/* Places are numbered densely, such as by the id of a listen_address. */
#define QUOTA_NOWHERE UINT32_MAX

/* One more at `place`, of which `max` may be open. False: that many are, or no memory.
 * Else quota_leave() when it closes; for QUOTA_NOWHERE that does nothing. */
bool quota_enter(struct quota *q, uint32_t place, uint32_t max);
void quota_leave(struct quota *q, uint32_t place);

#endif
