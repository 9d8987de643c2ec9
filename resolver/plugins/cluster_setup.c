#include "resolver/plugins/cluster_setup.h"

#include "base/limits.h"
#include "base/log.h"
#include "resolver/plan.h"
#include "resolver/plugins/cluster_pods.h"

/* ---- options ---- */

static int grow(struct arena *a, void **list, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return 0;
    uint32_t wanted = *cap == 0 ? 2 : *cap * 2;
    void *bigger = arena_array(a, wanted, size);
    if (bigger == NULL)
        return -1;
    if (n > 0)
        memcpy(bigger, *list, n * size);
    *list = bigger;
    *cap = wanted;
    return 0;
}

static int add_subnet(struct reader *rd, const char *word, struct subnets *to)
{
    struct cidr c;
    bool host_bits;
    char text[ADDR_TEXT_MAX];
    if (cidr_parse(&c, text_of(word), &host_bits) < 0)
        return reader_error(rd,
                            "'%s' is no subnet: expected ADDRESS/LENGTH, such as "
                            "10.97.0.0/16 or fd00:97::/112",
                            word);
    if (host_bits)
        return reader_error(rd, "'%s' has bits set behind its prefix: did you mean %s?",
                            word, cidr_print(&c, text));
    void *list = to->list;
    if (grow(rd->arena, &list, to->n, &to->cap, sizeof *to->list) < 0)
        return reader_error(rd, "out of memory");
    to->list = list;
    to->list[to->n++] = c;
    return 0;
}

static int parse_subnets(struct reader *rd, struct subnets *to)
{
    const char *word;
    uint32_t n = 0;
    while (reader_arg(rd, &word)) {
        if (add_subnet(rd, word, to) < 0)
            return -1;
        n++;
    }
    return n > 0 ? 0 : reader_error_args(rd);
}

static int parse_services(struct reader *rd, void *state)
{
    return parse_subnets(rd, &((struct cluster *)state)->services);
}

static int parse_pods(struct reader *rd, void *state)
{
    return parse_subnets(rd, &((struct cluster *)state)->pods);
}

static int parse_dns(struct reader *rd, void *state)
{
    struct cluster *c = state;
    const char *word;
    uint32_t before = c->dns_n;
    while (reader_arg(rd, &word)) {
        struct addr addr;
        if (addr_parse(&addr, text_of(word), 53) < 0 || addr.port == 0)
            return reader_error(rd,
                                "'%s' is no address: expected ADDRESS, ADDRESS:PORT "
                                "or [V6]:PORT",
                                word);
        void *list = c->dns;
        if (grow(rd->arena, &list, c->dns_n, &c->dns_cap, sizeof *c->dns) < 0)
            return reader_error(rd, "out of memory");
        c->dns = list;
        c->dns[c->dns_n++] = addr;
    }
    return c->dns_n > before ? 0 : reader_error_args(rd);
}

static int parse_domain(struct reader *rd, void *state)
{
    struct cluster *c = state;
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    if (name_parse(&c->domain, text_of(word)) < 0 || c->domain.len < 2)
        return reader_error(rd,
                            "'%s' is no domain name: expected the cluster's own "
                            "domain, such as cluster.local",
                            word);
    name_lower(c->domain.wire, c->domain.wire, c->domain.len);
    return 0;
}

#define FIELD(name) offsetof(struct cluster, name)
#define SECONDS     INT64_C(1000000)

