#include "server/ladder.h"

#include "resolver/msg.h"

#include <string.h>

#define HTTPS_PORT 443

enum { FIRST, SECOND, THIRD }; /* probes */

/* ---- words ---- */

static const struct {
    const char *text;
    int level;
} states[] = {
    [LADDER_OK] = {"ok", 0},
    [LADDER_NO_ROUTE] = {"NO ROUTE", 2},
    [LADDER_CLOSED] = {"CLOSED", 1},
    [LADDER_FILTERED] = {"FILTERED", 2},
    [LADDER_DOWN] = {"DOWN", 1},
    [LADDER_NOT_DNS] = {"NOT DNS", 2},
    [LADDER_REFUSED] = {"REFUSED", 2},
    [LADDER_FAILING] = {"FAILING", 1},
    [LADDER_DOMAIN] = {"WRONG DOMAIN", 2},
    [LADDER_CLUSTER] = {"WRONG CLUSTER", 2},
    [LADDER_REVERSE] = {"NO REVERSE", 1},
    [LADDER_VERSION] = {"NO VERSION", 1},
    [LADDER_TCP_ONLY] = {"TCP ONLY", 1},
    [LADDER_UDP_ONLY] = {"UDP ONLY", 1},
    [LADDER_CONFIRM] = {"UNCONFIRMED", 1},
    [LADDER_SERVICES] = {"NAMES ONLY", 1},
    [LADDER_HERE] = {"NOT TRIED", 2},
};

int ladder_level(enum ladder_state state)
{
    return states[state].level;
}

const char *ladder_state_print(enum ladder_state state)
{
    return states[state].text;
}

/* ---- names ---- */

int ladder_domain(const struct name *service, struct name *out)
{
    const uint8_t *at = service->wire;
    if (service->len == 0)
        return -1;
    for (unsigned i = 0; i < 2 && *at != 0; i++)
        at += 1 + *at;
    if (at[0] != 3 || memcmp(at + 1, "svc", 3) != 0)
        return -1;
    at += 4;
    out->len = (uint8_t)(service->len - (at - service->wire));
    memcpy(out->wire, at, out->len);
    return out->len > 1 ? 0 : -1;
}

static void reverse_name(const struct addr *a, struct name *out)
{
    struct cidr c = {.family = a->family, .bits = a->family == 4 ? 32 : 128};
    memcpy(c.ip, a->ip, sizeof c.ip);
    cidr_reverse_zone(&c, 0, out);
}

static bool is_api(const struct name *service)
{
    static const uint8_t api[] = "\12kubernetes\7default\3svc";
    return service->len > sizeof api && memcmp(service->wire, api, sizeof api - 1) == 0;
}

static int version_name(const struct name *domain, struct name *out)
{
    static const uint8_t label[] = "\13dns-version";
    return name_join(out, label, sizeof label - 1, domain->wire);
}

/* ---- the verdict ---- */

static bool outcome_is(const struct ladder_result *r, enum probe_outcome o)
{
    return r->udp == o || r->tcp == o;
}

/* Nobody answered, over whatever transport. */
static enum ladder_state judge_silence(const struct ladder_result *r)
{
    if (outcome_is(r, PROBE_FAILED))
        return LADDER_HERE;
    if (outcome_is(r, PROBE_UNREACHABLE))
        return LADDER_NO_ROUTE;
    if (outcome_is(r, PROBE_GARBAGE))
        return LADDER_NOT_DNS;
    if (outcome_is(r, PROBE_CLOSED))
        return LADDER_CLOSED;
    bool host = r->service == PROBE_ANSWERED || r->service == PROBE_CLOSED;
    return host ? LADDER_FILTERED : LADDER_DOWN;
}

/* Whether the first Service is tried. */
static bool is_service_tried(const struct ladder *l)
{
    return l->result.first.family != 0 && !l->question.dns_only;
}

static bool is_inside(const struct ladder *l)
{
    return l->question.has_services &&
           cidr_contains(&l->question.services, &l->question.dns);
}

/* The subnet of the other family, whose first address is nobody's: the DNS has told its
 * own name, and that must do. */
static bool lacks_api(const struct ladder *l)
{
    return l->question.dual_stack && l->result.first_name.len == 0 &&
           l->result.dns_name.len > 0;
}

