/* The API of one cluster: who asks, where, and what a refusal means. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_KUBE_API_H
#define ISTHMUS_CONFIG_DISCOVERY_KUBE_API_H

#include "config/discovery/access.h"
#include "config/discovery/kubeconfig.h"

#define KUBE_IN_CLUSTER "in-cluster" /* the context that a Pod has by itself */

struct kube_api;

/* What the access says of kubeconfigs, else $KUBECONFIG, else ~/.kube/config. NULL
 * after adding an error. */
struct kubeconfig *kube_config(const struct discovery_access *a, struct errors *errs);

/* Changes with the files that kube_config() reads. */
uint64_t kube_config_stamp(const struct discovery_access *a);

/* The first of them, with its place; HTTP_WHY_MAX. */
void kube_first_error(const struct errors *errs, char *why);

/* Opens what a context names; `k` (NULL: the Pod's own service account) must outlive
 * it. What the access says comes before what the kubeconfig does. NULL: `why`
 * (HTTP_WHY_MAX) says what is wrong. An API is asked by one thread at a time; several
 * may be open on one kubeconfig. */
struct kube_api *kube_api_open(const struct kubeconfig *k, const char *context,
                               const struct discovery_access *a, int stop_fd,
                               char *why);
void kube_api_free(struct kube_api *api); /* NULL is fine */

/* As http_do(), with `request->url` a path. Where the credentials are not accepted they
 * are got anew, once. A reply whose status is not 200 has a `why`, too. */
int kube_api_do(struct kube_api *api, const struct http_request *request,
                struct http_reply *reply);

/* Waits, for at most `ms`. False: it is time to end. */
bool kube_api_rest(const struct kube_api *api, int64_t ms);

/* As http_watch(), likewise. */
int kube_api_watch(struct kube_api *api, struct http_request *requests,
                   struct http_reply *replies, unsigned n, int64_t ms);

#endif
