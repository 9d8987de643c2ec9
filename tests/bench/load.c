/* Load that comes in batches, for servers that dnsperf cannot saturate.
 *
 *     load PORT FILE WINDOW SECONDS [RATE]
 *
 * Asks 127.0.0.1:PORT the questions of FILE (dnsperf's format, `NAME TYPE` a line; from
 * the start again at its end) and keeps WINDOW of them in flight, up to 64 a system
 * call, from one socket. dnsperf pays a system call a datagram, which on one core is
 * more than a good server pays: the server then idles, is woken for every datagram and
 * looks dearer than it is. With RATE so many a second leave at most, so that the window
 * fills evenly with an upstream that is slow. Prints what dnsperf prints, as far as the
 * bench reads it.
 *
 * Answers are counted and not matched: on loopback, after three seconds of silence,
 * what is still missing is lost. */
#include "tests/bench/questions.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    BATCH = 64,
    ANSWER_MAX = 4096,
    SOCKET_BUFFER = 64 << 20,
    SILENCE_MS = 3000,
};

struct load {
    int fd;
    uint64_t window, in_flight;
    double rate; /* 0: none */
    uint16_t next_id;
    struct questions questions;
    struct tally tally;
    struct mmsghdr out[BATCH], in[BATCH];
    struct iovec out_iov[BATCH], in_iov[BATCH];
    uint8_t question[BATCH][QUESTION_MAX];
    uint8_t answer[BATCH][ANSWER_MAX];
};

/* ---- in and out ---- */

static int connect_to(const char *port)
{
    int size = SOCKET_BUFFER;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
        die(port);
    }
    force_buffers(fd, size);
    return fd;
}

static void load_init(struct load *l)
{
    for (size_t i = 0; i < BATCH; i++) {
        l->out_iov[i].iov_base = l->question[i];
        l->out[i].msg_hdr.msg_iov = &l->out_iov[i];
        l->out[i].msg_hdr.msg_iovlen = 1;
        l->in_iov[i].iov_base = l->answer[i];
        l->in_iov[i].iov_len = ANSWER_MAX;
        l->in[i].msg_hdr.msg_iov = &l->in_iov[i];
        l->in[i].msg_hdr.msg_iovlen = 1;
    }
}

static void send_batch(struct load *l)
{
    int sent;

    for (size_t i = 0; i < BATCH; i++) {
        l->out_iov[i].iov_len = questions_next(&l->questions, l->question[i]);
        l->question[i][0] = (uint8_t)(l->next_id >> 8);
        l->question[i][1] = (uint8_t)l->next_id;
        l->next_id++;
    }
    sent = sendmmsg(l->fd, l->out, BATCH, 0);
    if (sent < 0 && errno != ECONNREFUSED && errno != ENOBUFS) {
        die("sendmmsg");
    }
    if (sent > 0) {
        l->in_flight += (uint64_t)sent;
        l->tally.sent += (uint64_t)sent;
    }
}

static void receive_batch(struct load *l)
{
    int n = recvmmsg(l->fd, l->in, BATCH, MSG_DONTWAIT, NULL);

    for (int i = 0; i < n; i++) {
        tally_answer(&l->tally, l->answer[i], l->in[i].msg_len);
    }
    if (n > 0) {
        l->in_flight -= (uint64_t)n < l->in_flight ? (uint64_t)n : l->in_flight;
    }
}

/* Waits until an answer can be read; after three seconds without one nothing more will
 * come.
 */
static void wait_for_answers(struct load *l)
{
    struct pollfd ready = {.fd = l->fd, .events = POLLIN};

    if (poll(&ready, 1, SILENCE_MS) == 0) {
        l->tally.lost += l->in_flight;
        l->in_flight = 0;
    }
}

/* Whether the rate allows another batch now; if not, waits a little for answers. */
static bool is_time(const struct load *l, double since_s)
{
    struct pollfd ready = {.fd = l->fd, .events = POLLIN};

    if (l->rate == 0 || (double)l->tally.sent <= l->rate * (now_s() - since_s)) {
        return true;
    }
    poll(&ready, 1, 1);
    return false;
}

static double run(struct load *l, double seconds)
{
    double start_s = now_s();

    while (now_s() < start_s + seconds) {
        if (l->in_flight + BATCH > l->window) {
            wait_for_answers(l);
        } else if (is_time(l, start_s)) {
            send_batch(l);
        }
        receive_batch(l);
    }
    while (l->in_flight > 0) {
        wait_for_answers(l);
        receive_batch(l);
    }
    return now_s() - start_s;
}

int main(int argc, char **argv)
{
    static struct load l;
    double took_s;

    if (argc != 5 && argc != 6) {
        fputs("usage: load PORT FILE WINDOW SECONDS [RATE]\n", stderr);
        return 2;
    }
    questions_read(&l.questions, argv[2]);
    l.window = strtoul(argv[3], NULL, 10);
    if (l.window < BATCH) {
        fprintf(stderr, "load: %s: expected a window of %d or more\n", argv[3], BATCH);
        return 2;
    }
    l.rate = argc == 6 ? strtod(argv[5], NULL) : 0;
    load_init(&l);
    l.fd = connect_to(argv[1]);
    took_s = run(&l, strtod(argv[4], NULL));
    tally_print(&l.tally, took_s);
    questions_release(&l.questions);
    return 0;
}
