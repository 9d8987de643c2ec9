#include "config/discovery/kube_facts.h"

#include "base/limits.h"
#include "config/inventory_draft.h"
#include "config/yaml.h"

#include <stdio.h>

/* ---- trees ---- */

static const cJSON *child(const cJSON *object, const char *key)
{
    const cJSON *value = tree_get(object, key);
    return value == NULL ? NULL : value->child;
}

static const char *word_of(const cJSON *value)
{
    return (value->type & 0xff) == cJSON_String ? value->valuestring : "";
}

static bool is_object(const cJSON *value)
{
    return value != NULL && (value->type & 0xff) == cJSON_Object;
}

static bool is_array(const cJSON *value)
{
    return value != NULL && (value->type & 0xff) == cJSON_Array;
}

/* ---- the DNS Service ---- */

/* Its port for DNS over UDP; 0: it has none, and is another Service of the kind. */
static uint16_t dns_port(const cJSON *spec)
{
    uint16_t found = 0;
    for (const cJSON *p = child(spec, "ports"); p != NULL; p = p->next) {
        double port = tree_number_of(p, "port");
        bool udp = strcmp(tree_text_of(p, "protocol"), "UDP") == 0;
        if (udp && port >= 1 && port <= 65535 && (found == 0 || port <= 53))
            found = (uint16_t)port;
    }
    return found;
}

static void add_dns(struct arena *a, struct kube_facts *f, const char *ip,
                    uint16_t port)
{
    struct addr addr;
    if (addr_parse_ip(&addr, text_of(ip)) < 0)
        return; /* "None": a headless Service */
    addr.port = port;
    for (uint32_t i = 0; i < f->draft.dns.n; i++) {
        if (addr_equal(&f->draft.dns.list[i], &addr))
            return;
    }
    inventory_add_addr(a, &f->draft.dns, &addr);
}

static int read_service(struct arena *a, const cJSON *object, struct kube_facts *f)
{
    const cJSON *spec = tree_get(object, "spec"), *meta = tree_get(object, "metadata");
    uint16_t port = dns_port(spec);
    if (!is_object(spec) || !is_object(meta))
        return -1;
    if (port == 0)
        return 0;
    for (const cJSON *ip = child(spec, "clusterIPs"); ip != NULL; ip = ip->next)
        add_dns(a, f, word_of(ip), port);
    if (f->draft.dns.n == 0)
        add_dns(a, f, tree_text_of(spec, "clusterIP"), port);
    if (f->draft.dns.n == 0)
        return 0;
    snprintf(f->dns_service, sizeof f->dns_service, "Service %.64s",
             tree_text_of(meta, "name"));
    snprintf(f->uid, sizeof f->uid, "%.60s", tree_text_of(meta, "uid"));
    return 1;
}

int kube_read_service(struct arena *a, struct text text, struct kube_facts *f)
{
    cJSON *tree = tree_parse(text.at, text.len);
    int rc = read_service(a, tree, f);
    tree_free(tree);
    return rc;
}

int kube_read_services(struct arena *a, struct text text, struct kube_facts *f)
{
    cJSON *tree = tree_parse(text.at, text.len);
    const cJSON *items = tree_get(tree, "items");
    int rc = is_array(items) ? 0 : -1;
    for (const cJSON *v = rc < 0 ? NULL : items->child; v != NULL && rc == 0;
         v = v->next)
        rc = read_service(a, v, f);
    tree_free(tree);
    return rc;
}

int kube_read_openshift(struct arena *a, struct text text, struct kube_facts *f)
{
    char why[INVENTORY_WRONG_MAX];
    cJSON *tree = tree_parse(text.at, text.len);
    const cJSON *status = tree_get(tree, "status");
    const char *domain = tree_text_of(status, "clusterDomain");
    int rc = is_object(tree) && is_object(tree_get(tree, "metadata")) ? 0 : -1;
    if (rc == 0 && status != NULL) {
        add_dns(a, f, tree_text_of(status, "clusterIP"), 53);
        if (domain[0] != '\0')
            draft_domain(a, &f->draft, domain, why);
        rc = f->draft.dns.n > 0;
    }
    if (rc == 1) {
        snprintf(f->dns_service, sizeof f->dns_service, "DNS default of OpenShift");
        snprintf(f->uid, sizeof f->uid, "%.60s",
                 tree_text_of(tree_get(tree, "metadata"), "uid"));
    }
    tree_free(tree);
    return rc;
}

