#include "resolver/dnstap.h"

#include "base/limits.h"
#include "resolver/core.h"
#include "resolver/inquiry.h"
#include "resolver/plan.h"

#include "resolver/dnstap.pb-c.h"

/* ---- one message to all taps ---- */

/* What a message says beside its tap: `raw` only goes to those that want it. */
struct event {
    Dnstap__Message message;
    ProtobufCBinaryData raw;
    bool is_response;
};

static void begin(struct event *e, Dnstap__Message__Type type)
{
    dnstap__message__init(&e->message);
    e->message.type = type;
    e->is_response = type == DNSTAP__MESSAGE__TYPE__CLIENT_RESPONSE ||
                     type == DNSTAP__MESSAGE__TYPE__FORWARDER_RESPONSE;
    e->raw = (ProtobufCBinaryData){0};
}

static ProtobufCBinaryData bytes_of(struct span s)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)s.at, .len = s.len};
}

static Dnstap__SocketProtocol protocol_of(uint8_t transport)
{
    switch ((enum transport)transport) {
    case TRANSPORT_UDP:
        return DNSTAP__SOCKET_PROTOCOL__UDP;
    case TRANSPORT_TCP:
        return DNSTAP__SOCKET_PROTOCOL__TCP;
    case TRANSPORT_TLS:
        return DNSTAP__SOCKET_PROTOCOL__DOT;
    case TRANSPORT_HTTPS:
        return DNSTAP__SOCKET_PROTOCOL__DOH;
    }
    return DNSTAP__SOCKET_PROTOCOL__UDP;
}

static void say_way(struct event *e, const struct addr *a, uint8_t transport)
{
    Dnstap__Message *m = &e->message;
    m->has_socket_family = m->has_socket_protocol = true;
    m->socket_family =
        a->family == 4 ? DNSTAP__SOCKET_FAMILY__INET : DNSTAP__SOCKET_FAMILY__INET6;
    m->socket_protocol = protocol_of(transport);
}

static ProtobufCBinaryData address_of(const struct addr *a)
{
    return bytes_of((struct span){.at = a->ip, .len = a->family == 4 ? 4 : 16});
}

/* The wall clock at a time of ours. */
static uint64_t wall_at(const struct query *q, uint64_t at_us)
{
    struct io *io = q->r->io;
    return io->wall_us(io) - (q->r->now_us - at_us);
}

static void say_asked_at(struct event *e, const struct query *q, uint64_t at_us)
{
    uint64_t wall_us = wall_at(q, at_us);
    e->message.has_query_time_sec = e->message.has_query_time_nsec = true;
    e->message.query_time_sec = wall_us / 1000000;
    e->message.query_time_nsec = (uint32_t)(wall_us % 1000000 * 1000);
}

static void say_answered_now(struct event *e, const struct query *q)
{
    uint64_t wall_us = wall_at(q, q->r->now_us);
    e->message.has_response_time_sec = e->message.has_response_time_nsec = true;
    e->message.response_time_sec = wall_us / 1000000;
    e->message.response_time_nsec = (uint32_t)(wall_us % 1000000 * 1000);
}

static void say_raw(struct event *e, bool wanted)
{
    Dnstap__Message *m = &e->message;
    protobuf_c_boolean has = wanted && e->raw.len > 0;
    if (e->is_response) {
        m->has_response_message = has;
        m->response_message = e->raw;
    } else {
        m->has_query_message = has;
        m->query_message = e->raw;
    }
}

static void write_to(struct query *q, const struct dnstap_tap *tap, struct event *e)
{
    Dnstap__Dnstap d = DNSTAP__DNSTAP__INIT;
    char extra[LOG_LINE_MAX] UNSET;
    d.type = DNSTAP__DNSTAP__TYPE__MESSAGE;
    d.message = &e->message;
    d.has_identity = d.has_version = true;
    d.identity = bytes_of(tap->identity);
    d.version = bytes_of(tap->version);
    if (tap->extra_written) {
        size_t len = fill_run(&tap->extra, q, extra, sizeof extra);
        d.has_extra = true;
        d.extra = bytes_of((struct span){.at = (const uint8_t *)extra, .len = len});
    }
    say_raw(e, tap->full);
    size_t len = dnstap__dnstap__get_packed_size(&d);
    uint8_t *octets = arena_alloc(&q->arena, len);
    if (octets == NULL)
        return; /* the query is worth more than its trace */
    dnstap__dnstap__pack(&d, octets);
    q->r->io->tap(q->r->io, tap->sink, octets, len);
}

