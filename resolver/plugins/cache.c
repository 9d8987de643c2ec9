/* cache: answers that were given are given again (coredns-reference 2.3).
 *
 *     cache 30
 *
 * Stands above `cluster` and `rewrite`'s changes are made, so a renamed answer is kept
 * under the name it is asked by, clusters never mix, and a hit renames nothing.
 *
 * Beyond CoreDNS: without ZONES it keeps whatever its block serves; a negative answer
 * lives for the smaller of SOA TTL and MINIMUM (RFC 2308) and is never served stale;
 * names of `cluster` zones live at most 30 s, their absence 5 s, and are served stale
 * for an hour when their cluster fails, where the Corefile does not say otherwise. */
#include "resolver/plugins/cache_setup.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/cluster_map.h"
#include "resolver/cluster_servers.h"
#include "resolver/core.h"
#include "resolver/health.h"
#include "resolver/plan.h"
#include "resolver/trace.h"

#define SECOND_US        UINT64_C(1000000)
#define CHAIN_MAX        32 /* CNAMEs that are followed in one answer */
#define DELEGATION_S     5 /* what CoreDNS gives answers that have no TTL of their own */
#define CLUSTER_MAX_S    30
#define CLUSTER_DENIAL_S 5
#define CLUSTER_STALE_S  30

struct frame {
    const struct cluster_zone *cluster; /* the name is one of its; NULL = of none */
    uint16_t flags;                     /* the request's, before we set AD */
    bool asked;                         /* the answer is to be kept */
};

static void count(const struct query *q, uint32_t cell)
{
    metrics_add(&q->r->desk, q->zone->cache_meter, cell, 1);
}

/* ---- the key ---- */

static const struct cluster_zone *cluster_of(struct query *q)
{
    bool reverse;
    if (q->block->clusters == NULL || q->request.class != DNS_IN)
        return NULL;
    return cluster_map_find(q->block->clusters, query_key(q), &reverse);
}

/* The mapping is that of the beginning: what a cluster said before it was changed, or
 * another server before the cluster came, is not the answer of what is there now. */
static struct cache_key key_of(struct query *q)
{
    const struct request *req = &q->request;
    return (struct cache_key){
        .name = req->lower,
        .name_len = req->name_len,
        .dnssec_ok = req->opt.present && req->opt.dnssec_ok,
        .checking_disabled = (req->flags & DNS_CD) != 0,
        .type = req->type,
        .class = req->class,
        .mapping = q->mapping,
        .hash = query_key(q)->hash[0],
    };
}

/* What holds for this name: as written, else the cluster's defaults. */
static struct cache_stale stale_rules(const struct cache_plugin *c,
                                      const struct cluster_zone *cluster)
{
    struct cache_stale stale = c->stale;
    if (cluster != NULL && !stale.written) {
        stale.on = true;
        stale.mode = STALE_VERIFY;
        stale.ttl_s = CLUSTER_STALE_S;
    }
    return stale;
}

/* ---- giving ---- */

static bool wants_ad(const struct request *req, uint16_t flags)
{
    return (flags & DNS_AD) != 0 || (req->opt.present && req->opt.dnssec_ok);
}

static uint64_t end_of(const struct cache_facts *f)
{
    return f->stored_us + f->life_s * SECOND_US;
}

/* How long an entry is good, or since when it is not. */
static const char *left(const struct query *q, const struct cache_hit *hit,
                        char text[40])
{
    uint64_t now = q->r->now_us, end = end_of(&hit->facts);
    snprintf(text, 40, end > now ? "%u s left" : "expired %u s ago",
             (unsigned)((end > now ? end - now : now - end) / SECOND_US));
    return text;
}

/* The entry in the worker's buffer becomes the response. CoreDNS sets AA on every hit.
 */
