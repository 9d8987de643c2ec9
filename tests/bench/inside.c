/* What resolver/ costs without the kernel: a resolver between a client and an upstream
 * that are function calls.
 *
 *     inside COREFILE NAMES IN_FLIGHT ZONE...
 *
 * Asks NAMES names under the zones again and again (0: each once), IN_FLIGHT at a time,
 * answers what is asked of it as an upstream would, and prints the nanoseconds a
 * question took from resolver_query() to io->reply(): the fastest tenth of many rounds,
 * and the median. The fastest are what the code costs: they hardly move when others use
 * the machine, so two builds can be compared anywhere. Then the memory that a question
 * in flight takes.
 */
#include "base/cursor.h"
#include "base/hash.h"
#include "base/limits.h"
#include "config/config.h"
#include "resolver/edns.h"
#include "resolver/plan.h"
#include "resolver/plugin.h"
#include "resolver/rdata.h"
#include "resolver/registry.h"
#include "resolver/resolver.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    IN_FLIGHT_MAX = 65536,
    QUESTIONS = 1 << 20, /* and a tenth more to warm up with */
    ROUNDS_MAX = QUESTIONS / 64,
    PACKET_MAX = 512,
};

struct packet {
    uint32_t conn;
    size_t len;
    uint8_t wire[PACKET_MAX];
};

/* The world: what was sent up, and how many replies came. */
struct world {
    struct io io; /* first */
    uint64_t seed, replies, errors;
    uint32_t sent_n, in_flight;
    struct packet sent[IN_FLIGHT_MAX + 1];
    size_t octets; /* on the heap while the questions of a round are in flight */
    uint8_t space[65535];
};

static struct world *world_of(struct io *io)
{
    return (struct world *)(void *)io;
}

/* The same in every run: so many questions, so many collisions. */
static void io_random(struct io *io, void *out, size_t len)
{
    struct world *w = world_of(io);
    for (size_t i = 0; i < len; i++) {
        w->seed = w->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        ((uint8_t *)out)[i] = (uint8_t)(w->seed >> 56);
    }
}

static uint8_t *io_reply_space(struct io *io, const struct client *c, size_t *cap)
{
    (void)c;
    *cap = 4096;
    return world_of(io)->space;
}

static void io_reply(struct io *io, const struct client *c, size_t len)
{
    struct world *w = world_of(io);
    (void)c;
    w->replies++;
    w->errors += len == 0 || (w->space[3] & 15) != 0;
}

static int io_connect(struct io *io, const struct endpoint *e, enum transport t,
                      uint32_t avoid, uint32_t *conn)
{
    /* Four sockets, each for a batch, as in server/dial_udp.c. */
    *conn = 1 + world_of(io)->sent_n / 64 % 4;
    if (*conn == avoid)
        *conn = *conn % 4 + 1;
    (void)e;
    (void)t;
    return 0;
}

static int io_send(struct io *io, uint32_t conn, const struct endpoint *to,
                   const uint8_t *wire, size_t len)
{
    (void)to;
    struct world *w = world_of(io);
    struct packet *p = &w->sent[w->sent_n++];
    if (len > PACKET_MAX - 16 || w->sent_n > IN_FLIGHT_MAX)
        abort();
    p->conn = conn;
    p->len = len;
    memcpy(p->wire, wire, len);
    return 0;
}

static void io_settle(struct io *io, uint32_t conn)
{
    (void)io;
    (void)conn;
}

/* ---- questions and answers ---- */

/* The zones of the questions, in wire form, in the order in which they are asked, in
 * which their octets stand too, as if the kernel had just written them; and how many
 * names there are (0: no end). */
struct targets {
    const uint8_t **list;
    size_t n;
    uint64_t names;
};

/* aNNNNNNN.ZONE, A, without EDNS; another zone each time, in no order that a cache of
 * the processor foresees. */
static size_t write_question(uint8_t *wire, const struct targets *zones,
                             uint64_t number)
{
    static const uint8_t head[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 8, 'a'};
    const uint8_t *zone = zones->list[number % zones->n];
    uint8_t digits[7];
    struct wr wr = wr_init(wire, PACKET_MAX);
    wr_bytes(&wr, head, sizeof head);
    store_u16(wire, (uint16_t)number);
    for (size_t i = sizeof digits; i-- > 0; number /= 10)
        digits[i] = (uint8_t)('0' + number % 10);
    wr_bytes(&wr, digits, sizeof digits);
    wr_bytes(&wr, zone, name_len(zone));
    wr_u16(&wr, DNS_A);
    wr_u16(&wr, DNS_IN);
    return wr.at;
}

/* Makes the answer of a usual upstream out of a question: one A record, before the OPT;
 * probes, which ask for other types, get none. */
static void answer(struct packet *p)
{
    static const uint8_t record[] = {0xc0, 12, 0, 1, 0,  1,  0, 0,
                                     0,    30, 0, 4, 10, 96, 7, 7};
    size_t at = DNS_HEADER_LEN + name_len(p->wire + DNS_HEADER_LEN) + 4;
    p->wire[2] |= 0x84; /* QR, AA */
    if (load_u16(p->wire + at - 4) != DNS_A)
        return;
    memmove(p->wire + at + sizeof record, p->wire + at, p->len - at);
    memcpy(p->wire + at, record, sizeof record);
    p->len += sizeof record;
    p->wire[7] = 1;
}

static size_t heap_octets(void)
{
    struct mallinfo2 now = mallinfo2();
    return now.uordblks + now.hblkhd;
}

