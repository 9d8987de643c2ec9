#include "server/discover_kube.h"

#include "base/hash.h"
#include "base/json_out.h"
#include "base/limits.h"
#include "config/discovery/kube_follow.h"
#include "server/command.h"
#include "server/discover_files.h"
#include "server/ladder_words.h"
#include "server/ladders.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define ASK_AT_ONCE 16 /* APIs */

struct found {
    struct arena arena; /* of its facts */
    char name[256], zone[NAME_TEXT_MAX];
    const char *context;
    struct kube_facts facts;
    char node[64];          /* where a route could lead; "": not known */
    char why[HTTP_WHY_MAX]; /* "": it was found */
    const struct found *twin;
    struct ladder_question question;
    struct ladder_result result;
};

struct discover {
    struct kubeconfig *config;
    struct discovery_access access;
    struct found *list;
    uint32_t n;
    _Atomic uint32_t next; /* to be asked */
    const char *out;       /* a folder for files of an inventory; NULL: none */
    bool force;
    bool json;
};

/* ---- the APIs ---- */

static void find_node(struct kube_api *api, struct found *f)
{
    struct http_request get = {.url = "/api/v1/nodes?limit=1",
                               .most = KUBE_OBJECT_MAX,
                               .patience_s = HTTP_PATIENCE_S};
    struct http_reply reply;
    if (kube_api_do(api, &get, &reply) == 0 && reply.status == 200)
        kube_read_node((struct text){.at = reply.body, .len = reply.len}, f->node,
                       sizeof f->node);
    http_reply_release(&reply);
}

static int ask_facts(struct kube_api *api, struct found *f)
{
    struct kube_follow *follow = kube_follow_new(api);
    int rc = -1;
    if (follow == NULL)
        snprintf(f->why, sizeof f->why, "out of memory");
    else
        rc = kube_follow_ask(follow, &f->arena, &f->facts, f->why);
    kube_follow_free(follow);
    return rc;
}

static void ask_api(struct discover *d, struct found *f)
{
    struct kube_api *api = kube_api_open(d->config, f->context, &d->access, -1, f->why);
    if (api != NULL && ask_facts(api, f) == 0) {
        if (f->facts.draft.dns.n == 0 && f->facts.draft.services.n == 0)
            snprintf(f->why, sizeof f->why,
                     "no DNS Service, no ServiceCIDR and no kubeadm-config%s%.180s",
                     f->facts.denied[0] == '\0' ? "" : "; ", f->facts.denied);
        find_node(api, f);
    }
    kube_api_free(api);
}

/* One of the threads: whichever context is next. */
static void *ask_some(void *context)
{
    struct discover *d = context;
    uint32_t i;
    while ((i = atomic_fetch_add(&d->next, 1)) < d->n) {
        if (d->list[i].why[0] == '\0')
            ask_api(d, &d->list[i]);
    }
    return NULL;
}

/* Those that are away hold up no other. */
static void ask_apis(struct discover *d)
{
    pthread_t threads[ASK_AT_ONCE];
    unsigned n = 0;
    while (n < ASK_AT_ONCE && n + 1 < d->n &&
           pthread_create(&threads[n], NULL, ask_some, d) == 0)
        n++;
    ask_some(d);
    while (n > 0)
        pthread_join(threads[--n], NULL);
}

static const struct found *find_twin(const struct discover *d, const struct found *f)
{
    for (const struct found *v = d->list; v < f; v++) {
        if (f->facts.uid[0] != '\0' && strcmp(v->facts.uid, f->facts.uid) == 0)
            return v;
    }
    return NULL;
}

static bool is_usable(const struct found *f)
{
    return f->why[0] == '\0' && f->twin == NULL;
}

/* ---- their DNS ---- */

static void prepare(struct found *f)
{
    const struct inventory_draft *draft = &f->facts.draft;
    struct ladder_question *q = &f->question;
    *q = (struct ladder_question){.has_services = draft->services.n > 0,
                                  .domain = draft->domain,
                                  .dns_only = true};
    if (q->has_services)
        q->services = draft->services.list[0];
    if (draft->dns.n > 0)
        q->dns = draft->dns.list[0];
    else if (cidr_nth(&q->services, 10, &q->dns) < 0)
        snprintf(f->why, sizeof f->why, "its Service subnet has no tenth address");
    if (q->dns.port == 0)
        q->dns.port = 53;
}