/* What it says of itself. */
static enum ladder_state judge_identity(const struct ladder *l)
{
    const struct ladder_result *r = &l->result;
    const struct name *expected = &l->question.domain;
    if (r->domain.len > 0 && expected->len > 0 &&
        !name_equal(r->domain.wire, expected->wire))
        return LADDER_DOMAIN;
    if (!l->question.has_services)
        return r->version[0] == '\0' ? LADDER_DOMAIN : LADDER_OK;
    if (r->first_name.len == 0 && (r->dns_name.len == 0 || !is_inside(l)))
        return r->version[0] == '\0' ? LADDER_DOMAIN : LADDER_REVERSE;
    if (!is_api(&r->first_name) && !lacks_api(l))
        return LADDER_CLUSTER;
    return r->version[0] == '\0' ? LADDER_VERSION : LADDER_OK;
}

static enum ladder_state judge_transport(const struct ladder *l)
{
    const struct ladder_result *r = &l->result;
    if (r->udp != PROBE_ANSWERED && !l->question.force_tcp)
        return LADDER_TCP_ONLY;
    if (r->tcp != PROBE_ANSWERED)
        return LADDER_UDP_ONLY;
    return LADDER_OK;
}

/* A server may refuse names outside its domain, or fail at them: what it says of itself
 * comes first. */
static bool is_known(const struct ladder_result *r)
{
    return r->rcode == DNS_NOERROR || r->rcode == DNS_NXDOMAIN || r->domain.len > 0;
}

static enum ladder_state judge(const struct ladder *l)
{
    const struct ladder_result *r = &l->result;
    if (!is_known(r))
        return r->rcode == DNS_REFUSED ? LADDER_REFUSED : LADDER_FAILING;
    if (r->unsteady)
        return LADDER_FAILING;
    enum ladder_state state = judge_identity(l);
    if (state == LADDER_OK)
        state = judge_transport(l);
    if (state == LADDER_OK && is_service_tried(l) && !lacks_api(l) &&
        r->service != PROBE_ANSWERED && r->service != PROBE_CLOSED)
        state = LADDER_SERVICES;
    return state;
}

static void finish(struct ladder *l, enum ladder_state state)
{
    l->result.state = state;
    l->done(l);
}

/* ---- the stages ---- */

static void on_probe(struct probe *p);

static struct probe *prepare(struct ladder *l, unsigned i, enum probe_kind kind)
{
    struct probe *p = &l->probes[i];
    p->question = (struct probe_question){.kind = kind, .to = l->question.dns};
    p->done = on_probe;
    p->context = l;
    l->ready[i] = true;
    l->waiting++;
    return p;
}

static enum probe_kind working_kind(const struct ladder *l)
{
    return l->result.udp == PROBE_ANSWERED && !l->question.force_tcp ? PROBE_UDP
                                                                     : PROBE_TCP;
}

static void run(struct ladder *l, enum ladder_stage stage)
{
    l->stage = stage;
    for (unsigned i = 0; i < LADDER_PROBES; i++) {
        if (l->ready[i])
            probe_start(&l->probes[i], l->loop);
        l->ready[i] = false;
    }
}

static void start_reaching(struct ladder *l)
{
    static const enum probe_kind kinds[] = {PROBE_UDP, PROBE_TCP, PROBE_CONNECT};
    struct name name;
    uint16_t type = DNS_TXT;
    if (l->question.domain.len == 0 || version_name(&l->question.domain, &name) < 0) {
        reverse_name(&l->question.dns, &name);
        type = DNS_PTR;
    }
    for (unsigned i = FIRST; i <= (is_service_tried(l) ? THIRD : SECOND); i++) {
        struct probe *p = prepare(l, i, kinds[i]);
        p->question.name = name;
        p->question.type = type;
    }
    l->probes[THIRD].question.to = l->result.first;
    l->probes[THIRD].question.to.port = HTTPS_PORT;
    run(l, REACHING);
}

static void prepare_ptr(struct ladder *l, unsigned i, const struct addr *a)
{
    struct probe *p = prepare(l, i, working_kind(l));
    p->question.type = DNS_PTR;
    reverse_name(a, &p->question.name);
}

static void start_naming(struct ladder *l)
{
    prepare_ptr(l, FIRST, &l->question.dns);
    if (l->result.first.family != 0)
        prepare_ptr(l, SECOND, &l->result.first);
    run(l, NAMING);
}

static void start_version(struct ladder *l)
{
    struct name name;
    if (version_name(&l->result.domain, &name) < 0) {
        finish(l, judge(l));
        return;
    }
    struct probe *p = prepare(l, FIRST, working_kind(l));
    p->question.name = name;
    p->question.type = DNS_TXT;
    run(l, VERSIONING);
}

