#include "resolver/plugins/cluster_setup.h"

#include "base/limits.h"
#include "config/discovery/access.h"
#include "resolver/plan.h"
#include "resolver/plugins/cluster_pods.h"

#include <stdlib.h>

/* ---- options ---- */

static int full(struct reader *rd, uint32_t n)
{
    if (n >= INVENTORY_LIST_MAX)
        return reader_error(rd, "more than %d of a kind for one cluster",
                            INVENTORY_LIST_MAX);
    return reader_error(rd, "out of memory");
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
    return inventory_add_cidr(rd->arena, to, &c) < 0 ? full(rd, to->n) : 0;
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
    return parse_subnets(rd, &((struct cluster_spec *)state)->draft.services);
}

static int parse_pods(struct reader *rd, void *state)
{
    return parse_subnets(rd, &((struct cluster_spec *)state)->draft.pods);
}

static int parse_search_misses(struct reader *rd, void *state)
{
    return parse_subnets(rd, &((struct cluster_spec *)state)->search_misses);
}

static int parse_dns(struct reader *rd, void *state)
{
    struct inventory_draft *d = &((struct cluster_spec *)state)->draft;
    const char *word;
    uint32_t before = d->dns.n;
    while (reader_arg(rd, &word)) {
        struct addr addr;
        if (access_parse_address(rd, word, &addr) < 0)
            return -1;
        if (inventory_add_addr(rd->arena, &d->dns, &addr) < 0)
            return full(rd, d->dns.n);
    }
    return d->dns.n > before ? 0 : reader_error_args(rd);
}

static int parse_domain(struct reader *rd, void *state)
{
    struct inventory_draft *d = &((struct cluster_spec *)state)->draft;
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    if (name_parse(&d->domain, text_of(word)) < 0 || d->domain.len < 2)
        return reader_error(rd,
                            "'%s' is no domain name: expected the cluster's own "
                            "domain, such as cluster.local",
                            word);
    name_lower(d->domain.wire, d->domain.wire, d->domain.len);
    return 0;
}

#define FIELD(name) offsetof(struct cluster_spec, name)
#define SECONDS     INT64_C(1000000)

/* What `inventory` says of all its clusters as well. */
#define COMMON_OPTIONS                                                                      \
    {.name = "index",                                                                       \
     .kind = OPTION_U32,                                                                    \
     .offset = FIELD(draft.index),                                                          \
     .min = 1,                                                                              \
     .max = UINT32_MAX,                                                                     \
     .args = "N",                                                                           \
     .fallback = "10",                                                                      \
     .help = "which address of a Service subnet is the DNS"},                               \
        {.name = "port",                                                                    \
         .kind = OPTION_U32,                                                                \
         .offset = FIELD(draft.port),                                                       \
         .min = 1,                                                                          \
         .max = 65535,                                                                      \
         .args = "N",                                                                       \
         .fallback = "53",                                                                  \
         .help = "port of addresses made by the rule"},                                     \
        {.name = "domain",                                                                  \
         .kind = OPTION_CUSTOM,                                                             \
         .parse = parse_domain,                                                             \
         .args = "NAME",                                                                    \
         .fallback = "cluster.local",                                                       \
         .help = "the cluster's own domain; equal to the zone: nothing is renamed"},        \
        {.name = "pod_names",                                                               \
         .kind = OPTION_WORD,                                                               \
         .offset = FIELD(pod_names),                                                        \
         .words = cluster_pod_names_words,                                                  \
         .args = "off|in-subnet|any",                                                       \
         .fallback = "in-subnet",                                                           \
         .help =                                                                            \
             "which names of Pods by address exist (10-244-0-9.web.pod.ZONE): none, those " \
             "of the Pod subnets if there are any, or all that the cluster knows"},         \
        {.name = "search_misses",                                                           \
         .kind = OPTION_CUSTOM,                                                             \
         .parse = parse_search_misses,                                                      \
         .args = "CIDR...",                                                                 \
         .help =                                                                            \
             "clients whose search lists are not asked about: a name under the zone with "  \
             "D, svc.D or NAMESPACE.svc.D behind it (D: the cluster's domain or a mapped "  \
             "zone) is NXDOMAIN here, and no server is asked"},                             \
        {.name = "policy",                                                                  \
         .kind = OPTION_WORD,                                                               \
         .offset = FIELD(servers.policy),                                                   \
         .words = upstream_policy_words,                                                    \
         .args = "random|round_robin|sequential",                                           \
         .fallback = "sequential",                                                          \
         .help = "order in which several addresses are asked"},                             \
        {.name = "force_tcp",                                                               \
         .kind = OPTION_FLAG,                                                               \
         .offset = FIELD(servers.force_tcp),                                                \
         .help = "ask over TCP always"},                                                    \
        {.name = "prefer_udp",                                                              \
         .kind = OPTION_FLAG,                                                               \
         .offset = FIELD(servers.prefer_udp),                                               \
         .help = "ask over UDP also for clients that came over TCP"},                       \
        {.name = "max_fails",                                                               \
         .kind = OPTION_U32,                                                                \
         .offset = FIELD(servers.max_fails),                                                \
         .min = 0,                                                                          \
         .max = UINT32_MAX,                                                                 \
         .args = "N",                                                                       \
         .fallback = "3",                                                                   \
         .help = "failures in a row after which an address is down; 0: never"},             \
        {.name = "health_check",                                                            \
         .kind = OPTION_DURATION,                                                           \
         .offset = FIELD(servers.probe.interval_us),                                        \
         .min = SECONDS / 10,                                                               \
         .max = 3600 * SECONDS,                                                             \
         .args = "DURATION",                                                                \
         .fallback = "5s",                                                                  \
         .help = "time between probes of an address in use"},                               \
        {.name = "max_concurrent",                                                          \
         .kind = OPTION_U32,                                                                \
         .offset = FIELD(servers.max_concurrent),                                           \
         .min = 0,                                                                          \
         .max = UINT32_MAX,                                                                 \
         .args = "N",                                                                       \
         .fallback = "4096",                                                                \
         .help = "questions in flight to this cluster; 0: no limit"},                       \
        {.name = "timeout",                                                                 \
         .kind = OPTION_DURATION,                                                           \
         .offset = FIELD(servers.deadline_us),                                              \
         .min = SECONDS / 20,                                                               \
         .max = 10 * SECONDS,                                                               \
         .args = "DURATION",                                                                \
         .fallback = "1.8s",                                                                \
         .help = "time for one question, all retries included"},

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
    {.name = "dns",
     .kind = OPTION_CUSTOM,
     .parse = parse_dns,
     .args = "ADDRESS[:PORT]...",
     .help = "the cluster's DNS addresses, instead of the rule"},
    COMMON_OPTIONS};

