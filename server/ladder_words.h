/* What a ladder found, in words. */
#ifndef ISTHMUS_SERVER_LADDER_WORDS_H
#define ISTHMUS_SERVER_LADDER_WORDS_H

#include "server/ladder.h"

#define LADDER_TEXT_MAX 700

/* What is wrong (of LADDER_OK: what it said), and what usually mends it; either may be
 * "". Both hold LADDER_TEXT_MAX. */
void ladder_words(const struct ladder_question *q, const struct ladder_result *r,
                  char *what, char *mend);

#endif
