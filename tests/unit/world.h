/* A resolver, its plan, a fake io and a clock: what a test of anything between a
 * client's question and its reply needs.
 *
 *     world_load(&w, ". {\n forward . 10.0.0.1 10.0.0.2\n}\n");
 *     uint64_t client = world_ask(&w, "www.test");
 *     struct fake_sent *s = world_expect(&w, "10.0.0.1:53", TRANSPORT_UDP);
 *     world_run(&w, 60);                            // 60 ms pass
 *     world_answer(&w, s, &(struct world_answer){.address = "192.0.2.1"});
 *     assert_int_equal(world_rcode(&w, client), DNS_NOERROR);
 *
 * What cannot be done fails the test. */
#ifndef ISTHMUS_TESTS_UNIT_WORLD_H
#define ISTHMUS_TESTS_UNIT_WORLD_H

#include "base/error.h"
#include "resolver/plan.h"
#include "resolver/registry.h"
#include "resolver/resolver.h"
#include "tests/unit/fake_io.h"

struct world {
    struct fake_io *io;
    struct registry *registry;
    struct resolver *r;
    struct plan *plan; /* in use; not freed by world_close() unless `owned` */
    bool owned;
    uint64_t now_us;
    uint64_t client; /* the last that asked */
};

/* Starts at some time later than zero, with a registry and without a plan. */
void world_open(struct world *w);

/* Uses a plan of the test's own. */
void world_adopt(struct world *w, struct plan *plan);

/* Builds one from the text of a Corefile, to be adopted or freed by the test. */
struct plan *world_plan(struct world *w, const char *corefile);

/* Builds a plan and uses it; world_open() is done here. */
void world_load(struct world *w, const char *corefile);

/* Whether a Corefile loads; when not, `text` gets the first error. */
bool world_loads(const char *corefile, char *text, size_t cap);

/* Ends the resolver, checks that every question was settled, frees. */
void world_close(struct world *w);

/* Lets `ms` milliseconds pass, waking the resolver when it wants to be woken. */
void world_run(struct world *w, uint64_t ms);

/* A client asks for the A records of a name; returns its handle. */
uint64_t world_ask(struct world *w, const char *name);

struct world_question {
    const char *name;
    uint16_t type;  /* 0: A */
    uint16_t class; /* 0: IN */
    uint16_t flags; /* besides: RD is set unless `no_rd` */
    bool no_rd;
    enum transport transport;
    bool edns, dnssec_ok;
    uint16_t udp_size;
    struct span options; /* RDATA of OPT */
    const char *peer;    /* the client's address; NULL: 192.0.2.99 */
    struct trace *trace; /* NULL: its way is not written down */
};
uint64_t world_ask_as(struct world *w, const struct world_question *q);

/* The oldest message to an upstream that was not taken yet; it must go there. */
struct fake_sent *world_expect(struct world *w, const char *to, enum transport t);

/* No message has gone out that was not taken. */
void world_expect_silence(struct world *w);

struct world_answer {
    struct span message; /* the whole of it but for the ID, as of build_answer() */
    const char *address; /* one A record; NULL: none */
    uint16_t rcode;
    uint16_t flags;      /* besides QR */
    struct span options; /* RDATA of an OPT, at NULL: no OPT */
    bool garbage;        /* ends in the middle of a record */
    bool other_name, other_id;
};
void world_answer(struct world *w, const struct fake_sent *s,
                  const struct world_answer *answer);

/* The conn of a message breaks. A stream is not used again. */
void world_lose(struct world *w, const struct fake_sent *s, int error);

/* The client's reply: -1 when it has none. */
int world_rcode(const struct world *w, uint64_t client);
uint16_t world_flags(const struct world *w, uint64_t client);

/* The address of the first A record of the reply, "" when there is none. */
const char *world_address(const struct world *w, uint64_t client, char *text);

/* The code and text of an extended error in the reply; -1 without one. */
int world_ede(const struct world *w, uint64_t client, char *text, size_t cap);

#endif
