/* A discovery from inside: for discovery.c, listing.c and state.c. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_DISCOVERY_OWN_H
#define ISTHMUS_CONFIG_DISCOVERY_DISCOVERY_OWN_H

#include "base/table.h"
#include "config/discovery/discovery.h"

#include <pthread.h>

/* What one listing gives; a file, say. The source's thread alone. */
struct discovery_part {
    struct discovery_part *next;
    struct inventory_record **list; /* in the order of the text */
    uint32_t n;
    uint32_t kept, wrong; /* for the status */
    uint32_t stamp;       /* the source's own: when it was listed last */
    uint32_t born;        /* likewise: by which list it came to have clusters */
    bool shrunk;          /* `kept` are the last of `list`, for `shrink` alone */
    bool away;            /* not there any more, and kept on doubt */
    char *error;          /* of its last listing; NULL: none */
    struct inventory_place *place;
    const char *name; /* its */
};

/* The listing under way. The source's thread alone. */
struct listing {
    struct discovery_part *part;
    struct inventory_record **list; /* as it will be: those of before, and new ones */
    uint32_t n, cap;
    uint32_t at;        /* of part->list: what is expected next */
    struct table names; /* of new ones */
    uint32_t shrink;
};

struct discovery {
    struct discovery_settings settings;
    char *source;
    char *state_file; /* NULL: none */
    const struct discovery_source *kind;
    struct inventory_sink sink;
    pthread_t thread;
    bool started;
    int stop_fd;
    int accept_fd; /* readable while something is to be accepted */

    /* the source's thread */
    struct discovery_part *parts;
    struct table parts_by_name;
    uint32_t parts_wrong; /* that have an error */
    uint32_t parts_swept; /* so many were left when it was swept last */
    struct listing listing;
    uint32_t round;                 /* counts listings */
    uint64_t save_due_ns;           /* not before */
    int save_error;                 /* of the last time */
    _Atomic bool unsaved;           /* the control thread's, too */
    char told[DISCOVERY_ERROR_MAX]; /* the error logged last */

    pthread_mutex_t
        lock; /* for all below, between this thread and the control thread */
    pthread_cond_t settled;
    bool looked;
    bool followed;      /* somebody knows what is held, and is to hear of changes */
    struct table names; /* of records held */
    struct discovery_change *changes, **changes_end;
    uint64_t changed; /* number of the last change; written by the source's thread */
    struct discovery_status status;
    uint32_t accepted; /* so many were held when that was accepted */
};

/* A thread of a source, which gets no signals: these are the control thread's. 0 or -1.
 */
int discovery_start_thread(pthread_t *out, const char *name,
                           void *(*body)(void *context), void *context);

/* Ends a look: `text` says why it failed as a whole, "" not at all; changes after the
 * number `before` are told. */
void discovery_report(struct discovery *d, const char *text, uint64_t before);

/* What is wrong with a part, "" nothing; said where it is news. */
void discovery_part_error(struct discovery *d, struct discovery_part *p,
                          const char *text);

struct inventory_record *discovery_find(const struct discovery *d, const char *name);
void discovery_part_free(struct discovery_part *p);
struct discovery_part *discovery_part_of(struct discovery *d, const char *name);

/* Whoever tells of changes is there, and there are none. */
void discovery_quiet(struct discovery *d);

/* Ends a look at single parts: those with another stamp are gone. -1: none has it,
 * though clusters are known, which is not believed: nothing goes. */
int discovery_unstamped_gone(struct discovery *d, uint32_t stamp);

/* A single part is named, by a list with this stamp or after it. */
void discovery_stamp(struct discovery_part *p, uint32_t stamp);

/* The list with this stamp is refused: what it alone has brought goes again. */
void discovery_refuse(struct discovery *d, uint32_t stamp);

/* Frees parts that hold nothing and are not wrong, or are not of this stamp; for
 * sources that keep no names of parts. */
void discovery_sweep(struct discovery *d, uint32_t stamp);

/* As discovery_sweep(), once there may be as many of them as others. */
void discovery_sweep_some(struct discovery *d, uint32_t stamp);

/* What is held only for `shrink` goes. */
void discovery_let_go(struct discovery *d);

/* The last known map: read before the first look, written some time after a change. */
void discovery_restore(struct discovery *d);
uint64_t discovery_save(struct discovery *d,
                        bool now); /* ns until it is wanted again */

/* Holds a record of the last known map; takes it. 0 or -1. */
int discovery_restore_record(struct discovery *d, struct inventory_record *r);

extern const struct discovery_source discovery_file, discovery_http, discovery_https,
    discovery_kubernetes, discovery_capi, discovery_etcd;

#endif
