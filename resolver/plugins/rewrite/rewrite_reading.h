/* What reads one rule of a Corefile: its words, and how it complains. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_REWRITE_READING_H
#define ISTHMUS_RESOLVER_PLUGINS_REWRITE_READING_H

#include "resolver/plugins/rewrite/rewrite_rule.h"

struct rewrite_reading {
    struct reader *rd;
    struct where at;    /* the line the rule begins in, also when it has a block */
    const char **words; /* behind the FIELD */
    uint32_t n;
    struct rewrite_rule *rule;
};

/* Adds an error in the rule's line; -1 always. */
int rewrite_refuse(const struct rewrite_reading *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int rewrite_refuse_memory(const struct rewrite_reading *r);

/* Words of `rewrite` are read in any case. */
bool rewrite_is_word(const char *found, const char *word);

/* The rule `edns0`; `reading` is a struct rewrite_reading. */
int rewrite_read_edns0(struct reader *rd, void *reading);

#endif
