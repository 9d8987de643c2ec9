/* Certificate, key and CA in files that are replaced while they are used, as ACME
 * clients and cert-manager do: be it one after the other, be it by a link to another
 * folder. They are taken when they go together; until then what was read before stays.
 *
 *     w->plugin = "tls"; w->renew = renew; w->owner = p;
 *     tls_files_watch(s, w, names, 5000000);      // set-up, before they are read
 *     ... renew(p, text, reason)                  // control thread, when they change
 */
#ifndef ISTHMUS_RESOLVER_TLS_FILES_H
#define ISTHMUS_RESOLVER_TLS_FILES_H

#include "config/source.h"
#include "resolver/outside.h"
#include "resolver/plugin.h"

#define TLS_FILES             3 /* certificate, key, CA */
#define TLS_FILES_INTERVAL_US INT64_C(5000000)

/* What files were like at one time. */
struct tls_stamps {
    struct source_stamp of[TLS_FILES];
};

/* The control thread's; lives as long as the plan. */
struct tls_files {
    const char *plugin; /* for the log */
    /* Their text, NULL for one that is not named. 0: `reason` (OUTSIDE_REASON_MAX) says
     * whose they are, and the log does if it says anything; -1: why they will not do.
     */
    int (*renew)(void *owner, const char *const text[TLS_FILES], char *reason);
    void *owner;
    struct where at;

    const char *paths[TLS_FILES];
    struct tls_stamps used, tried; /* that were read last, with success and without */
    bool failed, told;             /* the second; and the log knows of it */
};

/* `names` as written, NULL for none; looked at every `interval_us`, 0 = never. 0, or
 * -1: no memory. */
int tls_files_watch(struct setup *s, struct tls_files *w,
                    const char *const names[TLS_FILES], int64_t interval_us);

#endif
