/* Names in an answer, on their way back to the client.
 *
 * Owners of all sections are changed, and the names in the data of the types CoreDNS
 * changes: CNAME, DNAME, MX, NAPTR, NS, PTR, SOA (primary server) and SRV. A `zone`
 * rule is about the mailbox of SOA and the targets of SVCB and HTTPS as well. Letters
 * compare in any case. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_REWRITE_ANSWER_H
#define ISTHMUS_RESOLVER_PLUGINS_REWRITE_ANSWER_H

#include "resolver/plugins/rewrite/rewrite_rule.h"

/* Undoes one rule of kind REWRITE_NAME in the first f->own_n records of q->response.
 * REWRITE_YES, or why it failed. */
enum rewrite_result rewrite_answer_undo(struct query *q, struct rewrite_frame *f,
                                        const struct rewrite_applied *a);

/* The targets of PTR records, by the block's only zone rule. */
enum rewrite_result rewrite_answer_reverse(struct query *q,
                                           const struct rewrite_rule *zone);

/* Another name for one of the data of a record; `n` counts names from 0. 0, or -1: no
 * memory. */
int rewrite_answer_set(struct query *q, struct rr *rr, unsigned n,
                       const struct name *name);

#endif
