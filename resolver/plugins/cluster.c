/* cluster: the names of a Kubernetes cluster under a zone of their own, forwards and
 * backwards.
 *
 *     cluster cluster-b.local 10.97.0.0/16
 *
 * A question under the zone is asked of the cluster's DNS (the 10th address of its
 * Service subnet) under the cluster's own domain, and every name in the answer comes
 * back under the zone. A reverse question goes to the cluster that owns the address. */
#include "resolver/cluster_map.h"
#include "resolver/cluster_servers.h"
#include "resolver/core.h"
#include "resolver/edns.h"
#include "resolver/plan.h"
#include "resolver/plugins/cluster_list.h"
#include "resolver/plugins/cluster_pods.h"
#include "resolver/plugins/cluster_setup.h"
#include "resolver/trace.h"
#include "resolver/trail.h"
#include "base/cursor.h"
#include "base/limits.h"

enum stage {
    STAGE_ASKED,   /* the cluster's DNS has the question */
    STAGE_CHASING, /* a CNAME that leaves the cluster is being resolved */
};

struct frame {
    const struct cluster_zone *zone;
    enum stage stage;
    bool reverse;
};

/* Of a cluster that has been asked. */
static const struct upstream_group *group_of(const struct cluster_zone *z)
{
    return cluster_group_now(cluster_of_zone(z));
}

/* ---- answers made here ---- */

/* The SOA that makes a negative answer cacheable for 5 s (RFC 2308). */
static int add_soa(struct query *q, const struct name_ref *zone)
{
    static const uint8_t mname[] = "\2ns\3dns", rname[] = "\12hostmaster";
    uint8_t rdata[2 * NAME_WIRE_MAX + 20 + 32];
    struct wr wr = wr_init(rdata, sizeof rdata);
    wr_bytes(&wr, mname, sizeof mname - 1);
    wr_bytes(&wr, zone->wire, zone->len);
    size_t mname_len = wr.at;
    wr_bytes(&wr, rname, sizeof rname - 1);
    wr_bytes(&wr, zone->wire, zone->len);
    if (mname_len > NAME_WIRE_MAX || wr.at - mname_len > NAME_WIRE_MAX)
        return 0; /* such a zone leaves no room for names under it anyway */
    static const uint32_t times[] = {0, 7200, 1800, 86400, 5};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        wr_u32(&wr, times[i]);
    struct rr_new soa = {.section = SECTION_AUTHORITY,
                         .owner = zone->wire,
                         .type = DNS_SOA,
                         .class = DNS_IN,
                         .ttl = 5,
                         .rdata = {.at = rdata, .len = wr.at}};
    return msg_add(&q->response->msg, &q->arena, &soa);
}

static enum verdict negative(struct query *q, const struct name_ref *zone,
                             uint16_t rcode, uint16_t ede, const char *why)
{
    query_respond(q, rcode, true, 1);
    if (q->response->failed || add_soa(q, zone) < 0)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    query_set_ede(q, ede, why);
    return DONE;
}

/* "cluster-b.local: 10.97.0.10 silent 38s", at most 60 characters, the name cut first.
 */
static const char *failure_text(struct query *q, const char *label,
                                const struct upstream_result *res)
{
    char what[48] = "no answer", ip[ADDR_TEXT_MAX] = "";
    unsigned seconds = (unsigned)(res->silent_us / 1000000);
    if (res->upstream != NULL)
        addr_print_ip(&res->upstream->endpoint.addr, ip);
    if (res->outcome == UPSTREAM_BUSY)
        snprintf(what, sizeof what, "too many questions in flight");
    else if (res->error_code != 0)
        snprintf(what, sizeof what, "%.30s", strerror(res->error_code));
    else
        snprintf(what, sizeof what, "silent %us", seconds);
    int room = 60 - 3 - (int)strlen(ip) - (int)strlen(what);
    return arena_printf(&q->arena, "%.*s: %s%s%s", room < 8 ? 8 : room, label, ip,
                        ip[0] == '\0' ? "" : " ", what);
}

