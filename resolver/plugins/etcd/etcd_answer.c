#include "resolver/plugins/etcd/etcd_making.h"

#include "base/cursor.h"
#include "base/limits.h"

#define NEGATIVE_S                                                                     \
    30 /* as CoreDNS: TTL of the SOA and what it says of negative answers */
#define REFRESH_S 7200
#define RETRY_S   1800
#define EXPIRE_S  86400

/* Across look-ups. */
struct frame {
    struct etcd_lookup *first, *now; /* NULL: there are none */
    const struct etcd_zone *zone;
};

/* ---- SOA ---- */

/* Its serial counts seconds, as that of CoreDNS. A zone too long for the names in it
 * has none. */
static int add_soa(struct etcd_making *a, enum section section)
{
    uint8_t data[2 * NAME_WIRE_MAX + 20];
    struct name server, mailbox;
    struct wr wr = wr_init(data, sizeof data);
    if (etcd_own_name(a, "ns.dns", &server) < 0 ||
        etcd_own_name(a, "hostmaster", &mailbox) < 0)
        return 0;
    wr_bytes(&wr, server.wire, server.len);
    wr_bytes(&wr, mailbox.wire, mailbox.len);
    wr_u32(&wr, (uint32_t)(query_wall_us(a->q) / 1000000));
    wr_u32(&wr, REFRESH_S);
    wr_u32(&wr, RETRY_S);
    wr_u32(&wr, EXPIRE_S);
    wr_u32(&wr, NEGATIVE_S);
    struct rr_new rr = {.section = section,
                        .owner = a->zone->apex.wire,
                        .type = DNS_SOA,
                        .ttl = NEGATIVE_S,
                        .rdata = {data, wr.at}};
    return etcd_add(a, &rr);
}

/* ---- single records ---- */

static int add_name(struct etcd_making *a, const struct skydns *s)
{
    struct rr_new rr = {.section = SECTION_ANSWER,
                        .owner = a->q->request.name,
                        .type = a->q->request.type,
                        .ttl = etcd_ttl(a, s),
                        .rdata = {s->host, name_len(s->host)}};
    struct etcd_item item = {.kind = ETCD_ALIAS, .target = s->host};
    bool fresh = true;
    if (etcd_once(a, &item, &fresh) < 0)
        return -1;
    return fresh ? etcd_add(a, &rr) : 0;
}

/* Of the key itself: its first record as CNAME, all of them as PTR. */
static enum etcd_found add_names(struct etcd_making *a)
{
    struct etcd_records r;
    enum etcd_found found = etcd_take(a, a->q->request.lower, true, &r);
    uint32_t n = found != ETCD_FOUND                          ? 0
                 : a->q->request.type == DNS_CNAME && r.n > 1 ? 1
                                                              : r.n;
    for (uint32_t i = 0; i < n; i++) {
        if (r.list[i]->kind == SKYDNS_NAME && add_name(a, r.list[i]) < 0)
            return ETCD_TOO_MUCH;
    }
    return found;
}

/* ---- the answer ---- */

static bool is_apex(const struct etcd_making *a)
{
    return name_equal(a->q->request.lower, a->zone->apex.wire);
}

static enum etcd_found exists(const struct etcd_making *a)
{
    return etcd_exists(&a->search, a->q->request.lower) ? ETCD_FOUND : ETCD_NONE;
}

static enum etcd_found add_records(struct etcd_making *a)
{
    const struct request *req = &a->q->request;
    switch (req->type) {
    case DNS_A:
    case DNS_AAAA:
    case DNS_TXT:
        return etcd_walk(a, req->lower, req->name, req->type, SECTION_ANSWER);
    case DNS_CNAME:
    case DNS_PTR:
        return add_names(a);
    case DNS_MX:
        return etcd_add_mx(a);
    case DNS_SRV:
        return etcd_add_srv(a);
    case DNS_NS:
        return is_apex(a) ? etcd_add_ns(a) : exists(a);
    case DNS_SOA:
        if (!is_apex(a))
            return exists(a);
        return add_soa(a, SECTION_ANSWER) < 0 ? ETCD_TOO_MUCH : ETCD_FOUND;
    default:
        return exists(a);
    }
}

static enum verdict fail(struct etcd_making *a, const char *why)
{
    return query_fail_ede(a->q, DNS_SERVFAIL, why, EDE_OTHER,
                          "etcd's records are no answer");
}

static enum verdict negative(struct etcd_making *a, uint16_t rcode)
{
    query_respond(a->q, rcode, true, 1);
    if (!a->q->response->failed && add_soa(a, SECTION_AUTHORITY) < 0)
        return fail(a, a->why);
    return DONE;
}

/* The apex exists, whatever keys there are. */
static enum verdict missing(struct etcd_making *a)
{
    if (fall_through(&a->search.etcd->fall, a->q->request.lower)) {
        *a->q->response = (struct response){0};
        return PASS;
    }
    return negative(a, is_apex(a) ? DNS_NOERROR : DNS_NXDOMAIN);
}

static enum verdict empty(struct etcd_making *a)
{
    if (a->search.bad == NULL)
        return negative(a, DNS_NOERROR);
    const char *why = arena_printf(
        &a->q->arena, "plugin/etcd: %s: its value is not used", a->search.bad->key);
    return fail(a, why == NULL ? "plugin/etcd: out of memory" : why);
}

