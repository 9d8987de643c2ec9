/* What a plugin is: one directive, one file, one `const struct plugin`.
 *
 * Read plugins/whoami.c first; it is a whole plugin on a page. `plugins.def` names all
 * of them in CoreDNS's fixed order, which is the order of every chain. */
#ifndef ISTHMUS_RESOLVER_PLUGIN_H
#define ISTHMUS_RESOLVER_PLUGIN_H

#include "config/reader.h"
#include "resolver/query.h"

struct measure;
struct plan;
struct plan_block;
struct registry;

/* What setup gets. Everything it allocates comes from `arena` (the plan's) and is const
 * once the plan is in use. */
struct setup {
    struct arena *arena;
    struct errors *errs;
    struct registry *registry;
    struct plan *plan;
    struct plan_block
        *block;   /* its keys; server settings are written here (bind, ...) */
    void *state;  /* out: handed to every hook */
    bool passive; /* out: another plugin of the block does its work on the way */
};

struct upstream_group;

/* Servers that a plugin asks, for people to look at. */
struct plugin_group {
    const struct upstream_group *group;
    const struct name *zone; /* whose names */
    struct where at;
};

struct plugin {
    const char *name;
    const char *help;             /* one line */
    const char *synopsis;         /* as in the manual */
    const struct option *options; /* of its block */
    size_t options_n;
    bool hears_notify; /* its hooks are for NOTIFY, too; of others nobody is asked */

    /* Reads the directive. 0, or -1 after adding errors. */
    int (*setup)(struct setup *s, const struct directive *d);
    /* Whether the block takes this question; asked before any hook below. Of a block's
     * plugins one at most judges. */
    bool (*admits)(struct query *q, const struct plan_block *b, const void *state);

    /* Gives back what setup claimed from the registry; may be NULL. */
    void (*release)(struct registry *reg, void *state);

    /* Each may be NULL. A plugin with none of them only configures. */
    enum verdict (*on_query)(struct query *q, const void *state);
    enum verdict (*on_wake)(struct query *q, const void *state);
    enum verdict (*on_response)(struct query *q, const void *state);
    /* A plugin below has dropped the question: there is no way up. Nearest first. */
    void (*on_drop)(struct query *q, const void *state);

    /* Claims counters for one zone of one server, in blocks with `prometheus`, each
     * with measure_claim(); query_count() finds them by their order. */
    void (*measure)(struct measure *m, const void *state);

    /* What would answer this question, in words for messages: a cluster's zone, an
     * upstream's address. NULL: this plugin would not take it. */
    const char *(*label)(struct query *q, const void *state);
    /* Calls `fn` for each group of servers that it asks and that is no cluster's. */
    void (*each_group)(const void *state,
                       void (*fn)(const struct plugin_group *g, void *context),
                       void *context);
    /* A worker has gone over to the plan: called once, a little later, by one worker,
     * with a server (index) that the block is asked through. */
    void (*on_start)(struct resolver *r, uint16_t server, const void *state);
};

struct slot {
    const struct plugin *plugin;
    const void *state;
};

/* plugin_whoami and so on. */
#define PLUGIN(name) extern const struct plugin plugin_##name;
#include "resolver/plugins.def"

/* All plugins in CoreDNS's order; NULL-terminated. */
extern const struct plugin *const plugin_list[];

const struct plugin *plugin_find(const char *name);

/* The words of a Corefile: those of plugin_list, and reasons for those we do not have.
 */
const struct vocabulary *plugin_vocabulary(void);

#endif
