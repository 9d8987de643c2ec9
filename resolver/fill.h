/* Formats with {placeholders} (coredns-reference 2.4), parsed once, filled for each
 * query:
 *
 *     fill_parse(&f, arena, "{remote} asked {name} {type}");
 *     len = fill_run(&f, q, line, sizeof line);    // "127.0.0.1 asked example.org. A"
 *
 * Known are {type} {name} {class} {proto} {size} {remote} {port} {local} {rcode}
 * {rsize} {duration} {>id} {>opcode} {>do} {>bufsize} {>rflags}, and {common} and
 * {combined}, which are formats themselves. A label {/view/name} gives its value
 * (metadata.h), or `-`. Other braces stay as they are. */
#ifndef ISTHMUS_RESOLVER_FILL_H
#define ISTHMUS_RESOLVER_FILL_H

#include "resolver/query.h"

#define FILL_COMMON                                                                    \
    "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} "            \
    "{>bufsize}\" {rcode} {>rflags} {rsize} {duration}"
#define FILL_COMBINED FILL_COMMON " \"{>opcode}\""

struct fill_part;

struct fill {
    struct fill_part *parts;
    uint32_t n;
};

/* Everything lives in the arena, a copy of the format too. 0, or -1: no memory. */
int fill_parse(struct fill *f, struct arena *a, const char *format)
    __attribute__((warn_unused_result));

/* Writes to `out`, without NUL, as much as fits; returns how much. Values of the answer
 * are those of q->response: for on_response. */
size_t fill_run(const struct fill *f, struct query *q, char *out, size_t cap);

#endif