static void prepare_address(struct ladder *l, unsigned i, const struct name *name,
                            const struct addr *a)
{
    struct probe *p = prepare(l, i, working_kind(l));
    p->question.name = *name;
    p->question.type = a->family == 4 ? DNS_A : DNS_AAAA;
}

static void start_confirming(struct ladder *l)
{
    const struct ladder_result *r = &l->result;
    if (r->dns_name.len > 0)
        prepare_address(l, FIRST, &r->dns_name, &l->question.dns);
    if (r->first_name.len > 0)
        prepare_address(l, SECOND, &r->first_name, &r->first);
    if (l->waiting == 0)
        finish(l, LADDER_CONFIRM);
    else
        run(l, CONFIRMING);
}

/* ---- what each stage found ---- */

static void note_first(struct ladder *l, const struct probe *p)
{
    struct ladder_result *r = &l->result;
    if (p->outcome != PROBE_ANSWERED || r->rtt_us != 0)
        return;
    r->rtt_us = p->rtt_us > 0 ? p->rtt_us : 1;
    r->rcode = p->rcode;
    if (p->found && p->question.type == DNS_TXT)
        memcpy(r->version, p->text, sizeof r->version);
}

static void after_reaching(struct ladder *l)
{
    struct ladder_result *r = &l->result;
    r->udp = l->probes[FIRST].outcome;
    r->tcp = l->probes[SECOND].outcome;
    if (is_service_tried(l))
        r->service = l->probes[THIRD].outcome;
    r->error = l->probes[FIRST].error;
    if (r->error == 0)
        r->error = l->probes[SECOND].error;
    note_first(l, &l->probes[FIRST]);
    note_first(l, &l->probes[SECOND]);
    if (r->rtt_us == 0)
        finish(l, judge_silence(r));
    else
        start_naming(l);
}

/* The name a PTR leads to; without one len is 0. */
static void take_name(struct ladder *l, const struct probe *p, struct name *out)
{
    l->result.unsteady = l->result.unsteady || p->outcome != PROBE_ANSWERED;
    if (p->outcome == PROBE_ANSWERED && p->found)
        *out = p->target;
}

static void after_naming(struct ladder *l)
{
    struct ladder_result *r = &l->result;
    take_name(l, &l->probes[FIRST], &r->dns_name);
    if (r->first.family != 0)
        take_name(l, &l->probes[SECOND], &r->first_name);
    if (ladder_domain(&r->first_name, &r->domain) < 0 &&
        ladder_domain(&r->dns_name, &r->domain) < 0)
        r->domain.len = 0;
    if (r->domain.len > 0 && r->version[0] == '\0')
        start_version(l);
    else if (l->question.confirm && judge(l) == LADDER_OK)
        start_confirming(l);
    else
        finish(l, judge(l));
}

static void after_version(struct ladder *l)
{
    const struct probe *p = &l->probes[FIRST];
    if (p->outcome == PROBE_ANSWERED && p->found)
        memcpy(l->result.version, p->text, sizeof l->result.version);
    finish(l, judge(l));
}

static bool leads_back(const struct probe *p, const struct addr *a)
{
    return p->outcome == PROBE_ANSWERED && p->found &&
           memcmp(p->addr.ip, a->ip, sizeof a->ip) == 0;
}

static void after_confirming(struct ladder *l)
{
    const struct ladder_result *r = &l->result;
    bool right =
        (r->dns_name.len == 0 || leads_back(&l->probes[FIRST], &l->question.dns)) &&
        (r->first_name.len == 0 || leads_back(&l->probes[SECOND], &r->first));
    finish(l, right ? LADDER_OK : LADDER_CONFIRM);
}

static void on_probe(struct probe *p)
{
    struct ladder *l = p->context;
    if (--l->waiting > 0)
        return;
    switch (l->stage) {
    case REACHING:
        after_reaching(l);
        break;
    case NAMING:
        after_naming(l);
        break;
    case VERSIONING:
        after_version(l);
        break;
    case CONFIRMING:
        after_confirming(l);
        break;
    }
}

void ladder_start(struct ladder *l, uv_loop_t *loop)
{
    l->loop = loop;
    l->waiting = 0;
    l->result = (struct ladder_result){.service = PROBE_SILENT};
    if (l->question.has_services &&
        cidr_nth(&l->question.services, 1, &l->result.first) < 0)
        l->result.first = (struct addr){0};
    start_reaching(l);
}
