/* `kubernetes:CONTEXT`: what the API of a cluster tells of it; of the context that a
 * kubeconfig has as its current one without CONTEXT, of all with `*`, and of the Pod's
 * own cluster with `in-cluster`.
 *
 * What is told changes a few times a month: it is asked for from time to time. A
 * context is a part of its own, so that one that fails keeps what it has and hides no
 * other. What is not found any more stays, too: a Service that is made anew is away for
 * a moment, and a permission that was taken away says nothing about the cluster. */
#include "config/discovery/discovery_own.h"
#include "config/discovery/kube_facts.h"
#include "config/discovery/rest.h"

#include "config/inventory_draft.h"

#include <stdio.h>
#include <stdlib.h>

#define SCHEME   "kubernetes:"
#define USUAL_MS 30000

struct context {
    const char *part;
    struct kube_api *api; /* NULL: to be opened */
    char uid[64];         /* of its DNS; "": not known */
    const char *name;     /* in the kubeconfig; NULL: not there any more */
    struct context *next;
};

struct kubernetes {
    struct discovery *d;
    const char *word; /* behind the scheme */
    struct kubeconfig *config;
    struct context *contexts;
    struct rest rest;
    uint32_t good;  /* of this look */
    uint32_t stamp; /* of the contexts that there are */
    char why[HTTP_WHY_MAX];
};

/* ---- contexts ---- */

static struct context *context_of(struct kubernetes *k, const char *name)
{
    char part[256];
    struct context **at = &k->contexts;
    snprintf(part, sizeof part, SCHEME "%s", name);
    for (; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->part, part) == 0)
            return *at;
    }
    *at = calloc(1, sizeof **at);
    if (*at != NULL)
        (*at)->part = discovery_part(k->d, part);
    return *at;
}

static void disconnect(struct kubernetes *k)
{
    for (struct context *c = k->contexts; c != NULL; c = c->next) {
        kube_api_free(c->api);
        c->api = NULL;
        c->name = NULL;
    }
    kubeconfig_free(k->config);
    k->config = NULL;
}

/* Those that the source is about, from the kubeconfig as it is now. 0, or -1. */
static int choose(struct kubernetes *k)
{
    const char *name = k->word;
    bool all = strcmp(name, "*") == 0;
    if (name[0] == '\0' && k->config != NULL)
        name = kubeconfig_current(k->config);
    if (name == NULL) {
        snprintf(k->why, sizeof k->why,
                 "the kubeconfig has no current context: name one, or *");
        return -1;
    }
    for (uint32_t i = 0; all || i == 0; i++) {
        if (all)
            name = kubeconfig_name(k->config, i);
        if (name == NULL)
            break;
        struct context *c = context_of(k, name);
        if (c == NULL) {
            snprintf(k->why, sizeof k->why, "out of memory");
            return -1;
        }
        c->name = name;
    }
    return 0;
}

/* Reads the kubeconfig anew; what it has not changed stays open. */
static int read_config(struct kubernetes *k, const struct discovery_access *access)
{
    struct errors errs;
    bool own = strcmp(k->word, KUBE_IN_CLUSTER) == 0;
    errors_init(&errs);
    struct kubeconfig *config = own ? NULL : kube_config(access, &errs);
    if (config == NULL && !own)
        kube_first_error(&errs, k->why);
    errors_release(&errs);
    if (config == NULL && !own)
        return -1;
    if (config != NULL && k->config != NULL &&
        kubeconfig_digest(config) == kubeconfig_digest(k->config)) {
        kubeconfig_free(config);
        return 0;
    }
    if (own && k->contexts != NULL)
        return 0;
    disconnect(k);
    k->config = config;
    return choose(k);
}

/* ---- one cluster ---- */

/* What is not found this time, of what was. */
static void keep_known(struct inventory_draft *d, const struct inventory_record *old)
{
    if (d->dns.n == 0 && old->dns_n > 0)
        d->dns = (struct addrs){(struct addr *)(uintptr_t)inventory_dns(old),
                                old->dns_n, old->dns_n};
    if (d->services.n == 0 && old->services_n > 0)
        d->services =
            (struct subnets){(struct cidr *)(uintptr_t)inventory_services(old),
                             old->services_n, old->services_n};
    if (d->pods.n == 0 && old->pods_n > 0)
        d->pods = (struct subnets){(struct cidr *)(uintptr_t)inventory_pods(old),
                                   old->pods_n, old->pods_n};
    if (d->domain.len == 0 && old->has_domain) {
        d->domain.len = (uint8_t)name_len(inventory_domain(old));
        memcpy(d->domain.wire, inventory_domain(old), d->domain.len);
    }
}

/* Another context of the same cluster: a kubeconfig often has several users of one. */
static const struct context *find_twin(const struct kubernetes *k,
                                       const struct context *c)
{
    for (const struct context *v = k->contexts; v != c; v = v->next) {
        if (v->name != NULL && c->uid[0] != '\0' && strcmp(v->uid, c->uid) == 0)
            return v;
    }
    return NULL;
}

