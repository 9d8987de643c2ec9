/* What the load programs share: the questions of a file, and a tally in dnsperf's
 * words. Whatever goes wrong ends the program with a message. */
#ifndef ISTHMUS_TESTS_BENCH_QUESTIONS_H
#define ISTHMUS_TESTS_BENCH_QUESTIONS_H

#include <stddef.h>
#include <stdint.h>

enum {
    HEADER_LEN = 12,
    QUESTION_MAX = HEADER_LEN + 255 + 4,
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

_Noreturn void die(const char *what);

/* Reads a file of dnsperf's format, `NAME TYPE` a line. */
void questions_read(struct questions *q, const char *path);
void questions_release(struct questions *q);

/* Writes the next question, after the last the first again; returns its length. The ID
 * is zero. */
size_t questions_next(struct questions *q, uint8_t *packet);

/* Counts an answer; shorter than a header it is none. */
void tally_answer(struct tally *t, const uint8_t *packet, size_t len);
void tally_print(const struct tally *t, double seconds);

/* Room for `size` octets in both directions; what the system allows, if that is less.
 */
void force_buffers(int fd, int size);

/* A clock that never goes back. */
double now_s(void);

#endif
