/* inventory: clusters that come and go by themselves.
 *
 *     inventory /etc/isthmus/clusters.d {
 *         zone {name}.k8s.lan
 *     }
 *
 * Stands beside `cluster` lines or instead of them; each cluster that the source brings
 * is as good as a line. What happens to a question is `cluster`'s (cluster.c). */
#include "resolver/plugins/cluster_setup.h"

const struct plugin plugin_inventory = {
    .name = "inventory",
    .help =
        "clusters of files, a URL, an API or etcd, kept up to date, as `cluster` lines",
    .synopsis =
        "inventory FILE|DIRECTORY|URL|kubernetes:CONTEXT|capi:CONTEXT|etcd:PREFIX",
    .options = inventory_options,
    .options_n = INVENTORY_OPTIONS_N,
    .setup = inventory_setup,
    .on_query = cluster_on_query,
    .on_wake = cluster_on_wake,
    .label = cluster_label_of,
};
