/* Which names a rule is about, and what becomes of them: the five modes of CoreDNS's
 * `rewrite`.
 *
 *     exact a.test b.test        prefix old www          substring corp.local corp.test
 *     suffix .a.test .b.test     regex (.*)\.a\.test {1}.b.test
 *
 * Words are read as CoreDNS reads them: in lower case and, but for a regular
 * expression, with a final dot, so that `prefix app` means names whose first label is
 * `app`. Suffixes are compared by labels in wire form; the other modes look at the
 * printed name. */
#ifndef ISTHMUS_RESOLVER_PLUGINS_REWRITE_MATCH_H
#define ISTHMUS_RESOLVER_PLUGINS_REWRITE_MATCH_H

#include "base/name.h"
#include "resolver/pattern.h"

enum rewrite_mode {
    REWRITE_EXACT,
    REWRITE_PREFIX,
    REWRITE_SUFFIX,
    REWRITE_SUBSTRING,
    REWRITE_REGEX,
};

/* In that order, NULL at the end. */
extern const char *const rewrite_mode_words[];

/* Behind REWRITE_YES stand the failures. */
enum rewrite_result {
    REWRITE_NO,
    REWRITE_YES,
    REWRITE_LONG, /* the new name is no legal one: over 255 octets, or a bad label */
    REWRITE_OVER, /* the regular expression gave up on this name: that is no "no" */
    REWRITE_NO_MEMORY,
};

/* The end of a name: the end of one label, which may be empty, and whole labels.
 * `.b.test` is "", b.test; `b.test` is "b", test. Lower case. */
struct rewrite_suffix {
    uint8_t head_len;
    uint8_t head[NAME_LABEL_MAX];
    struct name rest;
};

/* A regular expression and what a name becomes that it matches: `text` with {0} to {n}
 * replaced by the groups, one after the other. */
struct rewrite_regex {
    const struct pattern *pattern;
    const char *text;
};

struct rewrite_match {
    enum rewrite_mode mode;
    bool never;           /* FROM is no name that could occur */
    bool illegal;         /* TO is no name: whatever matches ends as REWRITE_LONG */
    struct name from, to; /* exact */
    struct rewrite_suffix from_end, to_end; /* suffix */
    const char *from_text, *to_text;        /* prefix, substring */
    struct rewrite_regex regex;
};

/* FROM and TO as they stand in the Corefile; `to` NULL: only matching is wanted.
 * `dotted`: words get their final dot (all rules but `cname`). For a regular expression
 * `why` says what is wrong with it. */
struct rewrite_words {
    const char *from, *to;
    bool dotted, caseless;
    char why[PATTERN_WHY_MAX];
};

/* 0, or -1: why is "" when memory is short. */
int rewrite_match_init(struct rewrite_match *m, enum rewrite_mode mode,
                       struct rewrite_words *words, struct arena *a);

/* Lower case with a final dot. NULL: no memory. */
char *rewrite_normalize(const char *word, bool dotted, struct arena *a);

/* Whether FROM and TO of a suffix begin with a dot: whole labels on both sides. */
bool rewrite_is_dotted(const struct rewrite_match *m);

/* A name under test; printed once, when a mode first needs it. */
struct rewrite_subject {
    const uint8_t *name;
    struct pattern_scratch **scratch;
    size_t len; /* of text; 0 = not printed yet */
    char text[NAME_TEXT_MAX];
};

/* `name` must outlive the subject. */
void rewrite_subject_init(struct rewrite_subject *s, const uint8_t *name,
                          struct pattern_scratch **scratch);

/* REWRITE_YES, REWRITE_NO or REWRITE_OVER. */
enum rewrite_result rewrite_match_test(const struct rewrite_match *m,
                                       struct rewrite_subject *s);

/* The new name when it matches. */
enum rewrite_result rewrite_match_change(const struct rewrite_match *m,
                                         struct rewrite_subject *s, struct name *out);

/* The parts of the above. With `apex` a name that is from->rest itself matches a suffix
 * that begins with a dot. */
enum rewrite_result rewrite_suffix_change(const struct rewrite_suffix *from,
                                          const struct rewrite_suffix *to, bool apex,
                                          const uint8_t *name, struct name *out);
enum rewrite_result rewrite_regex_change(const struct rewrite_regex *r,
                                         struct rewrite_subject *s, struct name *out);

#endif