static int parse_zone(struct reader *rd, void *state)
{
    struct cluster_spec *spec = state;
    const char *word;
    while (reader_arg(rd, &word)) {
        if (spec->zones_n == CLUSTER_TEMPLATES_MAX)
            return reader_error(rd, "more than %d zones", CLUSTER_TEMPLATES_MAX);
        spec->zones[spec->zones_n++] = word;
    }
    return spec->zones_n > 0 ? 0 : reader_error_args(rd);
}

static int parse_state(struct reader *rd, void *state)
{
    struct cluster_spec *spec = state;
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    spec->state = strcmp(word, "off") == 0 ? NULL : word;
    return 0;
}

const struct option inventory_options[INVENTORY_OPTIONS_N] = {
    {.name = "zone",
     .kind = OPTION_CUSTOM,
     .parse = parse_zone,
     .args = "ZONE...",
     .help = "zones of clusters that say none themselves; {name} is the cluster's"},
    {.name = "interval",
     .kind = OPTION_DURATION,
     .offset = FIELD(interval_us),
     .min = SECONDS / 10,
     .max = 24 * 3600 * SECONDS,
     .args = "DURATION",
     .fallback = "1s for files, 30s otherwise",
     .help = "time between looks, where nobody tells of changes"},
    {.name = "shrink",
     .kind = OPTION_U32,
     .offset = FIELD(shrink),
     .min = 0,
     .max = 100,
     .args = "PERCENT",
     .fallback = "50",
     .help = "of its clusters, that may go in one step; if more do, all are kept, on "
             "doubt"},
    {.name = "state",
     .kind = OPTION_CUSTOM,
     .parse = parse_state,
     .args = "DIRECTORY|off",
     .fallback = "$STATE_DIRECTORY, as systemd sets it; else off",
     .help = "where the last known clusters are kept, for a start without the source"},
    ACCESS_OPTIONS,
    COMMON_OPTIONS};

/* ---- one cluster ---- */

