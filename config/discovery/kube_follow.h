/* What the API of one cluster tells, and from then on what becomes of it.
 *
 *     struct kube_follow *f = kube_follow_new(api);
 *     kube_follow_ask(f, &arena, &facts, why);          // all that is known now
 *     while (kube_follow_wait(f, 30000, why) == 0)      // until some of it is due
 *         kube_follow_ask(f, &arena, &facts, why);      // which alone is asked for
 *
 * The DNS Service is looked for by name, by label, and as OpenShift has it: the first
 * that is there counts, and the others are not asked for. What can be listed is watched
 * from its version on. A watch only tells that something has changed: what is true then
 * is listed again, so that no event can be missed or misread. What may only be read, or
 * listed but not watched, is asked for from time to time; what the API does not have,
 * every ten minutes.
 *
 * Only these are read: `services` of kube-system (list, watch), `configmaps/
 * kubeadm-config` there (get, or list and watch), `servicecidrs` (list, watch), and on
 * OpenShift `dnses/default` (get, or list and watch). What is not allowed is left out
 * and noted. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_KUBE_FOLLOW_H
#define ISTHMUS_CONFIG_DISCOVERY_KUBE_FOLLOW_H

#include "config/discovery/kube_api.h"
#include "config/discovery/kube_facts.h"

struct kube_follow;

/* NULL: no memory. The API must outlive it. */
struct kube_follow *kube_follow_new(struct kube_api *api);
void kube_follow_free(struct kube_follow *f); /* NULL is fine */

/* Called on the same thread while it waits: nothing has changed, and that is certain.
 */
void kube_follow_on_quiet(struct kube_follow *f, void (*quiet)(void *context),
                          void *context);

/* 0: all that is there is known. -1: something is in doubt, and `why` (HTTP_WHY_MAX)
 * says what; nothing of it counts, and all is due. */
int kube_follow_ask(struct kube_follow *f, struct arena *a, struct kube_facts *out,
                    char *why);

/* Until something is due; `poll_ms`: how often what cannot be watched is. -1: a watch
 * has failed, and all is due; *rest_s: for how long the API wants to rest. */
int kube_follow_wait(struct kube_follow *f, int64_t poll_ms, unsigned *rest_s,
                     char *why);

#endif
