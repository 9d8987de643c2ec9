/* Messages for tests, from text, made and printed by ldns: an oracle that shares no
 * code with what it judges.
 *
 *     struct span q = build_query("www.test A");
 *     struct span a = build_answer("! aa NXDOMAIN\n"
 *                                  "www.test A\n"
 *                                  "authority\n"
 *                                  "test 5 IN SOA ns.test h.test 1 2 3 4 5\n");
 *     struct span p = build_bytes("0007 8180 0001 0000 0000 0000 'www.test' 0001
 * 0001");
 *
 * The first line that is no header line (`!`) is the question; `answer`, `authority`
 * and `additional` alone on a line begin a section; other lines are records. Everything
 * returned lives until build_release(). Text that cannot be read fails the test. */
#ifndef ISTHMUS_TESTS_UNIT_BUILD_H
#define ISTHMUS_TESTS_UNIT_BUILD_H

#include "base/name.h"
#include "resolver/msg.h"

/* ID 7, RD. "NAME [CLASS] TYPE". */
struct span build_query(const char *question);

/* Words of a header line: id N, qr aa tc rd ra ad cd (a `-` in front clears), an rcode,
 * edns SIZE, do. Before them: ID 7, QR RD RA, NOERROR, no OPT. Compressed as ldns does
 * it. */
struct span build_answer(const char *text);

/* Hex digits, blanks, and 'names' in presentation form (uncompressed). */
struct span build_bytes(const char *hex);

/* A name in wire form. */
const uint8_t *build_name(const char *text);

/* The question section of "www.test A". */
struct span build_question(const char *text);

/* What ldns makes of a packet: flags, rcode, question and records, a line each;
 * "malformed" when it cannot parse it. Without the ID, and OPT as a line of its own. */
const char *build_text(struct span packet);

/* The same of a packet that ldns holds, with these flags. */
struct ldns_struct_pkt;
char *build_text_of(const struct ldns_struct_pkt *pkt, uint16_t flags);

/* Walks a packet that must be right, into a fresh index as large as any packet needs.
 */
void build_walk(struct msg *m, struct span packet);

/* Zeroed memory with the life of the rest. */
void *build_keep(size_t len);
void build_release(void);

/* The same numbers in every run: 0 <= result < below. */
struct build_random {
    uint64_t state;
};
uint32_t build_below(struct build_random *r, uint32_t below);

/* A name that shares its end with others, in any case, often under Cluster.Local. */
const char *build_random_name(struct build_random *r);

/* Text for build_answer(): the question (its name in *question, class IN, type A), and
 * up to twelve records of any type ldns can write, in any section. */
const char *build_random_answer(struct build_random *r, const char **question);

#endif
