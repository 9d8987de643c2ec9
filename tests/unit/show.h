/* A client's reply as text, for tests of what plugins answer.
 *
 *     show_reply(&w, client, text);
 *     "NOERROR aa\n"
 *     "AN web.test. 60 IN A 192.0.2.1\n"
 *
 * First the code and those of the flags aa, tc, ra, ad, cd that are set, then a line
 * for each record in the order of the message, as ldns writes them; no reply is "none".
 */
#ifndef ISTHMUS_TESTS_UNIT_SHOW_H
#define ISTHMUS_TESTS_UNIT_SHOW_H

#include "tests/unit/world.h"

#define SHOW_MAX 8192

const char *show_packet(struct span packet, char text[SHOW_MAX]);
const char *show_reply(const struct world *w, uint64_t client, char text[SHOW_MAX]);

/* Asks with the transport TCP, so that nothing is truncated, and shows the reply. */
const char *show_asked(struct world *w, const char *name, uint16_t type,
                       char text[SHOW_MAX]);

/* A question on its way through a block that ends in `forward . 10.0.0.1`: the upstream
 * must be asked and gives `answer` (as for build_answer()); NULL: it must not be asked.
 * Shows the reply. */
const char *show_through(struct world *w, const struct world_question *q,
                         const char *answer, char text[SHOW_MAX]);

#endif
