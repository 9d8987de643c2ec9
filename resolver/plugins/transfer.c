/* transfer: sends the zones of the block on, and tells secondaries when one has
 * changed.
 *
 *     transfer example.org {
 *         to 192.0.2.1 [2001:db8::1]:5353
 *         source 192.0.2.53
 *     }
 *
 * AXFR and IXFR over TCP; an IXFR is answered by the whole zone, or by its SOA alone
 * when the client has it already (RFC 1995 section 4), and over UDP always by the SOA,
 * which sends the client to TCP. A zone goes out in as many messages as it needs, one a
 * turn of the worker and none before the client has taken the one before, so that a
 * large zone costs one message's memory and nobody else's time. */
#include "resolver/transfer.h"

#include "base/cursor.h"
#include "base/log.h"
#include "resolver/wire.h"

#include <inttypes.h>

#define NOTIFY_PORT 53

/* Octets of records in one message, written in full: encoding makes them fewer. The
 * question, OPT and a signature fit besides. */
#define PART_MAX 60000

/* ---- options ---- */

/* Also one address twice is told twice, as in CoreDNS. */
static int add_address(struct reader *rd, struct transfer_line *l,
                       const struct addr *addr)
{
    struct addr *list = arena_array(rd->arena, l->to_n + 1u, sizeof *list);
    if (list == NULL)
        return reader_error(rd, "out of memory");
    if (l->to_n > 0)
        memcpy(list, l->to, l->to_n * sizeof *list);
    list[l->to_n++] = *addr;
    l->to = list;
    return 0;
}

static int parse_to(struct reader *rd, void *state)
{
    struct transfer_line *l = state;
    const char *word;
    uint32_t n = 0;
    for (; reader_arg(rd, &word) && strcmp(word, "}") != 0; n++) {
        struct addr addr = {0};
        if (strcmp(word, "*") == 0)
            l->anyone = true;
        else if (addr_parse(&addr, text_of(word), NOTIFY_PORT) < 0)
            return reader_error(rd, "to: '%s' is neither `*` nor an IP address", word);
        else if (add_address(rd, l, &addr) < 0)
            return -1;
    }
    return n == 0 ? reader_error_args(rd) : 0;
}

static int parse_source(struct reader *rd, void *state)
{
    struct transfer_line *l = state;
    const char *word;
    if (reader_one(rd, &word) < 0)
        return -1;
    if (l->source.family != 0)
        return reader_error(rd, "source already specified");
    if (addr_parse_ip(&l->source, text_of(word)) < 0)
        return reader_error(rd, "invalid source address \"%s\"", word);
    return 0;
}

static const struct option options[] = {
    {.name = "to",
     .kind = OPTION_CUSTOM,
     .parse = parse_to,
     .args = "ADDRESS...",
     .help = "who may have the zones: `*` is everybody; addresses are told when a zone "
             "changes"},
    {.name = "source",
     .kind = OPTION_CUSTOM,
     .parse = parse_source,
     .args = "ADDRESS",
     .help = "where to send that news from"},
};
#define OPTIONS_N (sizeof options / sizeof *options)

/* ---- setup ---- */

static int read_line(struct setup *s, struct reader *rd, struct transfer_line *l)
{
    if (plan_zones(s, rd, &l->zones) < 0 ||
        reader_options(rd, options, OPTIONS_N, l) < 0)
        return -1;
    if (!l->anyone && l->to_n == 0)
        return reader_error(rd, "'to' is required: `to *`, or addresses");
    return 0;
}

static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    struct transfer *t = arena_alloc(s->arena, sizeof *t);
    int rc = 0;
    if (t == NULL)
        return error_at(s->errs, d->at, "plugin/transfer: out of memory");
    struct transfer_line **end = &t->lines;
    while (reader_next(&rd)) {
        struct transfer_line *l = arena_alloc(s->arena, sizeof *l);
        if (l == NULL)
            return reader_error(&rd, "out of memory");
        if (read_line(s, &rd, l) < 0)
            rc = -1;
        *end = l;
        end = &l->next;
    }
    s->state = t;
    s->block->transfer = t;
    return rc;
}

/* ---- what is asked ---- */

static bool is_allowed(const struct transfer_line *l, const struct addr *peer)
{
    for (uint32_t i = 0; i < l->to_n; i++) {
        if (l->to[i].family == peer->family &&
            memcmp(l->to[i].ip, peer->ip, peer->family == 4 ? 4 : 16) == 0)
            return true;
    }
    return l->anyone;
}

/* The serial that the client of an IXFR has. 0, or -1: it does not say. */
static int read_serial(const struct query *q, uint32_t *serial)
{
    struct rr few[4];
    struct msg m = {.rr = few, .rr_cap = 4};
    if (wire_walk(q->request.wire, &m) != WIRE_OK)
        return -1;
    msg_each_rr (rr, &m) {
        if (rr->section != SECTION_AUTHORITY || rr->type != DNS_SOA)
            continue;
        *serial = zonedata_times(rr).serial;
        return 0;
    }
    return -1;
}

