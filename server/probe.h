/* One question of a tool to one address, on a libuv loop: what `isthmus check` and
 * `discover` find out is made of these. (The health probes of the server are the
 * resolver's: health.h.)
 *
 *     p->question = (struct probe_question){.kind = PROBE_UDP, .to = dns, ...};
 *     p->done = on_answer;
 *     probe_start(p, &loop);            // p->done is called once, never from in here
 *
 * Every attempt leaves from a socket, and so a port, of its own. An answer counts when
 * it comes from that address and port with our ID and question, as the resolver has it.
 */
#ifndef ISTHMUS_SERVER_PROBE_H
#define ISTHMUS_SERVER_PROBE_H

#include "base/addr.h"

#include <uv.h>

enum probe_kind {
    PROBE_UDP,
    PROBE_TCP,
    PROBE_CONNECT, /* no question: does anybody listen there? (TCP) */
};

struct probe_question {
    enum probe_kind kind;
    struct addr to;
    struct name name;
    uint16_t type; /* A, AAAA, PTR or TXT */
};

enum probe_outcome {
    PROBE_ANSWERED,    /* rcode says what; PROBE_CONNECT: the connection was accepted */
    PROBE_CLOSED,      /* a host is there, and nobody listens on the port */
    PROBE_UNREACHABLE, /* no route, or a router said so: error is an errno */
    PROBE_SILENT,
    PROBE_GARBAGE, /* what came is no DNS answer to the question */
    PROBE_FAILED,  /* here: no socket to be had; error is an errno */
};

#define PROBE_TEXT_MAX 64
#define PROBE_WIRE_MAX 4096 /* of an answer; these are small */

struct probe {
    struct probe_question question;
    void (*done)(struct probe *p); /* afterwards p may be started anew */
    void *context;                 /* the caller's */

    enum probe_outcome outcome;
    int error;
    uint16_t rcode;
    uint32_t rtt_us;    /* of the attempt that was answered */
    bool found;         /* the answer has a record of the type: its first one is */
    struct name target; /* of a PTR, lower case */
    struct addr addr;   /* of an A or AAAA; port 0 */
    char text[PROBE_TEXT_MAX]; /* of a TXT: printable octets of its first string */

    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    unsigned attempt, open; /* attempts made; handles that are not closed yet */
    bool again;             /* another attempt once they are */
    uint64_t start_us;
    uint16_t id;
    size_t out_len, sent, got;
    uint8_t out[2 + 12 + NAME_WIRE_MAX + 4]; /* the length of TCP in front */
    uint8_t in[PROBE_WIRE_MAX];
};

/* `done`, `question` and `context` are set. UDP is tried twice, for 0.4 s and 1.1 s;
 * TCP once, for 1.5 s. */
void probe_start(struct probe *p, uv_loop_t *loop);

#endif
