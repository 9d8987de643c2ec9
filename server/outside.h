/* The world as set-up meets it (resolver/outside.h), for three kinds of program. */
#ifndef ISTHMUS_SERVER_OUTSIDE_H
#define ISTHMUS_SERVER_OUTSIDE_H

#include "resolver/outside.h"

extern const struct outside outside_serving; /* all of it */
extern const struct outside outside_asking;  /* one that answers a question: no streams
                                                of dnstap */
extern const struct outside outside_offline; /* one that only looks: sends nothing, any
                                                host name has an address */

#endif