static enum verdict give(struct query *q, const struct cache_hit *hit)
{
    char text[40] UNSET;
    uint16_t kept = DNS_RA;
    count(q, CACHED_HITS + hit->facts.kind);
    if (q->client.trace != NULL)
        trace_note(q, "cache", "hit, %s", left(q, hit, text));
    if (wants_ad(&q->request, q->request.flags))
        kept |= DNS_AD;
    *q->response = (struct response){.msg = hit->msg};
    q->response->msg.flags =
        (uint16_t)(DNS_AA | (hit->facts.flags & kept) | (q->request.flags & DNS_CD));
    return DONE;
}

static enum verdict give_stale(struct query *q, const struct cache_hit *hit,
                               const char *why)
{
    give(q, hit);
    count(q, CACHED_STALE);
    query_set_ede(q, EDE_STALE, why);
    return DONE;
}

static bool look_up(struct query *q, const struct cache_plugin *c,
                    const struct cluster_zone *cluster, struct cache_hit *hit)
{
    struct cache_key key = key_of(q);
    struct cache_lookup how = {
        .now_us = q->r->now_us,
        .gap_us = (uint64_t)c->prefetch_gap_us,
        .keep_ttl = c->keep_ttl,
        .stale_s = stale_rules(c, cluster).ttl_s,
    };
    struct cache_room room = {.wire = q->r->buffer, .rr = q->r->edit_rr};
    return cachestore_get(c->store, &key, &how, &room, hit);
}

/* ---- asking anew ---- */

/* AD tells the upstream that we understand AD (RFC 6840 section 5.7); put back on the
 * way up. */
static void ask_with_ad(struct query *q)
{
    q->request.flags |= DNS_AD;
}

static bool refresh(struct query *q, const struct cache_plugin *c)
{
    struct cache_key key = key_of(q);
    uint16_t flags = q->request.flags;
    if (!cachestore_claim(c->store, &key, q->r->now_us))
        return false;
    ask_with_ad(q);
    bool begun = query_spawn_below(q, false) == 0;
    if (!begun)
        cachestore_failed(c->store, &key, q->r->now_us);
    q->request.flags = flags;
    return begun;
}

/* `zone`: of the cluster, or NULL. */
static bool is_drained(const struct cluster_zone *zone)
{
    const struct upstream_group *g =
        zone == NULL ? NULL : cluster_group_now(cluster_of_zone(zone));
    return g != NULL && health_drained(g);
}

static void prefetch(struct query *q, const struct cache_plugin *c,
                     const struct cluster_zone *cluster, const struct cache_hit *hit)
{
    uint64_t left_us = end_of(&hit->facts) - q->r->now_us;
    uint64_t limit_s = ((uint64_t)hit->facts.life_s * c->prefetch_percent + 99) / 100;
    bool drained = is_drained(cluster);
    if (c->prefetch > 0 && hit->hits >= c->prefetch && left_us <= limit_s * SECOND_US &&
        !drained && refresh(q, c))
        count(q, CACHED_PREFETCH);
}

/* ---- down ---- */

static enum verdict verify(struct query *q, const struct cache_stale *stale)
{
    uint16_t flags = q->request.flags;
    ask_with_ad(q);
    int rc = query_spawn_below(q, true);
    q->request.flags = flags;
    if (rc < 0)
        return query_fail(q, DNS_SERVFAIL, "too many look-ups");
    if (stale->timeout_us > 0)
        query_alarm(q, q->r->now_us + (uint64_t)stale->timeout_us);
    return WAIT;
}

static enum verdict expired(struct query *q, const struct cache_plugin *c,
                            struct frame *f, const struct cache_hit *hit)
{
    struct cache_stale stale = stale_rules(c, f->cluster);
    uint64_t age_us = q->r->now_us - end_of(&hit->facts);
    /* A negative answer that has expired may hide a name made since. */
    if (!stale.on || hit->facts.kind != CACHE_SUCCESS ||
        age_us >= (uint64_t)stale.until_us)
        return PASS;
    if (is_drained(f->cluster))
        return give_stale(q, hit, "drained");
    if (stale.mode == STALE_VERIFY && !hit->resting)
        return verify(q, &stale);
    refresh(q, c);
    return give_stale(q, hit, "refreshing");
}

