/* An upstream for scenarios that NSD cannot play: on every loopback address at once,
 * and as slow as is asked.
 *
 *     upstream PORT DELAY_MS
 *
 * Answers each question for A with one record, the address it was sent to, from there
 * and DELAY_MS after it came. What it cannot keep until then (LATE_MAX answers) is
 * dropped. */
#include "tests/bench/questions.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BATCH = 64,
    PACKET_MAX = 512,
    LATE_MAX = 1 << 17,
    SOCKET_BUFFER = 64 << 20,
};

/* Room for one IP_PKTINFO, aligned as a control message must be. */
union control {
    struct cmsghdr head;
    uint8_t octets[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

struct answer {
    double due_s;
    struct sockaddr_in peer;
    union control control;
    uint16_t len, control_len;
    uint8_t octets[PACKET_MAX];
};

/* A ring: all answers are equally late. */
static struct answer ring[LATE_MAX];
static size_t oldest, newest; /* counts, never wrapped */
static double delay_s;

static int open_socket(const char *port)
{
    int size = SOCKET_BUFFER, on = 1;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};

    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        die(port);
    }
    force_buffers(fd, size);
    return fd;
}

/* The address that the question was sent to, as octets of A. */
static void put_address(uint8_t *out, const union control *c)
{
    struct in_pktinfo info;

    memcpy(&info, CMSG_DATA(&c->head), sizeof info);
    memcpy(out, &info.ipi_addr, sizeof info.ipi_addr);
}

/* Sets QR and puts the record behind the question, in front of an OPT. */
static size_t make_answer(uint8_t *packet, size_t len, const union control *c)
{
    uint8_t record[] = {0xc0, HEADER_LEN, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 0, 0, 0, 0};
    size_t at = HEADER_LEN;

    while (at < len && packet[at] != 0) {
        at += packet[at] + 1u;
    }
    at += 5;
    if (at > len || len + sizeof record > PACKET_MAX) {
        return 0;
    }
    put_address(record + sizeof record - 4, c);
    memmove(packet + at + sizeof record, packet + at, len - at);
    memcpy(packet + at, record, sizeof record);
    packet[2] |= 0x84; /* QR, AA */
    packet[7] = 1;
    return len + sizeof record;
}

static void point_at(struct mmsghdr *m, struct iovec *iov, struct answer *a)
{
    *iov = (struct iovec){.iov_base = a->octets, .iov_len = a->len};
    m->msg_hdr = (struct msghdr){.msg_name = &a->peer,
                                 .msg_namelen = sizeof a->peer,
                                 .msg_iov = iov,
                                 .msg_iovlen = 1,
                                 .msg_control = &a->control,
                                 .msg_controllen = a->control_len};
}

/* Takes up to a batch into the ring. */
static void receive(int fd)
{
    struct mmsghdr msg[BATCH];
    struct iovec iov[BATCH];
    double due_s = now_s() + delay_s;
    size_t room = LATE_MAX - (newest - oldest);
    unsigned n = room < BATCH ? (unsigned)room : BATCH;

    for (unsigned i = 0; i < n; i++) {
        struct answer *a = &ring[(newest + i) % LATE_MAX];
        a->len = PACKET_MAX;
        a->control_len = sizeof a->control;
        point_at(&msg[i], &iov[i], a);
    }
    int came = recvmmsg(fd, msg, n, MSG_DONTWAIT, NULL);
    for (int i = 0; i < came; i++) {
        struct answer *a = &ring[newest % LATE_MAX];
        a->due_s = due_s;
        a->len = (uint16_t)make_answer(a->octets, msg[i].msg_len, &a->control);
        a->control_len = (uint16_t)msg[i].msg_hdr.msg_controllen;
        newest++;
    }
}

/* Sends what is due; returns the milliseconds until more is, -1: nothing waits. */
static int send_due(int fd)
{
    struct mmsghdr msg[BATCH];
    struct iovec iov[BATCH];

    while (oldest < newest) {
        double left_s = ring[oldest % LATE_MAX].due_s - now_s();
        unsigned n = 0, at = 0;
        if (left_s > 0) {
            return (int)(left_s * 1000) + 1;
        }
        for (; n < BATCH && oldest < newest; n++, oldest++) {
            point_at(&msg[n], &iov[n], &ring[oldest % LATE_MAX]);
        }
        while (at < n) {
            int sent = sendmmsg(fd, msg + at, n - at, 0);
            at += sent > 0 ? (unsigned)sent : 1;
        }
    }
    return -1;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        die("usage: upstream PORT DELAY_MS");
    }
    struct pollfd ready = {.fd = open_socket(argv[1]), .events = POLLIN};
    delay_s = strtod(argv[2], NULL) / 1000;
    for (;;) {
        poll(&ready, 1, send_due(ready.fd));
        receive(ready.fd);
    }
}
