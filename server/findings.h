/* What `isthmus check` has to say of a Corefile: collected, then printed or written as
 * JSON. Errors keep the file from being loaded; warnings and notes do not. */
#ifndef ISTHMUS_SERVER_FINDINGS_H
#define ISTHMUS_SERVER_FINDINGS_H

#include "base/arena.h"
#include "base/error.h"

enum finding_level { FINDING_NOTE, FINDING_WARNING, FINDING_ERROR };

struct finding {
    enum finding_level level;
    struct where at;  /* line 0: no place is known */
    const char *text; /* what, and how to mend it */
    const char *kind; /* the same for all of one sentence; NULL: of its own */
    struct finding *next;
};

struct findings {
    struct arena arena; /* of the texts */
    struct finding *first, **last;
    uint32_t n[3]; /* by level */
};

void findings_init(struct findings *f);
void findings_release(struct findings *f);

/* at.file is copied. Without memory the finding is only counted. */
void findings_add(struct findings *f, enum finding_level level, struct where at,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

const char *finding_level_print(enum finding_level level);

#endif