static enum verdict fail(struct query *q, const char *label,
                         const struct upstream_result *res)
{
    bool network = res->outcome == UPSTREAM_BUSY || res->error_code != 0;
    return query_fail_ede(q, DNS_SERVFAIL, res->error,
                          network ? EDE_NETWORK : EDE_NO_REACHABLE,
                          failure_text(q, label, res));
}

/* ---- the question ---- */

/* Where names are changed signatures mean nothing: types that exist only to carry them
 * have no data here. DS of the zone is the cluster's to answer. */
static bool is_signature_type(uint16_t type)
{
    return type == DNS_RRSIG || type == DNS_NSEC || type == DNS_DNSKEY ||
           type == DNS_NSEC3 || type == DNS_NSEC3PARAM;
}

/* The whole message for the cluster's DNS. EDNS is our own; DO goes along only where
 * nothing is renamed. Lower case, so that equal questions are equal octets. */
static struct span build_question(const struct query *q, const uint8_t *name,
                                  bool dnssec, uint8_t *room, size_t cap)
{
    uint8_t options[TRAIL_OPTIONS_MAX];
    struct wr wr = wr_init(room, cap), trail = wr_init(options, sizeof options);
    uint16_t passed = q->request.flags & (DNS_RD | DNS_CD);
    wr_u16(&wr, 0);
    wr_u16(&wr, passed);
    wr_u16(&wr, 1);
    wr_u32(&wr, 0);
    wr_u16(&wr, 1);
    wr_bytes(&wr, name, name_len(name));
    wr_u16(&wr, q->request.type);
    wr_u16(&wr, q->request.class);
    trail_put_all(&trail, &q->request);
    edns_put_opt(&wr, UDP_SIZE_OURS, 0, dnssec, (struct span){options, trail.at});
    return (struct span){.at = room, .len = wr.at};
}

static enum verdict ask(struct query *q, const struct cluster_zone *z,
                        const uint8_t *name)
{
    uint8_t room[DNS_HEADER_LEN + NAME_WIRE_MAX + 4 + 16 + TRAIL_OPTIONS_MAX];
    bool dnssec = !z->renamed && q->request.opt.present && q->request.opt.dnssec_ok;
    struct upstream_question question = {
        .wire = build_question(q, name, dnssec, room, sizeof room),
        .transport = (enum transport)q->client.transport,
    };
    return upstream_ask(q, group_of(z), &question);
}

/* Asks the cluster's DNS, unless it is known here what does not exist. */
static enum verdict ask_inside(struct query *q, const struct cluster_zone *z,
                               bool reverse)
{
    const char *no_pod = reverse ? NULL : cluster_pods_refuse(z, q->request.lower);
    const struct name_ref zone = {.wire = cluster_zone_wire(z), .len = z->len};
    if (z->renamed && is_signature_type(q->request.type))
        return negative(q, &zone, DNS_NOERROR, EDE_SYNTHESIZED,
                        "no DNSSEC where names are renamed");
    if (no_pod != NULL)
        return negative(q, &zone, DNS_NXDOMAIN, EDE_BLOCKED, no_pod);
    if (!z->renamed)
        return ask(q, z, q->request.name); /* not a byte changes */
    if (reverse)
        return ask(q, z, q->request.lower);
    struct name inside;
    struct name_map inward = cluster_inward(z);
    if (rename_name(&inward, q->request.lower, &inside) < 0)
        return negative(q, &zone, DNS_NXDOMAIN, EDE_SYNTHESIZED,
                        "name too long inside the cluster");
    return ask(q, z, inside.wire);
}

/* Which cluster, and why. */
static void explain(const struct query *q, const struct cluster_zone *z, bool reverse)
{
    struct trace_step *s = trace_step(q, "cluster");
    const struct cluster *c = cluster_of_zone(z);
    struct where at = cluster_at(c);
    char label[NAME_TEXT_MAX];
    trace_text(q, s, "cluster", "%s", cluster_label(c, label));
    trace_name(q, s, "zone", cluster_zone_wire(z));
    trace_name(q, s, "domain", cluster_domain(c).wire);
    trace_text(q, s, "by", reverse ? "address" : "name");
    if (at.file != NULL)
        trace_text(q, s, "at", "%s:%u", at.file, at.line);
}

