/* `capi:CONTEXT`: the Cluster objects that Cluster API keeps on a hub. They have
 * subnets and domain: nobody needs the kubeconfigs of the clusters.
 *
 * Listed once and watched from then on. Each object is a part of its own; it goes when
 * its deletion has begun or is told, or when a list that is whole and not empty has it
 * no more. */
#include "config/discovery/discovery_own.h"
#include "config/discovery/kube_facts.h"
#include "config/discovery/kube_watch.h"
#include "config/discovery/rest.h"
#include "config/inventory_draft.h"

#include <stdio.h>

#define SCHEME      "capi:"
#define USUAL_MS    30000
#define NOT_THERE_S 600 /* Cluster API is not installed: a rare look will do */

static const char *const paths[] = {"/apis/cluster.x-k8s.io/v1beta1/clusters",
                                    "/apis/cluster.x-k8s.io/v1beta2/clusters"};
#define PATHS_N (sizeof paths / sizeof paths[0])

struct capi {
    struct discovery *d;
    const char *word; /* behind the scheme */
    struct kubeconfig *config;
    struct kube_watch watch;
    struct rest rest;
    uint32_t stamp; /* of parts that the list under way has named */
    bool known;     /* it was listed once: from now on 404 is a failure */
    char why[HTTP_WHY_MAX];
};

/* ---- objects ---- */

static const char *part_of(struct capi *c, const cJSON *object)
{
    char part[600];
    const cJSON *meta = tree_get(object, "metadata");
    snprintf(part, sizeof part, SCHEME "%.100s:%.64s/%.260s", c->word,
             tree_text_of(meta, "namespace"), tree_text_of(meta, "name"));
    return discovery_part(c->d, part);
}

static void put(struct capi *c, const char *part, const cJSON *object)
{
    struct arena arena;
    struct errors errs;
    char why[INVENTORY_WRONG_MAX];
    struct inventory_draft draft = {.at = {.file = part, .line = 1}};
    struct inventory_record *r = NULL;
    errors_init(&errs);
    arena_init(&arena, NULL, 0);
    discovery_begin(c->d, part);
    const struct inventory_sink *sink = discovery_sink(c->d);
    int rc = kube_draft_capi(&arena, object, &draft, why);
    if (rc == 0)
        r = inventory_record_new(&draft);
    if (r == NULL)
        rc = error_at(&errs, draft.at, "%s", rc < 0 ? why : "out of memory");
    else if ((rc = sink->put(sink->context, r, &errs)) < 0)
        inventory_record_drop(r);
    discovery_end(c->d, rc < 0 ? INVENTORY_BAD : INVENTORY_WHOLE, &errs);
    arena_release(&arena);
    errors_release(&errs);
}

static void on_object(void *context, const cJSON *object, bool deleted)
{
    struct capi *c = context;
    const char *part = part_of(c, object);
    struct discovery_part *p = part[0] == '\0' ? NULL : discovery_part_of(c->d, part);
    if (p == NULL)
        return;
    discovery_stamp(p, c->stamp);
    bool ending =
        tree_text_of(tree_get(object, "metadata"), "deletionTimestamp")[0] != '\0';
    if (!deleted && !ending)
        put(c, p->name, object);
    else if (p->n > 0)
        discovery_parts_gone(c->d, &part, 1);
    else
        discovery_part_error(c->d, p, ""); /* it was wrong */
    discovery_sweep_some(c->d, c->stamp);
}

static void on_quiet(void *context)
{
    struct capi *c = context;
    discovery_quiet(c->d);
}

/* What is due besides: the last known map, say. */
static void on_idle(void *context)
{
    struct capi *c = context;
    discovery_wait(c->d, -1, 0);
}

/* ---- lists ---- */