static bool is_ours(const struct cache_plugin *c, const struct request *req)
{
    return c->zones.n == 0 || zones_match(&c->zones, req->lower) != NULL;
}

static enum verdict on_query(struct query *q, const void *state)
{
    const struct cache_plugin *c = state;
    struct cache_hit hit;
    if (!is_ours(c, &q->request))
        return PASS;
    const struct cluster_zone *cluster = cluster_of(q);
    q->mapping = cluster == NULL ? 0 : cluster_of_zone(cluster)->mapping;
    count(q, CACHED_REQUESTS);
    bool found = look_up(q, c, cluster, &hit);
    if (found && q->r->now_us < end_of(&hit.facts)) {
        prefetch(q, c, cluster, &hit);
        return give(q, &hit);
    }
    struct frame *f = query_frame(q, state, sizeof *f);
    if (f == NULL)
        return query_fail(q, DNS_SERVFAIL, "out of memory");
    *f = (struct frame){.cluster = cluster, .flags = q->request.flags};
    if (found) {
        enum verdict v = expired(q, c, f, &hit);
        if (v != PASS)
            return v;
    }
    f->asked = true;
    count(q, CACHED_MISSES);
    if (q->client.trace != NULL)
        trace_note(q, "cache", found ? "expired" : "miss");
    ask_with_ad(q);
    return PASS;
}

/* The verification is over, or its time is. */
static enum verdict on_wake(struct query *q, const void *state)
{
    const struct cache_plugin *c = state;
    struct frame *f = query_frame(q, state, sizeof *f);
    const struct child_result *child = q->child;
    struct cache_hit hit;
    bool good = child->done && !child->failed && (child->msg.flags & DNS_TC) == 0 &&
                (child->msg.rcode == DNS_NOERROR || child->msg.rcode == DNS_NXDOMAIN);
    if (good) {
        *q->response = (struct response){.msg = child->msg};
        if (!wants_ad(&q->request, f->flags))
            q->response->msg.flags &= (uint16_t)~DNS_AD;
        return DONE;
    }
    if (!look_up(q, c, f->cluster, &hit))
        return query_fail_ede(q, DNS_SERVFAIL, "verification failed", EDE_NO_REACHABLE,
                              child->ede_text);
    return give_stale(q, &hit, child->ede_text);
}

/* ---- what an answer is worth ---- */

enum worth {
    WORTH_SUCCESS,
    WORTH_DENIAL,
    WORTH_FAILURE, /* SERVFAIL and NOTIMP: denial with a life of its own */
    WORTH_LEAST,   /* not kept, leaves with the least TTL */
};

struct content {
    bool answers,
        reaches; /* some record answers; one of the asked type at the chain's end */
    bool soa, ns;
    uint32_t least_ttl;
    uint32_t denial_ttl; /* of the SOA: the smaller of its TTL and MINIMUM */
};

static uint32_t soa_minimum(const struct rr *rr)
{
    return rr->rdlen < 22 ? rr->ttl : load_u32(rr->base + rr->rdata + rr->rdlen - 4);
}

/* The record of the answer that `at` owns and that is either wanted or a CNAME. */
static const struct rr *find_link(const struct msg *m, const struct name *at,
                                  uint16_t type)
{
    const struct rr *link = NULL;
    msg_each_rr (rr, m) {
        bool wanted = type == DNS_ANY || rr->type == type;
        if (rr->section != SECTION_ANSWER || (!wanted && rr->type != DNS_CNAME) ||
            !msg_owner_is(rr, at->wire))
            continue;
        if (wanted)
            return rr;
        link = rr;
    }
    return link;
}

/* Whether CNAMEs lead from the question to a record of its type, in whatever order they
 * come. Records that others own say nothing about the question. */
