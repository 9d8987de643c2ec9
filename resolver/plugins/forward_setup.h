/* The configuration side of `forward`: from its directive to groups of upstreams
 * (coredns-reference 2.1). */
#ifndef ISTHMUS_RESOLVER_PLUGINS_FORWARD_SETUP_H
#define ISTHMUS_RESOLVER_PLUGINS_FORWARD_SETUP_H

#include "resolver/plugin.h"
#include "resolver/upstream.h"

/* One `forward FROM TO...`. */
struct forward {
    struct where at;
    struct zones from; /* the first counts */
    struct zones except;
    struct upstream_group group;
};

/* All of a block, in file order. */
struct forward_plugin {
    struct forward **list;
    uint32_t n, cap;
};

#define FORWARD_OPTIONS_N 21
extern const struct option forward_options[FORWARD_OPTIONS_N];

int forward_setup(struct setup *s, const struct directive *d);
void forward_release(struct registry *reg, void *state);

#endif