const struct option cluster_options[CLUSTER_OPTIONS_N] = {
    {.name = "services",
     .kind = OPTION_CUSTOM,
     .parse = parse_services,
     .args = "CIDR...",
     .help = "Service subnets; the cluster's DNS is the 10th address of each"},
    {.name = "pods",
     .kind = OPTION_CUSTOM,
     .parse = parse_pods,
     .args = "CIDR...",
     .help = "Pod subnets, for reverse names only"},
    {.name = "index",
     .kind = OPTION_U32,
     .offset = FIELD(index),
     .min = 1,
     .max = UINT32_MAX,
     .args = "N",
     .fallback = "10",
     .help = "which address of a Service subnet is the DNS"},
    {.name = "port",
     .kind = OPTION_U32,
     .offset = FIELD(port),
     .min = 1,
     .max = 65535,
     .args = "N",
     .fallback = "53",
     .help = "port of addresses made by the rule"},
    {.name = "dns",
     .kind = OPTION_CUSTOM,
     .parse = parse_dns,
     .args = "ADDRESS[:PORT]...",
     .help = "the cluster's DNS addresses, instead of the rule"},
    {.name = "domain",
     .kind = OPTION_CUSTOM,
     .parse = parse_domain,
     .args = "NAME",
     .fallback = "cluster.local",
     .help = "the cluster's own domain; equal to the zone: nothing is renamed"},
    {.name = "pod_names",
     .kind = OPTION_WORD,
     .offset = FIELD(pod_names),
     .words = cluster_pod_names_words,
     .args = "off|in-subnet|any",
     .fallback = "in-subnet",
     .help =
         "which names of Pods by address exist (10-244-0-9.web.pod.ZONE): none, those "
         "of the Pod subnets if there are any, or all that the cluster knows"},
    {.name = "policy",
     .kind = OPTION_WORD,
     .offset = FIELD(group.policy),
     .words = upstream_policy_words,
     .args = "random|round_robin|sequential",
     .fallback = "sequential",
     .help = "order in which several addresses are asked"},
    {.name = "force_tcp",
     .kind = OPTION_FLAG,
     .offset = FIELD(group.force_tcp),
     .help = "ask over TCP always"},
    {.name = "prefer_udp",
     .kind = OPTION_FLAG,
     .offset = FIELD(group.prefer_udp),
     .help = "ask over UDP also for clients that came over TCP"},
    {.name = "max_fails",
     .kind = OPTION_U32,
     .offset = FIELD(group.max_fails),
     .min = 0,
     .max = UINT32_MAX,
     .args = "N",
     .fallback = "3",
     .help = "failures in a row after which an address is down; 0: never"},
    {.name = "health_check",
     .kind = OPTION_DURATION,
     .offset = FIELD(group.probe.interval_us),
     .min = SECONDS / 10,
     .max = 3600 * SECONDS,
     .args = "DURATION",
     .fallback = "5s",
     .help = "time between probes of an address in use"},
    {.name = "max_concurrent",
     .kind = OPTION_U32,
     .offset = FIELD(group.max_concurrent),
     .min = 0,
     .max = UINT32_MAX,
     .args = "N",
     .fallback = "4096",
     .help = "questions in flight to this cluster; 0: no limit"},
    {.name = "timeout",
     .kind = OPTION_DURATION,
     .offset = FIELD(group.deadline_us),
     .min = SECONDS / 20,
     .max = 10 * SECONDS,
     .args = "DURATION",
     .fallback = "1.8s",
     .help = "time for one question, all retries included"},
};

/* ---- one cluster ---- */

static struct cluster *new_cluster(struct reader *rd)
{
    static const uint8_t probe[] = "\13dns-version";
    struct cluster *c = arena_alloc(rd->arena, sizeof *c);
    if (c == NULL || name_parse(&c->domain, TEXT("cluster.local")) < 0)
        return NULL;
    c->at = reader_token(rd)->at;
    c->index = 10;
    c->port = 53;
    c->pod_names = POD_NAMES_IN_SUBNET;
    c->group = (struct upstream_group){
        .policy = POLICY_SEQUENTIAL,
        .max_fails = 3,
        .max_concurrent = CLUSTER_IN_FLIGHT,
        .deadline_us = 18 * SECONDS / 10,
        .attempt_us = SECONDS,
        .expire_us = 10 * SECONDS,
        .probe = {.interval_us = 5 * SECONDS,
                  .type = DNS_TXT,
                  .recursion_desired = false},
        .failover = UINT64_C(1) << DNS_SERVFAIL | UINT64_C(1) << DNS_REFUSED,
        .cluster = true,
    };
    memcpy(c->group.probe.name.wire, probe, sizeof probe - 1);
    return c;
}

static int add_argument(struct reader *rd, struct cluster *c, const char *word)
{
    struct addr addr;
    if (strchr(word, '/') != NULL)
        return add_subnet(rd, word, &c->services);
    if (addr_parse_ip(&addr, text_of(word)) == 0)
        return reader_error(rd,
                            "'%s' is an address: expected a zone or the Service "
                            "subnet with its length, such as %s/16; a DNS address "
                            "goes into `dns %s`",
                            word, word, word);
    uint32_t before = c->zones.n;
    int added = zones_add(rd->arena, &c->zones, word);
    if (added < 0)
        return reader_error(rd, "out of memory");
    if (added > 0 || c->zones.n != before + 1 || c->zones.list[before].len < 2)
        return reader_error(rd,
                            "'%s' is no zone: expected a domain name, such as "
                            "cluster-b.local",
                            word);
    return 0;
}

