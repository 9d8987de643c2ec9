/* The inventories of a plan as JSON: for `status`, `/clusters` and who reads them. */
#ifndef ISTHMUS_SERVER_STATUS_INVENTORY_H
#define ISTHMUS_SERVER_STATUS_INVENTORY_H

#include "base/json_out.h"

struct plan;

/* The list "inventories": of each its source, ages in seconds, numbers of clusters,
 * what is wrong, and which clusters are rejected and why. */
void status_inventories(struct json_out *j, const struct plan *plan);

#endif
