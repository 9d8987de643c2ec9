#include "resolver/accept.h"

#include "base/cursor.h"
#include "resolver/edns.h"
#include "resolver/wire.h"

/* Judged before the body is walked: counts that no query of ours may have cost nothing.
 */
static uint16_t header_verdict(struct span wire)
{
    unsigned opcode = DNS_OPCODE(load_u16(wire.at + 2));
    bool notify = opcode == DNS_NOTIFY;
    if (opcode != DNS_QUERY && !notify)
        return DNS_NOTIMP;
    bool one_question = load_u16(wire.at + 4) == 1; /* RFC 9619 */
    bool answers = load_u16(wire.at + 6) > notify;  /* the new SOA (RFC 1996, 3.7) */
    bool authority = load_u16(wire.at + 8) > 1;     /* the SOA had (RFC 1995, 3) */
    bool additional = load_u16(wire.at + 10) > 2;   /* OPT and TSIG */
    if (!one_question || answers || authority || additional)
        return DNS_FORMERR;
    return DNS_NOERROR;
}

/* Types and classes that are no questions for a forwarder (reliability 3.7). */
static uint16_t question_verdict(const struct msg *m)
{
    switch (m->qtype) {
    case DNS_OPT:
    case DNS_TKEY:
    case DNS_TSIG:
        return DNS_FORMERR;
    default:
        break;
    }
    if (m->qtype != DNS_IXFR && DNS_OPCODE(m->flags) == DNS_QUERY &&
        msg_count(m, SECTION_AUTHORITY) > 0)
        return DNS_FORMERR;
    if (m->qclass == DNS_CLASS_ANY || m->qclass == DNS_CLASS_NONE)
        return DNS_REFUSED;
    /* RFC 6895 section 3.2: 128 to 253 are query classes that nobody has assigned. */
    if (m->qclass >= 128 && m->qclass < DNS_CLASS_NONE)
        return DNS_NOTIMP;
    return DNS_NOERROR;
}

/* Where the signature begins; 0: there is none. */
static uint32_t signature_of(const struct msg *m)
{
    msg_each_rr (rr, m) {
        if (rr->type == DNS_TSIG)
            return rr->owner;
    }
    return 0;
}

static void fill_request(struct query *q, struct span wire, const struct msg *m)
{
    q->request = (struct request){
        .wire = wire,
        .id = m->id,
        .flags = m->flags,
        .asked = {.at = wire.at + m->qname, .len = (size_t)m->qname_len + 4},
        .name = wire.at + m->qname,
        .name_len = m->qname_len,
        .type = m->qtype,
        .class = m->qclass,
        .opt = m->opt,
        .signature = signature_of(m),
    };
}

enum accept_verdict accept_query(struct query *q, struct span wire, struct msg *scratch,
                                 uint16_t *rcode, bool *question)
{
    *question = false;
    if (wire.len < DNS_HEADER_LEN || (wire.at[2] & 0x80) != 0)
        return ACCEPT_SILENT;
    *rcode = header_verdict(wire);
    if (*rcode != DNS_NOERROR)
        return ACCEPT_ERROR;
    if (wire_walk(wire, scratch) != WIRE_OK || !scratch->question) {
        *rcode = DNS_FORMERR;
        return ACCEPT_ERROR;
    }
    fill_request(q, wire, scratch);
    *question = true;
    *rcode = question_verdict(scratch);
    if (*rcode == DNS_NOERROR && scratch->opt.present && scratch->opt.version != 0)
        *rcode = DNS_BADVERS;
    if (*rcode == DNS_FORMERR)
        *question = false;
    return *rcode == DNS_NOERROR ? ACCEPT_QUERY : ACCEPT_ERROR;
}
