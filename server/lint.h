/* What can be said of a configuration that loads, without asking anybody: what it does
 * may not be what was meant. */
#ifndef ISTHMUS_SERVER_LINT_H
#define ISTHMUS_SERVER_LINT_H

#include "resolver/plan.h"
#include "server/findings.h"

/* Adds warnings and notes:
 *
 *     a block that answers whoever can reach it (no acl, an address others can reach)
 *     a cluster whose reverse names are never asked of its block
 *     a cache that never holds anything
 *     clusters without a cache
 *     zones that end in .local
 */
void lint_plan(const struct plan *p, struct findings *f);

#endif
