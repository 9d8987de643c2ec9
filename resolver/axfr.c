#include "resolver/axfr.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/catalog.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"

#include <stdlib.h>

struct axfr {
    uint16_t id;
    const char *reason;
    struct zone *zone;
    struct zonedata *data;
    struct arena scratch;
    uint8_t *soa; /* RDATA of the first record */
    size_t soa_len;
    size_t octets; /* of all messages, and of their records and names in full */
    uint32_t records, outside;
    bool done;
    char text[CATALOG_WHY_MAX]; /* for `reason` */
    struct rr rr[WIRE_RR_MAX];
    uint8_t rdata[UINT16_MAX];
};

struct axfr *axfr_new(const struct name *apex, uint16_t id)
{
    struct axfr *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->id = id;
    arena_init(&a->scratch, NULL, 0);
    a->zone = zone_new(apex);
    if (a->zone != NULL)
        a->data = zonedata_new(&a->zone->arena, &a->scratch, &a->zone->apex);
    if (a->data != NULL)
        return a;
    axfr_free(a);
    return NULL;
}

void axfr_free(struct axfr *a)
{
    if (a == NULL)
        return;
    zone_done(a->zone);
    arena_release(&a->scratch);
    free(a);
}

const char *axfr_reason(const struct axfr *a)
{
    return a->reason;
}

void axfr_seal(struct axfr *a, bool catalog)
{
    struct zone *z = a->zone;
    a->reason = "out of memory";
    if (zonedata_seal(a->data) < 0)
        return;
    if (catalog) {
        a->reason = a->text;
        z->catalog = catalog_read(a->data, &z->arena, a->text);
        if (z->catalog == NULL)
            return;
    }
    z->data = a->data;
    z->serial = zonedata_times(zonedata_soa(a->data)).serial;
}

struct zone *axfr_take(struct axfr *a)
{
    struct zone *z = a->zone;
    if (z == NULL || z->data == NULL)
        return NULL;
    a->zone = NULL;
    return z;
}

uint32_t axfr_records(const struct axfr *a)
{
    return a->records;
}

uint32_t axfr_outside(const struct axfr *a)
{
    return a->outside;
}

/* ---- messages ---- */

/* What is wrong with it as an answer from a primary, or NULL. `code` holds the text of
 * a response code. */
static const char *flaw_of(const struct msg *m, uint16_t id, char code[64])
{
    char room[RDATA_MNEMONIC_MAX];
    if (m->id != id || (m->flags & DNS_QR) == 0 || DNS_OPCODE(m->flags) != DNS_QUERY)
        return "not an answer to our question";
    if (m->rcode != DNS_NOERROR) {
        snprintf(code, 64, "the primary says %s", rcode_print(m->rcode, room));
        return code;
    }
    return (m->flags & DNS_TC) != 0 ? "a truncated answer" : NULL;
}

static bool asks(const struct msg *m, const struct name *apex, uint16_t type)
{
    return m->qtype == type && m->qclass == DNS_IN &&
           name_equal(m->wire + m->qname, apex->wire);
}

static enum axfr_verdict bad(struct axfr *a, const char *reason)
{
    a->reason = reason;
    return AXFR_BAD;
}

/* Of a name and of all above it: each has a place of its own. */
static size_t names_len(const struct name *n)
{
    size_t len = 0;
    for (size_t at = 0; at < n->len; at += n->wire[at] + 1u)
        len += n->len - at;
    return len;
}

static int keep(struct axfr *a, const struct rr *rr, const struct name *owner)
{
    size_t len = rdata_len_plain(rr);
    if (len > sizeof a->rdata)
        return -1;
    rdata_expand(rr, a->rdata);
    a->octets += names_len(owner) + len;
    struct zone_record record = {.owner = owner->wire,
                                 .type = rr->type,
                                 .ttl = rr->ttl > INT32_MAX ? 0 : rr->ttl,
                                 .rdata = {a->rdata, len}};
    int added = zonedata_add(a->data, &record);
    a->outside += added > 0;
    return added < 0 ? -1 : 0;
}

