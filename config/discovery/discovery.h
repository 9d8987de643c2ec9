/* Clusters that come and go by themselves: a source of them at work.
 *
 *     d = discovery_new(&settings, &errs);        // its thread looks from now on
 *     discovery_settle(d, 2000);                  // until it has looked once
 *     discovery_each(d, add, map);                // what is held now ...
 *     for (c = discovery_take(d); ...)            // ... and each time it changes
 *
 * Each source has a thread of its own and may block: nobody waits for it. What it
 * brings is held here, and what changes is lined up for the control thread, which is
 * woken.
 *
 * Nothing is removed on doubt. A look that fails, a text that is no JSON, a list in
 * which some cluster is wrong: all that was known stays. A list that has lost more than
 * `shrink` percent at once keeps what it lost, and says so. Of two clusters with one
 * name the older stays.
 *
 * To add a source: a file here with one `const struct discovery_source`, named in
 * discovery.c. Its run() goes like this, all on the source's thread:
 *
 *     do {
 *         struct errors errs; ...
 *         discovery_begin(d, part);                 // a part: a file, a page of a list
 *         result = inventory_read_json(discovery_part(d, part), text,
 *                                      discovery_sink(d), &errs);
 *         discovery_end(d, result, &errs);
 *     } while (discovery_wait(d, -1, 1000));
 *
 * A source that is told of single clusters makes each a part of its own. */
#ifndef ISTHMUS_CONFIG_DISCOVERY_DISCOVERY_H
#define ISTHMUS_CONFIG_DISCOVERY_DISCOVERY_H

#include "base/sha512.h"
#include "config/inventory_json.h"

struct discovery;

/* What a source over HTTP shows and believes: names of files, read when it starts and
 * after each failure; NULL: none. */
struct discovery_access {
    const char *ca_file;              /* NULL: those the system trusts */
    const char *cert_file, *key_file; /* of the client; both or none */
    const char *token_file;           /* a bearer token, read for every request */
    const char *user, *password_file;
    const char *password; /* itself, where a Corefile has it; before the file's */
    bool insecure;        /* any certificate will do */

    /* of APIs of Kubernetes */
    const char *kubeconfig; /* paths, with colons between; NULL: as kubectl does it */
    bool exec;              /* programs that a kubeconfig names may be run */

    const char *endpoints; /* of etcd: URLs, with blanks between; NULL: of this host */

    /* Of the one cluster that there is: addresses of its DNS, with blanks between,
     * whatever the source says; NULL: as it says. */
    const char *dns;
};

struct discovery_settings {
    const char *source;  /* as the Corefile says, relative paths made absolute */
    const char *state;   /* the directory of last known maps; NULL: none is kept */
    int64_t interval_us; /* between looks; 0: the source's own choice */
    uint32_t shrink;     /* percent of a list that may go in one step */
    struct discovery_access access; /* copied; does not change while it runs */
    /* There is something to take. Called on the source's thread; may be NULL. */
    void (*changed)(void *context);
    void *context;
};

#define DISCOVERY_ERROR_MAX 256

/* How a source is, at one moment. */
struct discovery_status {
    const char *source, *kind; /* as long as the discovery */
    uint64_t looked_s,
        changed_s;     /* last look that succeeded, last change; UTC, 0: never */
    uint64_t failed_s; /* when `error` came up; 0: the last look was good */
    uint32_t clusters; /* held */
    uint32_t kept;     /* of these not listed any more, yet kept on doubt */
    uint32_t held;     /* of these only for `shrink`: discovery_accept() lets them go */
    uint32_t wrong;    /* of the last looks: not usable, the old kept */
    bool stale;        /* from the last known map: nothing was seen yet */
    char error[DISCOVERY_ERROR_MAX]; /* of the last look; "": none */
};

/* ---- for who uses a source; the control thread ---- */

/* Starts it. NULL after adding an error: SOURCE is none that is known. What can change
 * while it runs (unreadable files, servers that are away) is no error here. */
struct discovery *discovery_new(const struct discovery_settings *settings,
                                struct where at, struct errors *errs);

/* Whether a source of this text asks over the network, and does not only read files. */
bool discovery_asks(const char *source);
/* What tells sources apart: two that ask the same place as somebody else are two. */
void discovery_digest(const struct discovery_settings *settings,
                      uint8_t digest[SHA512_LEN]);

/* Whether it can only ever bring one cluster, which it names itself. */
bool discovery_is_single(const char *source);

/* New values for all settings but `source`, `state` and `access`. */
void discovery_set(struct discovery *d, const struct discovery_settings *settings);

/* Ends the thread and drops what is held. */
void discovery_free(struct discovery *d);

/* Waits until the source has looked once, for at most `ms`; false: it has not. */
bool discovery_settle(struct discovery *d, unsigned ms);

/* A cluster came or changed: `now`; or it went: `old`. The other is NULL. */
struct discovery_change {
    uint64_t number; /* counts changes of the source */
    struct inventory_record *old, *now;
    struct discovery_change *next;
};

/* All changes since the last call, in order, from discovery_each() on. Freed one by
 * one.
 */
struct discovery_change *discovery_take(struct discovery *d);
void discovery_change_free(struct discovery_change *c);

/* Calls `each` for every record held, in no order. A record whose `before` is set is to
 * replace that one, once it can. `each` must not call back. Returns the number of the
 * last change that is among them: earlier ones are no news any more. */
uint64_t discovery_each(struct discovery *d,
                        void (*each)(void *context, struct inventory_record *r),
                        void *context);

/* The record is in use by all who want it: what it was to replace can go. */
void discovery_settled(struct discovery *d, struct inventory_record *r);

void discovery_status(struct discovery *d, struct discovery_status *out);

/* Somebody says that a list which has lost more than `shrink` percent is right: what is
 * held only for that goes, on the source's thread and soon. Once: the next such list is
 * held again. `held` as it was seen: where more is held by then, nothing goes. */
void discovery_accept(struct discovery *d, uint32_t held);

/* ---- for sources; their own thread ---- */

struct discovery_source {
    const char *name;   /* for messages: "file" */
    const char *scheme; /* SOURCE begins with it: "kubernetes:"; "": a path */
    bool (*is_single)(const char *source); /* NULL: it never is */
    void (*run)(struct discovery *d);
};

/* As they are now. */
struct discovery_settings discovery_settings(struct discovery *d);

uint64_t discovery_now_ns(void); /* UTC */

/* Waits for `fd` to be readable (-1: none), for at most `ms`. False: it is time to end.
 */
bool discovery_wait(struct discovery *d, int fd, int ms);

/* A descriptor that becomes readable when it is time to end. */
int discovery_stop_fd(const struct discovery *d);

/* The name of a part as records point to it; lives as long as the discovery. */
const char *discovery_part(struct discovery *d, const char *part);

/* A listing of all that a part holds, between begin and end. With INVENTORY_BAD nothing
 * of it counts; with INVENTORY_PART nothing goes because of it. Errors are logged where
 * they are new. */
void discovery_begin(struct discovery *d, const char *part);
const struct inventory_sink *discovery_sink(struct discovery *d);
void discovery_end(struct discovery *d, enum inventory_result result,
                   const struct errors *errs);

/* Ends a look at all parts. These do not exist any more, and take their clusters along;
 * names as of discovery_part(). More than one cluster and `shrink` percent of all:
 * kept, on doubt. */
void discovery_parts_gone(struct discovery *d, const char *const *parts, uint32_t n);

/* A look failed: all that is known stays. */
void discovery_failed(struct discovery *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
