/* What one question met on its way, written down step by step for `isthmus explain`.
 *
 *     struct trace *t = trace_new();
 *     struct client c = {.trace = t, ...};        // its question, and all that it
 *     resolver_query(r, &c, wire, len);           // leads to, is traced
 *     ... after io->reply(): t->first and so on say how it went
 *
 * For every other question tracing is a comparison of a pointer with NULL at each
 * plugin, and nothing else. A trace belongs to the worker that has its question until
 * the reply is given, and afterwards to whoever made it.
 *
 * A step is a kind and some fields, so that a plugin can tell what it likes:
 *
 *     trace_note(q, "cache", "hit, %u s left", ttl); */
#ifndef ISTHMUS_RESOLVER_TRACE_H
#define ISTHMUS_RESOLVER_TRACE_H

#include "resolver/query.h"

struct attempt;
struct inquiry;
struct slot;

/* One record: what it is called, what it is, and its data. */
struct trace_record {
    struct trace_record *next;
    uint8_t section; /* enum section */
    const char *owner, *type, *data;
    uint32_t ttl;
};

struct trace_field {
    struct trace_field *next;
    const char *key;
    const char *text; /* NULL: `number` */
    uint64_t number;
};

struct trace_step {
    struct trace_step *next;
    const char *kind;
    uint64_t at_us; /* since the question came */
    unsigned depth; /* 0: of the question itself; more: of one that it led to */
    struct trace_field *fields, **fields_end;
    bool has_records; /* they are below; a plugin's only when it changed them */
    struct trace_record *records;
};

struct trace {
    struct arena arena;
    struct trace_step *first, **end;
    const struct trace_record *shown; /* the answer as it was written last */
    uint64_t start_us;
    uint32_t steps_n;
    bool cut; /* there were more than TRACE_STEPS_MAX */
};

/* NULL: no memory. */
struct trace *trace_new(void);
void trace_free(struct trace *t);

/* The records of a message in words. Short of memory: fewer. */
struct trace_record *trace_copy_records(struct arena *a, const struct msg *m);

/* ---- for whoever has something to tell; memory that is short loses a step ---- */

/* NULL: no memory, or enough has been written. The functions below then do nothing. */
struct trace_step *trace_step(const struct query *q, const char *kind);
void trace_text(const struct query *q, struct trace_step *s, const char *key,
                const char *form, ...) __attribute__((format(printf, 4, 5)));
void trace_name(const struct query *q, struct trace_step *s, const char *key,
                const uint8_t *name);

/* A step of one field, "says". The plugin's question must be traced. */
void trace_note(const struct query *q, const char *kind, const char *form, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- for the driver ---- */

/* The block that was chosen. */
void trace_block(const struct query *q);

/* Calls a hook of the plugin and writes down what it did. Returns its verdict. */
enum verdict trace_call(struct query *q, const struct slot *slot, bool woken,
                        enum verdict (*hook)(struct query *, const void *));

/* The query ends; none that it led to may write any more. */
void trace_end(struct query *q);

/* ---- for inquiries: to the queries that wait for them and are traced ---- */

enum trace_attempt {
    TRACE_SENT,
    TRACE_SILENT,
    TRACE_FAILED,
    TRACE_ANSWERED /* the message is in hand */
};
void trace_attempt(const struct inquiry *in, const struct attempt *a,
                   enum trace_attempt what, int error);

#endif
