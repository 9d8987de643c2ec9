/* The configuration side of `forward`: from its directive to groups of upstreams
 * (coredns-reference 2.1). */
#ifndef ISTHMUS_RESOLVER_PLUGINS_FORWARD_SETUP_H
#define ISTHMUS_RESOLVER_PLUGINS_FORWARD_SETUP_H

#include "resolver/plugins/forward_tls.h"
#include "resolver/upstream.h"

/* One `forward FROM TO...`. */
struct forward {
    struct where at;
    uint32_t place;    /* in its list */
    struct zones from; /* the first counts */
    struct zones except;
    struct upstream_rules rules;
    struct upstream_group group;
    uint64_t next; /* bit per rcode: the following `forward` is asked instead */
    bool next_on_nodata;
    bool attempts_written; /* max_connect_attempts */
    uint32_t idle_max;
    unsigned doh_method; /* of https:// destinations: its place in the option's words */
    struct addr source;
    struct forward_addrs servers; /* that know the host names among the destinations */
    struct forward_tls tls;
    struct forward_tls_claim **claims; /* of the destinations with TLS */
    uint32_t claims_n;
    struct forward_tls_watch watch;
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
