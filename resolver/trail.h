/* The marks that a question carries through forwarders, so that one that goes in a
 * circle is known when it comes back.
 *
 * A mark is an EDNS option of a local code (RFC 6891 section 9): 8 octets of whoever
 * set it, which nobody can guess, and 8 for the name and type that were asked there. So
 * a question that passes twice under different names (a cluster's own name, then its
 * outside name) is not taken for a circle, and who forges a mark spoils his own
 * question only. `loop` sets marks; `forward` and `cluster` pass on those they find, as
 * other forwarders do that hand a client's options to their upstreams. */
#ifndef ISTHMUS_RESOLVER_TRAIL_H
#define ISTHMUS_RESOLVER_TRAIL_H

#include "base/cursor.h"
#include "resolver/query.h"

#define TRAIL_CODE   65313
#define TRAIL_SETTER 8
#define TRAIL_MARK   16
#define TRAIL_MARKS_MAX                                                                \
    8 /* no chain of forwarders has more: a circle of changing names */
#define TRAIL_OPTIONS_MAX ((4 + TRAIL_MARK) * (TRAIL_MARKS_MAX + 1))

/* The mark of the current question by the setter with these octets. */
void trail_mark(const struct request *req, const uint8_t setter[TRAIL_SETTER],
                uint8_t out[TRAIL_MARK]);

/* Whether a question with these options has come back to who sets this mark, or has
 * passed TRAIL_MARKS_MAX. */
bool trail_is_circle(struct span options, const uint8_t mark[TRAIL_MARK]);

/* Writes the option for the mark that was set here, if one was. */
void trail_put_own(struct wr *wr, const struct request *req);

/* Writes the marks the question came with, and that which was set here. */
void trail_put_all(struct wr *wr, const struct request *req);

#endif