static bool reaches_type(const struct query *q, const struct msg *m)
{
    uint16_t type = q->request.type;
    struct name at;
    memcpy(at.wire, q->request.lower, q->request.name_len);
    for (unsigned i = 0; i <= CHAIN_MAX; i++) {
        const struct rr *link = find_link(m, &at, type);
        if (link == NULL || type == DNS_ANY || link->type == type)
            return link != NULL;
        msg_name(link, link->rdata, &at);
    }
    return false;
}

static struct content look_at(const struct query *q, const struct msg *m)
{
    struct content c = {.least_ttl = UINT32_MAX, .denial_ttl = UINT32_MAX};
    msg_each_rr (rr, m) {
        c.answers = c.answers || rr->section == SECTION_ANSWER;
        if (rr->ttl < c.least_ttl)
            c.least_ttl = rr->ttl;
        if (rr->section != SECTION_AUTHORITY)
            continue;
        c.ns = c.ns || rr->type == DNS_NS;
        if (rr->type == DNS_SOA) {
            uint32_t minimum = soa_minimum(rr);
            c.soa = true;
            c.denial_ttl = minimum < rr->ttl ? minimum : rr->ttl;
        }
    }
    c.reaches = c.answers && reaches_type(q, m);
    return c;
}

static enum worth worth_of(const struct msg *m, const struct content *c)
{
    switch (m->rcode) {
    case DNS_NOERROR:
        return c->soa && !c->reaches ? WORTH_DENIAL : WORTH_SUCCESS;
    case DNS_NXDOMAIN:
        return c->answers ? WORTH_LEAST : WORTH_DENIAL;
    case DNS_SERVFAIL:
    case DNS_NOTIMP:
        return WORTH_FAILURE;
    default:
        return WORTH_LEAST;
    }
}

/* A denial without an SOA says not for how long (RFC 2308 section 5), and an answer
 * that does not reach the question is one. */
static bool is_kept(const struct msg *m, const struct content *c, enum worth worth)
{
    if ((m->flags & DNS_TC) != 0 || worth == WORTH_LEAST)
        return false;
    if (worth == WORTH_SUCCESS)
        return c->reaches || !c->answers;
    return worth == WORTH_FAILURE || c->soa;
}

static uint32_t clamp(uint32_t ttl, uint32_t min_s, uint32_t max_s)
{
    if (ttl > max_s)
        ttl = max_s;
    return ttl < min_s ? min_s : ttl;
}

static uint32_t life_of(const struct cache_plugin *c,
                        const struct cluster_zone *cluster, enum worth worth,
                        const struct content *content)
{
    if (worth == WORTH_FAILURE)
        return (uint32_t)((uint64_t)c->servfail_us / SECOND_US);
    const struct cache_bounds *b =
        &c->bounds[worth == WORTH_DENIAL ? CACHE_DENIAL : CACHE_SUCCESS];
    uint32_t max_s = b->max_s, ttl = content->least_ttl;
    if (worth == WORTH_DENIAL && content->denial_ttl < ttl)
        ttl = content->denial_ttl;
    if (worth == WORTH_LEAST)
        ttl = DELEGATION_S;
    if (worth == WORTH_SUCCESS && !content->answers &&
        (content->ns || ttl == UINT32_MAX))
        ttl = DELEGATION_S;
    if (cluster != NULL && !b->written) {
        uint32_t most = worth == WORTH_SUCCESS ? CLUSTER_MAX_S : CLUSTER_DENIAL_S;
        max_s = max_s < most ? max_s : most;
    }
    return clamp(ttl, b->min_s, max_s);
}

/* ---- keeping ---- */

static bool is_disabled(const struct cache_bounds *b, const struct request *req)
{
    return b->disabled && (b->disabled_for.n == 0 ||
                           zones_match(&b->disabled_for, req->lower) != NULL);
}

