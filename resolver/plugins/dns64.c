/* dns64: hosts that have IPv6 only reach names that have IPv4 addresses only (RFC
 * 6147).
 *
 *     dns64 64:ff9b::/96 {
 *         allow_ipv4
 *     }
 *
 * A question for AAAA that finds none is answered with the A records put behind a
 * prefix. They are asked for under the client's own name, so that `rewrite` sees that
 * question too. A client that validates for itself (DO and CD) gets what there is (RFC
 * 6147 section 5.5). */
#include "resolver/plugin.h"

#include "resolver/metrics.h"
#include "resolver/plan.h"

#define TTL_WITHOUT_SOA_S 600 /* RFC 6147 section 5.1.7 */

struct dns64 {
    struct cidr prefix;
    bool translate_all, allow_ipv4;
};

static int read_prefix(struct reader *rd, const char *word, struct cidr *out)
{
    if (cidr_parse(out, text_of(word), NULL) < 0)
        return reader_error(rd, "invalid CIDR address: %s: expected V6/LENGTH", word);
    if (out->family != 6)
        return reader_error(rd, "invalid netmask: \"%s\" is no IPv6 prefix", word);
    if (out->bits % 8 != 0 || out->bits < 32 || out->bits > 96)
        return reader_error(rd,
                            "invalid prefix length \"%s\": expected 32 to 96 in steps "
                            "of 8",
                            word);
    return 0;
}

static int parse_prefix(struct reader *rd, void *state)
{
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    return read_prefix(rd, word, &((struct dns64 *)state)->prefix);
}

static const struct option options[] = {
    {.name = "prefix",
     .kind = OPTION_CUSTOM,
     .parse = parse_prefix,
     .args = "V6/LENGTH",
     .fallback = "64:ff9b::/96",
     .help = "what addresses are put behind; 32 to 96 bits in steps of 8"},
    {.name = "translate_all",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct dns64, translate_all),
     .help = "also where AAAA records exist"},
    {.name = "allow_ipv4",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct dns64, allow_ipv4),
     .help = "also for clients that ask over IPv4"},
};

#define OPTIONS_N (sizeof options / sizeof *options)

static int setup(struct setup *s, const struct directive *d)
{
    struct dns64 *n = arena_alloc(s->arena, sizeof *n);
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (n == NULL || cidr_parse(&n->prefix, TEXT("64:ff9b::/96"), NULL) < 0)
        return error_at(s->errs, d->at, "out of memory");
    s->state = n;
    while (reader_next(&rd)) {
        struct token_list args = reader_args(&rd);
        if (args.n > 1)
            return reader_error_args(&rd);
        if (args.n == 1 && read_prefix(&rd, args.list[0].text, &n->prefix) < 0)
            return -1;
        if (reader_options(&rd, options, OPTIONS_N, n) < 0)
            return -1;
    }
    return 0;
}

/* ---- the answer ---- */

static bool is_for(const struct dns64 *n, const struct query *q)
{
    const struct request *req = &q->request;
    bool validates =
        req->opt.present && req->opt.dnssec_ok && (req->flags & DNS_CD) != 0;
    return req->type == DNS_AAAA && req->class == DNS_IN && !validates &&
           (n->allow_ipv4 || q->client.peer.family == 6);
}

static bool has_answer(const struct msg *m, uint16_t type)
{
    msg_each_rr (rr, m) {
        if (rr->section == SECTION_ANSWER && rr->type == type)
            return true;
    }
    return false;
}

static enum verdict on_response(struct query *q, const void *state)
{
    const struct dns64 *n = state;
    const struct msg *m = &q->response->msg;
    if (!is_for(n, q) || q->response->failed || m->rcode == DNS_NXDOMAIN ||
        (m->flags & DNS_TC) != 0 || (has_answer(m, DNS_AAAA) && !n->translate_all))
        return PASS;
    if (query_spawn(q, q->request.name, DNS_A, DNS_IN) < 0)
        return PASS;
    return WAIT;
}

static uint32_t ttl_most(const struct msg *m)
{
    uint32_t ttl = TTL_WITHOUT_SOA_S;
    msg_each_rr (rr, m) {
        if (rr->section == SECTION_AUTHORITY && rr->type == DNS_SOA)
            ttl = rr->ttl;
    }
    return ttl;
}

/* RFC 6052 section 2.2: octet 8 is left out, it stays zero. */
static void embed(const struct cidr *prefix, const uint8_t *v4, uint8_t out[16])
{
    unsigned at = prefix->bits / 8u;
    memset(out, 0, 16);
    memcpy(out, prefix->ip, at);
    for (unsigned i = 0; i < 4; i++, at++) {
        if (at == 8)
            at++;
        out[at] = v4[i];
    }
}

static int add_embedded(struct query *q, const struct dns64 *n, const struct rr *a,
                        uint32_t ttl)
{
    uint8_t v6[16];
    struct name owner;
    embed(&n->prefix, a->base + a->rdata, v6);
    msg_owner(a, &owner);
    struct rr_new rr = {.section = SECTION_ANSWER,
                        .owner = owner.wire,
                        .type = DNS_AAAA,
                        .class = DNS_IN,
                        .ttl = a->ttl < ttl ? a->ttl : ttl,
                        .rdata = {.at = v6, .len = sizeof v6}};
    return msg_add(&q->response->msg, &q->arena, &rr);
}

static enum verdict synthesize(struct query *q, const struct dns64 *n,
                               const struct msg *from)
{
    uint32_t ttl = ttl_most(&q->response->msg);
    query_respond(q, from->rcode, false, from->rr_n);
    if (q->response->failed)
        return DONE;
    q->response->msg.flags |= from->flags & (DNS_TC | DNS_RA);
    msg_each_rr (rr, from) {
        bool address = rr->section == SECTION_ANSWER && rr->type == DNS_A;
        int rc = address && rr->rdlen == 4
                     ? add_embedded(q, n, rr, ttl)
                     : msg_add_rr(&q->response->msg, &q->arena, rr);
        if (rc < 0)
            return query_fail(q, DNS_SERVFAIL, "plugin/dns64: out of memory");
    }
    return DONE;
}

/* The A records are known, or nobody knows them. */
static enum verdict on_wake(struct query *q, const void *state)
{
    const struct child_result *child = q->child;
    bool answered = child->done && !child->failed;
    bool has_own = has_answer(&q->response->msg, DNS_AAAA);
    if (has_own && !(answered && has_answer(&child->msg, DNS_A)))
        return DONE;
    if (!answered)
        return query_fail_ede(q, DNS_SERVFAIL, "plugin/dns64: A records: no answer",
                              EDE_OTHER, child->ede_text);
    query_count(q, 0, 0);
    return synthesize(q, state, &child->msg);
}

static void measure(struct measure *m, const void *state)
{
    measure_claim(m, METER_DNS64, m->server);
}

const struct plugin plugin_dns64 = {
    .name = "dns64",
    .help = "makes AAAA records of A records for hosts that have IPv6 only",
    .synopsis = "dns64 [PREFIX]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .on_response = on_response,
    .on_wake = on_wake,
    .measure = measure,
};
