/* Filling a draft from words: what readers of JSON and of tags have in common. */
#ifndef ISTHMUS_CONFIG_INVENTORY_DRAFT_H
#define ISTHMUS_CONFIG_INVENTORY_DRAFT_H

#include "config/inventory.h"

#define INVENTORY_WRONG_MAX 200 /* octets of a reason */

/* Each reads one word into the draft. 0, or -1: `why` (INVENTORY_WRONG_MAX) says what
 * is wrong, beginning with the schema's word for it. */
int draft_name(struct arena *a, struct inventory_draft *d, const char *word, char *why);
int draft_zone(struct arena *a, struct inventory_draft *d, const char *word, char *why);
int draft_domain(struct arena *a, struct inventory_draft *d, const char *word,
                 char *why);
int draft_services(struct arena *a, struct inventory_draft *d, const char *word,
                   char *why);
int draft_pods(struct arena *a, struct inventory_draft *d, const char *word, char *why);
int draft_dns(struct arena *a, struct inventory_draft *d, const char *word, char *why);

/* Whether a cluster can be made of it. 0, or -1 with the reason. */
int draft_check(const struct inventory_draft *d, char *why);

#endif
