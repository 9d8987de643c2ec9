/* Snippets, and `import` of snippets and files (coredns-reference 1.4): what stands in
 * another place is spliced into the tape in place of the two words `import WHAT`.
 *
 * A name is looked for among the snippets defined so far, then taken for a file pattern
 * relative to the file that holds the word `import`. Every file is read once per parse.
 */
#ifndef ISTHMUS_CONFIG_IMPORT_H
#define ISTHMUS_CONFIG_IMPORT_H

#include "config/tape.h"

#include "base/table.h"

struct imports {
    struct tape *tape;
    struct errors *errs;
    struct table snippets, files; /* struct import_source, in the tape's arena */
    uint32_t snippet_imports, file_imports;
    uint64_t spliced; /* tokens, over all imports */
};

void import_init(struct imports *im, struct tape *tape, struct errors *errs);
void import_release(struct imports *im);

/* Defines a snippet; `body` is kept. A name that is taken, or a body that imports its
 * own name, adds an error at `at`. -1 only on lack of memory. */
int import_define(struct imports *im, const char *name, struct where at,
                  const struct tokens *body);

/* The next token is the word `import`: replaces it and its operand by what they name.
 * Mistakes add errors and are passed over; -1 only when parsing cannot go on. */
int import_run(struct imports *im);

#endif
