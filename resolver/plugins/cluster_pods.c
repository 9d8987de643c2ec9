#include "resolver/plugins/cluster_pods.h"

const char *const cluster_pod_names_words[] = {
    [POD_NAMES_OFF] = "off",
    [POD_NAMES_IN_SUBNET] = "in-subnet",
    [POD_NAMES_ANY] = "any",
    NULL,
};

/* The address in the first label, as CoreDNS reads it: three dashes that do not touch
 * stand for the dots of IPv4, others for the colons of IPv6. */
static int read_address(const uint8_t *label, struct addr *out)
{
    char text[NAME_LABEL_MAX + 1];
    size_t len = label[0];
    unsigned dashes = 0;
    bool touch = false;
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)label[1 + i];
        dashes += text[i] == '-';
        touch = touch || (i > 0 && text[i] == '-' && text[i - 1] == '-');
    }
    for (size_t i = 0; i < len; i++)
        if (text[i] == '-')
            text[i] = dashes == 3 && !touch ? '.' : ':';
    return addr_parse_ip(out, (struct text){.at = text, .len = len});
}

/* Labels in front of the zone when the last of them is `pod`; 0: it is not. */
static unsigned labels_before_pod(const struct cluster_zone *z, const uint8_t *name)
{
    unsigned n = name_labels(name) - name_labels(cluster_zone_wire(z));
    const uint8_t *last = name;
    for (unsigned i = 1; i < n; i++)
        last += 1 + last[0];
    return n > 0 && last[0] == 3 && memcmp(last + 1, "pod", 3) == 0 ? n : 0;
}

/* Only of names of Pods: the record with the subnets is not at hand. */
static bool is_outside(const struct cluster *c, const uint8_t *name)
{
    struct subnets pods = cluster_pods(c);
    struct addr a;
    return pods.n > 0 && read_address(name, &a) == 0 && !subnets_contain(&pods, &a);
}

const char *cluster_pods_refuse(const struct cluster_zone *z, const uint8_t *name)
{
    const struct cluster *c = cluster_of_zone(z);
    unsigned pod_names = c->rules->settings.pod_names;
    if (pod_names == POD_NAMES_ANY)
        return NULL;
    unsigned labels = labels_before_pod(z, name);
    if (labels == 0)
        return NULL;
    if (pod_names == POD_NAMES_OFF)
        return "pod_names off";
    return labels >= 3 && is_outside(c, name) ? "not in a Pod subnet of the cluster"
                                              : NULL;
}
