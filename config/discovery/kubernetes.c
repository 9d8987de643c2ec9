/* `kubernetes:CONTEXT`: what the API of a cluster tells of it; of the context that a
 * kubeconfig has as its current one without CONTEXT, of all with `*`, and of the Pod's
 * own cluster with `in-cluster`.
 *
 * Each context has a thread that follows its API (kube_follow.h) and writes letters: an
 * API that is slow or away, or a program that is asked for credentials, holds up no
 * other. The source's own thread reads the letters, and the kubeconfig when it changes.
 *
 * A context is a part of its own, so that one that fails keeps what it has and hides no
 * other. What is not found any more stays, too: a Service that is made anew is away for
 * a moment, and a permission that was taken away says nothing about the cluster. */
#include "config/discovery/clock.h"
#include "config/discovery/discovery_own.h"
#include "config/discovery/kube_follow.h"
#include "config/discovery/rest.h"

#include "base/limits.h"
#include "config/inventory_draft.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SCHEME   "kubernetes:"
#define USUAL_MS 30000 /* what cannot be watched */
#define FILES_MS 1000  /* the kubeconfig */
#define GRACE_MS 1000  /* contexts are taken in their order, if they tell so soon */

/* What has become of a context since the last one was read. */
struct letter {
    struct arena arena;
    struct kube_facts facts;
    bool has_facts; /* all that is known of the cluster */
    bool has_why;
    bool quiet;
    char why[HTTP_WHY_MAX]; /* "": it is well */
};

struct context {
    struct kubernetes *k;
    const char *part;
    const char *name; /* in the kubeconfig; NULL: not there any more */
    pthread_t thread;
    bool started;
    int stop_fd;
    struct letter *letter; /* NULL: none; under the lock */
    char uid[64];          /* of its DNS; "": not known */
    struct context *next;
};

struct kubernetes {
    struct discovery *d;
    const char *word; /* behind the scheme */
    struct kubeconfig *config;
    uint64_t files; /* their stamp when they were read */
    struct context *contexts;
    int64_t grace_ms; /* until then letters may wait for each other */
    int64_t retry_ms; /* the kubeconfig could not be read */
    struct rest rest;
    uint32_t good;  /* letters of this round that brought something */
    uint32_t stamp; /* of the contexts that there are */
    bool started;
    char why[HTTP_WHY_MAX];

    pthread_mutex_t lock; /* for the letters */
    int wake_fd;          /* readable while there are letters */
};

/* ---- a context's thread ---- */

struct follower {
    struct context *c;
    struct kube_api *api; /* NULL: to be opened */
    struct kube_follow *follow;
    struct rest rest;
};

static bool rest(const struct context *c, int ms)
{
    struct pollfd stop = {.fd = c->stop_fd, .events = POLLIN};
    return poll(&stop, 1, ms) <= 0;
}

static struct letter *letter_new(void)
{
    struct letter *l = calloc(1, sizeof *l);
    if (l != NULL)
        arena_init(&l->arena, NULL, 0);
    return l;
}

static void letter_free(struct letter *l)
{
    if (l == NULL)
        return;
    arena_release(&l->arena);
    free(l);
}

/* What the older one says and this one does not is still to be told. */
static struct letter *merge(struct letter *old, struct letter *l)
{
    if (old == NULL)
        return l;
    if (l->has_facts || !old->has_facts) {
        l->quiet |= old->quiet;
        if (!l->has_why && old->has_why) {
            l->has_why = true;
            memcpy(l->why, old->why, sizeof l->why);
        }
        letter_free(old);
        return l;
    }
    old->quiet |= l->quiet;
    if (l->has_why) {
        old->has_why = true;
        memcpy(old->why, l->why, sizeof old->why);
    }
    letter_free(l);
    return old;
}

static void send_letter(struct context *c, struct letter *l)
{
    pthread_mutex_lock(&c->k->lock);
    c->letter = merge(c->letter, l);
    pthread_mutex_unlock(&c->k->lock);
    eventfd_write(c->k->wake_fd, 1);
}

static void send_why(struct context *c, const char *why)
{
    struct letter *l = letter_new();
    if (l == NULL)
        return; /* it is told when there is memory */
    l->has_why = true;
    snprintf(l->why, sizeof l->why, "%s", why);
    send_letter(c, l);
}