static enum axfr_verdict take_first(struct axfr *a, const struct rr *rr)
{
    struct name owner;
    msg_owner(rr, &owner);
    if (rr->type != DNS_SOA || !name_equal(owner.wire, a->zone->apex.wire))
        return bad(a, "it does not begin with the SOA of the zone");
    if (keep(a, rr, &owner) < 0)
        return bad(a, "out of memory");
    a->soa_len = rdata_len_plain(rr);
    a->soa = arena_copy(&a->scratch, a->rdata, a->soa_len);
    return a->soa == NULL ? bad(a, "out of memory") : AXFR_MORE;
}

static enum axfr_verdict take_soa(struct axfr *a, const struct rr *rr,
                                  const struct name *owner)
{
    size_t len = rdata_len_plain(rr);
    if (!name_equal(owner->wire, a->zone->apex.wire))
        return bad(a, "an SOA of another zone");
    if (len != a->soa_len)
        return bad(a, "another SOA at the end than at the beginning");
    rdata_expand(rr, a->rdata);
    /* In any case: servers may compress against another spelling. */
    if (memcmp(a->rdata + len - 20, a->soa + len - 20, 20) != 0)
        return bad(a, "another SOA at the end than at the beginning");
    a->done = true;
    return AXFR_DONE;
}

static enum axfr_verdict take_record(struct axfr *a, const struct rr *rr)
{
    struct name owner;
    if (a->done)
        return bad(a, "records behind the end of the zone");
    if (rr->section != SECTION_ANSWER)
        return rr->type == DNS_TSIG ? bad(a, "signed, which was not asked for")
                                    : AXFR_MORE;
    if (rr->class != DNS_IN || rr->type == 0 || (rr->type >= 128 && rr->type <= 255))
        return bad(a, "a record that no zone has");
    if (a->records++ == 0)
        return take_first(a, rr);
    msg_owner(rr, &owner);
    if (rr->type == DNS_SOA)
        return take_soa(a, rr, &owner);
    return keep(a, rr, &owner) < 0 ? bad(a, "out of memory") : AXFR_MORE;
}

enum axfr_verdict axfr_message(struct axfr *a, struct span message)
{
    struct msg m = {.rr = a->rr, .rr_cap = WIRE_RR_MAX};
    enum axfr_verdict v = AXFR_MORE;
    a->octets += message.len;
    if (a->octets > ZONE_OCTETS_MAX)
        return bad(a, "more than a zone may have");
    if (wire_walk(message, &m) != WIRE_OK)
        return bad(a, "a malformed message");
    const char *flaw = flaw_of(&m, a->id, a->text);
    if (flaw != NULL)
        return bad(a, flaw);
    if (m.question && !asks(&m, &a->zone->apex, DNS_AXFR))
        return bad(a, "not an answer to our question");
    if (msg_count(&m, SECTION_ANSWER) == 0)
        return bad(a, "a message without records");
    msg_each_rr (rr, &m) {
        enum axfr_verdict one = take_record(a, rr);
        if (one == AXFR_BAD)
            return AXFR_BAD;
        if (one == AXFR_DONE)
            v = one;
    }
    return v;
}

/* ---- the question before it ---- */

size_t axfr_ask(const struct name *apex, uint16_t type, uint16_t id,
                uint8_t out[NAME_WIRE_MAX + 16])
{
    struct wr wr = wr_init(out, NAME_WIRE_MAX + 16);
    wr_u16(&wr, id);
    wr_u16(&wr, 0);
    wr_u32(&wr, 1 << 16);
    wr_u32(&wr, 0);
    wr_bytes(&wr, apex->wire, apex->len);
    wr_u16(&wr, type);
    wr_u16(&wr, DNS_IN);
    return wr.at;
}

int axfr_serial(const struct name *apex, uint16_t id, struct span message,
                uint32_t *serial, const char **reason)
{
    static _Thread_local char code[64];
    struct rr few[64];
    struct msg m = {.rr = few, .rr_cap = 64};
    *reason = "a malformed message";
    if (wire_walk(message, &m) != WIRE_OK)
        return -1;
    *reason = flaw_of(&m, id, code);
    if (*reason != NULL)
        return -1;
    *reason = "no SOA in the answer";
    if (!m.question || !asks(&m, apex, DNS_SOA))
        return -1;
    msg_each_rr (rr, &m) {
        if (rr->section != SECTION_ANSWER || rr->type != DNS_SOA ||
            !msg_owner_is(rr, apex->wire))
            continue;
        *serial = zonedata_times(rr).serial;
        return 0;
    }
    return -1;
}
