/* The floor: what the kernel asks of any server that answers over UDP, and nothing
 * else.
 *
 *     floor echo ADDR:PORT                  answers by itself
 *     floor relay ADDR:PORT UPSTREAM:PORT   passes questions up and answers back
 *
 * Datagrams come and go in batches of up to 64 (recvmmsg, sendmmsg); no DNS work is
 * done, so the CPU time of a server per answer divided by the floor's is what its DNS
 * costs. Prints "ready" when it listens. IPv4, one thread, ended by a signal.
 *
 * echo makes a usual answer out of every question by setting QR and adding one A
 * record, so that as many octets are on the wire as with a server that knows the name.
 * It takes questions without EDNS only: the record goes to the end of the packet. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BATCH = 64,
    DATAGRAM_MAX = 4096,
    HEADER_LEN = 12,
    SOCKET_BUFFER =
        4 << 20, /* all that net.core.rmem_max of a Debian gives, and more */
};

/* One batch. `peer` is the client of each datagram. */
struct batch {
    struct mmsghdr msg[BATCH];
    struct iovec iov[BATCH];
    struct sockaddr_in peer[BATCH];
    uint8_t octets[BATCH][DATAGRAM_MAX];
};

/* The client of a question that was passed up, found again by the ID it was passed up
 * with. An ID comes round after 65,536 questions, when the earlier client has long
 * given up. */
struct waiting {
    struct sockaddr_in client;
    uint8_t id[2];
};

struct relay {
    struct batch up, down;
    int clients, upstream;
    uint16_t next_id;
    struct waiting waiting[UINT16_MAX + 1];
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in parse_endpoint(const char *text)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : sizeof host;
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;

    if (len < sizeof host) {
        memcpy(host, text, len);
        host[len] = '\0';
    }
    if (len >= sizeof host || inet_pton(AF_INET, host, &at.sin_addr) != 1 ||
        port == 0 || port > UINT16_MAX) {
        fprintf(stderr, "floor: %s: expected ADDR:PORT, with an IPv4 address\n", text);
        exit(2);
    }
    at.sin_port = htons((uint16_t)port);
    return at;
}

static int open_socket(void)
{
    int size = SOCKET_BUFFER;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        die("socket");
    }
    /* May be cut to the system's limit; what is lost then is counted by the load. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return fd;
}

static int listen_on(const char *text)
{
    struct sockaddr_in at = parse_endpoint(text);
    int fd = open_socket();

    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        die(text);
    }
    puts("ready");
    fflush(stdout);
    return fd;
}

static int connect_to(const char *text)
{
    struct sockaddr_in at = parse_endpoint(text);
    int fd = open_socket();

    if (connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        die(text);
    }
    return fd;
}

static void batch_init(struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++) {
        b->iov[i].iov_base = b->octets[i];
        b->msg[i].msg_hdr.msg_iov = &b->iov[i];
        b->msg[i].msg_hdr.msg_iovlen = 1;
    }
}

/* Receives what is there, up to a batch. `named`: senders are kept in `peer`. Returns
 * how many came: 0 after an error, such as the echo of a datagram nobody took. */
static size_t batch_receive(struct batch *b, int fd, int flags, bool named)
{
    int n;

    for (size_t i = 0; i < BATCH; i++) {
        b->iov[i].iov_len = DATAGRAM_MAX;
        b->msg[i].msg_hdr.msg_name = named ? &b->peer[i] : NULL;
        b->msg[i].msg_hdr.msg_namelen = named ? sizeof b->peer[i] : 0;
    }
    n = recvmmsg(fd, b->msg, BATCH, flags, NULL);
    return n < 0 ? 0 : (size_t)n;
}

/* Sends the first `n`. What the socket refuses is lost, as on a network. */
static void batch_send(struct batch *b, int fd, size_t n)
{
    for (size_t sent = 0; sent < n;) {
        int done = sendmmsg(fd, b->msg + sent, (unsigned)(n - sent), 0);

        sent += done > 0 ? (size_t)done : 1;
    }
}

/* ---- echo ---- */

static size_t add_answer(uint8_t *packet, size_t len)
{
    /* The owner is a pointer to the question; A, IN, TTL 300, 192.0.2.7. */
    static const uint8_t record[] = {0xc0, HEADER_LEN, 0, 1, 0,   1, 0, 0,
                                     1,    44,         0, 4, 192, 0, 2, 7};

    packet[2] |= 0x80; /* QR */
    packet[3] |= 0x80; /* RA */
    packet[7] = 1;     /* ANCOUNT */
    memcpy(packet + len, record, sizeof record);
    return len + sizeof record;
}

static _Noreturn void run_echo(const char *listen_at)
{
    static struct batch b;
    int fd = listen_on(listen_at);

    batch_init(&b);
    for (;;) {
        size_t n = batch_receive(&b, fd, MSG_WAITFORONE, true);

        for (size_t i = 0; i < n; i++) {
            size_t len = b.msg[i].msg_len;

            b.iov[i].iov_len =
                len < HEADER_LEN || len > 512 ? 0 : add_answer(b.octets[i], len);
        }
        batch_send(&b, fd, n);
    }
}

/* ---- relay ---- */

static void pass_up(struct relay *r)
{
    struct batch *b = &r->up;
    size_t n = batch_receive(b, r->clients, MSG_DONTWAIT, true);

    for (size_t i = 0; i < n; i++) {
        struct waiting *w = &r->waiting[r->next_id];

        w->client = b->peer[i];
        memcpy(w->id, b->octets[i], sizeof w->id);
        memcpy(b->octets[i], &r->next_id, sizeof r->next_id);
        r->next_id++;
        b->iov[i].iov_len = b->msg[i].msg_len;
        b->msg[i].msg_hdr.msg_name = NULL;
        b->msg[i].msg_hdr.msg_namelen = 0;
    }
    batch_send(b, r->upstream, n);
}

static void pass_down(struct relay *r)
{
    struct batch *b = &r->down;
    size_t n = batch_receive(b, r->upstream, MSG_DONTWAIT, false);

    for (size_t i = 0; i < n; i++) {
        struct waiting *w;
        uint16_t id;

        memcpy(&id, b->octets[i], sizeof id);
        w = &r->waiting[id];
        memcpy(b->octets[i], w->id, sizeof w->id);
        b->iov[i].iov_len = b->msg[i].msg_len;
        b->msg[i].msg_hdr.msg_name = &w->client;
        b->msg[i].msg_hdr.msg_namelen = sizeof w->client;
    }
    batch_send(b, r->clients, n);
}

static _Noreturn void run_relay(const char *listen_at, const char *upstream_at)
{
    static struct relay r;
    struct pollfd ready[2];

    batch_init(&r.up);
    batch_init(&r.down);
    r.upstream = connect_to(upstream_at);
    r.clients = listen_on(listen_at);
    ready[0] = (struct pollfd){.fd = r.clients, .events = POLLIN};
    ready[1] = (struct pollfd){.fd = r.upstream, .events = POLLIN};
    for (;;) {
        if (poll(ready, 2, -1) < 0) {
            die("poll");
        }
        if (ready[0].revents) {
            pass_up(&r);
        }
        if (ready[1].revents) {
            pass_down(&r);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "echo") == 0) {
        run_echo(argv[2]);
    }
    if (argc == 4 && strcmp(argv[1], "relay") == 0) {
        run_relay(argv[2], argv[3]);
    }
    fputs("usage: floor echo ADDR:PORT | floor relay ADDR:PORT UPSTREAM:PORT\n",
          stderr);
    return 2;
}
