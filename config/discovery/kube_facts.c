#include "config/discovery/kube_facts.h"

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

int kube_read_service(struct arena *a, const cJSON *object, struct kube_facts *f)
{
    const cJSON *spec = tree_get(object, "spec"), *meta = tree_get(object, "metadata");
    uint16_t port = dns_port(spec);
    if (!is_object(spec) || !is_object(meta))
        return -1;
    if (port == 0 || f->draft.dns.n > 0)
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

int kube_read_openshift(struct arena *a, const cJSON *object, struct kube_facts *f)
{
    char why[INVENTORY_WRONG_MAX];
    const cJSON *status = tree_get(object, "status"),
                *meta = tree_get(object, "metadata");
    const char *domain = tree_text_of(status, "clusterDomain");
    if (!is_object(meta))
        return -1;
    add_dns(a, f, tree_text_of(status, "clusterIP"), 53);
    if (domain[0] != '\0')
        draft_domain(a, &f->draft, domain, why);
    if (f->draft.dns.n == 0)
        return 0;
    snprintf(f->dns_service, sizeof f->dns_service, "DNS default of OpenShift");
    snprintf(f->uid, sizeof f->uid, "%.60s", tree_text_of(meta, "uid"));
    return 1;
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

int kube_read_service_cidr(struct arena *a, const cJSON *object, struct kube_facts *f)
{
    char why[INVENTORY_WRONG_MAX];
    int found = 0;
    if (!is_object(tree_get(object, "spec")))
        return -1;
    if (!is_ready(object))
        return 0;
    for (const cJSON *c = child(tree_get(object, "spec"), "cidrs"); c != NULL;
         c = c->next)
        found |= draft_services(a, &f->draft, word_of(c), why) == 0;
    return found;
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
    found |= read_list(a, f, tree_text_of(networking, "serviceSubnet"), draft_services);
    if (domain[0] != '\0')
        found |= draft_domain(a, &f->draft, domain, why) == 0;
    return found;
}

int kube_read_kubeadm(struct arena *a, const cJSON *object, struct kube_facts *f)
{
    struct errors errs;
    const char *yaml = tree_text_of(tree_get(object, "data"), "ClusterConfiguration");
    if (!is_object(object))
        return -1;
    if (yaml[0] == '\0')
        return 0;
    errors_init(&errs);
    cJSON *config = yaml_parse("kubeadm-config", text_of(yaml), &errs);
    int rc =
        config == NULL ? -1 : read_networking(a, tree_get(config, "networking"), f);
    tree_free(config);
    errors_release(&errs);
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

static bool may_stand_in_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == '.';
}

void kube_name_cluster(const char *context, char *out, size_t cap)
{
    const char *slash = strrchr(context, '/');
    size_t n = 0;
    if (slash != NULL && slash[1] != '\0')
        context = slash + 1;
    for (; *context != '\0' && n + 1 < cap; context++) {
        if (may_stand_in_name(*context))
            out[n++] = *context;
        else if (n > 0 && out[n - 1] != '-')
            out[n++] = '-';
    }
    out[n] = '\0';
}

/* ---- together ---- */

static int add_dns_of(struct arena *a, const struct kube_facts *from,
                      struct kube_facts *to)
{
    int rc = 0;
    for (uint32_t i = 0; i < from->draft.dns.n; i++)
        rc |= inventory_add_addr(a, &to->draft.dns, &from->draft.dns.list[i]);
    memcpy(to->dns_service, from->dns_service, sizeof to->dns_service);
    memcpy(to->uid, from->uid, sizeof to->uid);
    return rc;
}

static int add_subnets(struct arena *a, const struct subnets *from, struct subnets *to)
{
    int rc = 0;
    for (uint32_t i = 0; i < from->n; i++)
        rc |= inventory_add_cidr(a, to, &from->list[i]);
    return rc;
}

int kube_add_facts(struct arena *a, const struct kube_facts *from,
                   struct kube_facts *to)
{
    const struct inventory_draft *d = &from->draft;
    int rc = 0;
    if (to->draft.dns.n == 0 && d->dns.n > 0)
        rc |= add_dns_of(a, from, to);
    if (to->draft.services.n == 0)
        rc |= add_subnets(a, &d->services, &to->draft.services);
    if (to->draft.pods.n == 0)
        rc |= add_subnets(a, &d->pods, &to->draft.pods);
    if (to->draft.domain.len == 0)
        to->draft.domain = d->domain;
    return rc;
}
