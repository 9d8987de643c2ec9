/* All objects of one kind, and then what becomes of them: list and watch, as the API of
 * Kubernetes wants it done.
 *
 *     struct kube_watch w = {.api = api, .path = "/apis/...", .object = object, ...};
 *     while (kube_list(&w) == 0 && ...)
 *         while (kube_watch(&list, 1, -1), w.how == KUBE_AGAIN) ...
 *
 * Versions are only kept and given back. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_KUBE_WATCH_H
#define ISTHMUS_CONFIG_DISCOVERY_KUBE_WATCH_H

#include "config/discovery/kube_api.h"
#include "config/discovery/list_size.h"

enum kube_watched {
    KUBE_AGAIN,  /* it has ended as it should, or another's did: watch on */
    KUBE_CUT,    /* it failed, and `why` says how: watch on after a rest */
    KUBE_RELIST, /* the version is too old: list again */
};

struct kube_watch {
    struct kube_api *api;
    const char *path;  /* of the kind */
    const char *query; /* which objects of it: "labelSelector=..."; NULL: all */
    void *context;
    /* An object as it is now, or as it was when it was deleted. */
    void (*object)(void *context, const cJSON *object, bool deleted);
    /* Nothing has changed, and that is certain. */
    void (*quiet)(void *context);
    void (*idle)(void *context); /* about once a second */

    bool enough; /* set by `object`: the watch ends */

    /* out */
    char version[128];
    uint32_t listed; /* objects of the last list */
    bool too_much;   /* which is refused */
    long status;     /* of the last reply */
    unsigned retry_after_s;
    enum kube_watched how; /* the watch ended */
    bool left;             /* it was another that did */
    char why[HTTP_WHY_MAX];

    bool expired, wrong;   /* its own */
    struct list_size size; /* likewise: of the list */
    char url[1280];
};

/* Gives every object there is to `object`. 0: that was all of them; -1: `why`. */
int kube_list(struct kube_watch *w);

/* Watches at most HTTP_STREAMS_MAX kinds of one API, until one has enough or ends,
 * which it does after some minutes, or `ms` have passed (< 0: never). Each has its
 * `how`. */
void kube_watch(struct kube_watch *const *list, unsigned n, int64_t ms);

#endif
