#include "resolver/plugins/forward_setup.h"

#include "base/log.h"
#include "resolver/plan.h"
#include "resolver/rdata.h"

#include <string.h>

#define SECOND INT64_C(1000000)

static int no_memory(const struct setup *s)
{
    return error_at(s->errs, (struct where){0}, "out of memory");
}

/* ---- options ---- */

static int parse_health_flag(struct reader *rd, const char *flag,
                             struct upstream_probe *probe)
{
    const char *word;
    if (strcmp(flag, "no_rec") == 0) {
        probe->recursion_desired = false;
        return 0;
    }
    if (strcmp(flag, "domain") != 0)
        return reader_error(rd,
                            "health_check: unknown option %s: expected no_rec or "
                            "domain FQDN",
                            flag);
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    struct name name;
    if (name_parse(&name, text_of(word)) < 0)
        return reader_error(rd, "health_check: invalid domain name %s", word);
    probe->name = arena_copy(rd->arena, name.wire, name.len);
    return probe->name == NULL ? reader_error(rd, "out of memory") : 0;
}

static int parse_health_check(struct reader *rd, void *state)
{
    struct upstream_probe *probe = &((struct forward *)state)->rules.probe;
    const char *word;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    if (reader_duration(rd, word, &probe->interval_us) < 0)
        return -1;
    if (probe->interval_us < 0)
        return reader_error(rd, "health_check can't be negative: %s", word);
    while (reader_arg(rd, &word)) {
        if (parse_health_flag(rd, word, probe) < 0)
            return -1;
    }
    return 0;
}

/* One or more rcodes, as bits. NOERROR is none to fail over on. */
static int parse_rcodes(struct reader *rd, uint64_t *out, bool noerror)
{
    struct token_list args = reader_args(rd);
    if (args.n == 0)
        return reader_error_args(rd);
    for (uint32_t i = 0; i < args.n; i++) {
        uint16_t rcode;
        const char *word = args.list[i].text;
        if (rcode_parse(text_of(word), &rcode) < 0 || rcode >= 64)
            return reader_error(rd,
                                "%s is not a valid rcode: expected names such as "
                                "NXDOMAIN or SERVFAIL",
                                word);
        if (rcode == DNS_NOERROR && !noerror)
            return reader_error(rd, "NoError cannot be used in failover");
        *out |= UINT64_C(1) << rcode;
    }
    return 0;
}

static int parse_next(struct reader *rd, void *state)
{
    return parse_rcodes(rd, &((struct forward *)state)->next, true);
}

static int parse_failover(struct reader *rd, void *state)
{
    return parse_rcodes(rd, &((struct forward *)state)->rules.failover, false);
}

static int parse_read_timeout(struct reader *rd, void *state)
{
    struct upstream_rules *g = &((struct forward *)state)->rules;
    const char *word;
    if (reader_one(rd, &word) < 0 || reader_duration(rd, word, &g->attempt_us) < 0)
        return -1;
    if (g->attempt_us <= 0)
        return reader_error(rd, "read_timeout must be positive: %s", word);
    return 0;
}

static int parse_attempts(struct reader *rd, void *state)
{
    struct forward *f = state;
    const char *word;
    f->attempts_written = true;
    if (reader_one(rd, &word) < 0)
        return -1;
    return reader_u32(rd, word, 0, UINT32_MAX, &f->rules.attempts_max);
}

static int parse_source(struct reader *rd, void *state)
{
    struct forward *f = state;
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    if (addr_parse_ip(&f->source, text_of(word)) < 0)
        return reader_error(rd, "invalid IP address: %s", word);
    return 0;
}

static int parse_resolver(struct reader *rd, void *state)
{
    struct forward *f = state;
    struct token_list args = reader_args(rd);
    if (args.n == 0)
        return reader_error_args(rd);
    for (uint32_t i = 0; i < args.n; i++) {
        if (forward_to_server(rd, &f->servers, args.list[i].text) < 0)
            return -1;
    }
    return 0;
}

static int parse_tls(struct reader *rd, void *state)
{
    return forward_tls_parse(rd, &((struct forward *)state)->tls);
}

