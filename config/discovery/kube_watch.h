/* All objects of one kind, and then what becomes of them: list and watch, as the API of
 * Kubernetes wants it done.
 *
 *     struct kube_watch w = {.api = api, .path = "/apis/...", .object = object, ...};
 *     while (kube_list(&w) == 0 && ...)
 *         while (kube_watch(&w) == KUBE_AGAIN) ...
 *
 * Versions are only kept and given back. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_KUBE_WATCH_H
#define ISTHMUS_CONFIG_DISCOVERY_KUBE_WATCH_H

#include "config/discovery/kube_api.h"

struct kube_watch {
    struct kube_api *api;
    const char *path; /* of the kind */
    void *context;
    /* An object as it is now, or as it was when it was deleted. */
    void (*object)(void *context, const cJSON *object, bool deleted);
    /* Nothing has changed, and that is certain. */
    void (*quiet)(void *context);
    void (*idle)(void *context); /* about once a second */

    /* out */
    char version[128];
    uint32_t listed; /* objects of the last list */
    long status;     /* of the last reply */
    unsigned retry_after_s;
    char why[HTTP_WHY_MAX];

    bool expired, wrong; /* its own */
};

enum kube_watched {
    KUBE_AGAIN,  /* it has ended as it should: watch on */
    KUBE_CUT,    /* it failed, and `why` says how: watch on after a rest */
    KUBE_RELIST, /* the version is too old: list again */
};

/* Gives every object there is to `object`. 0: that was all of them; -1: `why`. */
int kube_list(struct kube_watch *w);

/* Returns after some minutes, or when the connection ends. */
enum kube_watched kube_watch(struct kube_watch *w);

#endif
