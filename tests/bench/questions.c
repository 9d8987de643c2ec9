#include "tests/bench/questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { LINE_MAX_LEN = 300 };

_Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

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

void questions_read(struct questions *q, const char *path)
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

size_t questions_next(struct questions *q, uint8_t *packet)
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

void questions_release(struct questions *q)
{
    free(q->octets);
    *q = (struct questions){0};
}

void tally_answer(struct tally *t, const uint8_t *packet, size_t len)
{
    if (len >= HEADER_LEN) {
        t->rcode[packet[3] & 0x0f]++;
    }
}

void tally_print(const struct tally *t, double seconds)
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

void force_buffers(int fd, int size)
{
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
}

double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