static int ask_dns(struct discover *d)
{
    struct ladder_question *questions = calloc(d->n + 1, sizeof *questions);
    struct ladder_result *results = calloc(d->n + 1, sizeof *results);
    struct terminal_progress progress = {0};
    uint32_t n = 0;
    for (uint32_t i = 0; questions != NULL && i < d->n; i++) {
        if (is_usable(&d->list[i]))
            prepare(&d->list[i]);
        if (is_usable(&d->list[i]))
            questions[n++] = d->list[i].question;
    }
    struct ladders all = {
        .questions = questions, .results = results, .n = n, .progress = &progress};
    int rc = questions == NULL || results == NULL ? -1 : 0;
    if (rc == 0 && n > 0)
        rc = ladders_run(&all);
    for (uint32_t i = 0, at = 0; rc == 0 && i < d->n; i++) {
        if (is_usable(&d->list[i]))
            d->list[i].result = results[at++];
    }
    free(questions);
    free(results);
    return rc;
}

/* ---- words ---- */

static const char *print_subnets(const struct subnets *s, char *out, size_t cap)
{
    char text[ADDR_TEXT_MAX];
    size_t len = 0;
    out[0] = '\0';
    for (uint32_t i = 0; i < s->n && len < cap; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i == 0 ? "" : ",",
                                cidr_print(&s->list[i], text));
    return out;
}

static const char *print_domain(const struct found *f, char *out)
{
    const struct name *n =
        f->result.domain.len > 0 ? &f->result.domain : &f->facts.draft.domain;
    size_t len = n->len > 0 ? name_print(n->wire, out) : 0;
    out[len > 1 ? len - 1 : len] = '\0';
    return len > 0 ? out : "-";
}

static bool is_away(const struct found *f)
{
    return f->result.state == LADDER_NO_ROUTE || f->result.state == LADDER_DOWN ||
           f->result.state == LADDER_FILTERED;
}

static void print_found(const struct found *f)
{
    char services[1024], domain[NAME_TEXT_MAX], dns[ADDR_TEXT_MAX];
    const struct inventory_draft *draft = &f->facts.draft;
    printf("%s  zone %s  domain %s  services %s  dns %s  (%s)  %s\n", f->name, f->zone,
           print_domain(f, domain),
           draft->services.n == 0
               ? "-"
               : print_subnets(&draft->services, services, sizeof services),
           addr_print_ip(&f->question.dns, dns),
           f->facts.dns_service[0] == '\0' ? "by the rule" : f->facts.dns_service,
           is_away(f) ? "NOT ROUTED" : ladder_state_print(f->result.state));
    for (uint32_t i = 0; is_away(f) && i < draft->services.n; i++)
        printf("        sudo ip route add %s via %s\n",
               cidr_print(&draft->services.list[i], dns),
               f->node[0] == '\0' ? "ADDRESS-OF-A-NODE" : f->node);
    if (f->facts.denied[0] != '\0')
        printf("        %s\n", f->facts.denied);
}

static void print_one(const struct discover *d, const struct found *f)
{
    FILE *out = d->json ? stderr : stdout;
    if (f->twin != NULL)
        fprintf(out, "%s  the same cluster as %s\n", f->context, f->twin->context);
    else if (f->why[0] != '\0')
        fprintf(out, "%s  NOT FOUND  %s\n", f->context, f->why);
    else if (!d->json)
        print_found(f);
}

static void json_words(struct json_out *j, const char *key, const struct subnets *s)
{
    char text[ADDR_TEXT_MAX];
    if (s->n == 0)
        return;
    json_open(j, key, '[');
    for (uint32_t i = 0; i < s->n; i++)
        json_text(j, NULL, cidr_print(&s->list[i], text));
    json_close(j, ']');
}

static void json_found(struct json_out *j, const struct found *f)
{
    char text[NAME_TEXT_MAX];
    const struct inventory_draft *draft = &f->facts.draft;
    json_open(j, NULL, '{');
    json_text(j, "name", f->name);
    json_open(j, "zones", '[');
    json_text(j, NULL, f->zone);
    json_close(j, ']');
    if (strcmp(print_domain(f, text), "-") != 0)
        json_text(j, "domain", print_domain(f, text));
    json_words(j, "services", &draft->services);
    json_words(j, "pods", &draft->pods);
    json_open(j, "dns", '[');
    for (uint32_t i = 0; i < draft->dns.n; i++)
        json_text(j, NULL, addr_print(&draft->dns.list[i], text));
    if (draft->dns.n == 0)
        json_text(j, NULL, addr_print(&f->question.dns, text));
    json_close(j, ']');
    json_close(j, '}');
}

static int print_json(const struct discover *d)
{
    struct json_out j = {0};
    json_open(&j, NULL, '{');
    json_open(&j, "clusters", '[');
    for (uint32_t i = 0; i < d->n; i++) {
        if (is_usable(&d->list[i]))
            json_found(&j, &d->list[i]);
    }
    json_close(&j, ']');
    json_close(&j, '}');
    return json_end(&j, stdout);
}