static int parse_servername(struct reader *rd, void *state)
{
    return reader_one(rd, &((struct forward *)state)->tls.servername);
}

static const char *const doh_methods[] = {"POST", "GET", NULL};

#define FIELD(name) offsetof(struct forward, name)

const struct option forward_options[FORWARD_OPTIONS_N] = {
    {.name = "except",
     .kind = OPTION_ZONES,
     .offset = FIELD(except),
     .args = "ZONE...",
     .help = "zones below FROM that are not forwarded"},
    {.name = "force_tcp",
     .kind = OPTION_FLAG,
     .offset = FIELD(rules.force_tcp),
     .help = "ask over TCP always"},
    {.name = "prefer_udp",
     .kind = OPTION_FLAG,
     .offset = FIELD(rules.prefer_udp),
     .help = "ask over UDP also for clients that came over TCP; what is cut is asked "
             "again over TCP"},
    {.name = "max_fails",
     .kind = OPTION_U32,
     .offset = FIELD(rules.max_fails),
     .args = "N",
     .fallback = "2",
     .help = "failed probes in a row beyond which an upstream is down; 0: never"},
    {.name = "expire",
     .kind = OPTION_DURATION,
     .offset = FIELD(rules.expire_us),
     .args = "DURATION",
     .fallback = "10s",
     .help = "idle life of a kept connection"},
    {.name = "max_age",
     .kind = OPTION_DURATION,
     .offset = FIELD(rules.max_age_us),
     .args = "DURATION",
     .fallback = "0",
     .help = "whole life of a kept connection; 0: no end"},
    {.name = "health_check",
     .kind = OPTION_CUSTOM,
     .parse = parse_health_check,
     .args = "DURATION [no_rec] [domain FQDN]",
     .fallback = "0.5s domain .",
     .help = "time between probes of an upstream that failed, and what they ask"},
    {.name = "max_concurrent",
     .kind = OPTION_U32,
     .offset = FIELD(rules.max_concurrent),
     .args = "N",
     .fallback = "0",
     .help = "questions in flight, more are refused; 0: no limit"},
    {.name = "policy",
     .kind = OPTION_WORD,
     .offset = FIELD(rules.policy),
     .words = upstream_policy_words,
     .args = "random|round_robin|sequential",
     .fallback = "random",
     .help = "order in which several upstreams are asked"},
    {.name = "next",
     .kind = OPTION_CUSTOM,
     .parse = parse_next,
     .args = "RCODE...",
     .help = "answers after which the following forward of the block is asked instead"},
    {.name = "next_on_nodata",
     .kind = OPTION_FLAG,
     .offset = FIELD(next_on_nodata),
     .help = "likewise after an answer without records"},
    {.name = "failover",
     .kind = OPTION_CUSTOM,
     .parse = parse_failover,
     .args = "RCODE...",
     .help = "answers after which the next upstream is asked instead"},
    {.name = "failfast_all_unhealthy_upstreams",
     .kind = OPTION_FLAG,
     .offset = FIELD(rules.failfast),
     .help = "SERVFAIL at once while all upstreams are down, instead of trying one"},
    {.name = "read_timeout",
     .kind = OPTION_CUSTOM,
     .parse = parse_read_timeout,
     .args = "DURATION",
     .fallback = "2s",
     .help = "silence after which an attempt has failed"},
    {.name = "max_connect_attempts",
     .kind = OPTION_CUSTOM,
     .parse = parse_attempts,
     .args = "N",
     .fallback = "2 for each upstream",
     .help = "failed attempts after which a question has failed; 0: until 5 s have "
             "passed"},
    {.name = "max_idle_conns",
     .kind = OPTION_U32,
     .offset = FIELD(idle_max),
     .args = "N",
     .fallback = "0",
     .help = "idle connections kept for each upstream and worker; 0: no limit but our "
             "own"},
    {.name = "source_address",
     .kind = OPTION_CUSTOM,
     .parse = parse_source,
     .args = "IP",
     .help = "address to ask from, for upstreams of its family"},
    {.name = "resolver",
     .kind = OPTION_CUSTOM,
     .parse = parse_resolver,
     .args = "IP[:PORT]...",
     .fallback = "as the system looks them up, /etc/hosts first",
     .help = "servers that are asked, once and at start, for host names among TO"},
    {.name = "tls",
     .kind = OPTION_CUSTOM,
     .parse = parse_tls,
     .args = "[CERT KEY [CA]] | CA",
     .help = "files (PEM): our certificate and key, and whom to trust; else the "
             "system's CAs"},
    {.name = "tls_servername",
     .kind = OPTION_CUSTOM,
     .parse = parse_servername,
     .args = "NAME",
     .fallback = "the address",
     .help = "name the certificates of tls:// and https:// upstreams must have"},
    {.name = "doh_method",
     .kind = OPTION_WORD,
     .offset = FIELD(doh_method),
     .words = doh_methods,
     .args = "GET|POST",
     .fallback = "POST",
     .help =
         "how https:// upstreams are asked; what is asked by GET caches of HTTP may "
         "keep"},
};

