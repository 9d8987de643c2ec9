/* Load over TCP, one question a connection, as dig +tcp asks.
 *
 *     load_tcp PORT FILE CONNECTIONS SECONDS
 *
 * Keeps so many connections to 127.0.0.1:PORT busy, each of which is opened, asks one
 * question of FILE, reads the answer and is closed. (dnsperf can do it too, but looks
 * after its connections every 100 ms.) Prints what dnsperf prints, as far as the bench
 * reads it. */
#include "tests/bench/questions.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 256,
    ANSWER_MAX = 2 + 65535,
    PATIENCE_S = 2,
};

struct connection {
    double since_s;
    size_t got;
    uint8_t answer[ANSWER_MAX];
};

struct load {
    struct sockaddr_in server;
    size_t n;
    struct questions questions;
    struct tally tally;
    struct pollfd fds[CONNECTIONS_MAX]; /* fd -1: not open */
    struct connection connections[CONNECTIONS_MAX];
};

/* On loopback connect() ends at once, and a question always fits. Ports that are all in
 * use come free again: it is tried in the next turn. */
static void ask(struct load *l, size_t i)
{
    uint8_t packet[2 + QUESTION_MAX];
    size_t len = questions_next(&l->questions, packet + 2);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        die("socket");
    }
    packet[0] = (uint8_t)(len >> 8);
    packet[1] = (uint8_t)len;
    if (connect(fd, (struct sockaddr *)&l->server, sizeof l->server) < 0 ||
        send(fd, packet, len + 2, MSG_NOSIGNAL) < 0) {
        close(fd);
        return;
    }
    l->tally.sent++;
    l->connections[i].since_s = now_s();
    l->connections[i].got = 0;
    l->fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void hang_up(struct load *l, size_t i, bool answered)
{
    if (answered) {
        tally_answer(&l->tally, l->connections[i].answer + 2,
                     l->connections[i].got - 2);
    } else {
        l->tally.lost++;
    }
    close(l->fds[i].fd);
    l->fds[i] = (struct pollfd){.fd = -1};
}

static void read_answer(struct load *l, size_t i)
{
    struct connection *c = &l->connections[i];
    ssize_t n =
        recv(l->fds[i].fd, c->answer + c->got, ANSWER_MAX - c->got, MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        hang_up(l, i, false);
        return;
    }
    c->got += (size_t)n;
    if (c->got >= 2 && c->got >= 2 + ((size_t)c->answer[0] << 8 | c->answer[1])) {
        hang_up(l, i, true);
    }
}

/* Reads what has come. Returns how many connections are still open. */
static size_t turn(struct load *l)
{
    size_t open = 0;
    double now;

    poll(l->fds, l->n, 100);
    now = now_s();
    for (size_t i = 0; i < l->n; i++) {
        if (l->fds[i].fd >= 0 && l->fds[i].revents) {
            read_answer(l, i);
        }
        if (l->fds[i].fd >= 0 && now > l->connections[i].since_s + PATIENCE_S) {
            hang_up(l, i, false);
        }
        open += l->fds[i].fd >= 0;
    }
    return open;
}

static double run(struct load *l, double seconds)
{
    double start_s = now_s();

    for (size_t i = 0; i < l->n; i++) {
        l->fds[i].fd = -1;
    }
    while (now_s() < start_s + seconds) {
        for (size_t i = 0; i < l->n; i++) {
            if (l->fds[i].fd < 0) {
                ask(l, i);
            }
        }
        turn(l);
    }
    while (turn(l) > 0) {
    }
    return now_s() - start_s;
}

int main(int argc, char **argv)
{
    static struct load l;
    double took_s;

    if (argc != 5) {
        fputs("usage: load_tcp PORT FILE CONNECTIONS SECONDS\n", stderr);
        return 2;
    }
    l.server = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    questions_read(&l.questions, argv[2]);
    l.n = strtoul(argv[3], NULL, 10);
    if (l.n == 0 || l.n > CONNECTIONS_MAX) {
        fprintf(stderr, "load_tcp: %s: expected 1 to %d\n", argv[3], CONNECTIONS_MAX);
        return 2;
    }
    took_s = run(&l, strtod(argv[4], NULL));
    tally_print(&l.tally, took_s);
    questions_release(&l.questions);
    return 0;
}
