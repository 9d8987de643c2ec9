#include "config/discovery/kube_follow.h"

#include "base/limits.h"
#include "config/discovery/clock.h"
#include "config/discovery/kube_watch.h"

#include <stdio.h>
#include <stdlib.h>

#define KUBE_SYSTEM  "/api/v1/namespaces/kube-system/"
#define NOT_THERE_MS 600000 /* what the API does not have */
#define EVENTS_MS    250    /* between lists, whatever a watch tells */

/* Of each group the first that is found counts. */
enum group { GROUP_DNS, GROUP_SUBNETS, GROUP_KUBEADM, GROUPS_N };

static const struct kind {
    enum group group;
    const char *path, *query;
    const char *object; /* where the one object is that counts; NULL: there may be many
                         */
    kube_read *read;
    bool optional; /* most APIs do not have it */
} kinds[] = {
    {GROUP_DNS, KUBE_SYSTEM "services", "fieldSelector=metadata.name%3Dkube-dns",
     KUBE_SYSTEM "services/kube-dns", kube_read_service, false},
    {GROUP_DNS, KUBE_SYSTEM "services", "labelSelector=k8s-app%3Dkube-dns", NULL,
     kube_read_service, false},
    {GROUP_DNS, "/apis/operator.openshift.io/v1/dnses",
     "fieldSelector=metadata.name%3Ddefault",
     "/apis/operator.openshift.io/v1/dnses/default", kube_read_openshift, true},
    {GROUP_SUBNETS, "/apis/networking.k8s.io/v1/servicecidrs", NULL, NULL,
     kube_read_service_cidr, true},
    {GROUP_SUBNETS, "/apis/networking.k8s.io/v1beta1/servicecidrs", NULL, NULL,
     kube_read_service_cidr, true},
    {GROUP_KUBEADM, KUBE_SYSTEM "configmaps",
     "fieldSelector=metadata.name%3Dkubeadm-config",
     KUBE_SYSTEM "configmaps/kubeadm-config", kube_read_kubeadm, true},
};
#define KINDS_N (sizeof kinds / sizeof kinds[0])
_Static_assert(KINDS_N <= HTTP_STREAMS_MAX, "all kinds can be watched at once");

enum topic_state {
    TOPIC_DUE,     /* to be asked for */
    TOPIC_WATCHED, /* from the version of its list on */
    TOPIC_POLLED,  /* it cannot be watched: due after a while */
    TOPIC_ABSENT,  /* the API has no such kind: likewise */
};

/* What a kind says of the cluster. */
struct told {
    struct arena arena;
    struct kube_facts facts;
    bool found;
};

struct topic {
    const struct kind *kind;
    struct kube_follow *follow;
    struct kube_watch watch;
    enum topic_state state;
    int64_t asked_ms;
    bool wanted; /* nothing of its group that comes before it was found */
    bool known;  /* it was there once, and may come again soon */
    bool wrong;  /* an object of the list under way is none */
    struct told told[2];
    unsigned now;              /* which of them counts; the other is being read */
    char denied[HTTP_WHY_MAX]; /* it may not be read any more; "": it may */
};

struct kube_follow {
    struct kube_api *api;
    struct topic topics[KINDS_N];
    void (*quiet)(void *context);
    void *context;
    unsigned retry_after_s; /* of the last failure */
};

/* ---- what a watch and a list tell ---- */

static void on_object(void *context, const cJSON *object, bool deleted)
{
    struct topic *t = context;
    if (t->state == TOPIC_WATCHED) {
        t->state = TOPIC_DUE;
        t->watch.enough = true;
        return;
    }
    struct told *fresh = &t->told[!t->now];
    int rc = t->kind->read(&fresh->arena, object, &fresh->facts);
    fresh->found |= rc > 0;
    t->wrong |= rc < 0 || deleted;
}

static void on_quiet(void *context)
{
    const struct kube_follow *f = ((struct topic *)context)->follow;
    if (f->quiet != NULL)
        f->quiet(f->context);
}

/* ---- life ---- */

struct kube_follow *kube_follow_new(struct kube_api *api)
{
    struct kube_follow *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->api = api;
    for (size_t i = 0; i < KINDS_N; i++) {
        struct topic *t = &f->topics[i];
        t->kind = &kinds[i];
        t->follow = f;
        t->watch = (struct kube_watch){.api = api,
                                       .path = kinds[i].path,
                                       .query = kinds[i].query,
                                       .context = t,
                                       .object = on_object,
                                       .quiet = on_quiet};
        for (unsigned k = 0; k < 2; k++)
            arena_init(&t->told[k].arena, NULL, 0);
    }
    return f;
}

