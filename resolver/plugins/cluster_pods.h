/* Names of Pods by address, `10-51-1-10.web.pod.cluster-b.local`. A cluster with
 * CoreDNS's `pods insecure` answers them for every address in the world, so that
 * anybody's server could carry a name under the zone; the option `pod_names` says which
 * exist. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_CLUSTER_PODS_H
#define ISTHMUS_RESOLVER_PLUGINS_CLUSTER_PODS_H

#include "resolver/cluster_map.h"

enum cluster_pod_names {
    POD_NAMES_OFF,       /* none: NXDOMAIN for all under pod.ZONE */
    POD_NAMES_IN_SUBNET, /* those of the cluster's Pod subnets; where none are given
                            nothing can be judged, and the cluster decides */
    POD_NAMES_ANY,       /* what the cluster says */
};
extern const char *const cluster_pod_names_words[]; /* NULL-terminated */

/* Why the name (lower case, under the zone) does not exist, whatever the cluster says;
 * NULL: the cluster is to be asked. */
const char *cluster_pods_refuse(const struct cluster_zone *z, const uint8_t *name);

#endif