/* The zone whose search misses this client need not have asked about, or NULL. */
static const struct cluster_zone *find_searched(struct query *q,
                                                const struct clusters *all,
                                                const struct cluster_zone *own,
                                                unsigned *domain)
{
    if (!all->search_misses || q->request.class != DNS_IN)
        return NULL;
    const struct cluster_zone *z =
        cluster_map_find_searched(&all->map, query_key(q), own, domain);
    if (z == NULL)
        return NULL;
    const struct cluster_rules *rules = cluster_of_zone(z)->rules;
    return subnets_contain(&rules->settings.search_misses, &q->client.peer) ? z : NULL;
}

static enum verdict miss(struct query *q, const struct cluster_zone *z, unsigned domain)
{
    const uint8_t *wire = q->request.lower + query_key(q)->offset[domain];
    const struct name_ref zone = {.wire = wire, .len = (uint8_t)name_len(wire)};
    char label[NAME_TEXT_MAX];
    cluster_label(cluster_of_zone(z), label);
    if (q->client.trace != NULL)
        trace_text(q, trace_step(q, "cluster"), "search_miss", "%s", label);
    enum verdict v = negative(
        q, &zone, DNS_NXDOMAIN, EDE_SYNTHESIZED,
        arena_printf(&q->arena, "a search suffix behind a name of %.27s", label));
    q->response->unshared = true;
    return v;
}

enum verdict cluster_on_query(struct query *q, const void *state)
{
    const struct clusters *all = state;
    bool reverse;
    if (cluster_list_asked(&q->request))
        return cluster_list(q, all);
    const struct cluster_zone *z = cluster_map_find(&all->map, query_key(q), &reverse);
    unsigned domain;
    const struct cluster_zone *searched =
        find_searched(q, all, reverse ? NULL : z, &domain);
    if (searched != NULL)
        return miss(q, searched, domain);
    if (z == NULL)
        return PASS;
    if (q->request.class != DNS_IN) /* nor is the name for others to see */
        return query_fail_ede(q, DNS_REFUSED, NULL, EDE_NOT_AUTHORITATIVE,
                              "clusters have class IN only");
    struct frame *f = query_frame(q, state, sizeof *f);
    if (f == NULL)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    *f = (struct frame){.zone = z, .stage = STAGE_ASKED, .reverse = reverse};
    if (q->client.trace != NULL)
        explain(q, z, reverse);
    const struct upstream_group *g = cluster_group(cluster_of_zone(z));
    if (g == NULL)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    if (g->meter != NULL && metrics_seat_group(&q->r->desk, g, q->r->worker) < 0)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    metrics_add(&q->r->desk, g->meter, CLUSTER_REQUESTS, 1);
    return ask_inside(q, z, reverse);
}

/* ---- the answer ---- */

/* The end of the chain of CNAMEs that starts at the question. False when there is no
 * chain, or when it ends in data of the type that was asked. */
static bool dangling(const struct query *q, struct name *target)
{
    const struct msg *m = &q->response->msg;
    bool found = false;
    memcpy(target->wire, q->request.lower, q->request.name_len);
    msg_each_rr (rr, m) {
        if (rr->section != SECTION_ANSWER)
            continue;
        if (rr->type == q->request.type)
            return false;
        if (rr->type != DNS_CNAME || !msg_owner_is(rr, target->wire))
            continue;
        msg_name(rr, rr->rdata, target);
        found = true;
    }
    return found;
}

/* ExternalName: a cluster's DNS that does not recurse gives a bare CNAME. Its target
 * may lie in another cluster, so it is asked of the whole listener (features.md R5). */
static bool must_chase(const struct query *q, struct name *target)
{
    const struct msg *m = &q->response->msg;
    bool plain = q->request.type != DNS_CNAME && q->request.type != DNS_ANY;
    /* What `cache` asks anew stands for a client's question, a level below it. */
    bool first = q->depth == (q->refresh ? 1 : 0);
    return first && plain && (q->request.flags & DNS_RD) != 0 &&
           m->rcode == DNS_NOERROR && (m->flags & DNS_TC) == 0 && dangling(q, target);
}

