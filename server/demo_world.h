/* What the demo serves and asks: two clusters that both call themselves cluster.local
 * and hold the same names with other addresses. */
#ifndef ISTHMUS_SERVER_DEMO_WORLD_H
#define ISTHMUS_SERVER_DEMO_WORLD_H

#include "base/arena.h"
#include "base/error.h"
#include "server/demo_client.h"

#include <stdint.h>

extern const struct demo_question demo_questions[];
extern const unsigned demo_questions_n;

/* Writes the clusters' zone files into `dir`. 0, or -1 with errno set. */
int demo_write_zones(const char *dir);

/* The Corefile that serves clusters and forwarder, all on `port`. NULL: no memory. */
char *demo_corefile(struct arena *a, const char *dir, uint16_t port);

/* Removes what demo_write_zones wrote, and the folder. */
void demo_remove_zones(const char *dir);

#endif
