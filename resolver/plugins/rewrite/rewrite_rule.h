/* What the files of `rewrite` share: a rule as set up, and what a query remembers of
 * the rules that applied to it.
 *
 *     down: rule after rule on the current question, in the file's order
 *     up:   what each that applied has to undo or change, the last one first */
#ifndef ISTHMUS_RESOLVER_PLUGINS_REWRITE_RULE_H
#define ISTHMUS_RESOLVER_PLUGINS_REWRITE_RULE_H

#include "resolver/encode.h"
#include "resolver/plugin.h"
#include "resolver/plugins/rewrite/rewrite_edns0.h"
#include "resolver/plugins/rewrite/rewrite_match.h"

enum rewrite_kind {
    REWRITE_NAME,
    REWRITE_TYPE,
    REWRITE_CLASS,
    REWRITE_TTL,
    REWRITE_RCODE,
    REWRITE_CNAME,
    REWRITE_EDNS0,
};

/* `answer name REGEX TO` or `answer value REGEX TO` */
struct rewrite_answer {
    bool value; /* names in record data, else owners */
    struct rewrite_regex regex;
};

struct rewrite_rule {
    enum rewrite_kind kind;
    bool stop; /* no rule behind it when it applied */
    struct rewrite_match match;
    bool automatic; /* name: what was done to the question is undone in the answer */
    bool zone;      /* a dotted suffix with `answer auto`: FROM and TO are zones, apex
                       included, one-to-one in every name of the answer */
    struct rewrite_answer *answers;
    uint32_t answers_n, answers_cap;
    uint16_t from, to;    /* type, class, rcode */
    uint32_t least, most; /* ttl */
    struct rewrite_edns0 edns0;
};

struct rewrite {
    struct rewrite_rule **rules;
    uint32_t rules_n, rules_cap;
    /* The only `zone` rule of the block: it says how that zone is called here, so the
     * targets of reverse questions follow it. NULL: there is none, or several. */
    const struct rewrite_rule *zone;
};

/* A rule that applied to a query. */
struct rewrite_applied {
    const struct rewrite_applied *before; /* the one that applied before it */
    const struct rewrite_rule *rule;
    struct name_map back; /* automatic, but not a suffix without dots: the way back */
    struct rewrite_edns0_old old;
};

struct rewrite_frame {
    const struct rewrite_applied *applied; /* the last one */
    bool opt_saved;
    struct opt opt; /* the client's */

    /* on the way up */
    const struct rewrite_applied *next; /* to be undone next */
    const uint8_t *name; /* in lower case: as the plugins below saw the question */
    uint16_t type;
    uint32_t own_n;    /* records the rules are about: not those `cname` fetched */
    uint32_t cname_at; /* the record whose new target is being looked up */
    struct name *target;
};

int rewrite_setup(struct setup *s, const struct directive *d);

/* One row for each kind of rule, in the order of enum rewrite_kind. */
#define REWRITE_KINDS_N 7
extern const struct option rewrite_kinds[REWRITE_KINDS_N];

#endif