static enum verdict chase(struct query *q, struct frame *f, const struct name *target)
{
    const struct upstream_group *g = group_of(f->zone);
    uint64_t deadline_us = q->start_us + (uint64_t)g->rules->deadline_us;
    if (deadline_us < q->deadline_us)
        q->deadline_us = deadline_us;
    if (query_spawn(q, target->wire, q->request.type, q->request.class) < 0)
        return DONE; /* the bare CNAME is still a right answer */
    f->stage = STAGE_CHASING;
    return WAIT;
}

/* Appends what the target resolved to; where nothing did, the bare CNAME goes out. */
static enum verdict chased(struct query *q)
{
    const struct child_result *child = q->child;
    if (!child->done || child->failed || child->msg.rcode != DNS_NOERROR)
        return DONE;
    if ((child->msg.flags & DNS_TC) != 0) {
        /* The client has to come over TCP for what was cut. */
        q->response->msg.flags |= DNS_TC;
        q->response->msg.rr_n = 0;
        q->response->msg.edited = true;
        return DONE;
    }
    /* AD speaks of every record (RFC 4035 section 3.2.3); nobody validated them all. */
    q->response->msg.flags &= (uint16_t)~DNS_AD;
    msg_each_rr (rr, &child->msg) {
        if (rr->section == SECTION_ANSWER &&
            msg_add_rr(&q->response->msg, &q->arena, rr) < 0)
            return query_fail(q, DNS_SERVFAIL, "out of memory");
    }
    return DONE;
}

/* The upstream's message under the client's names, in the worker's buffer. */
static int take_renamed(struct query *q, const struct cluster_zone *z,
                        const struct msg *from)
{
    struct resolver *r = q->r;
    struct msg out = {.rr = r->edit_rr, .rr_cap = WIRE_RR_MAX};
    struct name_map outward = cluster_outward(z);
    struct rename how = {
        .map = &outward, .question = q->request.asked, .buffer = r->buffer};
    if (rename_response(r->encoder, from, &how, &out) < 0)
        return -1;
    q->response->msg = out;
    metrics_add(&r->desk, group_of(z)->meter, CLUSTER_RENAMES, 1);
    return 0;
}

static enum verdict answered(struct query *q, struct frame *f, const struct msg *m)
{
    const struct cluster_zone *z = f->zone;
    *q->response = (struct response){0};
    if (!z->renamed)
        q->response->msg = *m;
    else if (take_renamed(q, z, m) < 0)
        return query_fail_ede(q, DNS_SERVFAIL, "renamed answer too long", EDE_OTHER,
                              "a name of the answer is too long under this zone");
    struct name target;
    if (!f->reverse && must_chase(q, &target))
        return chase(q, f, &target);
    return DONE;
}

enum verdict cluster_on_wake(struct query *q, const void *state)
{
    struct frame *f = query_frame(q, state, sizeof *f);
    if (f->stage == STAGE_CHASING)
        return chased(q);
    const struct upstream_result *res = upstream_result(q);
    if (res->outcome != UPSTREAM_ANSWER)
        return fail(q, group_of(f->zone)->label, res);
    return answered(q, f, res->msg);
}

const char *cluster_label_of(struct query *q, const void *state)
{
    const struct clusters *all = state;
    bool reverse;
    const struct cluster_zone *z = cluster_map_find(&all->map, query_key(q), &reverse);
    char label[NAME_TEXT_MAX];
    if (z == NULL)
        return NULL;
    cluster_label(cluster_of_zone(z), label);
    return arena_text(&q->arena, text_of(label));
}

const struct plugin plugin_cluster = {
    .name = "cluster",
    .help = "names of a Kubernetes cluster under a zone of their own, both ways",
    .synopsis = "cluster ZONE... [SERVICE-CIDR...]",
    .options = cluster_options,
    .options_n = CLUSTER_OPTIONS_N,
    .setup = cluster_setup,
    .on_query = cluster_on_query,
    .on_wake = cluster_on_wake,
    .label = cluster_label_of,
};