static void init_spec(const struct reader *rd, struct cluster_spec *spec)
{
    *spec = (struct cluster_spec){
        .pod_names = POD_NAMES_IN_SUBNET,
        .shrink = 50,
        .state = getenv("STATE_DIRECTORY"),
    };
    spec->draft.at = reader_token(rd)->at;
    spec->servers = (struct upstream_rules){
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
}

static int add_argument(struct reader *rd, struct inventory_draft *d, const char *word)
{
    struct addr addr;
    if (strchr(word, '/') != NULL)
        return add_subnet(rd, word, &d->services);
    if (addr_parse_ip(&addr, text_of(word)) == 0)
        return reader_error(rd,
                            "'%s' is an address: expected a zone or the Service "
                            "subnet with its length, such as %s/16; a DNS address "
                            "goes into `dns %s`",
                            word, word, word);
    uint32_t before = d->zones.n;
    if (before == INVENTORY_LIST_MAX)
        return full(rd, before);
    int added = zones_add(rd->arena, &d->zones, word);
    if (added < 0)
        return reader_error(rd, "out of memory");
    if (added > 0 || d->zones.n != before + 1 || d->zones.list[before].len < 2)
        return reader_error(rd,
                            "'%s' is no zone: expected a domain name, such as "
                            "cluster-b.local",
                            word);
    return 0;
}

static int read_cluster(struct reader *rd, struct cluster_spec *spec)
{
    struct inventory_draft *d = &spec->draft;
    const char *word;
    while (reader_arg(rd, &word)) {
        if (add_argument(rd, d, word) < 0)
            return -1;
    }
    if (reader_options(rd, cluster_options, CLUSTER_OPTIONS_N, spec) < 0)
        return -1;
    if (d->zones.n == 0)
        return error_at(rd->errs, d->at,
                        "plugin/cluster: no zone: expected `cluster ZONE "
                        "SERVICE-CIDR`, such as `cluster cluster-b.local "
                        "10.97.0.0/16`");
    if (d->services.n > 0 || d->dns.n > 0)
        return 0;
    char zone[NAME_TEXT_MAX];
    zone[name_print(d->zones.list[0].wire, zone) - 1] = '\0';
    return error_at(rd->errs, d->at,
                    "plugin/cluster: %s has no DNS address: give its Service subnet "
                    "(`cluster %s 10.97.0.0/16`) or `dns ADDRESS`",
                    zone, zone);
}

/* What clusters go on pointing to moves to the plan. */
static int settle_search(struct clusters *all, struct cluster_spec *spec,
                         struct arena *plan)
{
    struct subnets found = spec->search_misses;
    if (found.n == 0)
        return 0;
    all->search_misses = true;
    spec->search_misses.list = arena_array(plan, found.n, sizeof *found.list);
    if (spec->search_misses.list == NULL)
        return -1;
    memcpy(spec->search_misses.list, found.list, found.n * sizeof *found.list);
    return 0;
}

static int set_up_one(struct clusters *all, struct reader *rd)
{
    struct arena scratch; /* the record has copies of what counts */
    struct reader own = *rd;
    struct cluster_spec spec;
    init_spec(rd, &spec);
    arena_init(&scratch, NULL, 0);
    own.arena = &scratch;
    int rc = read_cluster(&own, &spec);
    if (rc == 0 && settle_search(all, &spec, rd->arena) < 0)
        rc = reader_error(&own, "out of memory");
    if (rc == 0)
        rc = clusters_add_line(all, &spec, rd->errs);
    arena_release(&scratch);
    rd->at = own.at;
    rd->nesting = own.nesting;
    return rc;
}

int cluster_setup(struct setup *s, const struct directive *d)
{
    struct clusters *all = clusters_of(s->plan, s->block);
    if (all == NULL)
        return error_at(s->errs, d->at, "out of memory");
    s->state = all;
    struct reader rd = reader_init(d, s->arena, s->errs);
    uint32_t before = s->errs->n;
    while (reader_next(&rd))
        set_up_one(all, &rd);
    return s->errs->n > before ? -1 : 0;
}

/* ---- inventories ---- */

/* One zone for all would be one too few, unless there is only one. */
static int check_zones(struct setup *s, const struct cluster_spec *spec,
                       const char *source)
{
    for (uint32_t i = 0; i < spec->zones_n; i++) {
        if (strstr(spec->zones[i], "{name}") == NULL && !discovery_is_single(source))
            return error_at(s->errs, spec->draft.at,
                            "plugin/inventory: '%s' would be the zone of every "
                            "cluster: expected a zone with {name} in it, such as "
                            "{name}.k8s.lan",
                            spec->zones[i]);
    }
    if (spec->access.dns != NULL && !discovery_is_single(source))
        return error_at(s->errs, spec->draft.at,
                        "plugin/inventory: 'dns %s' would be the DNS of every cluster: "
                        "expected it for kubernetes:CONTEXT, which is one; others say "
                        "`dns` in their own lists",
                        spec->access.dns);
    return 0;
}

static int read_inventory(struct setup *s, struct clusters *all, struct reader *rd)
{
    struct cluster_spec spec;
    const char *word, *source;
    init_spec(rd, &spec);
    if (reader_one(rd, &word) < 0 || access_check_source(rd, word) < 0 ||
        reader_options(rd, inventory_options, INVENTORY_OPTIONS_N, &spec) < 0)
        return -1;
    source = discovery_asks(word) ? word : plan_path(s->block, s->arena, word);
    if (source == NULL)
        return reader_error(rd, "out of memory");
    if (check_zones(s, &spec, source) < 0 || access_settle(s, &spec) < 0)
        return -1;
    if (settle_search(all, &spec, s->arena) < 0)
        return reader_error(rd, "out of memory");
    return clusters_add_inventory(all, &spec, source, s->errs);
}

static bool has_cluster_lines(const struct block *b)
{
    for (uint32_t i = 0; i < b->directives_n; i++) {
        if (strcmp(b->directives[i].name, "cluster") == 0)
            return true;
    }
    return false;
}

int inventory_setup(struct setup *s, const struct directive *d)
{
    struct clusters *all = clusters_of(s->plan, s->block);
    if (all == NULL)
        return error_at(s->errs, d->at, "out of memory");
    s->state = all;
    s->passive = has_cluster_lines(s->block->source);
    struct reader rd = reader_init(d, s->arena, s->errs);
    uint32_t before = s->errs->n;
    while (reader_next(&rd))
        read_inventory(s, all, &rd);
    if (s->errs->n > before)
        return -1;
    return clusters_load(all, s->errs);
}
