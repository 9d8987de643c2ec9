/* How long a source rests between looks: all replicas of a fleet do not ask at the same
 * moment, and one that fails is asked again after one second, then two, up to the usual
 * time. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_REST_H
#define ISTHMUS_CONFIG_DISCOVERY_REST_H

#include "config/discovery/discovery.h"

struct rest {
    unsigned failures; /* in a row */
    unsigned wait_s;   /* asked for by the server; 0: not */
};

/* Milliseconds; `usual_ms` where the settings have no interval. */
int rest_ms(struct discovery *d, const struct rest *r, int64_t usual_ms);

/* Nine to eleven tenths of it. */
int rest_jitter(int64_t ms);

#endif