/* ---- subnets ---- */

static bool is_ready(const cJSON *object)
{
    const cJSON *status = tree_get(object, "status");
    for (const cJSON *c = child(status, "conditions"); c != NULL; c = c->next) {
        if (strcmp(tree_text_of(c, "type"), "Ready") == 0)
            return strcmp(tree_text_of(c, "status"), "True") == 0;
    }
    return false;
}

int kube_read_service_cidrs(struct arena *a, struct text text, struct kube_facts *f)
{
    char why[INVENTORY_WRONG_MAX];
    cJSON *tree = tree_parse(text.at, text.len);
    const cJSON *items = tree_get(tree, "items");
    int rc = is_array(items) ? 0 : -1;
    for (const cJSON *v = rc < 0 ? NULL : items->child; v != NULL; v = v->next) {
        if (!is_ready(v))
            continue;
        for (const cJSON *c = child(tree_get(v, "spec"), "cidrs"); c != NULL;
             c = c->next)
            rc |= draft_services(a, &f->draft, word_of(c), why) == 0;
    }
    tree_free(tree);
    return rc;
}

typedef int draft_word(struct arena *, struct inventory_draft *, const char *, char *);

/* Subnets with commas between them. */
static int read_list(struct arena *a, struct kube_facts *f, const char *words,
                     draft_word *draft)
{
    char word[64], why[INVENTORY_WRONG_MAX];
    int found = 0;
    while (*(words += strspn(words, ", ")) != '\0') {
        size_t len = strcspn(words, ", ");
        snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : 0), words);
        found |= draft(a, &f->draft, word, why) == 0;
        words += len;
    }
    return found;
}

static int read_networking(struct arena *a, const cJSON *networking,
                           struct kube_facts *f)
{
    char why[INVENTORY_WRONG_MAX];
    const char *domain = tree_text_of(networking, "dnsDomain");
    int found = read_list(a, f, tree_text_of(networking, "podSubnet"), draft_pods);
    if (f->draft.services.n == 0)
        found |=
            read_list(a, f, tree_text_of(networking, "serviceSubnet"), draft_services);
    if (domain[0] != '\0' && f->draft.domain.len == 0)
        found |= draft_domain(a, &f->draft, domain, why) == 0;
    return found;
}

int kube_read_kubeadm(struct arena *a, struct text text, struct kube_facts *f)
{
    struct errors errs;
    cJSON *tree = tree_parse(text.at, text.len);
    const cJSON *data = tree_get(tree, "data");
    const char *yaml = tree_text_of(data, "ClusterConfiguration");
    int rc = is_object(tree) ? 0 : -1;
    errors_init(&errs);
    if (yaml[0] != '\0') {
        cJSON *config = yaml_parse("kubeadm-config", text_of(yaml), &errs);
        rc =
            config == NULL ? -1 : read_networking(a, tree_get(config, "networking"), f);
        tree_free(config);
    }
    errors_release(&errs);
    tree_free(tree);
    return rc;
}

int kube_read_node(struct text text, char *address, size_t cap)
{
    cJSON *tree = tree_parse(text.at, text.len);
    address[0] = '\0';
    for (const cJSON *v = child(tree, "items"); v != NULL; v = v->next) {
        const cJSON *list = child(tree_get(v, "status"), "addresses");
        for (; list != NULL && address[0] == '\0'; list = list->next) {
            if (strcmp(tree_text_of(list, "type"), "InternalIP") == 0)
                snprintf(address, cap, "%s", tree_text_of(list, "address"));
        }
    }
    tree_free(tree);
    return address[0] == '\0' ? -1 : 0;
}

/* ---- Cluster API ---- */

static int read_blocks(struct arena *a, const cJSON *blocks, struct inventory_draft *d,
                       draft_word *draft, char *why)
{
    const cJSON *list = child(blocks, "cidrBlocks");
    for (; list != NULL; list = list->next) {
        if (draft(a, d, word_of(list), why) < 0)
            return -1;
    }
    return 0;
}