/* ---- one directive ---- */

static int read_from(struct reader *rd, struct forward *f)
{
    const char *word;
    if (!reader_arg(rd, &word))
        return reader_error_args(rd);
    int rc = zones_add(rd->arena, &f->from, word);
    if (rc < 0)
        return reader_error(rd, "out of memory");
    if (rc > 0 || f->from.n == 0)
        return reader_error(rd, "unable to normalize '%s': expected a zone", word);
    if (f->from.n > 1) {
        char text[NAME_TEXT_MAX];
        name_print(f->from.list[0].wire, text);
        log_warning("plugin/forward: Unsupported CIDR notation: '%s' expands to "
                    "multiple zones. Using only '%s'.",
                    word, text);
    }
    return 0;
}

static int check_options(const struct setup *s, const struct forward *f)
{
    char age[DURATION_TEXT_MAX], expire[DURATION_TEXT_MAX];
    const struct upstream_rules *rules = &f->rules;
    if (rules->max_age_us == 0 || rules->max_age_us >= rules->expire_us)
        return 0;
    return error_at(s->errs, f->at,
                    "plugin/forward: max_age (%s) must not be less than expire (%s)",
                    duration_print(rules->max_age_us, age),
                    duration_print(rules->expire_us, expire));
}

static struct forward *forward_new(struct reader *rd)
{
    struct forward *f = arena_alloc(rd->arena, sizeof *f);
    if (f == NULL)
        return NULL;
    f->at = reader_token(rd)->at;
    f->group.rules = &f->rules;
    f->group.label = "forward";
    f->rules = (struct upstream_rules){
        .policy = POLICY_RANDOM,
        .max_fails = 2,
        /* CoreDNS gives up at 5 s: just when stubs do, who then never learn why. */
        .deadline_us = 49 * SECOND / 10,
        .attempt_us = 2 * SECOND,
        .expire_us = 10 * SECOND,
        .probe = {.interval_us = SECOND / 2,
                  .name = (const uint8_t *)"", /* the root */
                  .type = DNS_NS,
                  .recursion_desired = true},
    };
    return f;
}

/* What workers count together is kept over a reload by the block and the directive's
 * place in it. */
static struct span shared_key(const struct setup *s, uint32_t place)
{
    const char *name = plan_block_name(s), *text = NULL;
    if (name != NULL)
        text = arena_printf(s->arena, "forward %u%s", place, name);
    return (struct span){.at = (const uint8_t *)text,
                         .len = text == NULL ? 0 : strlen(text)};
}

/* A source address is for upstreams of its family; the others have none. */
static struct endpoint endpoint_of(const struct forward *f, const struct addr *addr)
{
    struct endpoint e = {.addr = *addr,
                         .idle_us = f->rules.expire_us,
                         .life_us = f->rules.max_age_us,
                         .streams_idle_max = f->idle_max};
    if (f->source.family == addr->family)
        e.source = f->source;
    return e;
}

