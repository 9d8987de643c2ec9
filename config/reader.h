/* What a plugin's setup reads its directive with; the twin of Caddy's dispenser
 * (coredns-reference 1.5).
 *
 *     while (reader_next(rd)) {                     // each occurrence of the directive
 *         while (reader_arg(rd, &word)) ...         // arguments on the same line
 *         while (reader_block(rd)) ...              // words that begin lines inside {
 * }
 *     }
 *
 * Errors are prefixed `plugin/NAME: ` and carry the place of the current token. */
#ifndef ISTHMUS_CONFIG_READER_H
#define ISTHMUS_CONFIG_READER_H

#include "config/corefile.h"
#include "config/duration.h"
#include "config/key.h"

struct reader {
    const struct directive *directive;
    uint32_t at; /* tokens taken; the current token is tokens[at - 1] */
    uint32_t nesting;
    const struct option *option; /* that is read; NULL: none of a table */
    struct arena *arena;         /* where what is read may live */
    struct errors *errs;
};

struct reader reader_init(const struct directive *d, struct arena *a,
                          struct errors *errs);

/* The current token. Only after one of the functions below returned true. */
const struct token *reader_token(const struct reader *rd);

bool reader_next(struct reader *rd);                   /* any further token */
bool reader_arg(struct reader *rd, const char **word); /* on the same line, not `{` */
bool reader_block(struct reader *rd);                  /* next line's word inside { } */

/* All arguments left on the line. In a block written on one line this takes the `}`
 * too, as CoreDNS does: `health { lameduck 5s }` has one argument too many. */
struct token_list {
    const struct token *list;
    uint32_t n;
};
struct token_list reader_args(struct reader *rd);

/* Exactly one argument, or an error in CoreDNS's words ("Wrong argument count or
 * unexpected line ending after 'word'"); a `}` behind it ends a block written on one
 * line, as in
 * `{ max_fails 1 }`. reader_no_arg: none may be left. 0 or -1. */
int reader_one(struct reader *rd, const char **word);
int reader_no_arg(struct reader *rd);

/* A directive that takes neither arguments nor a block, however often it stands. */
int reader_alone(struct reader *rd);

/* Adds an error at the current token; -1. */
int reader_error(struct reader *rd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int reader_error_args(struct reader *rd); /* wrong argument count */

/* Values. Each takes the text and fills `out`; 0, or -1 with an error that says what
 * was found and what is expected. Durations are Go's (`500ms`, `.5s`, `1h30m`, `0`;
 * signed), in microseconds. */
int reader_u32(struct reader *rd, const char *word, uint32_t min, uint32_t max,
               uint32_t *out);
int reader_duration(struct reader *rd, const char *word, int64_t *out_us);

/* ---- options, declared once ----
 * A plugin with a block declares its options in a table; the parser, `isthmus plugins
 * NAME`, the manual and did-you-mean come from it. */
enum option_kind {
    OPTION_FLAG,     /* no argument; sets a bool */
    OPTION_U32,      /* one number within min..max; uint32_t. max 0: no end */
    OPTION_DURATION, /* one duration within min..max microseconds; int64_t. max 0: no
                        end */
    OPTION_WORD,     /* one of `words`; an enum (unsigned) gets its index */
    OPTION_ZONES,    /* one or more zones, appended to a struct zones */
    OPTION_CUSTOM,   /* `parse` reads the arguments itself */
    OPTION_REFUSED,  /* known to CoreDNS, not to us: `help` is the reason */
    OPTION_OTHER,    /* stands last; `parse` reads lines that begin with any other word,
                        which is the current token; `name` is for the manual */
};

struct option {
    const char *name;
    enum option_kind kind;
    size_t offset; /* of the field in the plugin's state */
    int64_t min, max;
    const char *const *words; /* NULL-terminated */
    const char *args;         /* as in the manual: "DURATION", "NAME..." */
    const char *fallback;     /* the default, for the manual */
    const char *help;         /* one line */
    int (*parse)(struct reader *rd, void *state);
};

/* Reads one block `{ ... }` of options into `state`. The words before the block have
 * been read. Goes on after an error. 0 or -1. */
int reader_options(struct reader *rd, const struct option *options, size_t n,
                   void *state);

#endif