void kube_follow_free(struct kube_follow *f)
{
    for (size_t i = 0; f != NULL && i < 2 * KINDS_N; i++)
        arena_release(&f->topics[i / 2].told[i % 2].arena);
    free(f);
}

void kube_follow_on_quiet(struct kube_follow *f, void (*quiet)(void *context),
                          void *context)
{
    f->quiet = quiet;
    f->context = context;
}

/* ---- asking ---- */

static int fail(struct topic *t, const char *why, unsigned retry_after_s, char *out)
{
    snprintf(out, HTTP_WHY_MAX, "%s", why);
    t->follow->retry_after_s = retry_after_s;
    return -1;
}

static int no_such_object(struct topic *t, const char *path, char *why)
{
    char text[HTTP_WHY_MAX];
    snprintf(text, sizeof text, "no such object as expected at %.150s", path);
    return fail(t, text, 0, why);
}

static void clear(struct told *told)
{
    arena_reset(&told->arena);
    told->facts = (struct kube_facts){0};
    told->found = false;
}

/* What has been read counts from now on. */
static int settle(struct topic *t, const char *path, char *why)
{
    if (t->wrong)
        return no_such_object(t, path, why);
    clear(&t->told[t->now]);
    t->now = !t->now;
    return 0;
}

/* What was known stays. */
static void deny(struct topic *t, const char *why)
{
    snprintf(t->denied, sizeof t->denied, "%s", why);
    t->state = TOPIC_POLLED;
}

/* Who may not list an object may be allowed to read it. */
static int get_object(struct topic *t, char *why)
{
    struct http_request get = {.url = t->kind->object,
                               .most = KUBE_OBJECT_MAX * 2,
                               .patience_s = HTTP_PATIENCE_S};
    struct http_reply reply;
    int rc = kube_api_do(t->follow->api, &get, &reply);
    t->state = TOPIC_POLLED;
    if (rc == 0 && reply.status == 200) {
        cJSON *tree = tree_parse(reply.body, reply.len);
        on_object(t, tree, false);
        tree_free(tree);
        rc = settle(t, t->kind->object, why);
    } else if (rc == 0 && reply.status == 403) {
        deny(t, reply.why);
    } else if (rc == 0 && reply.status == 404) {
        t->state = t->kind->optional ? TOPIC_ABSENT : TOPIC_POLLED;
        rc = settle(t, t->kind->object, why);
    } else {
        rc = fail(t, reply.why, reply.retry_after_s, why);
    }
    http_reply_release(&reply);
    return rc;
}

/* 404: this API has no such kind. Every API has Services: who says otherwise is none.
 */
static int note_absent(struct topic *t, char *why)
{
    if (!t->kind->optional)
        return fail(t, t->watch.why, t->watch.retry_after_s, why);
    t->state = t->known ? TOPIC_POLLED : TOPIC_ABSENT;
    return settle(t, t->kind->path, why);
}

static int list(struct topic *t, char *why)
{
    struct kube_watch *w = &t->watch;
    if (kube_list(w) == 0) {
        t->known = true;
        t->state = w->version[0] == '\0' ? TOPIC_POLLED : TOPIC_WATCHED;
        return settle(t, w->path, why);
    }
    if (w->status == 403 && t->kind->object != NULL)
        return get_object(t, why);
    if (w->status == 403) {
        deny(t, w->why);
        return 0;
    }
    if (w->status == 404)
        return note_absent(t, why);
    return fail(t, w->why, w->retry_after_s, why);
}

static int ask(struct topic *t, char *why)
{
    if (t->state != TOPIC_DUE)
        return 0;
    clear(&t->told[!t->now]);
    t->denied[0] = '\0';
    t->wrong = false;
    t->asked_ms = clock_ms();
    return list(t, why);
}

/* In their order, of each group until something is found. */
static int ask_all(struct kube_follow *f, char *why)
{
    bool found[GROUPS_N] = {false};
    for (size_t i = 0; i < KINDS_N; i++) {
        struct topic *t = &f->topics[i];
        enum group g = t->kind->group;
        t->wanted = !found[g];
        if (!t->wanted)
            t->state = TOPIC_DUE;
        else if (ask(t, why) < 0)
            return -1;
        found[g] |= t->wanted && t->told[t->now].found;
    }
    return 0;
}

static void all_due(struct kube_follow *f)
{
    for (size_t i = 0; i < KINDS_N; i++)
        f->topics[i].state = TOPIC_DUE;
}

