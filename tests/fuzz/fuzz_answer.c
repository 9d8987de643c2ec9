/* What upstreams may send: datagrams to questions in flight, raw and with the right ID
 * and question in front, through cluster (renaming), cache and forward to the client's
 * reply, which must be a whole message that answers the question asked. */
#include "base/cursor.h"
#include "base/hash.h"
#include "resolver/rdata.h"
#include "resolver/wire.h"
#include "tests/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char corefile[] = ". {\n"
                               "    cache\n"
                               "    cluster b.local 10.97.0.0/16\n"
                               "    cluster a.very.much.longer.zone.example {\n"
                               "        dns 10.96.0.10\n"
                               "    }\n"
                               "    forward . 10.9.9.9\n"
                               "}\n";

static const char *const names[] = {
    "app.b.local", "app.a.very.much.longer.zone.example", "www.example"};

/* The question as it was sent, then the fuzzer's octets as what follows it. */
static void answer_rightly(struct world *w, const struct fake_sent *s,
                           const uint8_t *data, size_t len)
{
    struct name asked;
    struct span sent = {.at = s->wire, .len = s->len};
    size_t end = wire_name(sent, DNS_HEADER_LEN, &asked) + 4;
    if (len < 8 || end + len > 65535)
        return;
    uint8_t *packet = malloc(end + len);
    if (packet == NULL)
        abort();
    memcpy(packet, s->wire, end);
    packet[2] = (uint8_t)(data[0] | 0x80) & 0x87;
    packet[3] = data[1];
    memcpy(packet + 6, data + 2, 6);
    packet[6] &= 1;
    packet[8] &= 1;
    packet[10] &= 1;
    memcpy(packet + end, data + 8, len - 8);
    resolver_datagram(w->r, s->conn, packet, end + len - 8);
    free(packet);
}

static void check_reply(const struct world *w, uint64_t client)
{
    static struct rr index[WIRE_RR_MAX];
    const struct fake_reply *reply = fake_io_reply(w->io, client);
    struct msg m = {.rr = index, .rr_cap = WIRE_RR_MAX};
    if (reply == NULL || reply->len == 0)
        abort();
    struct span packet = {.at = reply->wire, .len = reply->len};
    if (wire_walk(packet, &m) != WIRE_OK || !m.question || m.len != reply->len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct world w;
    if (len < 1 || hash_seed() < 0 || rdata_start() < 0)
        return 0;
    world_load(&w, corefile);
    struct world_question q = {.name = names[data[0] % 3],
                               .transport = TRANSPORT_TCP,
                               .edns = (data[0] & 4) != 0,
                               .udp_size = 1232};
    uint64_t client = world_ask_as(&w, &q);
    struct fake_sent *s = fake_io_take(w.io);
    if (s == NULL)
        abort();
    resolver_datagram(w.r, s->conn, data + 1, len - 1);
    answer_rightly(&w, s, data + 1, len - 1);
    world_run(&w, 12000);
    check_reply(&w, client);
    world_close(&w);
    return 0;
}