static int list(struct capi *c)
{
    struct kube_watch *w = &c->watch;
    int rc = -1;
    c->stamp++;
    for (size_t i = 0; rc < 0 && i < PATHS_N; i++) {
        w->path = paths[i];
        rc = kube_list(w);
        if (rc < 0 && w->status != 404)
            break;
    }
    c->rest.wait_s = w->retry_after_s;
    if (rc == 0) {
        c->known = true;
        discovery_sweep(c->d, c->stamp);
        if (discovery_unstamped_gone(c->d, c->stamp) == 0)
            return 0;
        snprintf(c->why, sizeof c->why, "the list is empty, which is not believed");
        return -1;
    }
    if (w->too_much)
        discovery_refuse(c->d, c->stamp);
    if (w->status == 404 && !c->known)
        c->rest.wait_s = NOT_THERE_S;
    snprintf(c->why, sizeof c->why, "%s", w->why);
    return -1;
}

/* ---- the hub ---- */

static void disconnect(struct capi *c)
{
    kube_api_free(c->watch.api);
    kubeconfig_free(c->config);
    c->watch.api = NULL;
    c->config = NULL;
}

static int read_config(struct capi *c, const struct discovery_access *access)
{
    struct errors errs;
    errors_init(&errs);
    c->config = kube_config(access, &errs);
    if (c->config == NULL)
        kube_first_error(&errs, c->why);
    errors_release(&errs);
    return c->config == NULL ? -1 : 0;
}

static int connect_hub(struct capi *c)
{
    struct discovery_settings s = discovery_settings(c->d);
    const char *context = c->word;
    if (c->watch.api != NULL)
        return 0;
    if (strcmp(context, KUBE_IN_CLUSTER) != 0) {
        if (read_config(c, &s.access) < 0)
            return -1;
        if (context[0] == '\0')
            context = kubeconfig_current(c->config);
    }
    if (context == NULL) {
        snprintf(c->why, sizeof c->why, "the kubeconfig has no current context");
        return -1;
    }
    c->watch.api =
        kube_api_open(c->config, context, &s.access, discovery_stop_fd(c->d), c->why);
    return c->watch.api == NULL ? -1 : 0;
}

/* ---- at work ---- */

static bool rest(struct capi *c)
{
    return discovery_wait(c->d, -1, rest_ms(c->d, &c->rest, USUAL_MS));
}

static void fail(struct capi *c, const char *why)
{
    c->rest.failures++;
    discovery_failed(c->d, "%s", why);
}

/* Until a list is wanted, or the end. */
static bool watch(struct capi *c)
{
    for (;;) {
        uint64_t began_ns = discovery_now_ns();
        struct kube_watch *one = &c->watch;
        kube_watch(&one, 1, -1);
        enum kube_watched how = one->how;
        bool brief = discovery_now_ns() - began_ns < 1000000000u;
        c->rest.wait_s = c->watch.retry_after_s;
        if (!discovery_wait(c->d, -1, 0))
            return false;
        if (how == KUBE_CUT)
            fail(c, c->watch.why);
        else
            c->rest.failures = brief ? c->rest.failures + 1 : 0;
        if (how == KUBE_RELIST)
            return c->rest.failures > 1 ? rest(c) : true;
        if (how == KUBE_AGAIN && !brief)
            on_quiet(c);
        else if (!rest(c))
            return false;
    }
}

static void run(struct discovery *d)
{
    struct capi c = {.d = d, .word = discovery_settings(d).source + sizeof SCHEME - 1};
    bool on = true;
    c.watch.context = &c;
    c.watch.object = on_object;
    c.watch.quiet = on_quiet;
    c.watch.idle = on_idle;
    while (on) {
        if (connect_hub(&c) == 0 && list(&c) == 0) {
            c.rest.failures = 0;
            on = discovery_wait(d, -1, 0) && watch(&c);
            continue;
        }
        fail(&c, c.why);
        disconnect(&c); /* the kubeconfig may know better by now */
        on = rest(&c);
    }
    disconnect(&c);
}

const struct discovery_source discovery_capi = {
    .name = "capi", .scheme = SCHEME, .run = run};
