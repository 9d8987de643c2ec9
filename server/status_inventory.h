/* The inventories of a plan as JSON: for `status`, `/clusters` and who reads them. */
#ifndef ISTHMUS_SERVER_STATUS_INVENTORY_H
#define ISTHMUS_SERVER_STATUS_INVENTORY_H

#include "base/tree.h"

struct plan;

/* An array: of each its source, ages in seconds, numbers of clusters, what is wrong,
 * and which clusters are rejected and why. */
cJSON *status_inventories(struct tree *t, const struct plan *plan);

#endif
