/* The part of Go's text/template that zone data needs, for the `template` plugin.
 *
 *     {{ .Name }} 60 IN A {{ .Group.a }}.{{ index .Match 2 }}
 *     {{ if eq .Type "A" }}...{{ else }}...{{ end }}
 *     {{ printf "%d" (parseInt .Group.hex 16 32) }}
 *
 * Offered: the fields of struct gotmpl_data under CoreDNS's names; `if`, `else if`,
 * `else`, `with`, `range` (over .Match, questions and numbers) with `break` and
 * `continue`; variables; pipelines and parentheses; comments; `{{-` and `-}}`; the
 * functions and, or, not, eq, ne, lt, le, gt, ge, len, index, slice, print, println,
 * printf (a literal format with %b %c %d %o %q %s %t %v %x %X) and parseInt.
 *
 * A template becomes a program for a small machine when it is read. Types are known by
 * then, so what is not offered, or cannot be meant, is refused with its reason and
 * never found out by a client. What only data can tell (an index beyond the end, text
 * that is no number) ends the run with an error.
 *
 * Where Go prints what nobody wants in a zone (lists, maps, whole messages) reading
 * fails instead. A key that .Group does not have prints "<no value>", as in Go. */
#ifndef ISTHMUS_RESOLVER_GOTMPL_H
#define ISTHMUS_RESOLVER_GOTMPL_H

#include "base/arena.h"
#include "resolver/pattern.h"

struct gotmpl; /* immutable, shared by all threads */

#define GOTMPL_WHY_MAX 200

/* Reads a template; it lives in `arena`, with a copy of `source`. NULL with the reason
 * in `why`. */
const struct gotmpl *gotmpl_new(struct arena *arena, struct text source,
                                char why[GOTMPL_WHY_MAX]);

/* Whether it is text and nothing else, so that every run gives the same. */
bool gotmpl_is_constant(const struct gotmpl *t);

/* What templates see. */
struct gotmpl_data {
    struct text zone, name, class, type, remote, regex;
    const struct pattern *pattern;     /* that matched, for the names of groups */
    const struct pattern_found *found; /* .Match and .Group */
    struct {
        struct text name; /* in the client's spelling */
        uint16_t type, class;
    } question;
    uint16_t id, flags; /* of the client's message */
};

/* Where a run writes; `error` is set when it fails. */
struct gotmpl_out {
    char *at;
    size_t cap, len;
    const char *error;
};

/* Runs a template on the query path: what it needs in between is taken from `arena`. 0,
 * or -1 with out->error: the data did not fit, GOTMPL_STEPS_MAX, no room in `out`. */
int gotmpl_run(const struct gotmpl *t, const struct gotmpl_data *data,
               struct arena *arena, struct gotmpl_out *out)
    __attribute__((warn_unused_result));

#endif
