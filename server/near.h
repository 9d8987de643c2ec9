/* Which cluster a name is one of, or was meant to be one of. On the control thread. */
#ifndef ISTHMUS_SERVER_NEAR_H
#define ISTHMUS_SERVER_NEAR_H

#include "resolver/cluster_map.h"
#include "resolver/plan.h"

/* The cluster that the name, lower case, is asked of: by its zone, or by the subnet of
 * a reverse name; the first block that has one. NULL: none. */
const struct cluster *cluster_of_name(const struct plan *plan, const struct name *name);

/* The label of the cluster that a name under none is meant to be of: its end is the
 * name of the cluster in its inventory, or the beginning of its zone, or but a slip of
 * the pen away from either. Of several that it may be as well two are said, as "a.lan
 * or b.lan", and how many more there are. Returns `text`, or NULL: there is none, or no
 * memory. */
#define CLUSTER_NEAR_MAX (2 * NAME_TEXT_MAX + 32)
const char *cluster_near(const struct plan *plan, const char *name,
                         char text[CLUSTER_NEAR_MAX]);

#endif
