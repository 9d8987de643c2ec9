#include "resolver/respond.h"

#include "base/cursor.h"
#include "base/limits.h"
#include "resolver/edns.h"
#include "resolver/tsig.h"

/* Octets a reply to this client may have. RFC 6891 section 6.2.3: sizes below 512 mean
 * 512. */
static size_t reply_limit(const struct client *c, const struct opt *opt, size_t cap)
{
    size_t limit = ANSWER_MAX;
    if (c->transport == TRANSPORT_UDP)
        limit = !opt->present || opt->udp_size < 512 ? 512 : opt->udp_size;
    return limit < cap ? limit : cap;
}

/* RDATA of our OPT: what the upstream sent that may pass, then the extended error. */
static struct span reply_options(const struct query *q, uint8_t *room, size_t cap)
{
    struct wr wr = wr_init(room, cap);
    const struct response *res = q->response;
    if (res->options.len <= cap)
        wr_bytes(&wr, res->options.at, res->options.len);
    if (res->ede) {
        const char *text = res->ede_text == NULL ? "" : res->ede_text;
        edns_put_ede(&wr, res->ede_code, text_of(text));
    }
    return (struct span){.at = room, .len = wr.at};
}

static uint16_t reply_flags(const struct query *q)
{
    const struct msg *m = &q->response->msg;
    uint16_t asked = q->request.flags & (15u << 11 | DNS_RD);
    uint16_t flags = (uint16_t)(DNS_QR | asked | (m->rcode & 15u));
    uint16_t passed = DNS_AA | DNS_TC | DNS_RA | DNS_AD | DNS_CD;
    if (q->tsig != NULL)
        passed &= (uint16_t)~DNS_AD; /* upstreams sign nothing (RFC 8945, 5.5) */
    return (uint16_t)(flags | (m->flags & passed));
}

#define OPTIONS_MAX 2048 /* EDNS options of one reply */

#define LIMIT_LEAST 300 /* a header and a question: names of keys may be long */

/* What the signature leaves of the limit. */
static size_t unsigned_limit(const struct query *q, size_t limit)
{
    size_t room = q->tsig == NULL ? 0 : tsig_room(q->tsig);
    return room == 0 || limit > room + LIMIT_LEAST ? limit - room : LIMIT_LEAST;
}

/* One that cannot be made is no reply: the client would take it for forged. */
static size_t sign(struct query *q, uint8_t *out, size_t len)
{
    if (q->tsig == NULL || len == 0)
        return len;
    return tsig_sign(q->tsig, out, len, query_wall_us(q) / 1000000);
}

/* Encodes q->response. Returns its length. */
static size_t encode(struct query *q, struct encoder *e, uint8_t *out, size_t cap)
{
    uint8_t options[OPTIONS_MAX] UNSET;
    struct msg *m = &q->response->msg;
    const struct opt *asked = &q->request.opt;
    if (m->rcode > 15 && !asked->present)
        m->rcode = DNS_SERVFAIL; /* an extended code cannot be said without OPT */
    struct encode_job job = {
        .msg = m,
        .id = q->request.id,
        .flags = reply_flags(q),
        .question = q->request.asked,
        .opt = {.present = asked->present,
                .dnssec_ok = asked->dnssec_ok,
                .udp_size = UDP_SIZE_OURS,
                .rcode_high = (uint8_t)(m->rcode >> 4)},
        .limit = unsigned_limit(q, reply_limit(&q->client, asked, cap)),
        .additional_may_go = q->client.transport != TRANSPORT_UDP,
    };
    if (asked->present)
        job.opt.options = reply_options(q, options, sizeof options);
    size_t len = 0;
    enum encode_result result = encode_msg(e, &job, out, &len);
    if (result == ENCODE_TRUNCATED && q->client.transport != TRANSPORT_UDP) {
        /* Over 64 kB: there is no transport to come back over. */
        struct msg none = {.rcode = DNS_SERVFAIL};
        job.msg = &none;
        job.flags = (uint16_t)(DNS_QR | (q->request.flags & DNS_RD) | DNS_SERVFAIL);
        encode_msg(e, &job, out, &len);
    }
    return len;
}

void respond_finish(struct query *q, struct encoder *e, struct io *io)
{
    size_t cap;
    uint8_t *out = io->reply_space(io, &q->client, &cap);
    io->reply(io, &q->client, out == NULL ? 0 : sign(q, out, encode(q, e, out, cap)));
}

bool respond_part(struct query *q, struct encoder *e, struct io *io)
{
    size_t cap;
    uint8_t *out = io->reply_space(io, &q->client, &cap);
    if (out == NULL)
        return false;
    io->reply_part(io, &q->client, sign(q, out, encode(q, e, out, cap)));
    return true;
}

void respond_error(const struct client *c, struct span wire, const struct request *req,
                   uint16_t rcode, struct io *io)
{
    size_t cap;
    uint8_t *out = io->reply_space(io, c, &cap);
    if (out == NULL) {
        io->reply(io, c, 0);
        return;
    }
    bool question = req != NULL, opt = question && req->opt.present;
    uint16_t asked = load_u16(wire.at + 2);
    struct wr wr = wr_init(out, cap);
    wr_bytes(&wr, wire.at, 2);
    wr_u16(&wr, (uint16_t)(DNS_QR | (asked & (15u << 11 | DNS_RD)) | (rcode & 15u)));
    wr_u16(&wr, question);
    wr_u32(&wr, 0);
    wr_u16(&wr, opt);
    if (question)
        wr_bytes(&wr, req->asked.at, req->asked.len);
    if (opt)
        edns_put_opt(&wr, UDP_SIZE_OURS, (uint8_t)(rcode >> 4), req->opt.dnssec_ok,
                     (struct span){0});
    io->reply(io, c, wr.failed ? 0 : wr.at);
}
