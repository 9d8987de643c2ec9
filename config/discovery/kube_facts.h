/* What objects of an API tell of a cluster's DNS and its subnets: the DNS Service, or
 * what OpenShift has instead; ServiceCIDRs; what kubeadm has written down. Who asks for
 * them is kube_follow.h. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_KUBE_FACTS_H
#define ISTHMUS_CONFIG_DISCOVERY_KUBE_FACTS_H

#include "base/tree.h"
#include "config/discovery/http.h"
#include "config/inventory.h"

struct kube_facts {
    struct inventory_draft draft; /* services, pods, dns, domain; in the arena */
    char dns_service[80];         /* "Service kube-dns"; "": none was found */
    char uid[64];                 /* of it, which no other cluster has; "": not known */
    char denied[HTTP_WHY_MAX]; /* what could not be read, first of all; "": nothing */
    unsigned retry_after_s;    /* of a failure: as long the API wants to rest */
};

/* Each adds what an object says to the facts: 1: it was found; 0: it says nothing of
 * use; -1: it is no such object. */
typedef int kube_read(struct arena *a, const cJSON *object, struct kube_facts *f);
kube_read kube_read_service, kube_read_openshift, kube_read_service_cidr,
    kube_read_kubeadm;

/* What `to` does not say yet. 0, or -1: no memory. */
int kube_add_facts(struct arena *a, const struct kube_facts *from,
                   struct kube_facts *to);

/* A cluster's name from that of its context: `arn:aws:eks:...:cluster/b` is b. */
void kube_name_cluster(const char *context, char *out, size_t cap);

/* What a Cluster object of Cluster API says. 0, or -1 with the reason. */
int kube_draft_capi(struct arena *a, const cJSON *object, struct inventory_draft *d,
                    char *why);

/* The first InternalIP of a list of nodes; "": none. */
int kube_read_node(struct text text, char *address, size_t cap);

#endif