static int read_cluster(struct reader *rd, struct cluster *c)
{
    const char *word;
    while (reader_arg(rd, &word)) {
        if (add_argument(rd, c, word) < 0)
            return -1;
    }
    if (reader_options(rd, cluster_options, CLUSTER_OPTIONS_N, c) < 0)
        return -1;
    struct errors *errs = rd->errs;
    if (c->zones.n == 0)
        return error_at(errs, c->at,
                        "plugin/cluster: no zone: expected `cluster ZONE "
                        "SERVICE-CIDR`, such as `cluster cluster-b.local "
                        "10.97.0.0/16`");
    char text[NAME_TEXT_MAX];
    size_t len = name_print(c->zones.list[0].wire, text);
    c->label = arena_text(rd->arena, (struct text){.at = text, .len = len - 1});
    if (c->label == NULL)
        return error_at(errs, c->at, "out of memory");
    if (c->services.n == 0 && c->dns_n == 0)
        return error_at(errs, c->at,
                        "plugin/cluster: %s has no DNS address: give its "
                        "Service subnet (`cluster %s 10.97.0.0/16`) or `dns "
                        "ADDRESS`",
                        c->label, c->label);
    return 0;
}

/* ---- its DNS addresses ---- */

static int add_dns(struct setup *s, struct cluster *c, const struct addr *addr)
{
    for (uint32_t i = 0; i < c->group.n; i++) {
        if (addr_equal(&c->group.list[i]->endpoint.addr, addr))
            return 0;
    }
    struct endpoint e = {.addr = *addr, .idle_us = c->group.expire_us};
    char domain[NAME_TEXT_MAX];
    name_print(c->domain.wire, domain);
    struct upstream *up =
        upstream_claim(s->registry, &e, TRANSPORT_UDP, text_of(domain));
    if (up == NULL)
        return error_at(s->errs, c->at, "out of memory");
    c->group.list[c->group.n++] = up;
    return 0;
}

/* The n-th address of each Service subnet; those of the first one's family come first.
 */
static int add_ruled(struct setup *s, struct cluster *c)
{
    uint8_t first = c->services.list[0].family;
    for (unsigned round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < c->services.n; i++) {
            const struct cidr *range = &c->services.list[i];
            struct addr addr;
            char text[ADDR_TEXT_MAX];
            if ((range->family == first) != (round == 0))
                continue;
            if (cidr_nth(range, c->index, &addr) < 0)
                return error_at(
                    s->errs, c->at,
                    "plugin/cluster: address %u of %s, the DNS of %s by rule, "
                    "lies outside the subnet: give `dns ADDRESS`, or another "
                    "`index`",
                    c->index, cidr_print(range, text), c->label);
            addr.port = (uint16_t)c->port;
            if (add_dns(s, c, &addr) < 0)
                return -1;
        }
    }
    return 0;
}

static int add_addresses(struct setup *s, struct cluster *c)
{
    if (c->dns_n == 0)
        return add_ruled(s, c);
    for (uint32_t i = 0; i < c->dns_n; i++) {
        if (add_dns(s, c, &c->dns[i]) < 0)
            return -1;
    }
    return 0;
}

/* What workers count together is the cluster's: another block may give the same zone to
 * another cluster. An upstream is one object as long as anybody has it claimed. */
static struct upstream_shared *claim_shared(struct setup *s, const struct cluster *c)
{
    const struct name *zone = &c->zones.list[0];
    size_t list_len = c->group.n * sizeof(struct upstream *);
    uint8_t *key = arena_alloc(s->arena, zone->len + list_len);
    if (key == NULL)
        return NULL;
    memcpy(key, zone->wire, zone->len);
    memcpy(key + zone->len, c->group.list, list_len);
    return upstream_claim_shared(s->registry,
                                 (struct span){.at = key, .len = zone->len + list_len});
}

