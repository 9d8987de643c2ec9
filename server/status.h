/* What the running server is and does, as JSON: for `isthmus status`, and for /clusters
 * beside /metrics. Reads what the plan says and what workers count; no worker takes
 * part. Control thread. */
#ifndef ISTHMUS_SERVER_STATUS_H
#define ISTHMUS_SERVER_STATUS_H

#include "base/json_out.h"
#include "server/reload.h"

/* The list "clusters": those of all blocks, each with what is known of its addresses;
 * with `only` the one of that label. */
void status_clusters(struct json_out *j, const struct plan *plan, const char *only);

/* A list of "FILE:LINE - TEXT". */
void status_errors(struct json_out *j, const char *key, const struct errors *errs);

/* All of it. */
void status_all(struct json_out *j, const struct reload *r, uint64_t now_us);

/* {"clusters": [...]} as text from the heap, with its length. NULL: no memory.
 */
char *status_clusters_page(const struct plan *plan, size_t *len);

/* How many clusters there are, are down and are drained; `down` (may be NULL) gets the
 * label of one that is down. */
struct status_count {
    uint32_t clusters, down, drained;
    const char *first_down;
};
struct status_count status_count(const struct plan *plan);

#endif