int kube_draft_capi(struct arena *a, const cJSON *object, struct inventory_draft *d,
                    char *why)
{
    const cJSON *network = tree_get(tree_get(object, "spec"), "clusterNetwork");
    const char *domain = tree_text_of(network, "serviceDomain");
    if (draft_name(a, d, tree_text_of(tree_get(object, "metadata"), "name"), why) < 0 ||
        read_blocks(a, tree_get(network, "services"), d, draft_services, why) < 0 ||
        read_blocks(a, tree_get(network, "pods"), d, draft_pods, why) < 0 ||
        (domain[0] != '\0' && draft_domain(a, d, domain, why) < 0))
        return -1;
    return draft_check(d, why);
}

/* ---- names ---- */

void kube_name_cluster(const char *context, char *out, size_t cap)
{
    const char *slash = strrchr(context, '/');
    size_t n = 0;
    if (slash != NULL && slash[1] != '\0')
        context = slash + 1;
    for (; *context != '\0' && n + 1 < cap; context++) {
        char c = *context;
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        if (good)
            out[n++] = c;
        else if (n > 0 && out[n - 1] != '-')
            out[n++] = '-';
    }
    out[n] = '\0';
}

/* ---- all of it ---- */

#define KUBE_SYSTEM "/api/v1/namespaces/kube-system/"

typedef int read_object(struct arena *a, struct text text, struct kube_facts *f);

struct asking {
    struct kube_api *api;
    struct arena *arena;
    struct kube_facts *facts;
    char *why;
};

/* 1: found; 0: it is not there, not allowed, or of no use; -1: in doubt. */
static int ask(struct asking *q, const char *path, read_object *read)
{
    struct http_request get = {
        .url = path, .most = KUBE_OBJECT_MAX * 8, .patience_s = HTTP_PATIENCE_S};
    struct http_reply reply;
    struct kube_facts *f = q->facts;
    int rc = kube_api_do(q->api, &get, &reply);
    if (rc == 0 && reply.status == 200) {
        struct text text = {.at = reply.body, .len = reply.len};
        rc = read(q->arena, text, f);
        if (rc < 0)
            snprintf(reply.why, sizeof reply.why,
                     "no such object as expected at %.150s", path);
    } else if (rc == 0 && reply.status == 403) {
        if (f->denied[0] == '\0')
            snprintf(f->denied, sizeof f->denied, "%s", reply.why);
    } else if (rc == 0 && reply.status != 404) {
        rc = -1;
    }
    if (rc < 0) {
        snprintf(q->why, HTTP_WHY_MAX, "%s", reply.why);
        f->retry_after_s = reply.retry_after_s;
    }
    http_reply_release(&reply);
    return rc;
}

/* The first of these that finds something; the rest is not asked. */
static int ask_first(struct asking *q, const char *const *paths,
                     read_object *const *reads)
{
    int rc = 0;
    for (unsigned i = 0; rc == 0 && paths[i] != NULL; i++)
        rc = ask(q, paths[i], reads[i]);
    return rc;
}

int kube_ask(struct kube_api *api, struct arena *a, struct kube_facts *out, char *why)
{
    static const char *const dns_paths[] = {
        KUBE_SYSTEM "services/kube-dns",
        KUBE_SYSTEM "services?labelSelector=k8s-app%3Dkube-dns",
        "/apis/operator.openshift.io/v1/dnses/default", NULL};
    static read_object *const dns_reads[] = {kube_read_service, kube_read_services,
                                             kube_read_openshift};
    static const char *const cidr_paths[] = {
        "/apis/networking.k8s.io/v1/servicecidrs",
        "/apis/networking.k8s.io/v1beta1/servicecidrs", NULL};
    static read_object *const cidr_reads[] = {kube_read_service_cidrs,
                                              kube_read_service_cidrs};
    struct asking q = {.api = api, .arena = a, .facts = out, .why = why};
    *out = (struct kube_facts){0};
    return ask_first(&q, dns_paths, dns_reads) < 0 ||
                   ask_first(&q, cidr_paths, cidr_reads) < 0 ||
                   ask(&q, KUBE_SYSTEM "configmaps/kubeadm-config", kube_read_kubeadm) <
                       0
               ? -1
               : 0;
}