static int add_upstream(struct setup *s, struct forward *f,
                        const struct forward_target *to)
{
    struct upstream_group *g = &f->group;
    struct endpoint e = endpoint_of(f, &to->addr);
    if (to->transport != TRANSPORT_UDP) {
        struct forward_tls_claim *claim = forward_tls_claim(s, f->at, &f->tls, to);
        if (claim == NULL)
            return -1;
        f->claims[f->claims_n++] = claim;
        e.tls = claim->settings;
        if (to->transport == TRANSPORT_HTTPS)
            e.https = (uint8_t)(HTTPS_POST + f->doh_method);
    }
    struct upstream *up =
        upstream_claim(s->registry, &e, to->transport, TEXT("forward"));
    if (up == NULL)
        return no_memory(s);
    g->list[g->n++] = up;
    return 0;
}

static int make_group(struct setup *s, struct forward *f,
                      const struct forward_targets *to)
{
    struct upstream_group *g = &f->group;
    struct span key = shared_key(s, f->place);
    g->list = arena_array(s->arena, to->n, sizeof(struct upstream *));
    f->claims = arena_array(s->arena, to->n, sizeof(struct forward_tls_claim *));
    if (key.at == NULL || g->list == NULL || f->claims == NULL)
        return no_memory(s);
    f->watch.claims = f->claims;
    f->watch.claims_n = &f->claims_n;
    g->shared = upstream_claim_shared(s->registry, key);
    if (g->shared == NULL)
        return no_memory(s);
    if (!f->attempts_written)
        f->rules.attempts_max = 2 * to->n;
    for (uint32_t i = 0; i < to->n; i++) {
        if (add_upstream(s, f, &to->list[i]) < 0)
            return -1;
    }
    if (s->block->measured && metrics_measure_group(s->plan, g) < 0)
        return no_memory(s);
    return 0;
}

static int keep(struct setup *s, struct forward_plugin *p, struct forward *f)
{
    if (p->n == p->cap) {
        uint32_t cap = p->cap == 0 ? 4 : p->cap * 2;
        struct forward **more = arena_array(s->arena, cap, sizeof *more);
        if (more == NULL || cap < p->cap)
            return -1;
        if (p->n > 0)
            memcpy(more, p->list, p->n * sizeof *more);
        p->list = more;
        p->cap = cap;
    }
    f->place = p->n;
    p->list[p->n++] = f;
    return 0;
}

/* Reads to the end of the directive whatever is wrong in it, so that all is told. */
static int set_up_one(struct setup *s, struct forward_plugin *p, struct reader *rd)
{
    struct forward_targets to = {0};
    struct forward *f = forward_new(rd);
    if (f == NULL || keep(s, p, f) < 0)
        return no_memory(s);
    int rc = read_from(rd, f);
    if (rc == 0 || f->from.n > 0)
        rc = forward_to_read(rd, &to);
    else
        reader_args(rd);
    if (reader_options(rd, forward_options, FORWARD_OPTIONS_N, f) < 0 || rc < 0)
        return -1;
    if (check_options(s, f) < 0 ||
        forward_tls_watch(s, f->at, &f->tls, &f->watch) < 0 ||
        forward_tls_read(s, f->at, &f->tls) < 0 ||
        forward_to_look_up(s, f->at, &to, f->servers) < 0)
        return -1;
    return make_group(s, f, &to);
}

int forward_setup(struct setup *s, const struct directive *d)
{
    struct forward_plugin *p = arena_alloc(s->arena, sizeof *p);
    if (p == NULL)
        return no_memory(s);
    s->state = p;
    s->block->any_class = true; /* CoreDNS: `forward` takes every class */
    struct reader rd = reader_init(d, s->arena, s->errs);
    uint32_t before = s->errs->n;
    while (reader_next(&rd))
        set_up_one(s, p, &rd);
    return s->errs->n > before ? -1 : 0;
}

void forward_release(struct registry *reg, void *state)
{
    struct forward_plugin *p = state;
    for (uint32_t i = 0; i < p->n; i++) {
        struct forward *f = p->list[i];
        upstream_group_release(reg, &f->group);
        for (uint32_t n = 0; n < f->claims_n; n++)
            registry_drop(reg, f->claims[n]);
        f->claims_n = 0;
    }
}
