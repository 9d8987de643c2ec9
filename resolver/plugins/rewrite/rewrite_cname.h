/* The rules `rewrite cname`: a CNAME of the answer whose target matches gets another
 * target, which is looked up through the whole listener with the question's type; what
 * comes of it replaces the records behind that CNAME.
 *
 * A rule acts once in an answer, on the first CNAME that matches. What is looked up may
 * meet the same rule again: QUERY_DEPTH_MAX ends that. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_REWRITE_CNAME_H
#define ISTHMUS_RESOLVER_PLUGINS_REWRITE_CNAME_H

#include "resolver/plugins/rewrite/rewrite_rule.h"

/* REWRITE_YES: a look-up has begun, the query has to wait. */
enum rewrite_result rewrite_cname_begin(struct query *q, struct rewrite_frame *f,
                                        const struct rewrite_rule *rule);

/* Puts the answer together when the look-up has ended. 0, or -1: no memory. */
int rewrite_cname_end(struct query *q, struct rewrite_frame *f);

#endif