int kube_follow_ask(struct kube_follow *f, struct arena *a, struct kube_facts *out,
                    char *why)
{
    int rc = 0;
    *out = (struct kube_facts){0};
    f->retry_after_s = 0;
    if (ask_all(f, why) < 0) {
        out->retry_after_s = f->retry_after_s;
        all_due(f);
        return -1;
    }
    for (size_t i = 0; i < KINDS_N; i++) {
        const struct topic *t = &f->topics[i];
        if (t->wanted)
            rc |= kube_add_facts(a, &t->told[t->now].facts, out);
        if (t->wanted && t->denied[0] != '\0' && out->denied[0] == '\0')
            memcpy(out->denied, t->denied, sizeof out->denied);
    }
    if (rc < 0)
        snprintf(why, HTTP_WHY_MAX, "out of memory");
    return rc;
}

/* ---- waiting ---- */

/* When it is to be asked for by itself; INT64_MAX: never. */
static int64_t due_ms(const struct topic *t, int64_t poll_ms)
{
    switch (t->state) {
    case TOPIC_DUE:
        return t->asked_ms + EVENTS_MS;
    case TOPIC_WATCHED:
        return INT64_MAX;
    case TOPIC_POLLED:
        return t->asked_ms + poll_ms;
    case TOPIC_ABSENT:
        return t->asked_ms + NOT_THERE_MS;
    }
    return 0;
}

/* Until something is due by itself; not for ever. */
static int64_t left_ms(struct kube_follow *f, int64_t poll_ms)
{
    int64_t now_ms = clock_ms(), first_ms = INT64_MAX;
    for (size_t i = 0; i < KINDS_N; i++) {
        struct topic *t = &f->topics[i];
        int64_t at_ms = t->wanted ? due_ms(t, poll_ms) : INT64_MAX;
        if (at_ms <= now_ms)
            t->state = TOPIC_DUE;
        if (at_ms < first_ms)
            first_ms = at_ms;
    }
    if (first_ms == INT64_MAX)
        return NOT_THERE_MS;
    return first_ms > now_ms ? first_ms - now_ms : 0;
}

/* One of those that were watched has ended. 0, or -1: it has failed. */
static int take_end(struct topic *t, unsigned *rest_s, char *why)
{
    const struct kube_watch *w = &t->watch;
    if (w->how == KUBE_RELIST)
        t->state = TOPIC_DUE;
    if (w->how != KUBE_CUT)
        return 0;
    if (w->status == 403) { /* it may be listed, but not watched */
        t->state = TOPIC_POLLED;
        return 0;
    }
    *rest_s = w->retry_after_s;
    snprintf(why, HTTP_WHY_MAX, "%s", w->why);
    return -1;
}

static unsigned gather(struct kube_follow *f, struct topic **of,
                       struct kube_watch **list)
{
    unsigned n = 0;
    for (size_t i = 0; i < KINDS_N; i++) {
        struct topic *t = &f->topics[i];
        if (!t->wanted || t->state != TOPIC_WATCHED)
            continue;
        of[n] = t;
        list[n++] = &t->watch;
    }
    return n;
}

/* For at most `ms`. 0, 1: it is to end, or -1: one has failed. */
static int watch(struct kube_follow *f, int64_t ms, unsigned *rest_s, char *why)
{
    struct topic *of[KINDS_N];
    struct kube_watch *list[KINDS_N];
    unsigned n = gather(f, of, list);
    int64_t began_ms = clock_ms();
    int rc = 0;
    if (n == 0)
        return kube_api_rest(f->api, ms) ? 0 : 1;
    kube_watch(list, n, ms);
    for (unsigned i = 0; i < n; i++)
        rc |= take_end(of[i], rest_s, why);
    if (rc < 0)
        return -1;
    /* Who ends watches as soon as they begin is not asked all the time. */
    int64_t took_ms = clock_ms() - began_ms;
    bool brief = took_ms < EVENTS_MS && took_ms < ms - 1 && gather(f, of, list) == n;
    return brief && !kube_api_rest(f->api, EVENTS_MS) ? 1 : 0;
}

int kube_follow_wait(struct kube_follow *f, int64_t poll_ms, unsigned *rest_s,
                     char *why)
{
    int64_t ms;
    int rc = 0;
    *rest_s = 0;
    while (rc == 0 && (ms = left_ms(f, poll_ms)) > 0)
        rc = watch(f, ms, rest_s, why);
    if (rc < 0)
        all_due(f);
    return rc < 0 ? -1 : 0;
}
