/* What the API of a cluster tells of its DNS and its subnets: the DNS Service, by name,
 * by label, or as OpenShift has it; ServiceCIDRs; what kubeadm has written down.
 *
 * Only these are read: `get services/kube-dns`, `list services` and `get
 * configmaps/kubeadm-config` in kube-system, `list servicecidrs`, and on OpenShift `get
 * dnses/default`. What is not allowed is left out and noted. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_KUBE_FACTS_H
#define ISTHMUS_CONFIG_DISCOVERY_KUBE_FACTS_H

#include "config/discovery/kube_api.h"

struct kube_facts {
    struct inventory_draft draft; /* services, pods, dns, domain; in the arena */
    char dns_service[80];         /* "Service kube-dns"; "": none was found */
    char uid[64];                 /* of it, which no other cluster has; "": not known */
    char denied[HTTP_WHY_MAX]; /* what could not be read, first of all; "": nothing */
    unsigned retry_after_s;    /* of a failure: as long the API wants to rest */
};

/* 0: all that is there is known. -1: something is in doubt, and `why` (HTTP_WHY_MAX)
 * says what; nothing of it counts. */
int kube_ask(struct kube_api *api, struct arena *a, struct kube_facts *out, char *why);

/* A cluster's name from that of its context: `arn:aws:eks:...:cluster/b` is b. */
void kube_name_cluster(const char *context, char *out, size_t cap);

/* ---- the objects alone, for tests ---- */

/* Each adds what an answer's text says to the facts: 1: it was found; 0: it says
 * nothing of use; -1: it is no such object. */
int kube_read_service(struct arena *a, struct text text, struct kube_facts *f);
int kube_read_services(struct arena *a, struct text text, struct kube_facts *f);
int kube_read_openshift(struct arena *a, struct text text, struct kube_facts *f);
int kube_read_service_cidrs(struct arena *a, struct text text, struct kube_facts *f);
int kube_read_kubeadm(struct arena *a, struct text text, struct kube_facts *f);

/* What a Cluster object of Cluster API says. 0, or -1 with the reason. */
int kube_draft_capi(struct arena *a, const cJSON *object, struct inventory_draft *d,
                    char *why);

/* The first InternalIP of a list of nodes; "": none. */
int kube_read_node(struct text text, char *address, size_t cap);

#endif