static void on_quiet(void *context)
{
    struct letter *l = letter_new();
    if (l == NULL)
        return;
    l->quiet = true;
    send_letter(context, l);
}

static void disconnect(struct follower *f)
{
    kube_follow_free(f->follow);
    kube_api_free(f->api);
    f->follow = NULL;
    f->api = NULL;
}

static int connect_api(struct follower *f, char *why)
{
    struct discovery_settings s = discovery_settings(f->c->k->d);
    if (f->follow != NULL)
        return 0;
    f->api = kube_api_open(f->c->k->config, f->c->name, &s.access, f->c->stop_fd, why);
    if (f->api == NULL)
        return -1;
    f->follow = kube_follow_new(f->api);
    if (f->follow == NULL) {
        snprintf(why, HTTP_WHY_MAX, "out of memory");
        return -1;
    }
    kube_follow_on_quiet(f->follow, on_quiet, f->c);
    return 0;
}

/* 0, or -1: it was in doubt, and that has been told. */
static int ask(struct follower *f)
{
    struct letter *l = letter_new();
    if (l == NULL)
        return -1;
    int rc = connect_api(f, l->why);
    if (rc == 0)
        rc = kube_follow_ask(f->follow, &l->arena, &l->facts, l->why);
    l->has_why = true;
    l->has_facts = rc == 0;
    f->rest.wait_s = l->facts.retry_after_s;
    send_letter(f->c, l);
    return rc;
}

/* Until something is due. 0 or -1 likewise. */
static int wait_for_news(struct follower *f)
{
    const struct rest none = {0};
    char why[HTTP_WHY_MAX] = "";
    int ms = rest_ms(f->c->k->d, &none, USUAL_MS);
    int rc = kube_follow_wait(f->follow, ms, &f->rest.wait_s, why);
    if (rc < 0 && rest(f->c, 0))
        send_why(f->c, why);
    return rc;
}

static void *follow(void *argument)
{
    struct follower f = {.c = argument};
    bool on = true;
    while (on) {
        if (ask(&f) == 0 && wait_for_news(&f) == 0) {
            f.rest.failures = 0;
            on = rest(f.c, 0);
            continue;
        }
        f.rest.failures++;
        disconnect(&f); /* files that it was made from may have changed */
        on = rest(f.c, rest_ms(f.c->k->d, &f.rest, USUAL_MS));
    }
    disconnect(&f);
    return NULL;
}

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
    struct context *c = calloc(1, sizeof *c);
    int stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c == NULL || stop_fd < 0) {
        if (stop_fd >= 0)
            close(stop_fd);
        free(c);
        return NULL;
    }
    *c = (struct context){
        .k = k, .part = discovery_part(k->d, part), .stop_fd = stop_fd};
    *at = c;
    return c;
}

static void stop_all(struct kubernetes *k)
{
    eventfd_t times;
    for (struct context *c = k->contexts; c != NULL; c = c->next)
        eventfd_write(c->stop_fd, 1);
    for (struct context *c = k->contexts; c != NULL; c = c->next) {
        if (c->started)
            pthread_join(c->thread, NULL);
        c->started = false;
        c->name = NULL;
        letter_free(c->letter);
        c->letter = NULL;
        eventfd_read(c->stop_fd, &times);
    }
}

static void start_all(struct kubernetes *k)
{
    k->stamp++;
    k->grace_ms = clock_ms() + GRACE_MS;
    for (struct context *c = k->contexts; c != NULL; c = c->next) {
        struct discovery_part *p = discovery_part_of(k->d, c->part);
        if (c->name == NULL || p == NULL)
            continue;
        p->stamp = k->stamp;
        c->started = discovery_start_thread(&c->thread, "inventory", follow, c) == 0;
        if (!c->started)
            send_why(c, "out of threads");
    }
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
    if (all && kubeconfig_name(k->config, KUBE_CONTEXTS_MAX) != NULL) {
        snprintf(k->why, sizeof k->why,
                 "more than %d contexts: give each kubeconfig an inventory of its own",
                 KUBE_CONTEXTS_MAX);
        return -1;
    }
    for (uint32_t i = 0; all || i == 0; i++) {
        if (all)
            name = kubeconfig_name(k->config, i);
        if (name == NULL)
            break;
        struct context *c = context_of(k, name);
        if (c == NULL) {
            snprintf(k->why, sizeof k->why, "out of memory or descriptors");
            return -1;
        }
        c->name = name;
    }
    return 0;
}

