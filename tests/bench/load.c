/* Load that comes in batches, for servers that dnsperf cannot saturate.
 *
 *     load PORT FILE WINDOW SECONDS
 *
 * Asks 127.0.0.1:PORT the questions of FILE (dnsperf's format, `NAME TYPE` a line; from
 * the start again at its end) and keeps WINDOW of them in flight, up to 64 a system
 * call, from one socket. dnsperf pays a system call a datagram, which on one core is
 * more than a good server pays: the server then idles, is woken for every datagram and
 * looks dearer than it is. Prints what dnsperf prints, as far as the bench reads it.
 *
 * Answers are counted and not matched: on loopback, after a second of silence, what is
 * still missing is lost. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    BATCH = 64,
    LINE_MAX_LEN = 300,
    HEADER_LEN = 12,
    QUESTION_MAX = HEADER_LEN + 255 + 4,
    ANSWER_MAX = 4096,
    SOCKET_BUFFER = 4 << 20,
    SILENCE_MS = 1000,
    RCODES = 16,
};

/* The questions one after another, each a packet with its length in front. */
struct questions {
    uint8_t *octets;
    size_t len, size, at;
};

struct tally {
    uint64_t sent, lost;
    uint64_t rcode[RCODES];
};

struct load {
    int fd;
    uint64_t window, in_flight;
    uint16_t next_id;
    struct questions questions;
    struct tally tally;
    struct mmsghdr out[BATCH], in[BATCH];
    struct iovec out_iov[BATCH], in_iov[BATCH];
    uint8_t question[BATCH][QUESTION_MAX];
    uint8_t answer[BATCH][ANSWER_MAX];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- questions ---- */

static uint16_t type_of(const char *word)
{
    static const struct {
        const char *word;
        uint16_t type;
    } types[] = {{"A", 1}, {"PTR", 12}, {"TXT", 16}, {"AAAA", 28}, {"SRV", 33}};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(word, types[i].word) == 0) {
            return types[i].type;
        }
    }
    fprintf(stderr, "load: %s: expected A, AAAA, PTR, SRV or TXT\n", word);
    exit(2);
}

/* Writes the question into `packet`; returns its length, 0 if the name is none. */
static size_t write_question(uint8_t *packet, const char *name, uint16_t type)
{
    size_t at = HEADER_LEN;

    memset(packet, 0, HEADER_LEN);
    packet[2] = 1; /* RD */
    packet[5] = 1; /* QDCOUNT */
    while (*name && *name != '.') {
        size_t len = strcspn(name, ".");

        if (len > 63 || at + len + 1 > HEADER_LEN + 254) {
            return 0;
        }
        packet[at++] = (uint8_t)len;
        memcpy(packet + at, name, len);
        at += len;
        name += len + (name[len] == '.');
    }
    packet[at++] = 0;
    packet[at++] = (uint8_t)(type >> 8);
    packet[at++] = (uint8_t)type;
    packet[at++] = 0;
    packet[at++] = 1; /* IN */
    return at;
}

static void questions_add(struct questions *q, const uint8_t *packet, size_t len)
{
    if (q->len + 2 + len > q->size) {
        q->size = q->size ? 2 * q->size : 1 << 20;
        q->octets = realloc(q->octets, q->size);
        if (!q->octets) {
            die("load");
        }
    }
    q->octets[q->len] = (uint8_t)(len >> 8);
    q->octets[q->len + 1] = (uint8_t)len;
    memcpy(q->octets + q->len + 2, packet, len);
    q->len += 2 + len;
}

static void questions_read(struct questions *q, const char *path)
{
    uint8_t packet[QUESTION_MAX];
    char line[LINE_MAX_LEN], name[LINE_MAX_LEN], type[8];
    FILE *in = fopen(path, "r");

    if (!in) {
        die(path);
    }
    while (fgets(line, sizeof line, in)) {
        size_t len = 0;

        if (sscanf(line, "%299s %7s", name, type) == 2) {
            len = write_question(packet, name, type_of(type));
        }
        if (len == 0) {
            fprintf(stderr, "load: %s: expected NAME TYPE: %s", path, line);
            exit(2);
        }
        questions_add(q, packet, len);
    }
    fclose(in);
    if (q->len == 0) {
        fprintf(stderr, "load: %s: no question in it\n", path);
        exit(2);
    }
}

static size_t questions_next(struct questions *q, uint8_t *packet)
{
    size_t len;

    if (q->at == q->len) {
        q->at = 0;
    }
    len = (size_t)(q->octets[q->at] << 8 | q->octets[q->at + 1]);
    memcpy(packet, q->octets + q->at + 2, len);
    q->at += 2 + len;
    return len;
}

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
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
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
        if (l->in[i].msg_len >= HEADER_LEN) {
            l->tally.rcode[l->answer[i][3] & 0x0f]++;
        }
    }
    if (n > 0) {
        l->in_flight -= (uint64_t)n < l->in_flight ? (uint64_t)n : l->in_flight;
    }
}

/* Waits until an answer can be read; after a second without one nothing more will come.
 */
static void wait_for_answers(struct load *l)
{
    struct pollfd ready = {.fd = l->fd, .events = POLLIN};

    if (poll(&ready, 1, SILENCE_MS) == 0) {
        l->tally.lost += l->in_flight;
        l->in_flight = 0;
    }
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double run(struct load *l, double seconds)
{
    double start_s = now_s();

    while (now_s() < start_s + seconds) {
        if (l->in_flight + BATCH <= l->window) {
            send_batch(l);
        } else {
            wait_for_answers(l);
        }
        receive_batch(l);
    }
    while (l->in_flight > 0) {
        wait_for_answers(l);
        receive_batch(l);
    }
    return now_s() - start_s;
}

static void print_tally(const struct tally *t, double seconds)
{
    static const char *const names[RCODES] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                              "NXDOMAIN", "NOTIMP",  "REFUSED"};
    uint64_t answers = 0;

    for (size_t i = 0; i < RCODES; i++) {
        answers += t->rcode[i];
    }
    printf("  Queries sent:         %llu\n", (unsigned long long)t->sent);
    printf("  Queries completed:    %llu\n", (unsigned long long)answers);
    printf("  Queries lost:         %llu\n", (unsigned long long)t->lost);
    printf("  Response codes:       ");
    for (size_t i = 0; i < RCODES; i++) {
        if (t->rcode[i]) {
            printf("%s %llu ", names[i] ? names[i] : "OTHER",
                   (unsigned long long)t->rcode[i]);
        }
    }
    printf("\n  Run time (s):         %.6f\n", seconds);
}

int main(int argc, char **argv)
{
    static struct load l;
    double took_s;

    if (argc != 5) {
        fputs("usage: load PORT FILE WINDOW SECONDS\n", stderr);
        return 2;
    }
    questions_read(&l.questions, argv[2]);
    l.window = strtoul(argv[3], NULL, 10);
    if (l.window < BATCH) {
        fprintf(stderr, "load: %s: expected a window of %d or more\n", argv[3], BATCH);
        return 2;
    }
    load_init(&l);
    l.fd = connect_to(argv[1]);
    took_s = run(&l, strtod(argv[4], NULL));
    print_tally(&l.tally, took_s);
    free(l.questions.octets);
    return 0;
}
