/* whoami: tells the client its own address, port and transport. Read this plugin first;
 * all of them have this shape: a setup that reads the directive, hooks that return a
 * verdict, a table at the end.
 *
 *     $ dig @127.0.0.1 example.org
 *     example.org.      0 IN A   127.0.0.1
 *     _udp.example.org. 0 IN SRV 0 0 40212 .
 *
 * Both records stand in the additional section, whatever type was asked, as in CoreDNS.
 */
#include "resolver/plugin.h"

#include "base/cursor.h"

/* Runs on the control thread, once for each server block that names the directive. The
 * directive's tokens hold all its occurrences in the block, hence the loop. */
static int setup(struct setup *s, const struct directive *d)
{
    struct reader rd = reader_init(d, s->arena, s->errs);
    return reader_alone(&rd);
}

static int add_address(struct query *q)
{
    const struct addr *peer = &q->client.peer;
    bool v4 = peer->family == 4;
    struct rr_new rr = {.section = SECTION_ADDITIONAL,
                        .owner = q->request.lower,
                        .type = v4 ? DNS_A : DNS_AAAA,
                        .class = q->request.class,
                        .rdata = {.at = peer->ip, .len = v4 ? 4 : 16}};
    return msg_add(&q->response->msg, &q->arena, &rr);
}

/* `_udp.NAME SRV 0 0 PORT .` */
static int add_port(struct query *q)
{
    static const uint8_t udp[] = "\4_udp", tcp[] = "\4_tcp";
    uint8_t rdata[] = {0, 0, 0, 0, 0, 0, 0};
    struct name proto = {0}, owner;
    memcpy(proto.wire, q->client.transport == TRANSPORT_UDP ? udp : tcp, 5);
    if (name_join(&owner, proto.wire, 5, q->request.lower) < 0)
        return 0; /* no room for five more octets: such a name has no SRV record */
    store_u16(rdata + 4, q->client.peer.port);
    struct rr_new rr = {.section = SECTION_ADDITIONAL,
                        .owner = owner.wire,
                        .type = DNS_SRV,
                        .class = q->request.class,
                        .rdata = {.at = rdata, .len = sizeof rdata}};
    return msg_add(&q->response->msg, &q->arena, &rr);
}

/* Runs on a worker, for every query that comes as far as this in the chain. `state` is
 * what setup left in s->state: nothing here. All memory is the query's. */
static enum verdict on_query(struct query *q, const void *state)
{
    query_respond(q, DNS_NOERROR, true, 2);
    if (q->response->failed || add_address(q) < 0 || add_port(q) < 0)
        return query_fail(q, DNS_SERVFAIL, "plugin/whoami: out of memory");
    return DONE;
}

const struct plugin plugin_whoami = {
    .name = "whoami",
    .help = "answers with the client's own address, port and transport",
    .synopsis = "whoami",
    .setup = setup,
    .on_query = on_query,
};
