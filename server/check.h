/* What `isthmus check` knows once it has looked and asked, for those who print it. */
#ifndef ISTHMUS_SERVER_CHECK_H
#define ISTHMUS_SERVER_CHECK_H

#include "resolver/cluster_map.h"
#include "server/findings.h"
#include "server/ladder.h"

/* One cluster; questions and results of its DNS addresses stand together. */
struct check_cluster {
    const struct cluster *cluster;
    const char *label;
    uint32_t first, n; /* of the results */
    uint32_t broken;   /* the address that is told; the first one when all are well */
    int level;         /* as ladder_level(), 1 at most while another address is well */
    uint32_t well;     /* how many addresses are */
    bool doubled;      /* another block names it too */

    /* what the running server knows; 0: nothing */
    uint64_t failing_s; /* the address that is told has been failing for */
    uint64_t cached;    /* answers of a silent cluster that it still serves */
    bool drained;
};

/* A cluster of an inventory that cannot be served beside the others. */
struct check_refused {
    const char *name, *why;
    struct where at;
    struct check_refused *next;
};

struct check {
    const char *conf;
    const char *whose; /* said of a file that was not named; NULL: it was */
    struct findings findings;
    struct check_cluster *clusters;
    uint32_t clusters_n, clusters_cap;
    struct check_refused *refused;
    struct ladder_question *questions;
    struct ladder_result *results;
    uint32_t results_n, results_cap;
    bool asked;    /* not offline, and the file can be loaded */
    bool problems; /* only what is wrong is wanted */
    int status;
};

void check_print(const struct check *k);
int check_print_json(const struct check *k);

#endif
