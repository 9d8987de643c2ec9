/* The map as DNS: `dig @::1 CH TXT clusters.isthmus`, for clients on this host only; it
 * tells of networks that are nobody else's business. One record per cluster, one string
 * per fact:
 *
 *     "zone=cluster-b.local" "domain=cluster.local" "services=10.97.0.0/16"
 *     "dns=10.97.0.10:53" "state=up"
 *
 * In class CH, as `chaos` answers, no name of the Internet is in the way. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_CLUSTER_LIST_H
#define ISTHMUS_RESOLVER_PLUGINS_CLUSTER_LIST_H

#include "resolver/clusters.h"
#include "resolver/plugin.h"

bool cluster_list_asked(const struct request *req);

/* The answer, or REFUSED. What does not fit a message is counted by its last record,
 * "more=N". */
enum verdict cluster_list(struct query *q, const struct clusters *all);

#endif