static int make_group(struct setup *s, struct cluster *c)
{
    struct upstream_group *g = &c->group;
    uint32_t most = c->dns_n > 0 ? c->dns_n : c->services.n;
    g->label = c->label;
    g->list = arena_array(s->arena, most, sizeof(struct upstream *));
    if (g->list == NULL)
        return error_at(s->errs, c->at, "out of memory");
    struct name probe;
    size_t label = 1 + (size_t)g->probe.name.wire[0];
    if (name_join(&probe, g->probe.name.wire, label, c->domain.wire) < 0)
        return error_at(s->errs, c->at, "plugin/cluster: domain of %s is too long",
                        c->label);
    g->probe.name = probe;
    if (add_addresses(s, c) < 0)
        return -1;
    g->shared = claim_shared(s, c);
    return g->shared == NULL ? error_at(s->errs, c->at, "out of memory") : 0;
}

/* ---- the block around it ---- */

static int check_keys(const struct setup *s, const struct cluster *c)
{
    for (uint32_t i = 0; i < c->zones.n; i++) {
        const struct name *zone = &c->zones.list[i];
        if (plan_serves(s->block, zone->wire))
            continue;
        char text[NAME_TEXT_MAX];
        name_print(zone->wire, text);
        return error_at(
            s->errs, c->at,
            "plugin/cluster: zone %s lies outside this server block, which "
            "would never be asked for it: add %s to the block's keys, or use "
            "a block `.`",
            text, text);
    }
    return 0;
}

static bool reverse_is_served(const struct setup *s, const struct subnets *subnets)
{
    for (uint32_t i = 0; i < subnets->n; i++) {
        struct name zone;
        cidr_reverse_zone(&subnets->list[i], 0, &zone);
        if (!plan_serves(s->block, zone.wire))
            return false;
    }
    return true;
}

/* Told of the first clusters, then counted: a fleet would fill the log with one thing.
 */
#define WARNINGS_MAX 5

static void warn_reverse(const struct setup *s, struct cluster_plugin *p,
                         const struct cluster *c)
{
    char text[ADDR_TEXT_MAX];
    if (reverse_is_served(s, &c->services) && reverse_is_served(s, &c->pods))
        return;
    if (++p->unreversed > WARNINGS_MAX)
        return;
    const struct cidr *range =
        c->services.n > 0 ? &c->services.list[0] : &c->pods.list[0];
    log_warning("plugin/cluster: %s:%u: reverse names of %s are never asked of this "
                "block; add its subnets to the block's keys, such as %s",
                c->at.file, c->at.line, c->label, cidr_print(range, text));
}

static int keep(struct setup *s, struct cluster_plugin *p, struct cluster *c)
{
    void *list = p->list;
    if (grow(s->arena, &list, p->n, &p->cap, sizeof *p->list) < 0)
        return error_at(s->errs, c->at, "out of memory");
    p->list = list;
    p->list[p->n++] = c;
    return 0;
}

static int set_up_one(struct setup *s, struct cluster_plugin *p, struct reader *rd)
{
    struct cluster *c = new_cluster(rd);
    if (c == NULL || keep(s, p, c) < 0)
        return error_at(s->errs, reader_token(rd)->at, "out of memory");
    if (read_cluster(rd, c) < 0 || make_group(s, c) < 0 || check_keys(s, c) < 0)
        return -1;
    if (s->block->measured && metrics_measure_group(s->plan, &c->group) < 0)
        return error_at(s->errs, c->at, "out of memory");
    warn_reverse(s, p, c);
    return cluster_map_add(&p->map, s->arena, c, s->errs);
}

int cluster_setup(struct setup *s, const struct directive *d)
{
    struct cluster_plugin *p = arena_alloc(s->arena, sizeof *p);
    if (p == NULL)
        return error_at(s->errs, d->at, "out of memory");
    s->state = p;
    s->block->clusters = &p->map;
    struct reader rd = reader_init(d, s->arena, s->errs);
    uint32_t before = s->errs->n;
    while (reader_next(&rd))
        set_up_one(s, p, &rd);
    if (p->unreversed > WARNINGS_MAX)
        log_warning("plugin/cluster: reverse names of %u more clusters are never asked "
                    "of their block",
                    p->unreversed - WARNINGS_MAX);
    if (s->errs->n > before)
        return -1;
    return cluster_map_check(&p->map, (const struct cluster *const *)p->list, p->n,
                             s->errs);
}

void cluster_release(struct registry *reg, void *state)
{
    struct cluster_plugin *p = state;
    for (uint32_t i = 0; i < p->n; i++)
        upstream_group_release(reg, &p->list[i]->group);
    cluster_map_release(&p->map);
}
