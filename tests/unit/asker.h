/* A world whose only plugin passes each question to one group of upstreams and each
 * answer back: for tests of the rules of asking, free of any directive.
 *
 *     static const char *const two[] = {"10.0.0.1", "10.0.0.2", NULL};
 *     asker_open(&a, two, &asker_cluster);
 *     uint64_t client = world_ask(&a.w, "www.test");
 */
#ifndef ISTHMUS_TESTS_UNIT_ASKER_H
#define ISTHMUS_TESTS_UNIT_ASKER_H

#include "resolver/upstream.h"
#include "tests/unit/world.h"

#define ASKER_UPSTREAMS 8

/* Settings as `cluster` and `forward` have them by default, with probes far apart. */
extern const struct upstream_rules asker_cluster, asker_forward;

struct asker {
    struct world w;
    struct upstream_rules rules;
    struct upstream_group group; /* its */
    struct upstream *list[ASKER_UPSTREAMS];
    struct plan plan;
    struct plan_server server;
    struct plan_block block;
    struct plan_zone zone;
    struct slot slot;
    struct name root;
    struct upstream_result last; /* what the last wake said */
    char error[64];              /* its text */
    uint32_t wakes;
};

/* Addresses end with NULL; port 53. The probe is `probe.test TXT`. */
void asker_open(struct asker *a, const char *const *addresses,
                const struct upstream_rules *settings);
void asker_close(struct asker *a);

/* Takes probes off what was sent, and returns how many there were. */
uint32_t asker_take_probes(struct asker *a);

#endif
