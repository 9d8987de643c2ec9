/* local: names that mean this machine to whoever asks are answered here and never leave
 * (RFC 6761 section 6.3, RFC 6303): localhost, what lies below it or begins with it,
 * and the reverse zones of 0, 127 and 255. */
#include "resolver/plugin.h"

#include "base/cursor.h"
#include "resolver/metrics.h"

#define TTL_S 604800

static const uint8_t localhost[] = "\11localhost";
static const uint8_t one[] = "\0011\0010\0010\003127\7in-addr\4arpa";

static const uint8_t *const zones[] = {localhost,
                                       (const uint8_t *)"\0010\7in-addr\4arpa",
                                       (const uint8_t *)"\003127\7in-addr\4arpa",
                                       (const uint8_t *)"\003255\7in-addr\4arpa"};

#define ZONES_N (sizeof zones / sizeof *zones)

struct local {
    bool no_prefix;
};

static int parse_prefix(struct reader *rd, void *state)
{
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
        return reader_error(rd, "localhost_prefix '%s': expected on or off", word);
    ((struct local *)state)->no_prefix = strcmp(word, "off") == 0;
    return 0;
}

static const struct option options[] = {
    {.name = "localhost_prefix",
     .kind = OPTION_CUSTOM,
     .parse = parse_prefix,
     .args = "on|off",
     .fallback = "on",
     .help = "whether names that begin with localhost are answered too"},
};

static int setup(struct setup *s, const struct directive *d)
{
    struct local *l = arena_alloc(s->arena, sizeof *l);
    struct reader rd = reader_init(d, s->arena, s->errs);
    if (l == NULL)
        return error_at(s->errs, d->at, "out of memory");
    s->state = l;
    while (reader_next(&rd)) {
        if (reader_args(&rd).n > 0)
            return reader_error_args(&rd);
        if (reader_options(&rd, options, 1, l) < 0)
            return -1;
    }
    return 0;
}

/* ---- answers ---- */

static int add(struct query *q, enum section section, const uint8_t *owner,
               uint16_t type, struct span rdata)
{
    struct rr_new rr = {.section = section,
                        .owner = owner,
                        .type = type,
                        .class = DNS_IN,
                        .ttl = TTL_S,
                        .rdata = rdata};
    return msg_add(&q->response->msg, &q->arena, &rr);
}

static int add_soa(struct query *q, enum section section, const uint8_t *zone)
{
    static const uint8_t root[] = "\4root\11localhost";
    uint8_t rdata[sizeof localhost + sizeof root + 20];
    struct wr wr = wr_init(rdata, sizeof rdata);
    wr_bytes(&wr, localhost, sizeof localhost);
    wr_bytes(&wr, root, sizeof root);
    wr_u32(&wr, 1);
    wr_u32(&wr, 0);
    wr_u32(&wr, 0);
    wr_u32(&wr, 0);
    wr_u32(&wr, TTL_S);
    return add(q, section, zone, DNS_SOA, (struct span){.at = rdata, .len = wr.at});
}

/* Names that are localhost: the loopback addresses, and nothing else. Each is a zone of
 * its own: localhost.example.org lies in none of ours. */
static int answer_localhost(struct query *q)
{
    static const uint8_t v4[] = {127, 0, 0, 1};
    static const uint8_t v6[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    const uint8_t *name = q->request.lower;
    switch (q->request.type) {
    case DNS_A:
        return add(q, SECTION_ANSWER, name, DNS_A, (struct span){v4, sizeof v4});
    case DNS_AAAA:
        return add(q, SECTION_ANSWER, name, DNS_AAAA, (struct span){v6, sizeof v6});
    default:
        return add_soa(q, SECTION_AUTHORITY, name);
    }
}

static int answer_apex(struct query *q, const uint8_t *zone)
{
    struct span ns = {.at = localhost, .len = sizeof localhost};
    if (q->request.type == DNS_SOA)
        return add_soa(q, SECTION_ANSWER, zone);
    if (q->request.type == DNS_NS)
        return add(q, SECTION_ANSWER, zone, DNS_NS, ns);
    if (zone == localhost)
        return answer_localhost(q);
    return add_soa(q, SECTION_AUTHORITY, zone);
}

static int answer(struct query *q, const uint8_t *zone)
{
    const uint8_t *name = q->request.lower;
    struct span target = {.at = localhost, .len = sizeof localhost};
    if (name_equal(name, zone))
        return answer_apex(q, zone);
    if (zone == localhost)
        return answer_localhost(q);
    if (name_equal(name, one) && q->request.type == DNS_PTR)
        return add(q, SECTION_ANSWER, name, DNS_PTR, target);
    if (!name_equal(name, one))
        q->response->msg.rcode = DNS_NXDOMAIN;
    return add_soa(q, SECTION_AUTHORITY, zone);
}

/* The zone of ours that the name lies in; localhost for one that begins with it. */
static const uint8_t *zone_of(const struct local *l, const uint8_t *name)
{
    for (size_t i = 0; i < ZONES_N; i++) {
        if (name_under(name, zones[i], NULL))
            return zones[i];
    }
    /* A name whose first label is shorter has fewer octets than there are to compare.
     */
    bool prefixed =
        name[0] == localhost[0] && memcmp(name, localhost, 1 + (size_t)name[0]) == 0;
    return prefixed && !l->no_prefix ? localhost : NULL;
}

static enum verdict on_query(struct query *q, const void *state)
{
    const uint8_t *zone = zone_of(state, q->request.lower);
    if (zone == NULL || q->request.class != DNS_IN)
        return PASS;
    if (zone == localhost && !name_equal(q->request.lower, localhost))
        query_count(q, 0, 0);
    query_respond(q, DNS_NOERROR, false, 1);
    if (q->response->failed || answer(q, zone) < 0)
        return query_fail(q, DNS_SERVFAIL, "plugin/local: out of memory");
    return DONE;
}

static void measure(struct measure *m, const void *state)
{
    measure_claim(m, METER_LOCAL, "");
}

const struct plugin plugin_local = {
    .name = "local",
    .help = "answers localhost and the reverse zones of 0, 127 and 255",
    .synopsis = "local",
    .options = options,
    .options_n = 1,
    .setup = setup,
    .on_query = on_query,
    .measure = measure,
};