static const struct zone *find_zone(struct query *q, bool *known)
{
    const struct zone *z = NULL;
    *known = false;
    for (const struct zone_source *s = q->block->zone_sources; s != NULL && !*known;
         s = s->next) {
        z = s->find(q, s->state, known);
        *known = *known || z != NULL;
    }
    return z;
}

/* ---- sending ---- */

struct sending {
    struct zonedata_place place;
    uint32_t records;
};

static size_t plain_len(const struct rr *rr)
{
    return name_len(rr->base + rr->owner) + 10u + rr->rdlen;
}

static int put(struct query *q, const struct rr *rr)
{
    struct rr copy = *rr;
    copy.section = SECTION_ANSWER;
    return msg_add_rr(&q->response->msg, &q->arena, &copy);
}

/* Fills a message: 1 when the zone goes on behind it, 0 when this is the last, -1: no
 * memory. */
static int fill(struct query *q, struct sending *s)
{
    const struct zonedata *data = q->zone_held->data;
    const struct rr *soa = zonedata_soa(data), *rr;
    size_t len = plain_len(soa);
    q->response->msg.rr_n = 0;
    if (s->records++ == 0 && put(q, soa) < 0)
        return -1;
    for (;;) {
        struct zonedata_place before = s->place;
        rr = zonedata_next(data, &s->place);
        len += plain_len(rr == NULL ? soa : rr);
        if (len > PART_MAX && q->response->msg.rr_n > 0) {
            s->place = before;
            return 1;
        }
        s->records++;
        if (put(q, rr == NULL ? soa : rr) < 0)
            return -1;
        if (rr == NULL)
            return 0;
    }
}

static enum verdict go_on(struct query *q, struct sending *s)
{
    char zone[NAME_TEXT_MAX], peer[ADDR_TEXT_MAX];
    int more = fill(q, s);
    if (more < 0)
        return query_fail(q, DNS_SERVFAIL, "plugin/transfer: out of memory");
    if (more > 0)
        return query_send_part(q) == 0 ? WAIT : DROP;
    name_print(q->zone_held->apex.wire, zone);
    log_info("plugin/transfer: Outgoing transfer of %" PRIu32
             " records of zone \"%s\" to %s for %" PRIu32 " SOA serial",
             s->records, zone, addr_print_ip(&q->client.peer, peer),
             q->zone_held->serial);
    return DONE;
}

static enum verdict on_wake(struct query *q, const void *state)
{
    struct sending *s = query_frame(q, state, sizeof *s);
    return go_on(q, s);
}

static enum verdict send_soa(struct query *q, const struct zone *z)
{
    query_respond(q, DNS_NOERROR, true, 1);
    return put(q, zonedata_soa(z->data)) < 0
               ? query_fail(q, DNS_SERVFAIL, "plugin/transfer: out of memory")
               : DONE;
}

static enum verdict send_zone(struct query *q, const void *state, const struct zone *z)
{
    struct sending *s = query_frame(q, state, sizeof *s);
    if (s == NULL)
        return query_fail(q, DNS_SERVFAIL, "plugin/transfer: out of memory");
    query_hold_zone(q, (struct zone *)(uintptr_t)z);
    query_respond(q, DNS_NOERROR, true, 64);
    return q->response->failed ? DONE : go_on(q, s);
}

static enum verdict refuse(struct query *q, const char *why)
{
    return query_fail_ede(q, DNS_REFUSED, NULL, EDE_PROHIBITED, why);
}

static enum verdict has_no_zone(struct query *q, bool known)
{
    if (known)
        return query_fail_ede(q, DNS_SERVFAIL, NULL, EDE_NOT_READY,
                              "zone not loaded yet");
    return query_fail_ede(q, DNS_NOTAUTH, NULL, EDE_NOT_AUTHORITATIVE,
                          "no such zone here");
}

static enum verdict on_query(struct query *q, const void *state)
{
    bool incremental = q->request.type == DNS_IXFR, known;
    bool stream =
        q->client.transport == TRANSPORT_TCP || q->client.transport == TRANSPORT_TLS;
    uint32_t serial = 0;
    if (!incremental && q->request.type != DNS_AXFR)
        return PASS;
    const struct transfer_line *l = transfer_line_for(state, q->request.lower);
    if (l == NULL || !is_allowed(l, &q->client.peer) || q->request.class != DNS_IN)
        return refuse(q, "no zone transfer for this client");
    if (!incremental && !stream)
        return refuse(q, "zone transfers need TCP");
    if (incremental && read_serial(q, &serial) < 0)
        return query_fail(q, DNS_FORMERR, NULL);
    const struct zone *z = find_zone(q, &known);
    if (z == NULL)
        return has_no_zone(q, known);
    if (incremental && (!stream || !zone_serial_after(z->serial, serial)))
        return send_soa(q, z);
    return send_zone(q, state, z);
}

const struct plugin plugin_transfer = {
    .name = "transfer",
    .help = "sends zones on, and tells secondaries when one has changed",
    .synopsis = "transfer [ZONES...]",
    .options = options,
    .options_n = OPTIONS_N,
    .setup = setup,
    .on_query = on_query,
    .on_wake = on_wake,
};