static int restart(struct kubernetes *k, struct kubeconfig *config)
{
    stop_all(k);
    kubeconfig_free(k->config);
    k->config = config;
    if (choose(k) < 0)
        return -1;
    start_all(k);
    return 0;
}

/* Reads the kubeconfig anew; one that says the same changes nothing. */
static int read_config(struct kubernetes *k, const struct discovery_access *access)
{
    struct errors errs;
    k->files = kube_config_stamp(access);
    errors_init(&errs);
    struct kubeconfig *config = kube_config(access, &errs);
    if (config == NULL)
        kube_first_error(&errs, k->why);
    errors_release(&errs);
    if (config == NULL)
        return -1;
    if (k->config == NULL || kubeconfig_digest(config) != kubeconfig_digest(k->config))
        return restart(k, config);
    kubeconfig_free(config);
    return 0;
}

static void follow_config(struct kubernetes *k)
{
    struct discovery_settings s = discovery_settings(k->d);
    bool own = strcmp(k->word, KUBE_IN_CLUSTER) == 0;
    bool failed = k->rest.failures > 0;
    if (own ? k->started : failed && clock_ms() < k->retry_ms)
        return;
    if (!own && k->started && !failed && k->files == kube_config_stamp(&s.access))
        return;
    int rc = own ? restart(k, NULL) : read_config(k, &s.access);
    k->started |= rc == 0;
    k->rest.failures = rc == 0 ? 0 : k->rest.failures + 1;
    k->retry_ms = clock_ms() + rest_ms(k->d, &k->rest, FILES_MS);
    if (rc < 0)
        discovery_failed(k->d, "%s", k->why);
    else if (failed)
        discovery_report(k->d, "", k->d->changed);
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

/* Whether both are one cluster: a kubeconfig often has several users of one. */
static bool is_twin(const struct context *v, const struct context *c)
{
    return v->name != NULL && c->uid[0] != '\0' && strcmp(v->uid, c->uid) == 0;
}

static void tell_twin(struct kubernetes *k, const struct context *twin)
{
    snprintf(k->why, sizeof k->why,
             "the same cluster as context %.64s (its DNS has the same UID), which "
             "stays",
             twin->name);
}

static const struct context *find_twin(const struct kubernetes *k,
                                       const struct context *c)
{
    for (const struct context *v = k->contexts; v != c; v = v->next) {
        if (is_twin(v, c))
            return v;
    }
    return NULL;
}

static void set_error(struct kubernetes *k, const struct context *c, const char *why)
{
    char text[DISCOVERY_ERROR_MAX];
    struct discovery_part *p = discovery_part_of(k->d, c->part);
    snprintf(text, sizeof text, "%s%.64s%s%.180s", why[0] == '\0' ? "" : "context ",
             why[0] == '\0' ? "" : c->name, why[0] == '\0' ? "" : ": ", why);
    if (p != NULL)
        discovery_part_error(k->d, p, text);
}

/* Of two the one that stands first in the kubeconfig counts, whoever was faster. */
static void drop_later_twins(struct kubernetes *k, const struct context *c)
{
    for (const struct context *v = c->next; v != NULL; v = v->next) {
        struct discovery_part *p = discovery_part_of(k->d, v->part);
        if (!is_twin(v, c) || p == NULL || p->n == 0)
            continue;
        discovery_parts_gone(k->d, &v->part, 1);
        tell_twin(k, c);
        set_error(k, v, k->why);
    }
}

static int wrong_name(struct kubernetes *k, const char *name, const char *why)
{
    snprintf(k->why, sizeof k->why, "\"%.64s\": %.150s", name, why);
    return -1;
}

/* What the Corefile says comes before what an API does. */
static int set_dns(const struct kubernetes *k, struct arena *arena,
                   struct inventory_draft *d)
{
    const char *words = discovery_settings(k->d).access.dns;
    char why[INVENTORY_WRONG_MAX], word[ADDR_TEXT_MAX];
    if (words == NULL)
        return 0;
    d->dns = (struct addrs){0};
    while (*(words += strspn(words, " ")) != '\0') {
        size_t len = strcspn(words, " ");
        snprintf(word, sizeof word, "%.*s", (int)len, words);
        if (draft_dns(arena, d, word, why) < 0)
            return -1;
        words += len;
    }
    return 0;
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
    if (set_dns(k, arena, &facts->draft) < 0)
        return wrong_name(k, name, "its DNS has no room");
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

static int take_facts(struct kubernetes *k, struct context *c, struct letter *l)
{
    snprintf(c->uid, sizeof c->uid, "%s", l->facts.uid);
    const struct context *twin = find_twin(k, c);
    if (twin == NULL) {
        drop_later_twins(k, c);
        return put(k, c, &l->facts, &l->arena);
    }
    tell_twin(k, twin);
    return -1;
}

static void read_letter(struct kubernetes *k, struct context *c, struct letter *l)
{
    int rc = l->has_facts ? take_facts(k, c, l) : 0;
    const char *why = rc < 0 ? k->why : l->why[0] != '\0' ? l->why : l->facts.denied;
    if (l->has_facts || l->has_why)
        set_error(k, c, why);
    if (l->quiet)
        discovery_quiet(k->d);
    k->good += l->has_facts && rc == 0;
    letter_free(l);
}

/* ---- all of them ---- */

static struct letter *take_letter(struct context *c)
{
    pthread_mutex_lock(&c->k->lock);
    struct letter *l = c->letter;
    c->letter = NULL;
    pthread_mutex_unlock(&c->k->lock);
    return l;
}

/* Shortly after the start contexts wait for those in front of them. */
static bool is_time(struct kubernetes *k)
{
    bool all = true;
    if (clock_ms() >= k->grace_ms)
        return true;
    pthread_mutex_lock(&k->lock);
    for (const struct context *c = k->contexts; c != NULL; c = c->next)
        all &= c->name == NULL || c->letter != NULL;
    pthread_mutex_unlock(&k->lock);
    k->grace_ms = all ? 0 : k->grace_ms;
    return all;
}

static void read_letters(struct kubernetes *k)
{
    uint64_t before = k->d->changed;
    struct letter *l;
    bool any = false;
    eventfd_t times;
    eventfd_read(k->wake_fd, &times);
    if (!is_time(k))
        return;
    k->good = 0;
    for (struct context *c = k->contexts; c != NULL; c = c->next) {
        if ((l = take_letter(c)) == NULL)
            continue;
        any |= l->has_facts || l->has_why;
        read_letter(k, c, l);
    }
    if (k->good > 0)
        discovery_unstamped_gone(k->d, k->stamp);
    else if (any)
        discovery_report(k->d, "", before);
}

/* Nobody is told that there was a look before the first letters are read. */
static bool wait_for_letters(struct kubernetes *k)
{
    int64_t grace_ms = k->grace_ms - clock_ms();
    if (grace_ms <= 0)
        return discovery_wait(k->d, k->wake_fd, FILES_MS);
    struct pollfd list[] = {{.fd = discovery_stop_fd(k->d), .events = POLLIN},
                            {.fd = k->wake_fd, .events = POLLIN}};
    poll(list, 2, (int)grace_ms);
    return (list[0].revents & POLLIN) == 0;
}

static void release(struct kubernetes *k)
{
    stop_all(k);
    kubeconfig_free(k->config);
    while (k->contexts != NULL) {
        struct context *c = k->contexts;
        k->contexts = c->next;
        close(c->stop_fd);
        free(c);
    }
    pthread_mutex_destroy(&k->lock);
    if (k->wake_fd >= 0)
        close(k->wake_fd);
}

static void run(struct discovery *d)
{
    struct kubernetes k = {.d = d,
                           .word = discovery_settings(d).source + sizeof SCHEME - 1};
    bool on = true;
    pthread_mutex_init(&k.lock, NULL);
    k.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    while (on) {
        follow_config(&k);
        read_letters(&k);
        on = wait_for_letters(&k);
    }
    release(&k);
}

static bool is_single(const char *source)
{
    return strcmp(source, SCHEME "*") != 0;
}

const struct discovery_source discovery_kubernetes = {
    .name = "kubernetes", .scheme = SCHEME, .is_single = is_single, .run = run};