/* As server/dial_udp.c does with the answers of one system call. */
static void foresee(struct resolver *r, const struct world *w, unsigned from)
{
    struct span wires[UDP_BATCH];
    unsigned n = 0;
    while (n < UDP_BATCH && from + n < w->sent_n) {
        const struct packet *p = &w->sent[from + n];
        wires[n++] = (struct span){.at = p->wire, .len = p->len};
    }
    resolver_foresee(r, wires, n);
}

static void play_round(struct resolver *r, struct world *w, const struct targets *zones)
{
    static const struct client client = {
        .transport = TRANSPORT_UDP,
        .peer = {.family = 4, .port = 1024, .ip = {127, 0, 0, 1}},
        .local = {.family = 4, .port = 53, .ip = {127, 0, 0, 1}}};
    static uint64_t asked;
    static uint8_t question[UDP_BATCH][PACKET_MAX];
    struct span wires[UDP_BATCH];
    w->sent_n = 0;
    for (unsigned i = 0, n; i < w->in_flight; i += n) {
        n = w->in_flight - i < UDP_BATCH ? w->in_flight - i : UDP_BATCH;
        for (unsigned k = 0; k < n; k++, asked++) {
            uint64_t number = zones->names == 0 ? asked : asked % zones->names;
            wires[k] = (struct span){.at = question[k]};
            wires[k].len = write_question(question[k], zones, number);
        }
        resolver_foresee_questions(r, client.server, wires, n);
        for (unsigned k = 0; k < n; k++)
            resolver_query(r, &client, wires[k].at, wires[k].len);
    }
    if (w->octets == 0)
        w->octets = heap_octets();
    for (unsigned i = 0; i < w->sent_n; i++) {
        answer(&w->sent[i]);
        if (i % UDP_BATCH == 0)
            foresee(r, w, i);
        resolver_datagram(r, w->sent[i].conn, w->sent[i].wire, w->sent[i].len);
    }
}

/* ---- the clock ---- */

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int measure(struct resolver *r, struct world *w, const struct targets *zones)
{
    static uint64_t took[ROUNDS_MAX];
    uint64_t rounds = QUESTIONS / w->in_flight;
    uint64_t warm = rounds / 10 + 1 + zones->names / w->in_flight;
    size_t idle = heap_octets();
    for (uint64_t i = 0; i < warm + rounds; i++) {
        uint64_t start = now_ns();
        resolver_tick(r, start / 1000);
        play_round(r, w, zones);
        if (i >= warm)
            took[i - warm] = (now_ns() - start) / w->in_flight;
    }
    uint64_t asked = (warm + rounds) * w->in_flight;
    if (w->replies != asked || w->errors > 0) {
        fprintf(stderr,
                "inside: %" PRIu64 " replies of %" PRIu64 ", %" PRIu64 " errors\n",
                w->replies, asked, w->errors);
        return 1;
    }
    qsort(took, rounds, sizeof *took, by_size);
    printf("%" PRIu64 " ns a question (median %" PRIu64 ")\n", took[rounds / 10],
           took[rounds / 2]);
    printf("%zu octets a question in flight\n", (w->octets - idle) / w->in_flight);
    return 0;
}

static struct plan *load(struct registry *reg, const char *path)
{
    struct errors errs;
    struct plan_flags flags = {.dns_port = 53};
    errors_init(&errs);
    struct config *config = config_load(path, plugin_vocabulary(), &errs);
    struct plan *plan = config == NULL ? NULL : plan_build(config, reg, &flags, &errs);
    errors_print(&errs, stderr);
    errors_release(&errs);
    return plan;
}

/* In an order that no cache of the processor foresees. */
static int parse_zones(struct targets *zones, char **words, size_t n)
{
    uint8_t *octets = malloc(n * NAME_WIRE_MAX);
    zones->list = calloc(n, sizeof *zones->list);
    if (octets == NULL || zones->list == NULL)
        return -1;
    for (zones->n = 0; zones->n < n; zones->n++) {
        struct name name;
        if (name_parse(&name, text_of(words[zones->n * 2654435761u % n])) < 0)
            return -1;
        zones->list[zones->n] = memcpy(octets, name.wire, name.len);
        octets += name.len;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct world w = {.io = {.random = io_random,
                                    .reply_space = io_reply_space,
                                    .reply = io_reply,
                                    .connect = io_connect,
                                    .send = io_send,
                                    .settle = io_settle}};
    struct targets zones;
    if (argc < 5 || parse_zones(&zones, argv + 4, (size_t)argc - 4) < 0) {
        fputs("usage: inside COREFILE NAMES IN_FLIGHT ZONE...\n", stderr);
        return 2;
    }
    zones.names = strtoull(argv[2], NULL, 10);
    w.in_flight = (uint32_t)strtoul(argv[3], NULL, 10);
    if (w.in_flight < 64 || w.in_flight > IN_FLIGHT_MAX) {
        fprintf(stderr, "inside: %s: expected 64 to %d\n", argv[3], IN_FLIGHT_MAX);
        return 2;
    }
    if (hash_seed() < 0 || rdata_start() < 0)
        return 1;
    struct registry *reg = registry_new();
    struct resolver *r = resolver_new(&w.io, 0);
    struct plan *plan = reg == NULL ? NULL : load(reg, argv[1]);
    if (r == NULL || plan == NULL || resolver_adopt(r, plan, 0) < 0)
        return 1;
    int rc = measure(r, &w, &zones);
    resolver_free(r);
    plan_free(plan);
    registry_free(reg);
    return rc;
}