static int add_file(struct discover_files *files, const struct found *f)
{
    struct json_out j = {0};
    json_found(&j, f);
    sheet_text(&j.sheet, "\n");
    return discover_files_add(files, f->name, sheet_take(&j.sheet, NULL));
}

static int write_files(const struct discover *d)
{
    struct discover_files files = {.directory = d->out, .force = d->force};
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < d->n; i++) {
        if (is_usable(&d->list[i]))
            rc = add_file(&files, &d->list[i]);
    }
    return discover_files_finish(&files, rc);
}

/* ---- overlaps ---- */

static bool tell_overlap(const struct found *a, const struct found *b)
{
    static const char mend[] =
        "routes cannot tell them apart. Recreate one with networking.serviceSubnet of its "
        "own (kind; kubeadm: --service-cidr).";
    const struct subnets *s = &a->facts.draft.services, *t = &b->facts.draft.services;
    char one[ADDR_TEXT_MAX], two[ADDR_TEXT_MAX];
    for (uint32_t i = 0; i < s->n * t->n; i++) {
        const struct cidr *c = &s->list[i / t->n], *e = &t->list[i % t->n];
        if (!cidr_overlap(c, e))
            continue;
        cidr_print(c, one);
        cidr_print(e, two);
        if (cidr_equal(c, e))
            fprintf(stderr, "%s and %s both use Services %s: %s\n", a->name, b->name,
                    one, mend);
        else
            fprintf(stderr, "Services %s of %s and %s of %s overlap: %s\n", one,
                    a->name, two, b->name, mend);
        return true;
    }
    return false;
}

static uint32_t tell_overlaps(const struct discover *d)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        for (uint32_t k = 0; k < i && is_usable(&d->list[i]); k++) {
            if (is_usable(&d->list[k]))
                n += tell_overlap(&d->list[k], &d->list[i]);
        }
    }
    return n;
}

/* ---- the command ---- */

static int open_contexts(struct discover *d, const char *context, const char *parent)
{
    while (kubeconfig_name(d->config, d->n) != NULL)
        d->n++;
    d->n = context == NULL ? d->n : 1;
    d->list = calloc(d->n + 1, sizeof *d->list);
    if (d->list == NULL)
        return -1;
    for (uint32_t i = 0; i < d->n; i++) {
        struct found *f = &d->list[i];
        arena_init(&f->arena, NULL, 0);
        f->context = context == NULL ? kubeconfig_name(d->config, i) : context;
        kube_name_cluster(f->context, f->name, sizeof f->name);
        int len = snprintf(f->zone, sizeof f->zone, "%s.%s", f->name, parent);
        if (f->name[0] == '\0' || len >= (int)sizeof f->zone)
            snprintf(f->why, sizeof f->why, "its name makes no zone");
    }
    return 0;
}

static int report(struct discover *d)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        found += d->list[i].why[0] == '\0';
        print_one(d, &d->list[i]);
    }
    if (d->json && print_json(d) < 0)
        return 1;
    if (tell_overlaps(d) > 0)
        return 2;
    if (d->out != NULL && write_files(d) < 0)
        return 1;
    return d->n > 0 && found == d->n ? 0 : 1;
}

static int run(struct discover *d, const struct command_line *l)
{
    struct errors errs;
    const char *parent = command_value(l, "parent");
    errors_init(&errs);
    d->config = hash_seed() < 0 ? NULL : kube_config(&d->access, &errs);
    errors_print(&errs, stderr);
    errors_release(&errs);
    if (d->config == NULL)
        return 1;
    if (open_contexts(d, command_value(l, "context"), parent == NULL ? "lan" : parent) <
        0)
        return 1;
    ask_apis(d);
    for (uint32_t i = 0; i < d->n; i++)
        d->list[i].twin = find_twin(d, &d->list[i]);
    if (ask_dns(d) == 0)
        return report(d);
    fputs("isthmus discover: out of memory or of sockets\n", stderr);
    return 1;
}

int discover_kube(const struct command_line *l)
{
    struct discover d = {.json = command_given(l, "json"),
                         .out = command_value(l, "out"),
                         .force = command_given(l, "force"),
                         .access = {.kubeconfig = command_value(l, "kubeconfig"),
                                    .exec = command_given(l, "exec"),
                                    .insecure = command_given(l, "insecure")}};
    int status = run(&d, l);
    for (uint32_t i = 0; d.list != NULL && i < d.n; i++)
        arena_release(&d.list[i].arena);
    free(d.list);
    kubeconfig_free(d.config);
    return status;
}