/* Returns whether it was kept. */
static bool keep(struct query *q, const struct cache_plugin *c,
                 const struct cluster_zone *cluster, enum worth worth, uint32_t life_s)
{
    struct resolver *r = q->r;
    const struct msg *m = &q->response->msg;
    enum cache_kind kind = worth == WORTH_SUCCESS ? CACHE_SUCCESS : CACHE_DENIAL;
    if (life_s == 0 || is_disabled(&c->bounds[kind], &q->request))
        return false;
    uint8_t question[NAME_WIRE_MAX + 4];
    memcpy(question, q->request.lower, q->request.name_len);
    store_u16(question + q->request.name_len, q->request.type);
    store_u16(question + q->request.name_len + 2, q->request.class);
    struct encode_job job = {
        .msg = m,
        .flags = DNS_QR,
        .question = {.at = question, .len = (size_t)q->request.name_len + 4},
        .limit = ANSWER_MAX,
    };
    size_t len;
    struct msg stored = {.rr = r->spare_rr, .rr_cap = WIRE_RR_MAX};
    if (encode_msg(r->encoder, &job, r->spare, &len) != ENCODE_OK ||
        wire_walk((struct span){.at = r->spare, .len = len}, &stored) != WIRE_OK)
        return false;
    struct cache_key key = key_of(q);
    struct cache_stale stale = stale_rules(c, cluster);
    struct cache_put put = {
        .facts = {.kind = kind,
                  .rcode = m->rcode,
                  .flags = m->flags,
                  .life_s = life_s,
                  .stored_us = r->now_us},
        .msg = &stored,
        .len = len,
        .keep_s = stale.on ? (uint32_t)((uint64_t)stale.until_us / SECOND_US) : 0,
        .keep_success = c->prefer_positive,
    };
    bool kept = cachestore_put(c->store, &key, &put);
    if (kept && q->client.trace != NULL)
        trace_note(q, "cache", "stored %u s", life_s);
    return kept;
}

static void level_ttls(struct msg *m, uint32_t life_s)
{
    msg_each_rr (rr, m) {
        if (rr->ttl != life_s)
            msg_set_ttl(m, rr, life_s);
    }
}

/* Asking anew brought nothing to keep: what is there may be asked for again. */
static void refresh_failed(struct query *q, const struct cache_plugin *c,
                           const struct cluster_zone *cluster)
{
    struct cache_key key = key_of(q);
    cachestore_failed(c->store, &key,
                      q->r->now_us + (uint64_t)stale_rules(c, cluster).recheck_us);
}

/* Gives the answer the one TTL it leaves with. Returns whether it was kept. */
static bool settle(struct query *q, const struct cache_plugin *c,
                   const struct cluster_zone *cluster)
{
    if (q->response->failed || q->response->unshared || q->led)
        return false;
    struct msg *m = &q->response->msg;
    struct content content = look_at(q, m);
    enum worth worth = worth_of(m, &content);
    q->response->options = (struct span){0};
    q->response->opt_len = 0;
    uint32_t life_s = life_of(c, cluster, worth, &content);
    level_ttls(m, life_s);
    return is_kept(m, &content, worth) && keep(q, c, cluster, worth, life_s);
}

static enum verdict on_response(struct query *q, const void *state)
{
    const struct cache_plugin *c = state;
    if (query_is_below(q)) {
        const struct cluster_zone *cluster = cluster_of(q);
        if (!settle(q, c, cluster))
            refresh_failed(q, c, cluster);
        return PASS;
    }
    struct frame *f = query_frame(q, state, sizeof *f);
    if (f == NULL || !f->asked)
        return PASS; /* not a name of ours */
    /* RD stays what `header` made of it. */
    q->request.flags &= (uint16_t)(~DNS_AD | f->flags);
    settle(q, c, f->cluster);
    if (!q->response->failed && !wants_ad(&q->request, f->flags))
        q->response->msg.flags &= (uint16_t)~DNS_AD;
    return PASS;
}

const struct plugin plugin_cache = {
    .name = "cache",
    .help = "answers that were given are given again",
    .synopsis = "cache [TTL] [ZONES...]",
    .options = cache_options,
    .options_n = CACHE_OPTIONS_N,
    .setup = cache_setup,
    .release = cache_release,
    .on_query = on_query,
    .on_wake = on_wake,
    .on_response = on_response,
};