/* ---- look-ups ---- */

/* Adds it if it is not there yet, whatever its TTL. What may hold a compressed name,
 * but for CNAME, is not compared. */
static int add_rr(struct etcd_making *a, const struct rr *rr)
{
    struct name owner, target;
    bool fresh = true,
         plain = rr->type == DNS_A || rr->type == DNS_AAAA || rr->type == DNS_TXT;
    struct etcd_item item = {
        .kind = ETCD_RECORD, .owner = owner.wire, .type = rr->type};
    msg_owner(rr, &owner);
    if (rr->type == DNS_CNAME) {
        msg_name(rr, rr->rdata, &target);
        item.target = target.wire;
    } else {
        item.rest = (struct span){rr->base + rr->rdata, rr->rdlen};
    }
    if ((plain || rr->type == DNS_CNAME) && etcd_once(a, &item, &fresh) < 0)
        return -1;
    return fresh ? msg_add_rr(&a->q->response->msg, &a->q->arena, rr) : 0;
}

static int add_found(struct etcd_making *a, const struct etcd_lookup *l)
{
    msg_each_rr (rr, &l->msg) {
        struct rr copy = *rr;
        copy.section = (uint8_t)l->section;
        if (rr->section == SECTION_ANSWER && !(l->no_cnames && rr->type == DNS_CNAME) &&
            add_rr(a, &copy) < 0)
            return -1;
    }
    return 0;
}

/* The records, with those that were looked up in their places. */
static int put_together(struct query *q, const struct etcd_lookup *l)
{
    const struct msg old = q->response->msg;
    struct msg *m = &q->response->msg;
    struct etcd_making a = {.q = q};
    m->rr = NULL;
    m->rr_n = m->rr_cap = 0;
    for (uint32_t i = 0; i <= old.rr_n; i++) {
        for (; l != NULL && l->before == i; l = l->next) {
            if (add_found(&a, l) < 0)
                return -1;
            if (l->section == SECTION_ANSWER)
                m->flags |= l->msg.flags & DNS_TC;
        }
        if (i < old.rr_n && add_rr(&a, &old.rr[i]) < 0)
            return -1;
    }
    return 0;
}

static bool has_type(const struct query *q)
{
    msg_each_rr (rr, &q->response->msg) {
        if (rr->section == SECTION_ANSWER && rr->type == q->request.type)
            return true;
    }
    return false;
}

/* A CNAME whose end nobody could tell is no answer; one whose end does not exist is. */
static enum verdict finish(struct query *q, const struct frame *f)
{
    bool failed = false;
    for (const struct etcd_lookup *l = f->first; l != NULL; l = l->next)
        failed = failed || l->failed;
    if (put_together(q, f->first) < 0)
        return query_fail(q, DNS_SERVFAIL, "plugin/etcd: out of memory");
    if (failed && !has_type(q))
        return query_fail_ede(q, DNS_SERVFAIL,
                              "plugin/etcd: a target was not found out",
                              EDE_NO_REACHABLE, "a CNAME's target was not found out");
    return DONE;
}

/* What cannot be looked up (too deep) is left to whoever asks. */
static enum verdict look_up(struct query *q, struct frame *f)
{
    for (; f->now != NULL; f->now = f->now->next) {
        if (query_spawn(q, f->now->name, f->now->type, DNS_IN) == 0)
            return WAIT;
    }
    return finish(q, f);
}

enum verdict etcd_woken(struct query *q, const void *state)
{
    struct frame *f = query_frame(q, state, sizeof *f);
    const struct child_result *child = q->child;
    f->now->failed = !child->done || (child->failed && child->rcode == DNS_SERVFAIL) ||
                     child->rcode == DNS_SERVFAIL;
    if (child->done && !child->failed)
        f->now->msg = child->msg;
    f->now = f->now->next;
    return look_up(q, f);
}

static enum verdict complete(struct etcd_making *a, const void *state)
{
    struct query *q = a->q;
    if (a->lookups == NULL)
        return DONE;
    struct frame *f = query_frame(q, state, sizeof *f);
    if (f == NULL)
        return query_fail(q, DNS_SERVFAIL, "plugin/etcd: out of memory");
    f->first = f->now = a->lookups;
    return look_up(q, f);
}

enum verdict etcd_answer(struct query *q, const void *state, const struct etcd_zone *z,
                         const struct skydns_view *view)
{
    struct etcd_making a = {
        .q = q,
        .zone = z,
        .min_ttl = z->etcd->min_ttl,
        .max_ttl = z->etcd->max_ttl,
        .search = {.q = q, .etcd = z->etcd, .view = view, .keys_left = ETCD_SCAN_MAX}};
    a.lookups_end = &a.lookups;
    query_respond(q, DNS_NOERROR, true, 8);
    if (q->response->failed)
        return DONE;
    switch (add_records(&a)) {
    case ETCD_FOUND:
        break;
    case ETCD_NONE:
        return missing(&a);
    case ETCD_TOO_MUCH:
        return fail(&a, a.why);
    }
    if (msg_count(&q->response->msg, SECTION_ANSWER) == 0)
        return empty(&a);
    return complete(&a, state);
}