static int wrong_name(struct kubernetes *k, const char *name, const char *why)
{
    snprintf(k->why, sizeof k->why, "\"%.64s\": %.150s", name, why);
    return -1;
}

static int put(struct kubernetes *k, struct context *c, struct kube_facts *facts,
               struct arena *arena)
{
    char name[256], why[INVENTORY_WRONG_MAX];
    struct errors errs;
    kube_name_cluster(c->name, name, sizeof name);
    const struct inventory_record *old = discovery_find(k->d, name);
    if (draft_name(arena, &facts->draft, name, why) < 0)
        return wrong_name(k, name, why);
    if (old != NULL && old->file == c->part)
        keep_known(&facts->draft, old);
    facts->draft.at = (struct where){.file = c->part, .line = 1};
    if (facts->draft.dns.n == 0 && facts->draft.services.n == 0) {
        snprintf(
            k->why, sizeof k->why,
            "no DNS Service, no ServiceCIDR and no kubeadm-config is found%s%.180s",
            facts->denied[0] == '\0' ? "" : "; ", facts->denied);
        return -1;
    }
    struct inventory_record *r = inventory_record_new(&facts->draft);
    errors_init(&errs);
    discovery_begin(k->d, c->part);
    const struct inventory_sink *sink = discovery_sink(k->d);
    int rc = r == NULL ? -1 : sink->put(sink->context, r, &errs);
    if (rc < 0) {
        inventory_record_drop(r);
        snprintf(k->why, sizeof k->why, "%.250s",
                 errs.n > 0 && errs.list != NULL ? errs.list[0].text : "out of memory");
    }
    discovery_end(k->d, rc < 0 ? INVENTORY_BAD : INVENTORY_WHOLE, NULL);
    errors_release(&errs);
    return rc;
}

static int ask(struct kubernetes *k, struct context *c, struct kube_facts *facts,
               struct arena *arena)
{
    struct discovery_settings s = discovery_settings(k->d);
    if (c->api == NULL)
        c->api = kube_api_open(k->config, c->name, &s.access, discovery_stop_fd(k->d),
                               k->why);
    if (c->api == NULL || kube_ask(c->api, arena, facts, k->why) < 0)
        return -1;
    snprintf(c->uid, sizeof c->uid, "%s", facts->uid);
    const struct context *twin = find_twin(k, c);
    if (twin == NULL)
        return put(k, c, facts, arena);
    snprintf(k->why, sizeof k->why,
             "the same cluster as context %.64s (its DNS has the same UID), which "
             "stays",
             twin->name);
    return -1;
}

static void look_at(struct kubernetes *k, struct context *c)
{
    struct arena arena;
    struct kube_facts facts = {0};
    char text[DISCOVERY_ERROR_MAX];
    arena_init(&arena, NULL, 0);
    int rc = ask(k, c, &facts, &arena);
    const char *why = rc < 0 ? k->why : facts.denied;
    snprintf(text, sizeof text, "%s%.64s%s%.180s", why[0] == '\0' ? "" : "context ",
             why[0] == '\0' ? "" : c->name, why[0] == '\0' ? "" : ": ", why);
    struct discovery_part *p = discovery_part_of(k->d, c->part);
    if (p != NULL) {
        p->stamp = k->stamp;
        discovery_part_error(k->d, p, text);
    }
    k->good += rc == 0;
    if (facts.retry_after_s > k->rest.wait_s)
        k->rest.wait_s = facts.retry_after_s;
    arena_release(&arena);
}

/* ---- all of them ---- */

static void look(struct kubernetes *k)
{
    struct discovery_settings s = discovery_settings(k->d);
    uint64_t before = k->d->changed;
    k->good = 0;
    k->stamp++;
    k->rest.wait_s = 0;
    if (read_config(k, &s.access) < 0) {
        k->rest.failures++;
        discovery_failed(k->d, "%s", k->why);
        return;
    }
    for (struct context *c = k->contexts; c != NULL; c = c->next) {
        if (c->name != NULL)
            look_at(k, c);
    }
    k->rest.failures = k->good > 0 ? 0 : k->rest.failures + 1;
    if (k->good > 0)
        discovery_unstamped_gone(k->d, k->stamp);
    else
        discovery_report(k->d, "", before);
}

static void run(struct discovery *d)
{
    struct kubernetes k = {.d = d,
                           .word = discovery_settings(d).source + sizeof SCHEME - 1};
    do
        look(&k);
    while (discovery_wait(d, -1, rest_ms(d, &k.rest, USUAL_MS)));
    disconnect(&k);
    while (k.contexts != NULL) {
        struct context *c = k.contexts;
        k.contexts = c->next;
        free(c);
    }
}

static bool is_single(const char *source)
{
    return strcmp(source, SCHEME "*") != 0;
}

const struct discovery_source discovery_kubernetes = {
    .name = "kubernetes", .scheme = SCHEME, .is_single = is_single, .run = run};
