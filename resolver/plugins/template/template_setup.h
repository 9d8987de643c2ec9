/* The configuration side of `template`: from its directive to what is tried for each
 * query (coredns-reference 2.9). */
#ifndef ISTHMUS_RESOLVER_PLUGINS_TEMPLATE_SETUP_H
#define ISTHMUS_RESOLVER_PLUGINS_TEMPLATE_SETUP_H

#include "resolver/fall.h"
#include "resolver/gotmpl.h"
#include "resolver/plugin.h"

/* One `answer`, `additional` or `authority`. */
struct template_record {
    enum section section;
    struct where at;
    const struct gotmpl *text;
    /* What it always is, when there is nothing in it to fill in; else owner is NULL. */
    struct rr_new constant;
};

struct template_match {
    const char *regex;
    const struct pattern *pattern;
};

/* One `template CLASS TYPE [ZONES...]`. */
struct template
{
    uint16_t class, type; /* ANY: all */
    struct zones zones;
    uint32_t counter;               /* of its first zone */
    struct template_match *matches; /* any one will do; none: all names */
    uint32_t matches_n, matches_cap;
    struct template_record *records;
    uint32_t records_n, records_cap;
    uint16_t rcode;
    bool ede;
    uint16_t ede_code;
    const char *ede_text;
    struct fall through;
};

/* All of a block, in file order. */
struct template_plugin {
    struct template **list;
    uint32_t n, cap;
    uint32_t counters; /* one for each zone of each */
};

#define TEMPLATE_OPTIONS_N 10
extern const struct option template_options[TEMPLATE_OPTIONS_N];

int template_setup(struct setup *s, const struct directive *d);

#endif