static void write_to_all(struct query *q, const struct dnstap_tap *taps,
                         struct event *e)
{
    for (const struct dnstap_tap *tap = taps; tap != NULL; tap = tap->next)
        write_to(q, tap, e);
}

static bool any_full(const struct dnstap_tap *taps)
{
    while (taps != NULL && !taps->full)
        taps = taps->next;
    return taps != NULL;
}

/* ---- clients ---- */

static void say_client(struct event *e, const struct query *q)
{
    Dnstap__Message *m = &e->message;
    say_way(e, &q->client.peer, q->client.transport);
    m->has_query_address = m->has_query_port = true;
    m->query_address = address_of(&q->client.peer);
    m->query_port = q->client.peer.port;
    say_asked_at(e, q, q->start_us);
}

void dnstap_query(struct query *q, const struct dnstap_tap *taps)
{
    struct event e;
    begin(&e, DNSTAP__MESSAGE__TYPE__CLIENT_QUERY);
    say_client(&e, q);
    e.raw = bytes_of(q->request.wire);
    write_to_all(q, taps, &e);
}

/* As it stands now, in the worker's spare buffer. */
static struct span written(struct query *q)
{
    struct resolver *r = q->r;
    const struct msg *m = &q->response->msg;
    uint16_t passed = DNS_AA | DNS_TC | DNS_RA | DNS_AD | DNS_CD;
    struct encode_job job = {
        .msg = m,
        .id = q->request.id,
        .flags = (uint16_t)(DNS_QR | (q->request.flags & DNS_RD) | (m->flags & passed) |
                            (m->rcode & 15u)),
        .question = q->request.asked,
        .limit = ANSWER_MAX,
    };
    size_t len = 0;
    if (encode_msg(r->encoder, &job, r->spare, &len) == ENCODE_NAME_LONG)
        len = 0;
    return (struct span){.at = r->spare, .len = len};
}

void dnstap_response(struct query *q, const struct dnstap_tap *taps)
{
    struct event e;
    begin(&e, DNSTAP__MESSAGE__TYPE__CLIENT_RESPONSE);
    say_client(&e, q);
    say_answered_now(&e, q);
    if (any_full(taps))
        e.raw = bytes_of(written(q));
    write_to_all(q, taps, &e);
}

/* ---- upstreams ---- */

/* The last attempt that went to the server the result speaks of. */
static const struct attempt *attempt_to(const struct inquiry *in,
                                        const struct upstream *up)
{
    const struct attempt *last = NULL;
    for (unsigned i = 0; i < inquiry_attempts(in); i++) {
        const struct attempt *a = inquiry_attempt(in, i);
        if (a->up == up && (last == NULL || a->sent_us >= last->sent_us))
            last = a;
    }
    return last;
}

static void say_upstream(struct event *e, const struct query *q,
                         const struct attempt *a)
{
    Dnstap__Message *m = &e->message;
    const struct addr *to = &a->up->endpoint.addr;
    say_way(e, to, a->transport);
    m->has_response_address = m->has_response_port = true;
    m->response_address = address_of(to);
    m->response_port = to->port;
    say_asked_at(e, q, a->sent_us);
}

void dnstap_forwarded(struct query *q, const struct inquiry *in,
                      const struct upstream_result *res, struct span answer)
{
    const struct attempt *a =
        res->upstream == NULL ? NULL : attempt_to(in, res->upstream);
    struct event e;
    if (a == NULL)
        return;
    begin(&e, DNSTAP__MESSAGE__TYPE__FORWARDER_QUERY);
    say_upstream(&e, q, a);
    e.raw = bytes_of((struct span){.at = in->wire, .len = in->wire_len});
    write_to_all(q, q->block->taps, &e);
    if (answer.len == 0)
        return;
    begin(&e, DNSTAP__MESSAGE__TYPE__FORWARDER_RESPONSE);
    say_upstream(&e, q, a);
    say_answered_now(&e, q);
    e.raw = bytes_of(answer);
    write_to_all(q, q->block->taps, &e);
}
